//! Contrastive pairs: one prompt, a response that shows the value and one that does not.

use std::io::BufRead;

use super::error::{DataError, Problem};
use super::rows::{Extra, Loaded, Rows, Wanted};
use truenorth_stats::words::folded;

/// A contrastive pair.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Unique within its file.
    pub id: String,
    /// The value axis the pair belongs to; splits by axis keep an axis together. Empty where the file has none.
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

/// Reads pairs: rows with `id`, `axis`, `prompt`, `chosen`, `rejected`. Either all have an `axis` or none; none is
/// said in the notes.
///
/// # Errors
/// A [`DataError`] with line and column; `chosen` and `rejected` that are the same, letter case and spaces
/// aside, are refused.
pub fn read_pairs(reader: impl BufRead, name: &str) -> Result<Loaded<Pair>, DataError> {
    let mut with_axis = None;
    let mut loaded = Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        let (axis, have) = (fields.optional_label("axis")?, fields.names());
        let pair = Pair {
            id: fields.id.clone(),
            axis: axis.clone().unwrap_or_default(),
            prompt: fields.text("prompt")?,
            chosen: fields.text("chosen")?,
            rejected: fields.text("rejected")?,
            extra: fields.extra(),
        };
        if folded(&pair.chosen) == folded(&pair.rejected) {
            return Err(Problem::Identical { id: pair.id });
        }
        if *with_axis.get_or_insert(axis.is_some()) != axis.is_some() {
            return Err(match axis {
                Some(_) => Problem::OthersLack { field: "axis" },
                None => Problem::Missing { field: "axis", have },
            });
        }
        Ok(pair)
    })?;
    if with_axis == Some(false) {
        loaded
            .notes
            .push(format!("no pair of {name} has an `axis`; a pair is a unit, and no axis is held out"));
    }
    Ok(loaded)
}
