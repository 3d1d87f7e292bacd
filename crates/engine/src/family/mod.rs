//! The table of families: what differs between architectures that share one transformer.
//!
//! Adding a family is adding an entry here, a fixture, and nothing else unless it computes
//! something that no family before it did.

mod table;

pub use table::FAMILIES;

/// How a norm turns its weight into a factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// `x / rms(x) · w`
    Rms,
    /// `x / rms(x) · (1 + w)`
    RmsPlusOne,
    /// `(x - mean(x)) / std(x) · w + b`
    Layer,
}

/// What queries and keys are normed over, if at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// Queries and keys are not normed.
    None,
    /// Each head is normed by itself.
    Head,
    /// All heads together are normed at once.
    Full,
}

/// How the projections to queries, keys and values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qkv {
    /// A matrix each for queries, keys and values.
    Separate,
    /// One matrix: all queries, all keys, all values.
    Joined,
    /// One matrix: query, key and value of the first head, then of the second.
    PerHead,
}

/// Whether linear layers have a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// No layer has a bias.
    Never,
    /// Every layer has a bias.
    Always,
    /// The key says; this is its default.
    Key(&'static str, bool),
    /// Queries, keys and values always, the output projection never.
    QkvOnly,
}

/// How tokens are told where they stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Positions {
    /// Rotated queries and keys.
    Rotary {
        /// Key of the base in the classic config.
        theta_key: &'static str,
        /// The base where the config does not say.
        theta: f64,
        /// Key of the rotated share of a head in the classic config.
        partial_key: &'static str,
        /// The rotated share where the config does not say.
        partial: f64,
        /// How sliding layers rotate, where they do otherwise.
        local: LocalRope,
    },
    /// A learned vector a position.
    Learned,
}

/// The rotation of sliding layers in the classic config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LocalRope {
    /// That of all layers.
    Shared,
    /// The base of all layers, unscaled.
    Unscaled,
    /// A base of its own, unscaled.
    Own {
        /// The config's key of it.
        key: &'static str,
        /// The base where the key is missing.
        theta: f64,
    },
}

/// Which layers see only a window of the tokens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// No layer does.
    None,
    /// All, if `sliding_window` is not null; this where the key is missing.
    All(usize),
    /// Those from `max_window_layers` on, if `use_sliding_window`.
    Gated,
    /// Those `layer_types` names; without it, all but every n-th.
    Types {
        /// Every so-many-th layer sees all tokens.
        every: usize,
        /// Key that overrides it.
        key: Option<&'static str>,
    },
}

/// The factor on scores before the softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionScale {
    /// `head_dim^-1/2`.
    HeadDim,
    /// `query_pre_attn_scalar^-1/2`.
    PreAttnScalar,
    /// As GPT-2's `scale_attn_weights` and `scale_attn_by_inverse_layer_idx` say.
    Gpt2,
}

/// Config keys of the sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeKeys {
    /// Width of the residual stream.
    pub hidden: &'static str,
    /// Width of the MLP.
    pub intermediate: &'static str,
    /// Transformer blocks.
    pub layers: &'static str,
    /// Attention heads of a block.
    pub heads: &'static str,
    /// Tokens of the longest sequence.
    pub context: &'static str,
    /// Activation function of the MLP.
    pub act: &'static str,
    /// What norms add to the variance.
    pub eps: &'static str,
}

/// Values where the config does not say, as in the Hugging Face configuration class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// Vocabulary; `None` where the config must say.
    pub vocab: Option<usize>,
    /// Heads; `None` where the config must say.
    pub heads: Option<usize>,
    /// Key-value heads; `None` for as many as heads.
    pub kv_heads: Option<usize>,
    /// Width of a head; `None` for hidden / heads.
    pub head_dim: Option<usize>,
    /// Tokens of the longest sequence.
    pub context: usize,
    /// Activation function of the MLP, by transformers' name.
    pub act: &'static str,
    /// What norms add to the variance.
    pub eps: f64,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
    /// Tokens that a sliding layer sees, itself included.
    pub window: Option<usize>,
    /// Soft-cap of attention scores, where the family has one.
    pub attn_softcap: Option<f64>,
    /// Soft-cap of logits, where the family has one.
    pub logit_softcap: Option<f64>,
}

/// Names of a family's tensors, without `.weight` and `.bias`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorNames {
    /// The token embedding, `[vocab, hidden]`.
    pub embed: &'static str,
    /// What hands the embedding to block 0, where transformers has a module behind it.
    pub entry: Option<&'static str>,
    /// The embedding of learned positions, `[context, hidden]`.
    pub positions: &'static str,
    /// The prefix of blocks, before their index.
    pub blocks: &'static str,
    /// Norm before attention.
    pub attn_norm: Option<&'static str>,
    /// After attention, before it is added.
    pub attn_post: Option<&'static str>,
    /// Before the MLP.
    pub mlp_norm: Option<&'static str>,
    /// After the MLP, before it is added.
    pub mlp_post: Option<&'static str>,
    /// Queries, keys and values; the first alone where they are one matrix.
    pub qkv: [&'static str; 3],
    /// Output projection of attention.
    pub out: &'static str,
    /// Norms of queries and keys.
    pub qk_norm: [&'static str; 2],
    /// Gate of the MLP, where it has one.
    pub gate: Option<&'static str>,
    /// Into the MLP.
    pub up: &'static str,
    /// Out of the MLP.
    pub down: &'static str,
    /// The norm after the last block.
    pub norm: &'static str,
    /// The output matrix, `[vocab, hidden]`.
    pub head: &'static str,
}

/// A family of architectures: what its configs mean, and where its tensors lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    /// `model_type` of the config.
    pub name: &'static str,
    /// Norms of the residual stream, and of queries and keys.
    pub norm: NormKind,
    /// Norms of queries and keys.
    pub qk_norm: QkNorm,
    /// Storage of the projections into attention.
    pub qkv: Qkv,
    /// Biases of attention.
    pub attn_bias: Bias,
    /// Biases of the MLP.
    pub mlp_bias: Bias,
    /// Whether matrices are stored `[in, out]`.
    pub transposed: bool,
    /// How tokens are told where they stand.
    pub positions: Positions,
    /// Which layers see only a window.
    pub windows: Windows,
    /// Factor on scores.
    pub scale: AttentionScale,
    /// Whether scores and logits may have a soft-cap, by the keys `attn_logit_softcapping` and
    /// `final_logit_softcapping`.
    pub softcaps: (bool, bool),
    /// Whether the embedding is multiplied by the square root of the width.
    pub scaled_embedding: bool,
    /// Whether `use_parallel_residual` is a key, true by default.
    pub parallel: bool,
    /// Keys of the sizes.
    pub keys: SizeKeys,
    /// Values of config keys that are missing.
    pub defaults: Defaults,
    /// Where its tensors lie.
    pub names: TensorNames,
}
