//! Asks whether a direction in a language model is true.
//!
//! Everything asked of a model is an intervention graph (`truenorth_protocol`), answered by a
//! [`run::Runner`]; everything said about a model is an [`analyses`] over what graphs return, and an
//! analysis never knows where the graph ran. A crate depends on lower floors only:
//!
//! | floor | crates and modules |
//! | --- | --- |
//! | 0 | `truenorth_protocol`: graphs and wires; [`run`], [`journal`] |
//! | 1 | [`stats`], [`files`] |
//! | 2 | [`engine`], [`data`], `truenorth_remote`: [`client`] and [`server`] |
//! | 3 | [`report`] |
//! | 4 | `truenorth_reading`: texts read, directions fitted |
//! | 5 | `truenorth_analyses` and `truenorth_boards`, here [`analyses`] |
//! | 6 | `truenorth_arena`: a public board, served |
//! | 7 | this crate: [`study`] and what it stands on, and the binary's `cli` |
//!
//! What holds throughout: a graph is checked before it runs; what the store has is not computed again;
//! files are written whole or not at all; candle's tensors stay inside [`engine`], reqwest's
//! types inside [`client`]; errors name the offending value, what was expected, and a remedy.

pub mod direction;
pub mod error;
pub mod host;
pub mod inputs;
pub mod session;
pub mod study;

/// Every analysis, and what they share.
pub mod analyses {
    pub use truenorth_analyses::*;
    pub use truenorth_boards::*;
    pub use truenorth_reading::*;
}

#[cfg(feature = "arena")]
pub use truenorth_arena as arena;
pub use truenorth_data as data;
pub use truenorth_data::{artifact, models, store};
pub use truenorth_engine as engine;
pub use truenorth_files as files;
pub use truenorth_protocol::{journal, run};
#[cfg(feature = "serve")]
pub use truenorth_remote::server;
pub use truenorth_remote::{available_memory, client};
pub use truenorth_report as report;
pub use truenorth_stats as stats;
pub use truenorth_stats::{estimate, math};

/// The README's Rust blocks, run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
