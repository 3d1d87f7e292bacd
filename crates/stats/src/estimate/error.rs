//! Why a direction can't be estimated.

use crate::math::MathError;
use crate::split::SplitError;

/// Activations from which no honest direction can be had.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    /// Two parts of the input that must agree in number do not.
    #[error("{what}: expected {expected}, got {found}")]
    Count {
        /// What is counted, such as `labels`.
        what: &'static str,
        /// The number that goes with the rest of the input.
        expected: usize,
        /// The number that was given.
        found: usize,
    },
    /// Activations of different widths.
    #[error("{what} are {found} wide; expected {expected}")]
    Width {
        /// The input whose width is wrong.
        what: &'static str,
        /// Columns of the other activations.
        expected: usize,
        /// Columns that were given.
        found: usize,
    },
    /// A NaN or an infinity among the activations.
    #[error("{what} hold {value} in row {row}, column {column}; expected finite numbers")]
    NotFinite {
        /// The input that holds it.
        what: &'static str,
        /// Row from 0.
        row: usize,
        /// Column from 0.
        column: usize,
        /// The NaN or infinity.
        value: f64,
    },
    /// Only one class.
    #[error(
        "expected rows of two classes to fit on, got {positive} of the positive one and {negative} of the other"
    )]
    OneClass {
        /// Rows of the positive class.
        positive: usize,
        /// Rows of the negative class.
        negative: usize,
    },
    /// A group of a paired sample that is no pair.
    #[error("group {group} has {positive} positive and {negative} negative rows; expected one of each")]
    NoPair {
        /// Number of the group in order of first appearance.
        group: usize,
        /// Positive rows in the group.
        positive: usize,
        /// Negative rows in the group.
        negative: usize,
    },
    /// Every row is the same, so that no direction is left.
    #[error("all {rows} rows are equal, so nothing tells the classes apart")]
    Constant {
        /// Rows of the sample.
        rows: usize,
    },
    /// The class means agree to rounding.
    #[error("the classes differ by {difference:.1e} of the spread of the rows, which is rounding")]
    NoDifference {
        /// Norm of the mean difference over the root mean square of the centred rows.
        difference: f64,
    },
    /// An estimator that needs pairs was given classes.
    #[error("the estimator `{0}` needs contrastive pairs")]
    NeedsPairs(&'static str),
    /// Lengths were asked for but not given.
    #[error("projecting length out needs the length of every text")]
    NeedsLengths,
    /// A length that is not a positive number.
    #[error("row {row} has length {value}; expected a positive number")]
    Length {
        /// Row from 0.
        row: usize,
        /// The length that was given.
        value: f64,
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
    /// The optimiser stopped short of the minimum.
    #[error(
        "logistic regression at alpha {alpha} stopped with a gradient of {gradient:.1e}; expected {expected:.1e} or less"
    )]
    NotConverged {
        /// Weight of the L2 penalty.
        alpha: f64,
        /// Largest entry of the gradient.
        gradient: f64,
        /// The largest entry that would have been accepted.
        expected: f64,
    },
    /// A within-class covariance without inverse.
    #[error(
        "the within-class covariance of {rows} rows in {width} dimensions is singular at shrinkage {shrinkage}"
    )]
    Singular {
        /// Rows that were fitted on.
        rows: usize,
        /// Columns of the activations.
        width: usize,
        /// Weight of the identity in the covariance.
        shrinkage: f64,
    },
    /// A penalty that is to be chosen on held-out units, of which too few are left.
    #[error(
        "logistic regression chooses its penalty on held-out {by}, and where {one} of the {found}{named} is held out for the \
         test, no two {by} are left to choose it on"
    )]
    FewToChoose {
        /// What is held out, as it is named to a reader.
        by: &'static str,
        /// How much of it is held out for the test, such as `one axis`.
        one: &'static str,
        /// How many there are that share nothing.
        found: usize,
        /// Their names in brackets, where they have any.
        named: String,
    },
    /// Too few ways to exchange labels.
    #[error("labels can be exchanged in only {found} ways that leave both classes to fit on")]
    FewRelabellings {
        /// Different relabellings, about.
        found: f64,
    },
    /// Groups that can't be split.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// A number that does not exist.
    #[error(transparent)]
    Math(#[from] MathError),
}

impl EstimateError {
    /// What would mend the input, where that is not plain from the error.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFinite { .. } => Some(
                "if it was read in f16, which holds numbers up to 65504, read again with --dtype bf16 or f32",
            ),
            Self::Constant { .. } => {
                Some("read at a position that sees the response, as with --positions last")
            }
            Self::Singular { .. } => Some("let the shrinkage be chosen (`auto`) or set it above 0"),
            Self::NotConverged { .. } => Some("use another estimator: --estimator mean-diff or lda"),
            Self::OneClass { .. } => Some(
                "give more texts of both classes: what is left when a part of them is held out needs both too",
            ),
            Self::NoDifference { .. } => {
                Some("read elsewhere, with another --positions or --site: here both classes look the same")
            }
            Self::FewToChoose { by: "axes", .. } => Some(
                "give pairs of a third axis (texts of a third category), or use an estimator that chooses no penalty: \
                 mean-diff or lda, as in --estimator mean-diff",
            ),
            Self::FewToChoose { .. } => Some(
                "add rows that are no copies, near copies or of one group with others, ask for more folds with --folds, or \
                 use an estimator that chooses no penalty: mean-diff or lda",
            ),
            Self::FewRelabellings { .. } => {
                Some("use more groups, or leave the null out with --permutations 0")
            }
            Self::Split(e) => Some(e.hint()),
            Self::NeedsPairs(_) => Some("use --estimator mean-diff, logistic or lda on classes"),
            _ => None,
        }
    }
}
