//! What is wrong with a file, and where.

use std::fmt;

/// A file that can't be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub struct DataError {
    /// The file, or `-` for stdin.
    pub name: String,
    /// Line from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// Byte of the line from 1, where one byte is to blame.
    pub column: Option<usize>,
    /// What is wrong.
    #[source]
    pub problem: Problem,
}

impl fmt::Display for DataError {
    // The problem is the `source`: writing it here too would print it twice in a chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't read `{}`", self.name)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// What is wrong with a line or a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The bytes could not be had.
    #[error("reading failed")]
    Read(#[source] std::io::Error),
    /// Bytes that are not UTF-8.
    #[error("byte 0x{byte:02x} is not UTF-8")]
    NotUtf8 {
        /// The offending byte.
        byte: u8,
    },
    /// UTF-16 by its byte order mark.
    #[error("the file starts with a UTF-16 byte order mark; expected UTF-8")]
    Utf16,
    /// A line longer than any text.
    #[error("the line is longer than {most} MiB")]
    LongLine {
        /// The longest that is read.
        most: u64,
    },
    /// A line that is no JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// A line that is JSON but no object.
    #[error("expected a JSON object, got {found}")]
    NotAnObject {
        /// The kind of value found.
        found: &'static str,
    },
    /// A field that must be there.
    #[error("missing field `{field}`")]
    Missing {
        /// Name of the field.
        field: &'static str,
    },
    /// A field of the wrong kind or value.
    #[error("field `{field}` is {found}; expected {expected}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What it holds, shortened.
        found: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// A field without content.
    #[error("field `{field}` is empty")]
    Empty {
        /// Name of the field.
        field: &'static str,
    },
    /// An identifier seen before.
    #[error("id `{id}` was used on line {first} already")]
    DuplicateId {
        /// The identifier.
        id: String,
        /// Where it was first used.
        first: usize,
    },
    /// A pair that contrasts nothing.
    #[error("pair `{id}` has identical `chosen` and `rejected`")]
    Identical {
        /// The pair.
        id: String,
    },
    /// Neither or both of two fields of which one is needed.
    #[error("expected either `text` or `tokens`, got {found}")]
    TextOrTokens {
        /// `both` or `neither`.
        found: &'static str,
    },
    /// A file without rows.
    #[error("no rows")]
    NoRows,
}

impl DataError {
    /// What would mend the file, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match &self.problem {
            Problem::NotUtf8 { .. } | Problem::Utf16 => Some("save the file as UTF-8"),
            Problem::LongLine { .. } => Some("put each text on a line of its own, and no file in one"),
            Problem::Json(_) | Problem::NotAnObject { .. } => {
                Some("JSONL holds one object a line, such as {\"id\": \"a\", \"text\": \"…\"}")
            }
            Problem::DuplicateId { .. } => Some("give each row an id of its own"),
            Problem::Identical { .. } => {
                Some("a pair needs two different responses; leave it out or rewrite one")
            }
            _ => None,
        }
    }
}
