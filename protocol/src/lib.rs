//! Intervention graphs: what to read from a language model, what to change in it and what to return, as values
//! and as bytes. No I/O, no async, no tensors but the host's.
//!
//! A [`Graph`], made with [`Builder`], holds groups of prompts, reads and edits of activations at a [`Site`],
//! arithmetic on them, and the values to save. [`Graph::check`] holds it against a [`ModelInfo`] and gives
//! [`CheckedGraph`]. A [`Runner`](run::Runner) computes that, on this machine or on a service, and gives an [`Answer`]:
//! the saved values by name.

pub mod chat;
pub mod clock;
mod counted;
pub mod draws;
pub mod dtype;
pub mod frame;
pub mod graph;
pub mod hash;
pub mod job;
pub mod journal;
pub mod limits;
pub mod model;
pub mod nnsight;
pub mod pickle;
pub mod plan;
pub mod prompt;
pub mod run;
pub mod site;
pub mod tensor;
pub mod torch_file;
pub mod value;

pub use chat::ChatTemplates;
pub use dtype::DType;
pub use graph::{Builder, CheckedGraph, Graph, Prompt, ReadAt, WriteAt};
pub use model::ModelInfo;
pub use site::Site;
pub use tensor::Tensor;
pub use value::{Answer, Value};
