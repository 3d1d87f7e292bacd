//! The local engine: opening models, running graphs on them.

pub mod gguf;
pub mod load;
pub mod tokenizer;
