//! Labelled texts.

use std::io::BufRead;

use serde::Serialize;

use super::error::{DataError, Problem};
use super::rows::{Extra, Loaded, Rows, Wanted};

/// A text with a label.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassRow {
    /// Unique within its file.
    pub id: String,
    /// The text.
    pub text: String,
    /// The class; integers and truth values are kept as text (`1`, `true`).
    pub label: String,
    /// A finer grouping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What no split may cut through, such as a text and its rewritings; none where a row stands alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Other fields of the row.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Reads classes: rows with `id`, `text`, `label` and optionally `category` and `group`.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_classes(reader: impl BufRead, name: &str) -> Result<Loaded<ClassRow>, DataError> {
    Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        // What is labelled is then the response, which the prompt alone does not hold.
        if fields.has("response") && !fields.has("text") {
            return Err(Problem::Response);
        }
        Ok(ClassRow {
            id: fields.id.clone(),
            text: fields.only_text()?,
            label: fields.label("label")?,
            category: fields.optional_label("category")?,
            group: fields.optional_label("group")?,
            extra: fields.extra(),
        })
    })
}
