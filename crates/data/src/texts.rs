//! Texts to be judged or rated: duels, replies, and what `steer` writes.

use std::io::BufRead;

use serde_json::Value;

use super::error::{DataError, DataProblem};
use super::rows::{Fields, Loaded, Rows, Wanted, wrong};

/// Two texts that answer one prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuelRow {
    /// Unique within its file.
    pub id: String,
    /// What both answer; empty where the file does not say.
    pub prompt: String,
    /// The first text; of a rating, the steered one.
    pub first: String,
    /// The second text; of a rating, the one it is compared with.
    pub second: String,
}

/// A text that answers a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplyRow {
    /// Its own name, or the prompt's with the dose behind it, `p1@0.5`, where the row has a dose.
    pub id: String,
    /// Name of the prompt it answers.
    pub source: String,
    /// What it answers, where the file says it.
    pub prompt: Option<String>,
    /// The text; generations may be empty.
    pub text: String,
    /// The dose it was written at; none where the row has none.
    pub alpha: Option<f64>,
}

/// Reads duels: rows with `id`, `prompt`, `first`, `second`; of ratings `steered` and `base` may stand for
/// the latter two.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_duels(reader: impl BufRead, name: &str) -> Result<Loaded<DuelRow>, DataError> {
    Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        let [first, second] = if fields.has("steered") || fields.has("base") {
            ["steered", "base"]
        } else {
            ["first", "second"]
        };
        Ok(DuelRow {
            id: fields.id.clone(),
            prompt: if fields.has("prompt") { fields.text("prompt")? } else { String::new() },
            first: seen(first, fields.text(first)?)?,
            second: seen(second, fields.text(second)?)?,
        })
    })
}

/// A text that shows something, as one to be compared must.
fn seen(field: &'static str, text: String) -> Result<String, DataProblem> {
    if text.trim().is_empty() { Err(DataProblem::Empty { field }) } else { Ok(text) }
}

/// Reads replies: rows with `id`, `text` and where there is one `prompt`, or what `steer` writes, a row a
/// prompt and dose.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_replies(reader: impl BufRead, name: &str) -> Result<Loaded<ReplyRow>, DataError> {
    Rows::read(reader, name, Wanted::Records)?.rows_named(Wanted::Records, |fields| {
        let alpha = alpha(fields)?;
        let source = fields.id.clone();
        let id = alpha.map_or_else(|| source.clone(), |a| format!("{source}@{a}"));
        let text = match fields.value("text")? {
            Value::String(text) => text,
            other => return Err(wrong("text", &other, "a string")),
        };
        let prompt = if fields.has("prompt") { Some(fields.text("prompt")?) } else { None };
        Ok((id.clone(), ReplyRow { id, source, prompt, text, alpha }))
    })
}

fn alpha(fields: &mut Fields) -> Result<Option<f64>, DataProblem> {
    if !fields.has("alpha") {
        return Ok(None);
    }
    let value = fields.value("alpha")?;
    // CSV has no numbers of its own.
    let number = value.as_f64().or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()));
    number.filter(|a: &f64| a.is_finite()).map(Some).ok_or_else(|| wrong("alpha", &value, "a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_prompt_are_told_apart_by_their_dose() {
        let text = "{\"id\":\"a\",\"alpha\":-0.5,\"text\":\"x\"}\n{\"id\":\"a\",\"alpha\":0,\"text\":\"\"}\n";
        let rows = read_replies(text.as_bytes(), "s").unwrap().rows;
        let names: Vec<&str> = rows.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(names, ["a@-0.5", "a@0"]);
        assert!(rows[0].source == "a" && rows[1].text.is_empty() && rows[0].prompt.is_none());
        let again = read_replies(text.repeat(2).as_bytes(), "s").unwrap_err();
        assert!(
            again.line == Some(3) && matches!(*again.problem, DataProblem::DuplicateId { .. }),
            "{again:?}"
        );
        let bad = read_replies("{\"id\":\"a\",\"alpha\":\"x\",\"text\":\"y\"}".as_bytes(), "s").unwrap_err();
        assert!(bad.problem.to_string().contains("`alpha`"), "{bad:?}");
    }

    #[test]
    fn a_duel_needs_both_texts() {
        let row = |a: &str, b: &str| format!("{{\"id\":\"d\",\"prompt\":\"p\",\"{a}\":\"x\",\"{b}\":\"y\"}}");
        let read = |text: &str| read_duels(text.as_bytes(), "d");
        assert_eq!(read(&row("first", "second")).unwrap().rows[0].second, "y");
        assert_eq!(read(&row("steered", "base")).unwrap().rows[0].first, "x");
        let e = read(&row("first", "base")).unwrap_err();
        assert!(e.problem.to_string().contains("`steered`"), "{e:?}");
        let e = read("{\"id\":\"d\",\"first\":\" \",\"second\":\"y\"}").unwrap_err();
        assert!(e.problem.to_string().contains("`first` is empty"), "{e:?}");
    }
}
