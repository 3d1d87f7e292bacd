//! Where a family keeps its parts in transformers.

use serde::{Deserialize, Serialize};

/// Module paths of a model as transformers names them, and what of its arithmetic a program has to
/// know to find every site. Paths inside a block are relative to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modules {
    /// What blocks lie under, such as `model.layers`.
    pub blocks: String,
    /// Attention, such as `self_attn`.
    pub attn: String,
    /// Norm between attention and the sum, where there is one.
    pub attn_post: Option<String>,
    /// Norm before the MLP, where there is one.
    pub mlp_norm: Option<String>,
    /// The MLP.
    pub mlp: String,
    /// Norm between the MLP and the sum, where there is one.
    pub mlp_post: Option<String>,
    /// Final norm, such as `model.norm`.
    pub norm: String,
    /// Output matrix, such as `lm_head`.
    pub head: String,
    /// Whether attention and MLP read the same stream and are added together.
    pub parallel: bool,
    /// Soft-cap of the logits, applied behind the output matrix.
    pub logit_softcap: Option<f64>,
}
