//! Files of verdicts: what `judge` wrote, or what people say.

use std::path::Path;

use serde_json::Value;
use truenorth::analyses::judge::{JudgeVerdict, Verdicts};
use truenorth::data::strict_json;

use super::fallback::{self, Fallen};
use super::output::wrong_hint;
use super::{made, session};

/// What the name of a thing judged is called, and what was said of it.
const ID: [&str; 3] = ["id", "pair_id", "item_id"];
const VERDICT: [&str; 5] = ["verdict", "winner", "choice", "rating", "judgement"];

/// Verdicts by name as rows; what is no text or object is no verdict but something beside them.
fn by_id(object: serde_json::Map<String, Value>) -> Vec<(String, Value)> {
    let row = |(id, value): (String, Value)| {
        let place = format!("the entry of `{id}`");
        match value {
            Value::String(verdict) => Some((place, serde_json::json!({ "id": id, "verdict": verdict }))),
            Value::Object(mut fields) => {
                fields.insert("id".into(), id.into());
                Some((place, Value::Object(fields)))
            }
            _ => None,
        }
    };
    object.into_iter().filter_map(row).collect()
}

/// The verdicts of another judge, and how they came about.
pub struct OtherVerdicts {
    pub verdicts: Verdicts,
    /// What ran in place of the judge that was asked for.
    fallen: Option<Fallen>,
    /// Whether it is what this verb wrote, so that the judge is a model.
    model: bool,
}

impl OtherVerdicts {
    /// A judge is known by its name; one that stood in for another would be taken for it.
    pub fn check(&self, path: &Path, judge: &str) -> anyhow::Result<()> {
        let ours = fallback::taken();
        if self.fallen.is_some() || (self.model && ours.is_some()) {
            return Err(made::mixed(path, self.fallen.as_ref(), ours.as_ref(), judge));
        }
        Ok(())
    }
}

pub fn verdicts(path: &Path) -> anyhow::Result<OtherVerdicts> {
    let text = session::text(path, "verdicts from")?;
    let file =
        path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
    let refuse = |what: String| {
        wrong_hint(
            format!("can't read verdicts from {}: {what}", path.display()),
            "give what `judge` wrote, or a JSON list or lines with `id` (or `pair_id`) and `verdict` (or `winner`, `choice`, \
             `rating`): first, second or abstain, or A, B or T",
        )
    };
    let fallen = made::of(text.as_bytes(), &path.display().to_string())?;
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
        // Of another program: rows under one name, or verdicts by name.
        Ok(Value::Object(mut object)) if object.get("id").is_none() && object.get("pair_id").is_none() => {
            let name = object.get("judge").or(object.get("rater")).and_then(Value::as_str);
            let judge = name.map_or(file, str::to_owned);
            ["judge", "rater", "model", "question"].into_iter().for_each(|k| drop(object.remove(k)));
            let lists = ["verdicts", "rows", "items", "judgements", "judgments"];
            let list = lists.into_iter().find(|k| object.contains_key(*k));
            match (list, list.and_then(|k| object.remove(k))) {
                (Some(name), Some(Value::Array(rows))) => (judge, items(rows, &format!("`{name}`"))),
                (_, Some(Value::Object(by_name))) => (judge, by_id(by_name)),
                (_, None) => (judge, by_id(object)),
                (name, _) => return Err(refuse(format!("`{}` is no list", name.unwrap_or_default()))),
            }
        }
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
        let id = match ID.iter().map(|k| &row[*k]).find(|v| !v.is_null()) {
            Some(Value::String(s)) => s.clone(),
            Some(Value::Number(n)) => n.to_string(),
            _ => return Err(refuse(format!("{place} has no `id`"))),
        };
        let said = VERDICT.iter().map(|k| &row[*k]).find(|v| !v.is_null()).unwrap_or(&Value::Null);
        let word = said.as_str().map(|s| s.trim().to_lowercase());
        let verdict = match word.as_deref() {
            Some("first" | "yes" | "a") => JudgeVerdict::First,
            Some("second" | "no" | "b") => JudgeVerdict::Second,
            Some("abstain" | "tie" | "t" | "neither") => JudgeVerdict::Abstain,
            _ => return Err(refuse(format!("{place} (id `{id}`) has verdict {said}"))),
        };
        if out.verdicts.insert(id.clone(), verdict).is_some() {
            return Err(refuse(format!("id `{id}` is there twice, the second time in {place}")));
        }
    }
    Ok(OtherVerdicts { verdicts: out, fallen, model })
}
