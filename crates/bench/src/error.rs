use std::io;
use std::path::PathBuf;

use truenorth_protocol::run::RunError;
use truenorth_protocol::tensor::TensorError;
use truenorth_stats::math::MathError;

/// Why a bench has no figures.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A peer's Python does not start.
    #[error("can't start {}", python.display())]
    Start {
        /// The interpreter, as the user gave it.
        python: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A peer takes no questions any more.
    #[error("the peer was not asked")]
    Pipe(#[from] io::Error),
    /// A peer ended, or wrote something else than an answer.
    #[error("the peer stopped; its own words are above")]
    Stopped(#[from] serde_json::Error),
    /// Our side failed.
    #[error("our side was not run")]
    Run(#[from] RunError),
    /// An answer has another form than its graph asks for.
    #[error("the answer has no {0}")]
    Answer(&'static str),
    /// An answer's tensor has other values than its graph asks for.
    #[error("the answer's tensor is not read")]
    Tensor(#[from] TensorError),
    /// A row of zeros has no direction.
    #[error("a row of the residual stream has no cosine with its reference")]
    Cosine(#[from] MathError),
}
