//! Sequences to be scored.

use std::io::BufRead;

use super::error::DataError;
use super::lines::{Extra, Lines, Loaded};

/// A sequence to be scored.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceRow {
    /// Unique within its file; the line number in a plain text file.
    pub id: String,
    /// The text.
    pub text: String,
    /// What kind of text it is, for grouping.
    pub kind: Option<String>,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads sequences: JSONL with `id`, `text` and optionally `kind`, or plain text with a sequence
/// a line, blank lines skipped. A file is JSONL when its first line is a JSON object.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_sequences(reader: impl BufRead, name: &str) -> Result<Loaded<SequenceRow>, DataError> {
    let lines = Lines::read(reader, name)?;
    if lines.look_like_jsonl() {
        return lines.rows(|fields| {
            Ok(SequenceRow {
                id: fields.id.clone(),
                text: fields.text("text")?,
                kind: fields.optional_label("kind")?,
                extra: fields.extra(),
            })
        });
    }
    let rows = lines
        .lines
        .into_iter()
        .map(|l| SequenceRow { id: l.number.to_string(), text: l.text, kind: None, extra: Extra::new() })
        .collect();
    Ok(Loaded { rows, sha256: lines.sha256 })
}
