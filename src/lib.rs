//! Asks whether a direction in a language model is true.
//!
//! Everything asked of a model is an intervention graph (`truenorth_protocol`), answered by a
//! [`run::Runner`]; everything said about a model is an [`analysis`] over what graphs return, and an
//! analysis never knows where the graph ran. A module imports lower floors only:
//!
//! | floor | modules |
//! | --- | --- |
//! | 1 | [`math`], [`data`], [`run`], [`jobs`] |
//! | 2 | [`estimate`], [`engine`], [`client`], [`store`], [`models`] |
//! | 3 | [`analysis`], [`server`] |
//! | 4 | [`report`] |
//! | 5 | the binary's `cli` |
//!
//! What holds throughout: a graph is checked before it runs; what the store has is not computed again;
//! files are written whole or not at all; candle's tensors stay inside [`engine`], reqwest's
//! types inside [`client`]; errors name the
//! offending value, what was expected, and a remedy.

pub mod analysis;
pub mod client;
pub mod data;
pub mod engine;
pub mod estimate;
pub mod jobs;
pub mod math;
pub mod models;
pub mod report;
pub mod run;
pub mod server;
pub mod store;

/// The README's Rust blocks, run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
