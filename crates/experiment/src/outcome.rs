//! What is measured of every arm, paired with base.

use serde::{Deserialize, Serialize};

/// Where an outcome comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum OutcomeKind {
    /// Log-odds of given responses.
    LogOdds,
    /// Projection of what was written on a direction.
    Projection,
    /// Share of texts with a phrase of a list.
    Lexicon,
    /// Which of arm and base a judge chooses.
    Choice {
        /// Name of the judge, or `people`.
        rater: String,
        /// Whether people chose.
        people: bool,
    },
    /// A scale from 1 to 5.
    Score {
        /// Name of the judge, or `people`.
        rater: String,
        /// Whether people rated.
        people: bool,
        /// The question that is rated.
        rubric: String,
    },
}

impl OutcomeKind {
    /// The rater, of what is judged or rated.
    #[must_use]
    pub fn rater(&self) -> Option<&str> {
        match self {
            Self::Choice { rater, .. } | Self::Score { rater, .. } => Some(rater),
            _ => None,
        }
    }

    /// Whether people judged.
    #[must_use]
    pub fn people(&self) -> bool {
        matches!(self, Self::Choice { people: true, .. } | Self::Score { people: true, .. })
    }
}

/// What the differences of an outcome are paired over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// `prompts` or `pairs`.
    pub what: &'static str,
    /// The cluster of each, near copies together, without gaps.
    pub clusters: Vec<usize>,
}

/// An outcome of every arm but base, unit by unit; none where it is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Name of the outcome.
    pub name: String,
    /// Where it comes from.
    pub kind: OutcomeKind,
    /// The unit of its differences, such as `nats`.
    pub unit: String,
    /// What it is paired over, and how these cluster.
    pub units: Units,
    /// `[arm][unit]`, arm less base.
    pub differences: Vec<Vec<Option<f64>>>,
    /// Of scales: arm less the fixed baseline, the mean rating of a prompt's base text over all arms that it stood beside.
    pub fixed: Option<Vec<Vec<Option<f64>>>>,
    /// `[arm][placebo][unit]`; empty of arms without an edit.
    pub placebos: Vec<Vec<Vec<Option<f64>>>>,
    /// The same of directions of exchanged labels.
    pub flips: Vec<Vec<Vec<Option<f64>>>>,
}

impl Outcome {
    /// Whether it is paired over the prompts, so that flags and scopes hold of it.
    #[must_use]
    pub fn of_prompts(&self) -> bool {
        self.units.what == "prompts"
    }
}
