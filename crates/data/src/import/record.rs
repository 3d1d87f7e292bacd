//! A row of any container, with the columns that somebody asked for.

use std::collections::BTreeMap;
use std::fmt;

use super::super::conversation::Message;
use super::error::{ImportFault, ImportProblem};

/// The place of a row in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLocation {
    /// Line from 1 of a file that has lines; of CSV the line on which the record starts.
    Line(usize),
    /// Row from 1 of a file that has none.
    Row(usize),
}

impl fmt::Display for RowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Row(n) => write!(f, "row {n}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum ImportedCell {
    Null,
    Text(String),
    Bool(bool),
    Int(i128),
    Float(f64),
    Chat(Vec<Message>),
    /// Something that can be neither a text nor a label, by its kind.
    Other(&'static str),
}

impl ImportedCell {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Text(_) => "a string",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "an integer",
            Self::Float(_) => "a fraction",
            Self::Chat(_) => "a conversation",
            Self::Other(kind) => kind,
        }
    }

    /// Nothing, or a string that says nothing.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(t) => t.trim().is_empty(),
            _ => false,
        }
    }

    pub fn shown(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Text(t) if t.chars().count() > 60 => {
                format!("\"{}…\"", t.chars().take(60).collect::<String>())
            }
            Self::Text(t) => format!("\"{t}\""),
            Self::Bool(b) => b.to_string(),
            Self::Int(n) => n.to_string(),
            // 0.0 and not 0, which would be the integer that is asked for.
            Self::Float(x) => format!("{x:?}"),
            Self::Chat(_) | Self::Other(_) => self.kind().into(),
        }
    }
}

/// Columns to read; a field of a nested object is `outer.inner`.
#[derive(Clone, Debug, Default)]
pub(super) struct WantedColumns {
    /// Every row must have these, if only as null.
    pub required: Vec<String>,
    /// Taken where they are there.
    pub optional: Vec<String>,
    /// Every column whose name begins so is taken too.
    pub prefix: Option<&'static str>,
}

impl WantedColumns {
    pub fn takes(&self, column: &str) -> bool {
        self.required.iter().chain(&self.optional).any(|c| c == column)
            || self.prefix.is_some_and(|p| column.starts_with(p))
    }

    /// The wanted column that a name is in other letters.
    pub fn meant(&self, name: &str) -> Option<String> {
        let plain = name.to_lowercase();
        let mut all = self.required.iter().chain(&self.optional);
        let same = all.find(|c| c.to_lowercase() == plain).cloned();
        same.or_else(|| self.takes(name).then(|| name.to_owned()))
    }

    /// Whether a field of the nested object `column` is wanted.
    pub fn takes_inside(&self, column: &str) -> bool {
        let inside = |name: &str| name.strip_prefix(column).is_some_and(|rest| rest.starts_with('.'));
        self.required.iter().chain(&self.optional).any(|c| inside(c)) || self.prefix.is_some_and(inside)
    }

    /// Refuses a table that lacks a required column.
    pub fn check(&self, have: &[&str]) -> Result<(), ImportFault> {
        match self.missing(have.iter().map(|h| (*h).to_owned()).collect(), |c| have.contains(&c)) {
            None => Ok(()),
            Some(problem) => Err(ImportFault::of(problem)),
        }
    }

    /// What is wrong where required columns are not there, all of them in one.
    pub fn missing(&self, have: Vec<String>, there: impl Fn(&str) -> bool) -> Option<ImportProblem> {
        let mut columns: Vec<String> = Vec::new();
        for column in self.required.iter().filter(|c| !there(c)) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        (!columns.is_empty()).then_some(ImportProblem::MissingColumns { columns, have })
    }
}

#[derive(Clone, Debug)]
pub(super) struct ImportedRow {
    pub place: RowLocation,
    pub cells: BTreeMap<String, ImportedCell>,
}

impl ImportedRow {
    /// A column's value; null where an optional one is not there.
    pub fn cell(&self, column: &str) -> &ImportedCell {
        self.cells.get(column).unwrap_or(&ImportedCell::Null)
    }

    /// A string that may be null.
    pub fn string(&self, column: &str) -> Result<&str, ImportFault> {
        match self.cell(column) {
            ImportedCell::Null => Ok(""),
            ImportedCell::Text(t) => Ok(t),
            other => Err(self.wrong(column, other, "a string")),
        }
    }

    /// A truth value that must be there.
    pub fn truth(&self, column: &str) -> Result<bool, ImportFault> {
        match self.cell(column) {
            ImportedCell::Bool(b) => Ok(*b),
            // CSV has no truth values of its own.
            ImportedCell::Text(t) if t.eq_ignore_ascii_case("true") => Ok(true),
            ImportedCell::Text(t) if t.eq_ignore_ascii_case("false") => Ok(false),
            other => Err(self.wrong(column, other, "true or false")),
        }
    }

    /// A label: a string, an integer or a truth value as text; `None` where it is blank.
    pub fn label(&self, column: &str) -> Result<Option<String>, ImportFault> {
        match self.cell(column) {
            blank if blank.is_blank() => Ok(None),
            ImportedCell::Text(t) => Ok(Some(t.trim().to_owned())),
            ImportedCell::Bool(b) => Ok(Some(b.to_string())),
            ImportedCell::Int(n) => Ok(Some(n.to_string())),
            other => Err(self.wrong(column, other, "a string, an integer, true or false")),
        }
    }

    fn wrong(&self, column: &str, cell: &ImportedCell, expected: &'static str) -> ImportFault {
        let found = match cell {
            ImportedCell::Float(_) => format!("{}, {}", cell.shown(), cell.kind()),
            _ => cell.shown(),
        };
        ImportFault::at(self.place, ImportProblem::Value { found, expected }).column(column)
    }
}
