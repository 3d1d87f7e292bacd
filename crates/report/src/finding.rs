//! Findings: statements that carry their number, n, interval and null.
use super::number::Num;
use serde::{Deserialize, Serialize};
use truenorth_stats::test::Test;

/// How far the evidence carries a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// The interval lies outside the null.
    Supported,
    /// The evidence speaks against it, or it is within the null.
    NotSupported,
    /// The evidence allows the statement and its opposite.
    Unclear,
    /// True as stated, and it speaks against what is looked at or is easily misread. Such a statement never has the mark
    /// of support.
    Caution,
}

impl FindingStatus {
    /// The word printed for it, such as `not supported`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::NotSupported => "not supported",
            Self::Unclear => "unclear",
            Self::Caution => "caution",
        }
    }

    /// The sign beside the word: the colour never stands alone.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Supported => "●",
            Self::NotSupported => "○",
            Self::Unclear => "◐",
            Self::Caution => "▲",
        }
    }

    /// Class that colours it, on the page and in plots.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Supported => "ok",
            Self::NotSupported => "no",
            Self::Unclear => "unsure",
            Self::Caution => "care",
        }
    }
}

/// One line of the front page: a statement with its number, n, interval and null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Whether the evidence supports it.
    pub status: FindingStatus,
    /// A short sentence that can be true or false.
    pub statement: String,
    /// The number that the statement rests on.
    pub measure: Measure,
    /// How many, and of what, the number was computed from.
    pub n: Sample,
    /// Uncertainty of the number.
    pub interval: ReportedInterval,
    /// What the number would be if there were nothing to find.
    pub null: ReportedNull,
    /// Id of the section, table or figure that shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub see: Option<String>,
}

/// A named number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Name with its unit, such as `AUROC`.
    pub name: String,
    /// The number, or why there is none.
    pub value: Num,
    /// Decimals to print.
    pub digits: usize,
}

impl Measure {
    /// A number printed with two decimals.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Num>) -> Self {
        Self { name: name.into(), value: value.into(), digits: 2 }
    }
}

/// A sample size that says what was counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many were counted.
    pub count: u64,
    /// Of what, plural: `held-out pairs`.
    pub of: String,
}

impl Sample {
    /// `count` units called `of`.
    #[must_use]
    pub fn new(count: u64, of: impl Into<String>) -> Self {
        Self { count, of: of.into() }
    }
}

/// A confidence interval with its level and method. A missing bound carries the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedInterval {
    /// Lower bound, in the unit of the measure.
    pub low: Num,
    /// Upper bound, in the unit of the measure.
    pub high: Num,
    /// Nominal coverage in (0, 1).
    pub level: Num,
    /// How it was computed, such as `cluster bootstrap over axes, 2000 draws`.
    pub method: String,
}

impl ReportedInterval {
    /// A 95 % interval.
    #[must_use]
    pub fn p95(low: impl Into<Num>, high: impl Into<Num>, method: impl Into<String>) -> Self {
        Self { low: low.into(), high: high.into(), level: Num::new(0.95), method: method.into() }
    }

    /// No interval, for a stated reason.
    #[must_use]
    pub fn none(reason: &str) -> Self {
        let bound = || Num::missing(reason);
        Self { low: bound(), high: bound(), level: bound(), method: "none".to_owned() }
    }
}

/// The null: where the number falls when there is nothing to find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedNull {
    /// Which test it is; none where there is no p.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// How it was made, such as `labels shuffled, whole pipeline rerun`.
    pub method: String,
    /// Lower end of its central 95 %.
    pub low: Num,
    /// Upper end of its central 95 %.
    pub high: Num,
    /// p value against it.
    pub p: Num,
    /// Number of random draws, where it is not exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<u64>,
}

impl ReportedNull {
    /// A null without a p value.
    #[must_use]
    pub fn new(method: impl Into<String>, low: impl Into<Num>, high: impl Into<Num>) -> Self {
        Self {
            test: None,
            method: method.into(),
            low: low.into(),
            high: high.into(),
            p: Num::default(),
            draws: None,
        }
    }

    /// Adds the p value, and the number of draws behind it if random.
    #[must_use]
    pub fn with_p(mut self, test: Test, p: impl Into<Num>, draws: Option<u64>) -> Self {
        self.test = Some(test);
        self.p = p.into();
        self.draws = draws;
        self
    }

    /// No null, for a stated reason.
    #[must_use]
    pub fn none(reason: &str) -> Self {
        let gap = || Num::missing(reason);
        Self { test: None, method: "none".to_owned(), low: gap(), high: gap(), p: gap(), draws: None }
    }
}
