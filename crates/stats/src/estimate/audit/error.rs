//! Why an audit has no honest answer.

use super::super::EstimateError;
use crate::estimate::probing::ProbeError;
use crate::math::MathError;
use crate::split::SplitError;

/// Sets from which no honest audit can be had. `set` is `train` or the name of a confound set.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Activations and direction of different widths.
    #[error(
        "the direction is {found} wide and the activations of `{set}` {expected}: another model or site?"
    )]
    Width {
        /// `train` or the name of a confound set.
        set: String,
        /// Columns of the activations.
        expected: usize,
        /// Width of the direction.
        found: usize,
    },
    /// Too few groups to resample.
    #[error("`{set}` has {found} pairs or groups; expected at least {least}")]
    TooFew {
        /// `train` or the name of a confound set.
        set: String,
        /// The fewest pairs or groups that can be resampled.
        least: usize,
        /// Pairs or groups that were given.
        found: usize,
    },
    /// A set that the direction does not tell apart at all.
    #[error("every row of `{set}` scores the same on the direction, so nothing is ranked")]
    EqualScores {
        /// The name of the confound set.
        set: String,
    },
    /// A set of classes where pairs are needed.
    #[error("`{set}` has no pairs to rank")]
    NoPairs {
        /// The name of the confound set.
        set: String,
    },
    /// A parameter outside its range.
    #[error("{what} is {value}; expected {expected}")]
    Parameter {
        /// The name of the parameter.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// A set that can't be fitted or scored.
    #[error("`{set}` can't be audited")]
    Set {
        /// `train` or the name of a confound set.
        set: String,
        /// What is wrong with its activations.
        #[source]
        source: EstimateError,
    },
    /// Labels that can't be permuted.
    #[error(transparent)]
    Relabel(#[from] ProbeError),
    /// Groups that can't be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A number that does not exist.
    #[error(transparent)]
    Math(#[from] MathError),
}

impl AuditError {
    /// What would mend the input, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Width { .. } => Some("read the sets at the direction's own model and site"),
            Self::TooFew { .. } => Some("add pairs, or groups of texts, to the set"),
            Self::NoPairs { .. } => Some("give pairs: rows with `chosen` and `rejected`"),
            Self::EqualScores { .. } => Some("read at a position that sees what differs"),
            Self::Set { source, .. } => source.hint(),
            Self::Relabel(e) => e.hint(),
            _ => None,
        }
    }

    pub(super) fn of(set: &str) -> impl FnOnce(EstimateError) -> Self {
        let set = set.to_owned();
        move |source| Self::Set { set, source }
    }
}
