//! Why a number can't be computed.

/// An input for which the number asked for does not exist.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MathError {
    /// Two inputs that must agree in length do not.
    #[error("{what}: expected length {expected}, got {found}")]
    Length {
        /// The input whose length is wrong.
        what: &'static str,
        /// The length that goes with the other input.
        expected: usize,
        /// The length that was given.
        found: usize,
    },
    /// A NaN or an infinity.
    #[error("{what} holds {value} at position {index}; expected finite numbers")]
    NotFinite {
        /// The input that holds it.
        what: &'static str,
        /// Flat index of the first offender.
        index: usize,
        /// The NaN or infinity.
        value: f64,
    },
    /// A vector without a direction.
    #[error("{what} is the zero vector, which has no direction")]
    ZeroVector {
        /// The input that is zero.
        what: &'static str,
    },
    /// A vector that the ones before it already span.
    #[error(
        "direction {index} lies in the span of the ones before it: a share of {rest:.1e} of it is new, \
         expected at least {least:.1e}"
    )]
    Dependent {
        /// Position in the list given.
        index: usize,
        /// Norm of what is left of the unit vector after projection.
        rest: f64,
        /// The least norm that counts as new.
        least: f64,
    },
    /// Too few observations.
    #[error("{what}: expected at least {least}, got {found}")]
    TooFew {
        /// What is counted, such as `rows`.
        what: &'static str,
        /// The fewest for which the number exists.
        least: usize,
        /// How many were given.
        found: usize,
    },
    /// A parameter outside its range.
    #[error("{what} is {value}; expected {expected}")]
    OutOfRange {
        /// The name of the parameter.
        what: &'static str,
        /// The value given.
        value: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// The same value everywhere where variation is needed.
    #[error("{what} has no variation: every value is {value}")]
    Constant {
        /// The input that does not vary.
        what: &'static str,
        /// The value that all of it has.
        value: f64,
    },
    /// A decomposition failed.
    #[error("the {what} did not succeed")]
    Decomposition {
        /// The step that failed, such as `eigendecomposition`.
        what: &'static str,
        /// The error of the linear algebra library.
        #[source]
        source: LinalgError,
    },
}

/// The message of the linear algebra library, kept as text so that its types stay inside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LinalgError(pub String);

impl MathError {
    pub(crate) fn decomposition(what: &'static str, source: impl std::fmt::Display) -> Self {
        Self::Decomposition { what, source: LinalgError(source.to_string()) }
    }
}

/// The first entry that is no finite number, as an error.
pub(crate) fn finite<'a>(
    what: &'static str,
    values: impl IntoIterator<Item = &'a f64>,
) -> Result<(), MathError> {
    match values.into_iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, &value)) => Err(MathError::NotFinite { what, index, value }),
        None => Ok(()),
    }
}
