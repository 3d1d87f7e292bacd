//! Why a graph has no program.

use crate::prompt::PromptFault;

/// Why a payload can't be made. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LowerError {
    /// The token lists are not those of the graph.
    #[error("group {group} has {expected} prompts, and token ids were given for {found}")]
    Prompts {
        /// Index into [`Graph::groups`](crate::Graph::groups).
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
        /// Groups that token ids were given for.
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
        /// What the name should be.
        what: &'static str,
        /// The name that was found.
        found: String,
    },
    /// The payload can't be pickled.
    #[error("the payload can't be written")]
    Pickle(#[source] crate::pickle::PickleError),
    /// One value would be larger than a service's program may hand back.
    #[error("a value of {found} bytes would cross to the model at once; a service takes {limit} at most")]
    Frame {
        /// Bytes of the value.
        found: u64,
        /// The most bytes that one value may have.
        limit: u64,
    },
    /// The payload would be larger than allowed.
    #[error("the payload has at least {found} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the payload, at least.
        found: usize,
        /// The most bytes it may have.
        limit: usize,
    },
}

impl LowerError {
    /// A remedy for people; none where this is a fault of the program or of the model's description.
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
