//! Intervention graphs as values and bytes. No I/O, no async, no tensors but the host's.
//!
//! A [`Graph`] says what is asked of a model, [`ModelInfo`] what the model is, [`Graph::check`]
//! whether the two fit, and [`Answer`] carries what comes back.

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
pub use graph::{Builder, Checked, Graph, Prompt, ReadAt, WriteAt};
pub use model::ModelInfo;
pub use site::Site;
pub use tensor::Tensor;
pub use value::{Answer, Value};
