//! Why a graph has no program.

use crate::prompt::PromptFault;

/// Why a payload can't be made. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// The token lists are not those of the graph.
    #[error("group {group} has {expected} prompts, and token ids were given for {found}")]
    Prompts {
        /// Which group.
        group: usize,
        /// Prompts in the graph.
        expected: usize,
        /// Lists of token ids given.
        found: usize,
    },
    /// Token ids are missing for whole groups.
    #[error("the graph has {expected} groups, and token ids were given for {found}")]
    Groups {
        /// Groups in the graph.
        expected: usize,
        /// Lists given.
        found: usize,
    },
    /// A prompt that does not fit.
    #[error(transparent)]
    Prompt(#[from] PromptFault),
    /// Floats can't be narrowed to this type.
    #[error("values can't be sent back as {0}; expected f32, bf16 or f16")]
    Reply(crate::DType),
    /// A name that has no place in a program, such as a module path with a space in it.
    #[error("`{found}` is no {what}; expected letters, digits, `_`, `-` and `.`")]
    Name {
        /// What it should be.
        what: &'static str,
        /// The name.
        found: String,
    },
    /// The payload can't be pickled.
    #[error("the payload can't be written")]
    Pickle(#[source] crate::pickle::PickleError),
    /// One value would be larger than a service's program may hand back.
    #[error("a value of {found} bytes would cross to the model at once; a service takes {limit} at most")]
    Frame {
        /// Its bytes.
        found: u64,
        /// The most that is taken.
        limit: u64,
    },
    /// The payload would be larger than allowed.
    #[error("the payload has at least {found} bytes, the limit is {limit}")]
    TooLarge {
        /// Its bytes.
        found: usize,
        /// The most that is allowed.
        limit: usize,
    },
}

impl LowerError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Prompt(fault) => Some(fault.problem.hint()),
            Self::TooLarge { .. } | Self::Frame { .. } => {
                Some("send fewer prompts or smaller constants at a time".into())
            }
            _ => None,
        }
    }
}
