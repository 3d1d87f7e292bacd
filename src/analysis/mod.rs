//! FLOOR 3: questions about a model, asked through a [`crate::run::Runner`].

mod activations;
mod apart;
pub mod audit;
pub mod board;
mod chunk;
mod counted;
mod error;
pub mod extract;
#[cfg(test)]
mod fixture;
pub mod geometry;
pub mod judge;
mod labelled;
mod memory;
pub mod probing;
pub mod rate;
pub mod scan;
pub mod score;
pub mod stat;
pub mod steer;
pub mod sweep;
mod tally;
pub mod transfer;
mod wanted;

pub use activations::{Named, Reader, Reading, keep};
pub use apart::{LeftOutTexts, sentiment_apart};
pub use error::AnalysisError;
pub use labelled::Labelled;
pub use memory::Memory;
pub use tally::{LeftOut, Tally};
