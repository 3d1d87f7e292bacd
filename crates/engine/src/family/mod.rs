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
    /// Not normed.
    None,
    /// Each head by itself.
    Head,
    /// The whole projection at once.
    Full,
}

/// How the projections to queries, keys and values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qkv {
    /// Three matrices.
    Separate,
    /// One matrix: all queries, all keys, all values.
    Joined,
    /// One matrix: query, key and value of the first head, then of the second.
    PerHead,
}

/// Whether linear layers have a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Never.
    Never,
    /// Always.
    Always,
    /// The key says; this is its default.
    Key(&'static str, bool),
    /// Queries, keys and values always, the output projection never.
    QkvOnly,
}

/// How tokens know where they are.
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
        /// What sliding layers do.
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
        /// Its key.
        key: &'static str,
        /// Its default.
        theta: f64,
    },
}

/// Which layers see only a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// None.
    None,
    /// All, if `sliding_window` is not null; this where the key is missing.
    All(usize),
    /// Those from `max_window_layers` on, if `use_sliding_window`.
    Gated,
    /// Those `layer_types` names; without it, all but every n-th.
    Types {
        /// Every n-th layer is full.
        every: usize,
        /// Key that overrides it.
        key: Option<&'static str>,
    },
}

/// The factor on scores before the softmax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// `head_dim^-1/2`
    HeadDim,
    /// `query_pre_attn_scalar^-1/2`
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
    /// Blocks.
    pub layers: &'static str,
    /// Attention heads.
    pub heads: &'static str,
    /// Longest sequence.
    pub context: &'static str,
    /// The activation function.
    pub act: &'static str,
    /// What is added to variances.
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
    /// Longest sequence.
    pub context: usize,
    /// Activation function.
    pub act: &'static str,
    /// What is added to variances.
    pub eps: f64,
    /// Whether the output matrix is the embedding.
    pub tied: bool,
    /// The window where layers slide.
    pub window: Option<usize>,
    /// Soft-cap of attention scores, where the family has one.
    pub attn_softcap: Option<f64>,
    /// Soft-cap of logits, where the family has one.
    pub logit_softcap: Option<f64>,
}

/// Names of a family's tensors, without `.weight` and `.bias`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Token embedding.
    pub embed: &'static str,
    /// What hands the embedding to block 0, where transformers has a module behind it.
    pub entry: Option<&'static str>,
    /// Learned positions.
    pub positions: &'static str,
    /// What blocks lie under.
    pub blocks: &'static str,
    /// Before attention.
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
    /// Final norm.
    pub norm: &'static str,
    /// Output matrix.
    pub head: &'static str,
}

/// An architecture.
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
    /// Positions.
    pub positions: Positions,
    /// Windows.
    pub windows: Windows,
    /// Factor on scores.
    pub scale: Scale,
    /// Whether scores and logits may have a soft-cap, by the keys `attn_logit_softcapping` and
    /// `final_logit_softcapping`.
    pub softcaps: (bool, bool),
    /// Whether the embedding is multiplied by the square root of the width.
    pub scaled_embedding: bool,
    /// Whether `use_parallel_residual` is a key, true by default.
    pub parallel: bool,
    /// Keys of the sizes.
    pub keys: SizeKeys,
    /// Defaults.
    pub defaults: Defaults,
    /// Tensor names.
    pub names: Names,
}
