//! What can go wrong while a model runs.

use thiserror::Error;
use truenorth_protocol::Site;
use truenorth_protocol::prompt::PromptProblem;

use super::config::ConfigError;
use super::load::LoadError;

/// A model could not be set up, or a forward pass not be done.
///
/// [`EngineError::hint`] gives the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model's files could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The configuration is not one that is computed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights hold a tensor that this architecture has no place for.
    #[error("the weights hold tensor `{name}`, which family `{family}` with this configuration does not use")]
    UnusedTensor {
        /// Name of the tensor.
        name: String,
        /// The family that the config names.
        family: String,
    },
    /// A sequence that does not fit the model.
    #[error("sequence {seq} {problem}")]
    Prompt {
        /// The sequence, by its number in the batch.
        seq: usize,
        /// What is wrong, to follow the sequence.
        problem: PromptProblem,
    },
    /// A part of a batch that goes on from one that is not there.
    #[error("tokens are to go on from part {part} of a batch of {parts} parts")]
    UnknownPart {
        /// Index of the part that was named.
        part: usize,
        /// Parts that the batch has so far.
        parts: usize,
    },
    /// A batch of shared beginnings that is to be cached.
    #[error("a batch whose sequences share their beginnings has no cache of its own")]
    TreeWithCache,
    /// A sequence stands twice in one batch.
    #[error("sequence {seq} stands twice in one batch, expected each sequence once")]
    DuplicateSequence {
        /// Number of the sequence.
        seq: usize,
    },
    /// A row that the batch does not have.
    #[error("row {row} is asked for, the batch has {rows}")]
    UnknownRow {
        /// Index of the row that was asked for.
        row: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// A site that the model does not have.
    #[error("site `{site}` is asked for, the model has {layers} blocks")]
    UnknownSite {
        /// The site that was asked for.
        site: Site,
        /// Blocks of the model.
        layers: usize,
    },
    /// A cache that lacks tokens, because an earlier pass stopped before this block.
    #[error("the cache of sequence {seq} holds {found} tokens at block {block}, expected {expected}")]
    CacheGap {
        /// Number of the sequence.
        seq: usize,
        /// The block, from 0.
        block: usize,
        /// Tokens held there.
        found: usize,
        /// Tokens held at block 0.
        expected: usize,
    },
    /// A sequence or model that the cache was not made for.
    #[error("the cache has {found} {what}, expected {expected}")]
    CacheShape {
        /// What is counted, such as `blocks`.
        what: &'static str,
        /// Number that the cache has.
        found: usize,
        /// Number that the pass needs.
        expected: usize,
    },
    /// An edit that changes the shape or type of a site.
    #[error("an edit of `{site}` returned {found}, expected {expected}")]
    Edit {
        /// The site that is edited.
        site: Site,
        /// Shape and type returned.
        found: String,
        /// Shape and type of the site.
        expected: String,
    },
    /// NaN or an infinity in an activation.
    #[error("`{site}` of sequence {seq} holds {value} at position {position}, expected finite numbers")]
    NotFinite {
        /// The site with the NaN or infinity.
        site: Site,
        /// The sequence, by its number in the batch.
        seq: usize,
        /// Index of the token in the sequence.
        position: usize,
        /// The NaN or infinity.
        value: f32,
    },
    /// Parameters of sampling that make no sense.
    #[error("{what} is {found}, expected {expected}")]
    Sampling {
        /// Name of the parameter.
        what: &'static str,
        /// The value that was given.
        found: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// The tensor library failed.
    #[error("cannot compute {what}")]
    Backend {
        /// The step that was computed.
        what: String,
        /// The error of the tensor library.
        source: Box<candle_core::Error>,
    },
    /// There is no memory for a value of a graph.
    #[error("there is no memory for a value of {bytes} bytes")]
    NoMemory {
        /// Bytes that the value takes.
        bytes: usize,
    },
    /// A value that has to be there by now.
    #[error("{what} should be there by now; this is a fault of truenorth")]
    Missing {
        /// The value that is missing.
        what: String,
    },
    /// An error that a hook gave.
    #[error("at `{site}`")]
    Hook {
        /// The site at which the hook was called.
        site: Site,
        /// The error of the hook.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    /// A remedy for people, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Load(error) => return error.hint().map(str::to_owned),
            Self::Prompt { problem, .. } => return Some(problem.hint()),
            Self::Config(error) => return Some(error.hint()),
            Self::UnusedTensor { .. } => {
                "fetch config.json and the weights from one revision; if they are, the model is a variant that is not \
                 computed here"
            }
            Self::UnknownSite { .. } => "`models show` lists the sites of a model",
            Self::NotFinite { .. } => {
                "f16 holds numbers up to 65504: compute in bf16 or f32 with --dtype; give smaller doses if the model is \
                 steered; else the weights are damaged"
            }
            Self::Sampling { what: "a logit", .. } => "an edit may be too large for f32: take a smaller α",
            Self::Sampling { .. } => "give a temperature of 0 or above, and a top-p above 0 and up to 1",
            Self::Backend { .. } => {
                "free memory or give fewer prompts; CUDA_VISIBLE_DEVICES= (empty) computes on the CPU"
            }
            Self::NoMemory { .. } => "free memory or ask about fewer prompts at a time",
            Self::Missing { .. } => "report it, with the command and its output",
            Self::DuplicateSequence { .. }
            | Self::UnknownPart { .. }
            | Self::TreeWithCache
            | Self::UnknownRow { .. }
            | Self::CacheGap { .. }
            | Self::CacheShape { .. }
            | Self::Edit { .. }
            | Self::Hook { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Says what was being computed when the backend failed.
pub(super) fn backend(what: impl Into<String>) -> impl FnOnce(candle_core::Error) -> EngineError {
    |source| EngineError::Backend { what: what.into(), source: Box::new(source) }
}
