//! Tables and arrays as other programs read them: JSON lines, CSV, Parquet, a data-set folder, npz.

mod arrays;
mod card;
mod csv;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
#[path = "without_parquet.rs"]
mod parquet;

#[cfg(test)]
mod tests;

use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub use arrays::{Elements, NamedArray, npz};
pub use card::{DataSetCard, card};

/// A row of a table to write: fields in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutRow(Vec<(String, Value)>);

impl OutRow {
    /// A row of fields, each with a name of its own.
    #[must_use]
    pub fn new(fields: Vec<(String, Value)>) -> Self {
        Self(fields)
    }

    /// The value of a field; none where it is not there.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, v)| v)
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl<'de> Deserialize<'de> for OutRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = OutRow;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OutRow, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(OutRow(fields))
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// How a table is written, by the name of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableForm {
    /// An object a line.
    JsonLines,
    /// Columns with a head; lists and objects as JSON.
    Csv,
    /// Columns; lists of numbers, of texts and of truth values as lists, other nested values as JSON.
    Parquet,
    /// A folder that `datasets.load_dataset` takes: Parquet under `data/`, and a card.
    Folder,
}

impl TableForm {
    /// By the ending: `.csv`, `.parquet`, a folder that is there or a name that ends in a slash; else JSON lines.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        if path.is_dir() || path.to_string_lossy().ends_with(std::path::MAIN_SEPARATOR) {
            return Self::Folder;
        }
        match ending.as_deref() {
            Some("csv") => Self::Csv,
            Some("parquet") => Self::Parquet,
            _ => Self::JsonLines,
        }
    }
}

/// A table that can't be written.
#[derive(Debug, thiserror::Error)]
pub enum OutError {
    /// A program without Parquet.
    #[error("this program was built without Parquet")]
    NoParquet,
    /// The error of the Parquet writer.
    #[error("can't make Parquet: {0}")]
    Parquet(String),
    /// The error of the CSV writer.
    #[error("can't make CSV")]
    Csv(#[from] ::csv::Error),
    /// What the writer of zip archives says.
    #[error("can't make the npz archive")]
    Zip(#[source] zip::result::ZipError),
}

/// A table as CSV. Columns come in the order in which rows first have them; a missing value is an empty cell.
///
/// # Errors
/// When the bytes can't be made.
pub fn csv_bytes(rows: &[OutRow]) -> Result<Vec<u8>, OutError> {
    csv::bytes(rows)
}

/// A table as Parquet.
///
/// # Errors
/// When the program was built without, or the bytes can't be made.
pub fn parquet_bytes(rows: &[OutRow]) -> Result<Vec<u8>, OutError> {
    parquet::bytes(rows)
}

/// The columns of a table, in the order in which rows first have them.
fn columns(rows: &[OutRow]) -> Vec<&str> {
    let mut seen = std::collections::HashSet::new();
    rows.iter().flat_map(OutRow::keys).filter(|k| seen.insert(*k)).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ColumnKind {
    Bool,
    Int,
    Float,
    Text,
    /// Nested otherwise: written as JSON.
    Json,
}

impl ColumnKind {
    fn of(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Bool,
            Value::Number(n) if n.is_i64() => Self::Int,
            Value::Number(_) => Self::Float,
            Value::String(_) => Self::Text,
            Value::Array(_) | Value::Object(_) => Self::Json,
        })
    }

    fn with(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Int, Self::Float) | (Self::Float, Self::Int) => Self::Float,
            _ => Self::Json,
        }
    }

    fn of_all<'a>(values: impl IntoIterator<Item = &'a Value>) -> Option<Self> {
        values.into_iter().filter_map(Self::of).reduce(Self::with)
    }
}

/// A column's type.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Typed {
    Plain(ColumnKind),
    /// A list of values.
    List(ColumnKind),
    /// A list of objects of these fields, whose values are texts, such as the messages of a conversation.
    Records(Vec<String>),
}

impl Typed {
    fn of(rows: &[OutRow], column: &str) -> Self {
        let values = || rows.iter().filter_map(|r| r.get(column)).filter(|v| !v.is_null());
        let elements = || values().filter_map(Value::as_array).flatten();
        // A column without a value is one of texts.
        let plain = Self::Plain(ColumnKind::of_all(values()).unwrap_or(ColumnKind::Text));
        if values().next().is_none() || !values().all(Value::is_array) {
            return plain;
        }
        let texts = |v: &Value| {
            v.as_object().is_some_and(|o| !o.is_empty() && o.values().all(|v| v.is_string() || v.is_null()))
        };
        if elements().next().is_some() && elements().all(texts) {
            let mut fields: Vec<String> =
                elements().filter_map(Value::as_object).flat_map(|o| o.keys().cloned()).collect();
            fields.sort();
            fields.dedup();
            return Self::Records(fields);
        }
        // Lists that are all empty are lists of texts.
        match ColumnKind::of_all(elements()).unwrap_or(ColumnKind::Text) {
            ColumnKind::Json => plain,
            kind => Self::List(kind),
        }
    }
}

/// A value as text where its column is one of JSON: texts as they are would not come back.
#[cfg(feature = "parquet")]
fn as_json(value: &Value) -> String {
    value.to_string()
}
