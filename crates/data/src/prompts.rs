//! Prompts as text or as token ids.

use std::io::BufRead;

use serde_json::Value;

use super::chat::joined;
use super::conversation::Message;
use super::error::{DataError, DataProblem};
use super::rows::{Extra, Fields, Loaded, Rows, Wanted, wrong};

/// A prompt in the form in which the file has it.
#[derive(Clone, Debug, PartialEq)]
pub enum PromptInput {
    /// Text, still to be tokenized.
    Text(String),
    /// Token ids, used as they are.
    Tokens(Vec<u32>),
    /// A conversation, which a chat template makes a text of.
    Messages(Vec<Message>),
    /// A text that is these turns in a chat, such as one with a system prompt of its own.
    Said(String, Vec<Message>),
}

/// A row of a file of prompts.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptRow {
    /// Unique within its file; the line number in a plain text file.
    pub id: String,
    /// Text or tokens.
    pub input: PromptInput,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads prompts: rows with `id` and one of `text` (or `prompt`), `tokens` and `messages`, or plain text with a prompt a
/// line, blank lines skipped.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_prompts(reader: impl BufRead, name: &str) -> Result<Loaded<PromptRow>, DataError> {
    Rows::read(reader, name, Wanted::Texts)?.rows(Wanted::Texts, |fields| {
        let texts = fields.has("text") || fields.has("prompt") || fields.turns().is_some();
        let input = match (texts, fields.has("tokens")) {
            (true, false) => match fields.said()? {
                (text, turns) if turns.is_empty() => PromptInput::Text(text),
                (text, turns) if text == joined(&turns) => PromptInput::Messages(turns),
                (text, turns) => PromptInput::Said(text, turns),
            },
            (false, true) => PromptInput::Tokens(tokens(fields)?),
            (true, true) => return Err(DataProblem::TextOrTokens { found: "both", have: vec![] }),
            (false, false) => {
                return Err(match fields.without_value(&["text", "prompt", "tokens"]) {
                    Some(field) => DataProblem::NoValue { field },
                    None => DataProblem::TextOrTokens { found: "neither", have: fields.names() },
                });
            }
        };
        Ok(PromptRow { id: fields.id.clone(), input, extra: fields.extra() })
    })
}

fn tokens(fields: &mut Fields) -> Result<Vec<u32>, DataProblem> {
    let value = fields.value("tokens")?;
    let ids = value.as_array().and_then(|ids| {
        ids.iter()
            .map(|v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok()))
            .collect::<Option<Vec<u32>>>()
    });
    match ids {
        None => Err(wrong("tokens", &value, "an array of token ids from 0 to 4294967295")),
        Some(ids) if ids.is_empty() => Err(DataProblem::Empty { field: "tokens" }),
        Some(ids) => Ok(ids),
    }
}
