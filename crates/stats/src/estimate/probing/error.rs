//! Why a probe has no honest answer.

use super::super::EstimateError;
use crate::math::MathError;
use crate::split::SplitError;

/// What a source of layers reports when it can't give one.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Rows from which no honest probe can be had. `set` is `train` or the name of a test set.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A layer that could not be read.
    #[error("the activations of `{set}` could not be read")]
    Source {
        /// `train` or the name of a test set.
        set: String,
        /// Layer from 0.
        layer: usize,
        /// The source's own error.
        #[source]
        source: SourceError,
    },
    /// Parts of a set that must agree in number do not.
    #[error("`{set}`: expected {expected} {what}, got {found}")]
    Count {
        /// `train` or the name of a test set.
        set: String,
        /// What is counted, such as `rows`.
        what: &'static str,
        /// The number that goes with the rest of the set.
        expected: usize,
        /// The number that was given.
        found: usize,
    },
    /// A NaN or an infinity.
    #[error("the activations of `{set}` hold {value}; expected finite numbers")]
    NotFinite {
        /// `train` or the name of a test set.
        set: String,
        /// Layer from 0.
        layer: usize,
        /// Row from 0.
        row: usize,
        /// Column from 0.
        column: usize,
        /// The NaN or infinity.
        value: f32,
    },
    /// Only one class.
    #[error("`{set}` has {positive} positive and {negative} negative rows; expected both")]
    OneClass {
        /// `train` or the name of a test set.
        set: String,
        /// Rows of the positive class.
        positive: usize,
        /// Rows of the negative class.
        negative: usize,
    },
    /// Only one group, which can't be resampled.
    #[error(
        "the {rows} rows of `{set}` make one group of copies, near copies and rows that share a group; expected two at least"
    )]
    OneGroup {
        /// `train` or the name of a test set.
        set: String,
        /// Rows in the set.
        rows: usize,
    },
    /// Folds that leave one class to fit on.
    #[error(
        "with two folds left out there are {positive} positive and {negative} negative rows to fit on; expected both"
    )]
    OneClassFold {
        /// One of the two folds left out, from 0.
        first: usize,
        /// The other one, from 0.
        second: usize,
        /// Positive rows left.
        positive: usize,
        /// Negative rows left.
        negative: usize,
    },
    /// All rows of a layer are the same.
    #[error("all {rows} rows of `{set}` are equal there")]
    Constant {
        /// `train` or the name of a test set.
        set: String,
        /// Layer from 0.
        layer: usize,
        /// Rows in the set.
        rows: usize,
    },
    /// A layer at which every held-out row scores the same.
    #[error("every held-out row scores the same, so nothing is ranked")]
    EqualScores {
        /// Layer from 0.
        layer: usize,
    },
    /// Test rows that were trained on.
    #[error("`{set}` shares {count} of its groups with the training rows, the first of them `{group}`")]
    Leaked {
        /// The name of the test set.
        set: String,
        /// The first group that is in both.
        group: String,
        /// Groups that are in both.
        count: usize,
    },
    /// Too few ways to permute the labels for a p value.
    #[error(
        "the groups allow {found:.0} relabellings that leave both classes in every fold; expected at least {least}"
    )]
    FewRelabellings {
        /// The fewest that give a p value.
        least: usize,
        /// About how many there are.
        found: f64,
    },
    /// A hyperparameter outside its range.
    #[error("{what} is {value}; expected {expected}")]
    Parameter {
        /// The name of the hyperparameter.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// A fit that failed at a layer.
    #[error("the probe could not be fitted there")]
    Fit {
        /// Layer from 0.
        layer: usize,
        /// What went wrong in the fit.
        #[source]
        source: Box<ProbeError>,
    },
    /// An estimator's own refusal.
    #[error(transparent)]
    Estimate(#[from] EstimateError),
    /// Groups that can't be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A number that does not exist.
    #[error(transparent)]
    Math(#[from] MathError),
}

impl ProbeError {
    /// What would mend the input, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFinite { .. } => Some(
                "if it was read in f16, which holds numbers up to 65504, read again with --dtype bf16 or f32",
            ),
            Self::Constant { .. } | Self::EqualScores { .. } => Some(
                "leave this site out of --site, or read where the text's end is seen, as with --positions last",
            ),
            Self::OneClass { .. } => Some("give the set texts of both labels"),
            Self::OneGroup { .. } => Some("give the set texts that are no near copies of each other"),
            Self::Leaked { .. } => Some("take the shared groups out of one of the two sets"),
            Self::OneClassFold { .. } => Some(
                "add groups that hold both classes or more of the rarer one; where there are more than 3 --folds, the \
                     least a probe takes, fewer may do",
            ),
            // One fold is tested on, one chosen on and one fitted on.
            Self::Split(SplitError::TooFewGroups { groups: ..3, .. }) => Some(
                "add rows that are no copies, near copies or of one group with others: a probe takes 3 folds at least",
            ),
            Self::Split(SplitError::TooFewGroups { .. }) => Some(
                "ask for fewer folds with --folds, of which a probe takes 3 at least, or add rows that are no copies, near \
                 copies or of one group with others",
            ),
            Self::Split(e) => Some(e.hint()),
            Self::Parameter { what: "number of folds", .. } => Some(
                "ask for 3 folds or more with --folds; where the groups do not make 3, add rows of other groups",
            ),
            Self::FewRelabellings { .. } => Some(
                "add groups, or ask for no permutations with --permutations 0 and without the control random-label",
            ),
            Self::Fit { source, .. } => source.hint(),
            Self::Estimate(e) => e.hint(),
            _ => None,
        }
    }
}
