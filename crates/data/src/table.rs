//! Rows of any columns: boards, sheets, verdicts and whatever else comes as a table.

use std::io::BufRead;

use serde_json::{Map, Value};

use super::error::DataError;
use super::rows::{Rows, Wanted};

/// A row of any fields, with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// Where the row stands, such as `line 3`.
    pub place: String,
    /// Its fields; an empty cell is null.
    pub fields: Map<String, Value>,
}

/// Rows of any columns, in file order.
#[derive(Clone, Debug, PartialEq)]
pub struct TableFile {
    /// The rows in file order; at least one.
    pub rows: Vec<TableRow>,
    /// What a JSON object has beside its list of rows; empty in other forms.
    pub about: Map<String, Value>,
    /// SHA-256 of the bytes of the file, in hexadecimal.
    pub sha256: String,
    /// What a reader of the result should know of how the file was read.
    pub notes: Vec<String>,
}

/// Reads a table: JSON lines, a JSON list or an object with one (such as `entries`), CSV with a head, or Parquet.
///
/// # Errors
/// A [`DataError`] with line and column.
pub fn read_table(reader: impl BufRead, name: &str) -> Result<TableFile, DataError> {
    Rows::read(reader, name, Wanted::Table)?.table()
}
