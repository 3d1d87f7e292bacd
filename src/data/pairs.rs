//! Contrastive pairs: one prompt, a response that shows the value and one that does not.

use std::io::BufRead;

use super::distinct::folded;
use super::error::{DataError, Problem};
use super::rows::{Extra, Loaded, Rows, Wanted};

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

/// Reads pairs: rows with `id`, `axis`, `prompt`, `chosen`, `rejected`.
///
/// # Errors
/// A [`DataError`] with line and column; `chosen` and `rejected` that are the same, letter case and spaces
/// aside, are refused.
pub fn read_pairs(reader: impl BufRead, name: &str) -> Result<Loaded<Pair>, DataError> {
    Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        let pair = Pair {
            id: fields.id.clone(),
            axis: fields.label("axis")?,
            prompt: fields.text("prompt")?,
            chosen: fields.text("chosen")?,
            rejected: fields.text("rejected")?,
            extra: fields.extra(),
        };
        if folded(&pair.chosen) == folded(&pair.rejected) {
            return Err(Problem::Identical { id: pair.id });
        }
        Ok(pair)
    })
}
