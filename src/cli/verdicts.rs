//! Files of verdicts: what `judge` wrote, or what people say.

use std::path::Path;

use serde_json::Value;
use truenorth::analyses::judge::{Verdict, Verdicts};
use truenorth::data::strict_json;

use super::fallback::{self, Fallen};
use super::output::wrong_hint;
use super::{made, session};

/// The verdicts of another judge, and how they came about.
pub struct Other {
    pub verdicts: Verdicts,
    /// What ran in place of the judge that was asked for.
    fallen: Option<Fallen>,
    /// Whether it is what this verb wrote, so that the judge is a model.
    model: bool,
}

impl Other {
    /// A judge is known by its name; one that stood in for another would be taken for it.
    pub fn check(&self, path: &Path, judge: &str) -> anyhow::Result<()> {
        let ours = fallback::taken();
        if self.fallen.is_some() || (self.model && ours.is_some()) {
            return Err(made::mixed(path, self.fallen.as_ref(), ours.as_ref(), judge));
        }
        Ok(())
    }
}

/// The verdicts of another judge.
pub fn verdicts(path: &Path) -> anyhow::Result<Other> {
    let text = session::text(path, "verdicts from")?;
    let file =
        path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
    let refuse = |what: String| {
        wrong_hint(
            format!("can't read verdicts from {}: {what}", path.display()),
            "give what `judge` wrote, or a JSON list or lines with `id` and `verdict`: first, second or abstain",
        )
    };
    let fallen = made::of(&text, &path.display().to_string())?;
    let mut model = false;
    // A row is told as its file has it: by its line, or by its place in a list.
    let items = |rows: Vec<Value>, of: &str| -> Vec<(String, Value)> {
        rows.into_iter().enumerate().map(|(i, row)| (format!("item {} of {of}", i + 1), row)).collect()
    };
    let (judge, rows) = match strict_json(&text) {
        Ok(record) if record.get("result").is_some() => {
            model = true;
            let judgement = &record["result"]["judgement"];
            let name = judgement["judge"].as_str().unwrap_or(&file).to_owned();
            let rows = judgement["rows"].as_array().cloned();
            let rows = rows.ok_or_else(|| refuse("it has no result.judgement.rows".into()))?;
            (name, items(rows, "result.judgement.rows"))
        }
        Ok(Value::Array(rows)) => (file, items(rows, "the list")),
        _ => {
            let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
            let rows = lines
                .map(|(i, l)| {
                    let row = strict_json(l).map_err(|e| refuse(format!("line {}: {e}", i + 1)))?;
                    Ok((format!("line {}", i + 1), row))
                })
                .collect::<anyhow::Result<Vec<_>>>()?;
            (file, rows)
        }
    };
    let mut out = Verdicts { judge, verdicts: Default::default() };
    for (place, row) in &rows {
        let id = match &row["id"] {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            _ => return Err(refuse(format!("{place} has no `id`"))),
        };
        let verdict = match row["verdict"].as_str() {
            Some("first" | "yes") => Verdict::First,
            Some("second" | "no") => Verdict::Second,
            Some("abstain" | "tie") => Verdict::Abstain,
            _ => return Err(refuse(format!("{place} (id `{id}`) has verdict {}", row["verdict"]))),
        };
        if out.verdicts.insert(id.clone(), verdict).is_some() {
            return Err(refuse(format!("id `{id}` is there twice, the second time in {place}")));
        }
    }
    Ok(Other { verdicts: out, fallen, model })
}
