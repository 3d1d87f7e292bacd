//! Contrastive pairs: one prompt, a response that shows the value and one that does not.

use std::io::BufRead;

use super::error::{DataError, Problem};
use super::lines::{Extra, Lines, Loaded};

/// A contrastive pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Unique within its file.
    pub id: String,
    /// The value axis the pair belongs to; splits by axis keep an axis together.
    pub axis: String,
    /// What both responses answer.
    pub prompt: String,
    /// The response at the positive end.
    pub chosen: String,
    /// The response at the negative end.
    pub rejected: String,
    /// Other fields of the row.
    pub extra: Extra,
}

/// Reads pairs: JSONL with `id`, `axis`, `prompt`, `chosen`, `rejected`.
///
/// # Errors
/// A [`DataError`] with line and column; identical `chosen` and `rejected` are refused.
pub fn read_pairs(reader: impl BufRead, name: &str) -> Result<Loaded<Pair>, DataError> {
    Lines::read(reader, name)?.rows(|fields| {
        let pair = Pair {
            id: fields.id.clone(),
            axis: fields.label("axis")?,
            prompt: fields.text("prompt")?,
            chosen: fields.text("chosen")?,
            rejected: fields.text("rejected")?,
            extra: fields.extra(),
        };
        if pair.chosen.trim() == pair.rejected.trim() {
            return Err(Problem::Identical { id: pair.id });
        }
        Ok(pair)
    })
}
