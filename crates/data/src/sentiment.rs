//! Texts whose sentiment is known.

use std::io::BufRead;

use serde_json::Value;

use super::conversation::Message;
use super::error::DataError;
use super::rows::{Extra, Loaded, Rows, Wanted, wrong};

/// A text with its sentiment.
#[derive(Clone, Debug, PartialEq)]
pub struct SentimentRow {
    /// Unique within its file.
    pub id: String,
    /// What the row says; of a conversation the contents of its turns.
    pub text: String,
    /// Whether the sentiment is positive.
    pub positive: bool,
    /// The turns, where the row is a conversation; its text is then their contents.
    pub turns: Vec<Message>,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads a sentiment set: rows with `id`, `text` (or `messages`) and `label`, one of 0, 1, `negative`, `positive`.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_sentiment(reader: impl BufRead, name: &str) -> Result<Loaded<SentimentRow>, DataError> {
    Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        let (text, turns) = fields.said()?;
        let label = fields.value("label")?;
        let positive = match &label {
            Value::Number(n) if n.as_u64() == Some(1) => true,
            Value::Number(n) if n.as_u64() == Some(0) => false,
            // CSV has no numbers of its own.
            Value::String(s) if s == "positive" || s == "1" => true,
            Value::String(s) if s == "negative" || s == "0" => false,
            other => return Err(wrong("label", other, "0, 1, \"negative\" or \"positive\"")),
        };
        Ok(SentimentRow { id: fields.id.clone(), text, positive, turns, extra: fields.extra() })
    })
}
