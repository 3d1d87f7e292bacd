//! Asks whether a direction in a language model is true.
//!
//! A direction is a vector in the residual stream that is said to mean something: kindness, refusal, truth. This library
//! finds one, adds it, scores texts along it, and tests what is said of it: on pairs and axes that it was not fitted on,
//! with flipped labels, against random directions, against length and sentiment alone, and against sets of texts that
//! differ in something else. Every number has its n, its interval and its null.
//!
//! ```no_run
//! let model = truenorth::Model::open("smollm2-135m")?;
//! let direction = truenorth::Direction::extract(&model, "examples/human-values/pairs.jsonl")?;
//! let scores = direction.score(&model, ["The next day", "I think"], ["be kind", "be cruel"])?;
//! let audited = direction.audit(&model, "examples/human-values/pairs.jsonl", &["length=examples/human-values/confounds/length.jsonl"])?;
//! let finished = truenorth::Study::open("examples/human-values/study.toml")?.run()?;
//! # Ok::<(), truenorth::Error>(())
//! ```
//!
//! # Where to begin
//!
//! - [`Model`]: opened by name, folder, URL or on NDIF; [`Model::read`] gives activations as a matrix, [`Model::ask`] asks any
//!   analysis.
//! - [`Direction`]: [`Direction::extract`], [`Direction::steer`], [`Direction::score`], [`Direction::audit`].
//! - [`Study`]: a file that asks several questions, run to a page.
//! - [`Error`]: whose fault it is ([`Error::kind`]) and what helps ([`Error::hint`]).
//! - [`protocol`]: questions as graphs of reads, edits and sums, for what no method above asks.
//!
//! Calls block. A model, a direction and a study never show what computes: candle's tensors stay inside [`engine`], and
//! matrices are [`ndarray`]'s.
//!
//! # What it stands on
//!
//! Everything asked of a model is an intervention graph ([`protocol`]), answered by a [`run::Runner`]; everything said
//! about a model is an analysis ([`analyses`]) over what graphs return, and an analysis never knows where the graph ran. A
//! crate depends on lower floors only:
//!
//! | floor | crates and modules |
//! | --- | --- |
//! | 0 | [`protocol`]: graphs and wires; [`run`], [`journal`] |
//! | 1 | [`stats`], [`files`] |
//! | 2 | [`engine`], [`data`], `truenorth_remote`: [`client`] and [`server`] |
//! | 3 | [`report`] |
//! | 4 | `truenorth_reading`: texts read, directions fitted; `truenorth_bench`: timings beside peers; `truenorth_verify`: files and claims held against files, here in [`study::verify`] |
//! | 5 | `truenorth_analyses` and `truenorth_boards`, here [`analyses`] |
//! | 6 | `truenorth_experiment`, also there; `truenorth_arena`, here `arena`: a public board, served; `truenorth_play`, here `play`: the page of the playground |
//! | 7 | this crate: [`study`] and what it stands on, [`Model`], [`Direction`] and [`Study`] over it, and the binary's `cli` |
//!
//! What holds throughout: a graph is checked before it runs; what the store has is not computed again;
//! files are written whole or not at all; errors name the offending value, what was expected, and a remedy.

#[doc(hidden)]
pub mod direction;
pub mod error;
pub mod experiment;
mod facade;
pub mod host;
#[doc(hidden)]
pub mod inputs;
pub mod pushes;
pub mod session;
// For the command line.
#[doc(hidden)]
pub mod settings;
pub mod study;

/// Every analysis, and what they share.
pub mod analyses {
    pub use truenorth_analyses::*;
    pub use truenorth_boards::*;
    pub use truenorth_experiment as experiment;
    pub use truenorth_reading::*;
}

pub use error::{Error, ErrorKind};
pub use facade::{Direction, Extract, Finished, Model, Options, Pairs, Study};
pub use ndarray;
#[cfg(feature = "arena")]
pub use truenorth_arena as arena;
pub use truenorth_data as data;
pub use truenorth_data::{artifact, models, store};
pub use truenorth_engine as engine;
pub use truenorth_files as files;
#[cfg(feature = "play")]
pub use truenorth_play as play;
pub use truenorth_protocol as protocol;
pub use truenorth_protocol::{journal, run};
#[cfg(feature = "serve")]
pub use truenorth_remote::server;
pub use truenorth_remote::{available_disk, available_memory, client};
pub use truenorth_report as report;
pub use truenorth_stats as stats;
pub use truenorth_stats::{estimate, math};

/// The Rust blocks of the README and the book, run as doctests.
#[cfg(doctest)]
mod written {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/src/library.md")]
    struct Library;
}
