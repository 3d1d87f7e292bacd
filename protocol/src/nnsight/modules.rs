//! Where a family keeps its parts in transformers.

use serde::{Deserialize, Serialize};

/// Module paths of a model as transformers names them, and what of its arithmetic a program has to
/// know to find every site. Paths inside a block are relative to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Modules {
    /// What the stream that enters block 0 comes out of, scaling and learned positions applied, such
    /// as `model.embed_tokens` or `transformer.drop`.
    pub embed: String,
    /// What blocks lie under, such as `model.layers`.
    pub blocks: String,
    /// Output projection of attention, such as `self_attn.o_proj`: one tensor, where attention itself
    /// hands out its weights as well.
    pub attn: String,
    /// Norm between attention and the sum, where there is one.
    pub attn_post: Option<String>,
    /// Norm before the MLP, where there is one.
    pub mlp_norm: Option<String>,
    /// MLP of a block, such as `mlp`.
    pub mlp: String,
    /// Norm between the MLP and the sum, where there is one.
    pub mlp_post: Option<String>,
    /// Final norm, such as `model.norm`.
    pub norm: String,
    /// Output matrix, such as `lm_head`.
    pub head: String,
    /// Whether attention and MLP read the same stream and are added together.
    pub parallel: bool,
    /// Transformer blocks.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Width of the logits.
    pub vocab: u32,
    /// How attention is to be computed, as transformers names it: `eager` where scores have a
    /// soft-cap, which the fused kernels leave out, else `sdpa`. A service's model is shared and keeps
    /// what its last caller asked for, so a request has to say it.
    pub attention: String,
    /// Soft-cap of the logits, applied behind the output matrix.
    pub logit_softcap: Option<f64>,
}
