//! What a runner says about its model: all that checking a graph needs.

use serde::{Deserialize, Serialize};

/// A model as far as graphs are concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Name as the user gave it, such as `smollm2-135m` or `allenai/Olmo-3-1125-32B`.
    pub name: String,
    /// Revision of a hosted model, or the content identity of local weights.
    pub revision: String,
    /// Family, such as `llama`.
    pub family: String,
    /// Transformer blocks; sites count them from 0.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Width of the logits.
    pub vocab: u32,
    /// The longest sequence in tokens, prompt and generated together.
    pub context: u32,
    /// Which numeric path computes, such as `engine/f32`; part of every cache key.
    pub path: String,
}
