//! The only seam: a [`Runner`] answers graphs, and nobody above it knows where.

use std::error::Error;

use truenorth_protocol::graph::{CheckError, CheckLimits};
use truenorth_protocol::{Answer, Checked, Graph, ModelInfo};

/// Whatever answers intervention graphs: the engine in this process, or a service.
pub trait Runner: Send + Sync {
    /// The model as far as graphs are concerned.
    fn info(&self) -> &ModelInfo;

    /// The token ids of a text, with the special tokens the model wants at its start if `special`;
    /// none where the tokenizer is not on this machine.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError>;

    /// Tokens after which the model means to stop; empty where they are not known here.
    fn stop_tokens(&self) -> Vec<u32>;

    /// Runs a checked graph.
    ///
    /// # Errors
    /// When the work fails, was interrupted, or a prompt turns out too long once tokenized.
    fn run(&self, graph: &Checked, watch: &dyn Watch) -> Result<Answer, RunError>;

    /// Checks a graph against this model and runs it.
    ///
    /// # Errors
    /// As [`Graph::check`] and [`Runner::run`].
    fn ask(&self, graph: Graph, watch: &dyn Watch) -> Result<Answer, RunError> {
        self.run(&graph.check(self.info(), &CheckLimits::default())?, watch)
    }
}

/// Sees how a run goes on, and may stop it.
pub trait Watch: Sync {
    /// So many more tokens are to go through the model.
    fn expect(&self, _more: u64) {}

    /// Some more tokens have been through the model, or need not be.
    fn tokens(&self, _more: u64) {}

    /// Whether to stop as soon as nothing is lost by it.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watch for Unwatched {}

/// Why a run gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The graph does not fit the model; nothing was run.
    #[error("the graph does not fit the model")]
    Check(#[from] CheckError),
    /// The request is wrong in a way that shows only where the graph runs; nothing was run.
    #[error("{what}")]
    Request {
        /// What is wrong, with the value and what was expected.
        what: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Stopped on request. What was finished is kept.
    #[error("interrupted; run the same command again to go on")]
    Interrupted,
    /// The work failed.
    #[error("{what}")]
    Failed {
        /// What failed.
        what: String,
        /// Why.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
        /// What to do about it.
        hint: Option<String>,
    },
}

impl RunError {
    /// Whether the request was at fault, so that nothing was run.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self, Self::Check(_) | Self::Request { .. })
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Request { hint, .. } | Self::Failed { hint, .. } => hint.as_deref(),
            Self::Check(_) | Self::Interrupted => None,
        }
    }
}
