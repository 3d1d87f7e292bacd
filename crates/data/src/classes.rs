//! Labelled texts.

use std::io::BufRead;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::chat::joined;
use super::concepts;
use super::conversation::Message;
use super::error::DataError;
use super::rows::{Extra, Loaded, Rows, Wanted};

/// A text with a label.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassRow {
    /// Unique within its file.
    pub id: String,
    /// What the row says; of a conversation the contents of its turns.
    pub text: String,
    /// The class; integers and truth values are kept as text (`1`, `true`).
    pub label: String,
    /// A finer grouping.
    pub category: Option<String>,
    /// What no split may cut through, such as a text and its rewritings; none where a row stands alone.
    pub group: Option<String>,
    /// The turns, where the row is a conversation; its text is then their contents.
    pub turns: Vec<Message>,
    /// Other fields of the row.
    pub extra: Extra,
}

impl Serialize for ClassRow {
    /// As [`read_classes`] reads it: a conversation as its `messages`, and a text beside them only where it is another.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        if self.turns.is_empty() || self.text != joined(&self.turns) {
            map.serialize_entry("text", &self.text)?;
        }
        if !self.turns.is_empty() {
            map.serialize_entry("messages", &self.turns)?;
        }
        map.serialize_entry("label", &self.label)?;
        for (name, value) in [("category", &self.category), ("group", &self.group)] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Reads classes: rows with `id`, `text`, `label` and optionally `category` and `group`. A row may have `messages` in place
/// of `text`; or `input`, `output`, `output_concept` and `category` as in AxBench's concept files, where the concept is the category.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_classes(reader: impl BufRead, name: &str) -> Result<Loaded<ClassRow>, DataError> {
    let mut of_concepts = false;
    let mut loaded = Rows::read(reader, name, Wanted::Records)?.rows(Wanted::Records, |fields| {
        // What is labelled is then the response, which the prompt alone does not hold.
        if !fields.has("text") && fields.turns().is_none() {
            fields.no_response()?;
        }
        if let Some(row) = concepts::row(fields)? {
            of_concepts = true;
            return Ok(row);
        }
        let (text, turns) = fields.said()?;
        Ok(ClassRow {
            id: fields.id.clone(),
            text,
            label: fields.label("label")?,
            category: fields.optional_label("category")?,
            group: fields.optional_label("group")?,
            turns,
            extra: fields.extra(),
        })
    })?;
    if of_concepts {
        loaded.notes.extend(concepts::finish(&mut loaded.rows, name));
    }
    Ok(loaded)
}
