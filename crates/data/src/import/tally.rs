//! What was read, kept and dropped.

use std::collections::BTreeMap;
use std::fmt;

use super::super::classes::ClassRow;

/// The reason for which a row was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// It has no text.
    Empty,
    /// BeaverTails calls it safe and names a category, or neither.
    Contradiction,
    /// It is of several categories.
    SeveralCategories,
    /// Its text, letter case and spaces aside, is in the result already.
    Duplicate,
    /// Its text occurs with different labels or categories.
    Disagreement,
    /// It was not drawn.
    NotTaken,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "without text",
            Self::Contradiction => "is_safe contradicts its categories",
            Self::SeveralCategories => "of several categories",
            Self::Duplicate => "duplicate text",
            Self::Disagreement => "text with different labels or categories",
            Self::NotTaken => "not drawn by --take",
        })
    }
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTally {
    /// The name of the file, as messages have it.
    pub name: String,
    /// SHA-256 of its bytes as they lie on disk, in hexadecimal.
    pub sha256: String,
    /// Rows read from it.
    pub rows: usize,
    /// What stands between the columns of a table, where that is not what the file's name says.
    pub between: Option<char>,
}

/// What was read, kept and dropped; rows read are those kept and those dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportTally {
    /// Counts of each file, in the order read.
    pub files: Vec<FileTally>,
    /// Texts without the spaces and line ends that stood around them in the file, kept or not.
    pub trimmed: usize,
    /// Rows dropped, by the first reason that holds.
    pub dropped: BTreeMap<Dropped, usize>,
    /// Rows kept, by label, category and part.
    pub kept: BTreeMap<(String, Option<String>, Option<String>), usize>,
}

impl ImportTally {
    /// Rows of all files.
    #[must_use]
    pub fn read(&self) -> usize {
        self.files.iter().map(|f| f.rows).sum()
    }

    /// Rows of the result.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept.values().sum()
    }

    pub(super) fn drop(&mut self, why: Dropped, rows: usize) {
        if rows > 0 {
            *self.dropped.entry(why).or_default() += rows;
        }
    }
}

/// What an import has read: the rows kept, and what became of the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// In the order read; ids are unique, and so are texts, letter case and spaces aside. `extra` holds
    /// `group` where it is known, `split` where it was asked for, and what else a source has.
    pub rows: Vec<ClassRow>,
    /// The rows that were read, kept and left out, by reason.
    pub tally: ImportTally,
}
