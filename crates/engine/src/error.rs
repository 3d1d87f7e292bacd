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
    /// The files could not be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The configuration is not one that is computed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights hold a tensor that this architecture has no place for.
    #[error("the weights hold tensor `{name}`, which family `{family}` with this configuration does not use")]
    UnusedTensor {
        /// The tensor.
        name: String,
        /// The family by the configuration.
        family: String,
    },
    /// A sequence that does not fit the model.
    #[error("sequence {seq} {problem}")]
    Prompt {
        /// The sequence, by its number in the batch.
        seq: usize,
        /// What is wrong with it.
        problem: PromptProblem,
    },
    /// A part of a batch that goes on from one that is not there.
    #[error("tokens are to go on from part {part} of a batch of {parts} parts")]
    UnknownPart {
        /// The part asked for.
        part: usize,
        /// How many there are.
        parts: usize,
    },
    /// A batch of shared beginnings that is to be cached.
    #[error("a batch whose sequences share their beginnings has no cache of its own")]
    TreeWithCache,
    /// A sequence stands twice in one batch.
    #[error("sequence {seq} stands twice in one batch, expected each sequence once")]
    DuplicateSequence {
        /// The sequence.
        seq: usize,
    },
    /// A row that the batch does not have.
    #[error("row {row} is asked for, the batch has {rows}")]
    UnknownRow {
        /// The row.
        row: usize,
        /// Rows of the batch.
        rows: usize,
    },
    /// A site that the model does not have.
    #[error("site `{site}` is asked for, the model has {layers} blocks")]
    UnknownSite {
        /// The site.
        site: Site,
        /// Blocks of the model.
        layers: usize,
    },
    /// A cache that lacks tokens, because an earlier pass stopped before this block.
    #[error("the cache of sequence {seq} holds {found} tokens at block {block}, expected {expected}")]
    CacheGap {
        /// The sequence.
        seq: usize,
        /// The block.
        block: usize,
        /// Tokens held there.
        found: usize,
        /// Tokens held at block 0.
        expected: usize,
    },
    /// A sequence or model that the cache was not made for.
    #[error("the cache has {found} {what}, expected {expected}")]
    CacheShape {
        /// What is counted.
        what: &'static str,
        /// How many the cache has.
        found: usize,
        /// How many are needed.
        expected: usize,
    },
    /// An edit that changes the shape or type of a site.
    #[error("an edit of `{site}` returned {found}, expected {expected}")]
    Edit {
        /// The site.
        site: Site,
        /// Shape and type returned.
        found: String,
        /// Shape and type of the site.
        expected: String,
    },
    /// NaN or an infinity in an activation.
    #[error("`{site}` of sequence {seq} holds {value} at position {position}, expected finite numbers")]
    NotFinite {
        /// Where.
        site: Site,
        /// The sequence, by its number in the batch.
        seq: usize,
        /// The position in the sequence.
        position: usize,
        /// The value.
        value: f32,
    },
    /// Parameters of sampling that make no sense.
    #[error("{what} is {found}, expected {expected}")]
    Sampling {
        /// The parameter.
        what: &'static str,
        /// Its value.
        found: f64,
        /// What it can be.
        expected: &'static str,
    },
    /// The backend failed.
    #[error("cannot compute {what}")]
    Backend {
        /// The step.
        what: String,
        /// The backend's reason.
        source: Box<candle_core::Error>,
    },
    /// There is no memory for a value of a graph.
    #[error("there is no memory for a value of {bytes} bytes")]
    NoMemory {
        /// Its bytes.
        bytes: usize,
    },
    /// A value that has to be there by now.
    #[error("{what} should be there by now; this is a fault of truenorth")]
    Missing {
        /// The value.
        what: String,
    },
    /// What a hook reports.
    #[error("at `{site}`")]
    Hook {
        /// The site.
        site: Site,
        /// The hook's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    /// What the user can do about it.
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
