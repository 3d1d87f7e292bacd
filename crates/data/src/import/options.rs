//! What the files are, and what is asked of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::sample::SplitShares;

/// What the columns of a file mean: a known data set's, or those that are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportSource {
    /// BeaverTails: prompts and responses, judged in fourteen categories of harm.
    BeaverTails,
    /// Alpaca: everyday instructions, some with an input.
    Alpaca,
    /// AdvBench: harmful goals and the begin of an answer.
    AdvBench,
    /// HarmBench: harmful behaviours, some with a context.
    HarmBench,
    /// MaliciousInstruct: harmful requests, one a line.
    MaliciousInstruct,
    /// An object a line.
    Jsonl,
    /// A table with a head.
    Csv,
    /// A table with flat columns, or columns in groups.
    Parquet,
}

impl ImportSource {
    /// Every source, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::BeaverTails,
        Self::Alpaca,
        Self::AdvBench,
        Self::HarmBench,
        Self::MaliciousInstruct,
        Self::Jsonl,
        Self::Csv,
        Self::Parquet,
    ];

    /// The name in flags, such as `beavertails`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeaverTails => "beavertails",
            Self::Alpaca => "alpaca",
            Self::AdvBench => "advbench",
            Self::HarmBench => "harmbench",
            Self::MaliciousInstruct => "maliciousinstruct",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

impl FromStr for ImportSource {
    type Err = OptionsError;

    fn from_str(s: &str) -> Result<Self, OptionsError> {
        Self::ALL.into_iter().find(|source| source.name() == s).ok_or_else(|| OptionsError::Source {
            name: s.to_owned(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// Which columns are what; `None` or empty for what the source usually has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnChoice {
    /// Joined by a blank line, those that are blank left out.
    pub text: Vec<String>,
    /// The column of the class.
    pub label: Option<String>,
    /// The column of the finer grouping.
    pub category: Option<String>,
    /// What must stay on one side of a split.
    pub group: Option<String>,
    /// The identifier; else the file's name and the row's number.
    pub id: Option<String>,
}

impl FromStr for ColumnChoice {
    type Err = OptionsError;

    /// Reads `text=A+B,label=C,category=D,group=E,id=F`.
    fn from_str(s: &str) -> Result<Self, OptionsError> {
        let mut choice = Self::default();
        for part in s.split(',') {
            let (role, column) = part
                .split_once('=')
                .filter(|(_, column)| !column.is_empty())
                .ok_or_else(|| OptionsError::Columns(part.to_owned()))?;
            let slot = match role {
                "text" if choice.text.is_empty() => {
                    choice.text = column.split('+').map(str::to_owned).collect();
                    if choice.text.iter().any(String::is_empty) {
                        return Err(OptionsError::Columns(part.to_owned()));
                    }
                    continue;
                }
                "label" => &mut choice.label,
                "category" => &mut choice.category,
                "group" => &mut choice.group,
                "id" => &mut choice.id,
                "text" => return Err(OptionsError::Twice(role.to_owned())),
                _ => return Err(OptionsError::Role(role.to_owned())),
            };
            if slot.replace(column.to_owned()).is_some() {
                return Err(OptionsError::Twice(role.to_owned()));
            }
        }
        Ok(choice)
    }
}

/// New names of values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// New names by the old ones.
    pub names: BTreeMap<String, String>,
    /// The name of all others; `*` keeps them, `None` refuses them.
    pub others: Option<String>,
}

impl Renames {
    /// The new name; `None` where there is none.
    #[must_use]
    pub fn apply(&self, value: &str) -> Option<String> {
        match (self.names.get(value), self.others.as_deref()) {
            (Some(name), _) => Some(name.clone()),
            (None, Some("*")) => Some(value.to_owned()),
            (None, Some(name)) => Some(name.to_owned()),
            (None, None) if self.names.is_empty() => Some(value.to_owned()),
            (None, None) => None,
        }
    }
}

impl FromStr for Renames {
    type Err = OptionsError;

    /// Reads `OLD:NEW,OLD:NEW`, with `*` for all other values.
    fn from_str(s: &str) -> Result<Self, OptionsError> {
        let mut renames = Self::default();
        for part in s.split(',') {
            let (old, new) = part
                .split_once(':')
                .filter(|(old, new)| !old.is_empty() && !new.trim().is_empty())
                .ok_or_else(|| OptionsError::Rename(part.to_owned()))?;
            let before = match old {
                "*" => renames.others.replace(new.to_owned()),
                _ => renames.names.insert(old.to_owned(), new.to_owned()),
            };
            if before.is_some() {
                return Err(OptionsError::Twice(old.to_owned()));
            }
        }
        Ok(renames)
    }
}

/// A row of several of BeaverTails' categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MultiCategoryRule {
    /// The row is left out and counted.
    #[default]
    Drop,
    /// Under the first, in the order of the table in the [module's documentation](super).
    First,
}

/// A text that occurs with different labels or categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disagree {
    /// The text is left out and its rows are counted.
    #[default]
    Drop,
    /// Under the label and category that most of its rows have; left out where that is no single one.
    Majority,
}

/// What files are read as, and which of their rows are kept.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// What the columns of the files mean.
    pub source: ImportSource,
    /// The columns to read, where not the source's usual ones.
    pub columns: ColumnChoice,
    /// A label for every row; none where a column has it.
    pub label: Option<String>,
    /// A category for every row; none where a column has it.
    pub category: Option<String>,
    /// New names of labels.
    pub labels: Renames,
    /// New names of categories.
    pub categories: Renames,
    /// Rows of several categories.
    pub several: MultiCategoryRule,
    /// Texts with different labels.
    pub disagree: Disagree,
    /// Leaves rows without text out, where they are refused otherwise.
    pub skip_empty: bool,
    /// Rows to keep of each label and category, drawn by chance.
    pub take: Option<usize>,
    /// Parts to split into.
    pub split: Option<SplitShares>,
}

impl ImportOptions {
    /// What the source usually has, all of it, in one part.
    #[must_use]
    pub fn new(source: ImportSource) -> Self {
        Self {
            source,
            columns: ColumnChoice::default(),
            label: None,
            category: None,
            labels: Renames::default(),
            categories: Renames::default(),
            several: MultiCategoryRule::default(),
            disagree: Disagree::default(),
            skip_empty: false,
            take: None,
            split: None,
        }
    }
}

/// A request that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A source that is not known.
    #[error("unknown source `{name}`; expected one of {known}")]
    Source {
        /// The name that was given.
        name: String,
        /// The sources that are known, comma-separated.
        known: String,
    },
    /// A column that is not named as it should be.
    #[error("`{0}` names no column; expected such as text=prompt or text=instruction+input")]
    Columns(String),
    /// A role that a column can't have.
    #[error("a column can't be `{0}`; expected text, label, category, group or id")]
    Role(String),
    /// Something that is said twice.
    #[error("`{0}` is named twice")]
    Twice(String),
    /// A renaming that is not written as one.
    #[error("`{0}` is no renaming; expected OLD:NEW")]
    Rename(String),
    /// Shares that do not split anything.
    #[error("can't split by `{given}`: {problem}")]
    Shares {
        /// The shares as they were given.
        given: String,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// Nothing to take.
    #[error("taking no rows leaves nothing")]
    TakeNothing,
    /// Both a column and a fixed value.
    #[error("`{0}` is given both for all rows and as a column")]
    Both(&'static str),
    /// Something that a source has of its own.
    #[error("{source_name} has a {what} of its own for each row")]
    Judged {
        /// Name of the source.
        source_name: &'static str,
        /// Label or category.
        what: &'static str,
    },
    /// Columns of a file that has none.
    #[error("{0} has no columns to name")]
    NoColumns(&'static str),
    /// Several categories where there can't be.
    #[error("{0} has one category a row at most")]
    NeverSeveral(&'static str),
}

impl OptionsError {
    /// What would mend it, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Judged { .. } => "rename it with --map label=OLD:NEW or --map category=OLD:NEW",
            Self::Shares { .. } => "give parts and shares that add up to 1, such as train=0.7,test=0.3",
            _ => return None,
        })
    }
}

impl fmt::Display for ImportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
