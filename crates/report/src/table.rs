//! Tables with typed cells.
use super::finding::FindingStatus;
use super::number::Num;
use serde::{Deserialize, Serialize};
use truenorth_stats::test::Test;

/// A table with its caption and its limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Unique in the document; what a link names.
    pub id: String,
    /// What is in it, n and nulls included.
    pub caption: String,
    /// What this table does not show; may not be blank.
    pub not_shown: String,
    /// The heads of the columns.
    pub columns: Vec<Column>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows yet; `not_shown` says what it does not show and may not be blank.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        caption: impl Into<String>,
        not_shown: impl Into<String>,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            id: id.into(),
            caption: caption.into(),
            not_shown: not_shown.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }
}

/// How p values of a family are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adjustment {
    /// Holm (1979): the chance of any false alarm in the family.
    Holm,
    /// Benjamini and Hochberg (1995): the share of false alarms among what stands.
    BenjaminiHochberg,
}

impl Adjustment {
    /// The name that is printed, such as `Holm`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Holm => "Holm",
            Self::BenjaminiHochberg => "Benjamini and Hochberg",
        }
    }
}

/// A column's head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The words at the head.
    pub name: String,
    /// Unit, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

impl Column {
    /// A column without a unit.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), unit: None }
    }

    /// A column with a unit.
    #[must_use]
    pub fn with_unit(name: impl Into<String>, unit: impl Into<String>) -> Self {
        Self { name: name.into(), unit: Some(unit.into()) }
    }
}

/// A typed value: the numbers stay numbers in the JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Cell {
    /// Plain words.
    Text {
        /// The words that are shown.
        value: String,
    },
    /// A name, hash, path or flag, set in monospace.
    Code {
        /// The name, as it is typed.
        value: String,
    },
    /// A whole number of things.
    Count {
        /// How many there are.
        value: u64,
    },
    /// A number with so many decimals.
    Number {
        /// The number, or why there is none.
        value: Num,
        /// Decimals to print.
        digits: usize,
    },
    /// An interval, with the estimate inside it where it has one.
    Interval {
        /// The estimate; none where the interval stands alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimate: Option<Num>,
        /// Lower bound, or why there is none.
        low: Num,
        /// Upper bound, or why there is none.
        high: Num,
        /// Decimals to print.
        digits: usize,
    },
    /// A p value.
    P {
        /// The test that gave the p value.
        test: Test,
        /// How it is corrected for the family it stands in; none where it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        adjusted: Option<Adjustment>,
        /// The p value in (0, 1], or why there is none.
        value: Num,
        /// Random draws behind it; none where it is exact.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draws: Option<u64>,
    },
    /// What the row is held to show.
    Verdict {
        /// Whether the evidence supports it.
        status: FindingStatus,
    },
    /// Nothing, for a reason.
    Empty {
        /// Why the cell is empty.
        reason: String,
    },
}

impl Cell {
    /// A name, hash, path or flag.
    #[must_use]
    pub fn code(value: impl Into<String>) -> Self {
        Self::Code { value: value.into() }
    }

    /// A number with `digits` decimals.
    #[must_use]
    pub fn number(value: impl Into<Num>, digits: usize) -> Self {
        Self::Number { value: value.into(), digits }
    }

    /// An interval without its estimate.
    #[must_use]
    pub fn interval(low: impl Into<Num>, high: impl Into<Num>, digits: usize) -> Self {
        Self::Interval { estimate: None, low: low.into(), high: high.into(), digits }
    }

    /// An estimate with its interval.
    #[must_use]
    pub fn estimate(value: impl Into<Num>, low: impl Into<Num>, high: impl Into<Num>, digits: usize) -> Self {
        Self::Interval { estimate: Some(value.into()), low: low.into(), high: high.into(), digits }
    }

    /// A p value, with the number of random draws behind it or none where it is exact.
    #[must_use]
    pub fn p(test: Test, value: impl Into<Num>, draws: Option<u64>) -> Self {
        Self::P { test, adjusted: None, value: value.into(), draws }
    }

    /// A p value corrected for its family.
    #[must_use]
    pub fn adjusted(test: Test, how: Adjustment, value: impl Into<Num>, draws: Option<u64>) -> Self {
        Self::P { test, adjusted: Some(how), value: value.into(), draws }
    }

    /// Nothing, for a reason.
    #[must_use]
    pub fn empty(reason: impl Into<String>) -> Self {
        Self::Empty { reason: reason.into() }
    }

    /// Whether the cell is aligned as a number.
    pub(super) fn is_numeric(&self) -> bool {
        matches!(self, Self::Count { .. } | Self::Number { .. } | Self::Interval { .. } | Self::P { .. })
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text { value: value.to_owned() }
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text { value }
    }
}

impl From<u64> for Cell {
    fn from(value: u64) -> Self {
        Self::Count { value }
    }
}

impl From<usize> for Cell {
    fn from(value: usize) -> Self {
        Self::Count { value: value as u64 }
    }
}

impl From<FindingStatus> for Cell {
    fn from(status: FindingStatus) -> Self {
        Self::Verdict { status }
    }
}
