//! Sequences to be scored.

use std::io::BufRead;

use super::conversation::Message;
use super::error::DataError;
use super::rows::{Extra, Loaded, Rows, Wanted};

/// A sequence to be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRow {
    /// Unique within its file; the line number in a plain text file.
    pub id: String,
    /// What the row says; of a conversation the contents of its turns.
    pub text: String,
    /// What kind of text it is, for grouping.
    pub kind: Option<String>,
    /// The turns, where the row is a conversation; its text is then their contents.
    pub turns: Vec<Message>,
    /// What it shares with the sequence that is matched to it, such as a sentence turned into its opposite.
    pub pair: Option<String>,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads sequences: rows with `id`, `text` (or `prompt`, or `messages`) and optionally `kind` and `pair`, or plain text with a
/// sequence a line, blank lines skipped.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_sequences(reader: impl BufRead, name: &str) -> Result<Loaded<SequenceRow>, DataError> {
    Rows::read(reader, name, Wanted::Texts)?.rows(Wanted::Texts, |fields| {
        let (text, turns) = fields.said()?;
        Ok(SequenceRow {
            id: fields.id.clone(),
            text,
            turns,
            kind: fields.optional_label("kind")?,
            pair: fields.optional_label("pair")?,
            extra: fields.extra(),
        })
    })
}
