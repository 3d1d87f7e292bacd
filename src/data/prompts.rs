//! Prompts as text or as token ids.

use std::io::BufRead;

use serde_json::Value;

use super::error::{DataError, Problem};
use super::lines::{Extra, Fields, Lines, Loaded, wrong};

/// What is put before the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromptInput {
    /// Text, still to be tokenized.
    Text(String),
    /// Token ids, used as they are.
    Tokens(Vec<u32>),
}

/// A prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptRow {
    /// Unique within its file; the line number in a plain text file.
    pub id: String,
    /// Text or tokens.
    pub input: PromptInput,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads prompts: JSONL with `id` and one of `text` and `tokens`, or plain text with a prompt a
/// line, blank lines skipped. A file is JSONL when its first line is a JSON object.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_prompts(reader: impl BufRead, name: &str) -> Result<Loaded<PromptRow>, DataError> {
    let lines = Lines::read(reader, name)?;
    if lines.look_like_jsonl() {
        return lines.rows(|fields| {
            let input = match (fields.has("text"), fields.has("tokens")) {
                (true, false) => PromptInput::Text(fields.text("text")?),
                (false, true) => PromptInput::Tokens(tokens(fields)?),
                (true, true) => return Err(Problem::TextOrTokens { found: "both" }),
                (false, false) => return Err(Problem::TextOrTokens { found: "neither" }),
            };
            Ok(PromptRow { id: fields.id.clone(), input, extra: fields.extra() })
        });
    }
    let rows = lines
        .lines
        .into_iter()
        .map(|l| PromptRow {
            id: l.number.to_string(),
            input: PromptInput::Text(l.text),
            extra: Extra::new(),
        })
        .collect();
    Ok(Loaded { rows, sha256: lines.sha256 })
}

fn tokens(fields: &mut Fields) -> Result<Vec<u32>, Problem> {
    let value = fields.value("tokens")?;
    let ids = value.as_array().and_then(|ids| {
        ids.iter()
            .map(|v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok()))
            .collect::<Option<Vec<u32>>>()
    });
    match ids {
        None => Err(wrong("tokens", &value, "an array of token ids from 0 to 4294967295")),
        Some(ids) if ids.is_empty() => Err(Problem::Empty { field: "tokens" }),
        Some(ids) => Ok(ids),
    }
}
