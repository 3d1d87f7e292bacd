//! What is wrong with a file, and where.

use std::fmt;

use super::look::Look;
use super::rows::LISTS;

/// A file that can't be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub struct DataError {
    /// The file, or `-` for stdin.
    pub name: String,
    /// Line from 1; `None` when the file as a whole or an item is meant.
    pub line: Option<usize>,
    /// Item from 1 of a file that is one JSON list.
    pub item: Option<usize>,
    /// Byte of the line from 1, where one byte is to blame.
    pub column: Option<usize>,
    /// What is wrong.
    #[source]
    pub problem: Box<Problem>,
}

impl fmt::Display for DataError {
    // The problem is the `source`: writing it here too would print it twice in a chain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't read `{}`", self.name)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(item) = self.item {
            write!(f, ", item {item} of the list")?;
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
    /// More than is read at once.
    #[error("the file, unpacked, is larger than {most} MiB")]
    Large {
        /// The largest that is read.
        most: u64,
    },
    /// Bytes of value 0, which text has none of.
    #[error("a byte of value 0: UTF-16 without its mark, or no text at all")]
    Nul,
    /// Another kind of file.
    #[error("the file is {}", .0.what)]
    Looks(Look),
    /// A line that is no JSON.
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    /// A list or dict as Python writes it.
    #[error("a list or dict as Python prints it, in single quotes; JSON needs double ones")]
    Python,
    /// A comment, which JSON does not have.
    #[error("`{shown}` is a comment; JSON lines have none")]
    Comment {
        /// The line, shortened.
        shown: String,
    },
    /// Plain text where rows of several fields are needed.
    #[error("`{shown}` is plain text; expected rows with fields")]
    PlainText {
        /// The first line, shortened.
        shown: String,
    },
    /// A file whose first bytes say something else than its ending.
    #[error("the file looks like {found}, and its name does not say so")]
    NotAsNamed {
        /// What it looks like.
        found: &'static str,
        /// The ending of such files.
        ending: &'static str,
    },
    /// A JSON object without exactly one list of rows.
    #[error("expected a list of rows under one name, such as `prompts`; the object holds {}", .have.join(", "))]
    NoList {
        /// Its fields and their kinds.
        have: Vec<String>,
    },
    /// CSV that can't be taken apart.
    #[error("not CSV")]
    Csv(#[source] csv::Error),
    /// A record with more or fewer fields than the head.
    #[error("{found} fields where the head has {expected}")]
    Ragged {
        /// Fields of the record.
        found: u64,
        /// Fields of the head.
        expected: u64,
    },
    /// The rest of the file inside a quoted field.
    #[error("a quoted field is never closed")]
    OpenQuote,
    /// A name that two columns have.
    #[error("two columns are called `{column}`")]
    TwoColumns {
        /// The name.
        column: String,
    },
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
        /// The fields there are.
        have: Vec<String>,
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
        /// The fields there are, where it is neither.
        have: Vec<String>,
    },
    /// A file without rows.
    #[error("no rows")]
    NoRows,
}

impl DataError {
    pub(super) fn at(name: &str, line: Option<usize>, column: Option<usize>, problem: Problem) -> Self {
        Self { name: name.to_owned(), line, item: None, column, problem: Box::new(problem) }
    }

    /// What would mend the file, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match &*self.problem {
            Problem::NotUtf8 { .. } | Problem::Utf16 | Problem::Nul => "save the file as UTF-8".into(),
            Problem::Large { .. } => "split it into several files".into(),
            Problem::Looks(look) => look.remedy.into(),
            Problem::Json(_) if self.name.ends_with(".json") => {
                "a .json file holds one list, such as [{\"id\": \"a\", \"text\": \"…\"}, …]".into()
            }
            Problem::Json(_) | Problem::NotAnObject { .. } => {
                "JSONL holds one object a line, such as {\"id\": \"a\", \"text\": \"…\"}".into()
            }
            Problem::Python => "write the file with json.dump".into(),
            Problem::Comment { .. } => "take the line out".into(),
            Problem::PlainText { .. } => {
                "give JSON lines (.jsonl), a JSON list (.json) or CSV with a head (.csv)".into()
            }
            Problem::NotAsNamed { ending, .. } => format!("give it a name that ends in {ending}"),
            Problem::NoList { .. } => format!("keep the rows under one of {}", LISTS.join(", ")),
            Problem::Ragged { .. } | Problem::OpenQuote | Problem::Csv(_) => {
                "quote fields that hold a comma, a quote or a line break, and double the quotes inside".into()
            }
            Problem::TwoColumns { .. } => "give one of them another name".into(),
            Problem::Missing { field, have } if !have.is_empty() => {
                format!("the row has `{}`; call the one that is meant `{field}`", have.join("`, `"))
            }
            Problem::DuplicateId { .. } => "give each row an id of its own".into(),
            Problem::Identical { .. } => {
                "a pair needs two different responses; leave it out or rewrite one".into()
            }
            Problem::TextOrTokens { have, .. } if !have.is_empty() => {
                format!("the row has `{}`; call the one that is meant `text`", have.join("`, `"))
            }
            _ => return None,
        })
    }
}
