//! The local engine: opening models, running graphs on them.
//!
//! [`Engine::open`] takes a GGUF file or a folder as transformers saves it; the engine is a
//! [`Runner`](truenorth_protocol::run::Runner) of intervention graphs. [`Outline`] has architecture and tokenizer of a model
//! without its weights. What follows is for those who change how it computes.
//!
//! One transformer computes every family; [`family`] is the table of what differs. A pass takes a
//! [`layout::TokenBatch`] of sequences of unequal lengths as rows of one tensor without padding, calls
//! [`hooks::Hooks`] at every site it is asked for, and computes no more than its
//! [`layout::Need`]: blocks after the last site never run, and in the last one only the rows that
//! are needed do. What several prompts begin with is computed once ([`tree`]). Activations are
//! f32; weights are what they were loaded as. On CPUs with AVX2 or AVX-512 kernels of our own compute
//! (`kernel::panel`), elsewhere candle.

mod backend;
pub mod bake;
mod block;
pub mod cache;
pub mod config;
pub mod error;
mod exec;
pub mod family;
mod generation;
pub mod gguf;
mod head;
pub mod hooks;
mod kernel;
pub mod layout;
pub mod load;
pub mod model;
mod model_tokenizer;
mod open;
mod outline;
mod pass;
mod reference;
mod rope;
pub mod sample;
mod split;
#[cfg(test)]
mod tests;
pub mod tokenizer;
pub mod tree;
mod weights;

pub use kernel::panel::{Peaks, peaks};
pub use model_tokenizer::{ModelTokenizer, NO_TOKENIZER};
pub use open::{Description, Engine, EngineOptions, Precision};
pub use outline::Outline;
pub use reference::{Choices, Transformers};

/// The path by which models in f32 are computed on this machine's CPU, as results name it: such as `f32-amx`, or
/// `candle+slices` where the CPU has neither AVX2 nor AVX-512.
#[must_use]
pub fn cpu_path() -> &'static str {
    if backend::host::usable() {
        kernel::panel::path(kernel::panel::PanelFormat::F32)
    } else {
        "candle+slices"
    }
}
