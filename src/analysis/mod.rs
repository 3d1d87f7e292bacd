//! FLOOR 3: questions about a model, asked through a [`crate::run::Runner`].

mod activations;
mod error;
pub mod extract;
pub mod score;
pub mod steer;

pub use activations::{Named, Reader, Reading, keep};
pub use error::AnalysisError;
