//! What is wrong with a file to import, and where.

use std::fmt;

use super::super::error::{DataProblem, SHORT_RECORD};
use super::record::RowLocation;
use truenorth_files::UnreadableKind;

/// A file that can't be imported.
#[derive(Debug, thiserror::Error)]
pub struct ImportError {
    /// The file as it was named.
    pub name: String,
    /// The row; `None` where the file as a whole is meant.
    pub place: Option<RowLocation>,
    /// The column's name, where one is to blame.
    pub column: Option<String>,
    /// Byte of the line from 1, where one is to blame.
    pub byte: Option<usize>,
    /// What is wrong there.
    #[source]
    pub problem: Box<ImportProblem>,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "can't import `{}`", self.name)?;
        if let Some(place) = self.place {
            write!(f, ", {place}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        if let Some(byte) = self.byte {
            write!(f, ", byte {byte}")?;
        }
        Ok(())
    }
}

/// What is wrong with a row or a file.
#[derive(Debug, thiserror::Error)]
pub enum ImportProblem {
    /// Not text, not JSON, or no lines.
    #[error(transparent)]
    Text(DataProblem),
    /// Gzip that ends early or does not add up.
    #[error("the gzip stream is cut short or damaged")]
    Gzip(#[source] std::io::Error),
    /// Gzip of more than is held in memory.
    #[error("unpacked, the file is larger than {most} MiB")]
    Unpacked {
        /// The most MiB that are unpacked.
        most: u64,
    },
    /// Packed in a way that is not unpacked here.
    #[error("the file is packed with {0}; expected it plain or as gzip")]
    Packed(&'static str),
    /// Another kind of file.
    #[error("the file is {}", .0.what)]
    Looks(UnreadableKind),
    /// A file of no bytes, which no Parquet file is, whether it has rows or not.
    #[error("the file is empty")]
    NoBytes,
    /// Another container than the source can come in.
    #[error("the file looks like {found}; {source_name} comes as {expected}")]
    Container {
        /// What the first bytes say.
        found: &'static str,
        /// Name of the source.
        source_name: &'static str,
        /// The containers that the source comes in.
        expected: &'static str,
    },
    /// Parquet, whose reader is not in this build.
    #[error("the file is Parquet, and this truenorth was built without `parquet`, which reads it")]
    ParquetNotBuilt,
    /// Parquet that can't be decoded.
    #[cfg(feature = "parquet")]
    #[error("the Parquet file is cut short or damaged, or uses what is not supported")]
    Parquet(#[source] parquet::errors::ParquetError),
    /// More than there is memory for.
    #[error("out of memory while the file is read")]
    Memory,
    /// Parquet in a compression that is not built in.
    #[error("the column is compressed with {0}, which is not read here")]
    Compression(String),
    /// Parquet whose parts contradict each other.
    #[error("the Parquet file is damaged: {0}")]
    Inconsistent(String),
    /// Columns that must be there.
    #[error("{}; the columns are `{}`", missing(columns), have.join("`, `"))]
    MissingColumns {
        /// Names of the columns that are missing.
        columns: Vec<String>,
        /// Names of those there are.
        have: Vec<String>,
    },
    /// A name that two columns have.
    #[error("two columns have this name")]
    TwoColumns,
    /// A column of lists or maps.
    #[error("the column holds lists; expected one value a row")]
    Nested,
    /// A value of the wrong kind.
    #[error("the value is {found}; expected {expected}")]
    Value {
        /// The value, cut short.
        found: String,
        /// The values that are read, in words.
        expected: &'static str,
    },
    /// A column that does not know what it is.
    #[error("the value is {found}, {kind}, but {first_kind} in {first}")]
    Mixed {
        /// The value, cut short.
        found: String,
        /// The kind of the value, such as `a number`.
        kind: &'static str,
        /// Kind of the values before.
        first_kind: &'static str,
        /// Where a value of the other kind stands first.
        first: RowLocation,
    },
    /// The row's text is empty or missing.
    #[error("the row has no text")]
    Empty,
    /// The row's label is empty or missing.
    #[error("the row has no label")]
    NoLabel,
    /// A value that a renaming does not know.
    #[error("`{value}` has no new name; those with one are {known}")]
    NotRenamed {
        /// The value that has no new name.
        value: String,
        /// The values that have one, comma-separated.
        known: String,
    },
    /// A category that BeaverTails does not have.
    #[error("BeaverTails has no such category")]
    UnknownCategory,
    /// An identifier seen before.
    #[error("id `{id}` was used in {first} already")]
    DuplicateId {
        /// The identifier that occurs twice.
        id: String,
        /// File and row of its first use.
        first: String,
    },
    /// A file without rows.
    #[error("no rows")]
    NoRows,
    /// No row was kept.
    #[error("none of {read} rows is left: {why}")]
    NothingKept {
        /// Rows that were read.
        read: usize,
        /// Reasons with their counts.
        why: String,
    },
    /// A part of a split that no row fell into.
    #[error("{groups} groups leave nothing for the part `{part}` of the split")]
    EmptyPart {
        /// Name of the part.
        part: String,
        /// Groups there are.
        groups: usize,
    },
}

fn missing(columns: &[String]) -> String {
    match columns {
        [one] => format!("there is no column `{one}`"),
        all => format!("there are no columns `{}`", all.join("`, `")),
    }
}

impl ImportError {
    /// What would mend it, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        use ImportProblem as P;
        Some(match &*self.problem {
            P::Text(DataProblem::NotUtf8 { .. } | DataProblem::Utf16 | DataProblem::Nul) => {
                "save the file as UTF-8"
            }
            P::Text(DataProblem::NotAnObject { .. }) if matches!(self.place, Some(RowLocation::Row(_))) => {
                "a JSON list holds objects, such as [{\"text\": \"…\"}, …]"
            }
            P::Text(DataProblem::Json(_) | DataProblem::NotAnObject { .. }) => {
                "JSONL holds one object a line"
            }
            P::Text(DataProblem::KeyTwice { .. }) => {
                "keep one of the two, or give the other a name of its own"
            }
            P::Compression(_) => {
                "write the file again with another compression, such as zstd, snappy or gzip"
            }
            P::Gzip(_) | P::Inconsistent(_) => "fetch the file again and compare its checksum",
            #[cfg(feature = "parquet")]
            P::Parquet(_) => "fetch the file again and compare its checksum",
            P::ParquetNotBuilt => {
                "build with it, `cargo install --path . --features parquet` in the source folder, or save the \
                 file as JSONL or CSV"
            }
            P::Memory => "split it into several files, or end what else takes memory",
            P::Text(DataProblem::Large { .. }) => "split it into several files",
            P::Unpacked { .. } => "unpack it first, in parts where it is that large",
            P::Packed(_) => "unpack it first",
            P::Looks(look) => look.remedy,
            P::Text(DataProblem::Looks(look)) => look.remedy,
            P::NoBytes => "fetch it again: the download or the copy came to nothing",
            P::Container { .. } => "name what the file is with --from",
            P::Text(DataProblem::Python) => "write the file with json.dump",
            P::Text(DataProblem::Comment { .. }) => "take the line out",
            P::Text(DataProblem::NoList { .. }) => {
                "keep the rows in one list, or under one name such as `rows` or `data`"
            }
            P::Text(DataProblem::NotAsNamed { .. }) => "name what the file is with --from",
            P::Text(DataProblem::Ragged { found, expected }) if found < expected => SHORT_RECORD,
            P::Text(DataProblem::Ragged { .. } | DataProblem::OpenQuote | DataProblem::Csv(_)) => {
                "quote fields that hold a comma, a quote or a line break, and double the quotes inside"
            }
            P::MissingColumns { .. } => {
                "name those that are meant with --columns text=…,label=…; --label L gives all rows one label"
            }
            P::Mixed { .. } => "write the whole column as strings, or as integers",
            P::Value { found, .. } if found.ends_with("a fraction") => {
                "write the column as integers or as strings; pandas makes fractions of integers where a value is \
                 missing"
            }
            P::Empty => "fill or remove the row, or leave such rows out with --skip-empty",
            P::NoLabel => "fill the label, or give one to all rows with --label",
            P::NotRenamed { .. } => "add it to --map, or `*:NAME` for all others (`*:*` keeps them)",
            P::DuplicateId { .. } => {
                "give each row an id of its own, and convert files whose ids begin anew one at a time"
            }
            P::NothingKept { .. } => "see `truenorth data convert --help` for what decides over a row",
            P::EmptyPart { .. } => "give the part a larger share, or more rows",
            _ => return None,
        })
    }
}

/// An [`ImportError`] in a file that has no name yet.
#[derive(Debug)]
pub(super) struct ImportFault {
    pub place: Option<RowLocation>,
    pub column: Option<String>,
    pub byte: Option<usize>,
    pub problem: Box<ImportProblem>,
}

impl ImportFault {
    pub fn of(problem: ImportProblem) -> Self {
        Self { place: None, column: None, byte: None, problem: Box::new(problem) }
    }

    pub fn at(place: RowLocation, problem: ImportProblem) -> Self {
        Self { place: Some(place), ..Self::of(problem) }
    }

    pub fn column(self, column: &str) -> Self {
        Self { column: Some(column.to_owned()), ..self }
    }

    pub fn in_file(self, name: &str) -> ImportError {
        let Self { place, column, byte, problem } = self;
        ImportError { name: name.to_owned(), place, column, byte, problem }
    }
}

impl From<std::collections::TryReserveError> for ImportFault {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self::of(ImportProblem::Memory)
    }
}

impl From<super::super::error::DataError> for ImportFault {
    fn from(e: super::super::error::DataError) -> Self {
        let problem = match *e.problem {
            DataProblem::NoRows => ImportProblem::NoRows,
            other => ImportProblem::Text(other),
        };
        let place = e.line.map(RowLocation::Line).or(e.item.map(RowLocation::Row));
        Self { place, column: None, byte: e.column, problem: Box::new(problem) }
    }
}
