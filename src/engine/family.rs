//! The table of families: what differs between architectures that share one transformer.
//!
//! Adding a family is adding an entry here, a fixture, and nothing else unless it computes
//! something that no family before it did.

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

const ROTARY: Positions = Positions::Rotary {
    theta_key: "rope_theta",
    theta: 10_000.0,
    partial_key: "partial_rotary_factor",
    partial: 1.0,
    local: LocalRope::Shared,
};

const LLAMA: Family = Family {
    name: "llama",
    norm: NormKind::Rms,
    qk_norm: QkNorm::None,
    qkv: Qkv::Separate,
    attn_bias: Bias::Key("attention_bias", false),
    mlp_bias: Bias::Key("mlp_bias", false),
    transposed: false,
    positions: ROTARY,
    windows: Windows::None,
    scale: Scale::HeadDim,
    softcaps: (false, false),
    scaled_embedding: false,
    parallel: false,
    keys: SizeKeys {
        hidden: "hidden_size",
        intermediate: "intermediate_size",
        layers: "num_hidden_layers",
        heads: "num_attention_heads",
        context: "max_position_embeddings",
        act: "hidden_act",
        eps: "rms_norm_eps",
    },
    defaults: Defaults {
        vocab: None,
        heads: None,
        kv_heads: None,
        head_dim: None,
        context: 2048,
        act: "silu",
        eps: 1e-6,
        tied: false,
        window: None,
        attn_softcap: None,
        logit_softcap: None,
    },
    names: Names {
        embed: "model.embed_tokens",
        positions: "",
        blocks: "model.layers",
        attn_norm: Some("input_layernorm"),
        attn_post: None,
        mlp_norm: Some("post_attention_layernorm"),
        mlp_post: None,
        qkv: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
        out: "self_attn.o_proj",
        qk_norm: ["self_attn.q_norm", "self_attn.k_norm"],
        gate: Some("mlp.gate_proj"),
        up: "mlp.up_proj",
        down: "mlp.down_proj",
        norm: "model.norm",
        head: "lm_head",
    },
};

const MISTRAL: Family = Family {
    name: "mistral",
    attn_bias: Bias::Never,
    mlp_bias: Bias::Never,
    windows: Windows::All(4096),
    defaults: Defaults { kv_heads: Some(8), context: 131_072, ..LLAMA.defaults },
    ..LLAMA
};

const QWEN2: Family = Family {
    name: "qwen2",
    attn_bias: Bias::QkvOnly,
    mlp_bias: Bias::Never,
    windows: Windows::Gated,
    defaults: Defaults { context: 32_768, window: Some(4096), ..LLAMA.defaults },
    ..LLAMA
};

const QWEN3: Family = Family {
    name: "qwen3",
    qk_norm: QkNorm::Head,
    attn_bias: Bias::Key("attention_bias", false),
    defaults: Defaults { head_dim: Some(128), ..QWEN2.defaults },
    ..QWEN2
};

const OLMO2: Family = Family {
    name: "olmo2",
    qk_norm: QkNorm::Full,
    mlp_bias: Bias::Never,
    defaults: Defaults { eps: 1e-5, ..LLAMA.defaults },
    names: Names {
        attn_norm: None,
        attn_post: Some("post_attention_layernorm"),
        mlp_norm: None,
        mlp_post: Some("post_feedforward_layernorm"),
        ..LLAMA.names
    },
    ..LLAMA
};

const OLMO3: Family = Family {
    name: "olmo3",
    positions: Positions::Rotary {
        theta_key: "rope_theta",
        theta: 500_000.0,
        partial_key: "partial_rotary_factor",
        partial: 1.0,
        local: LocalRope::Unscaled,
    },
    windows: Windows::Types { every: 4, key: None },
    defaults: Defaults { window: Some(4096), ..OLMO2.defaults },
    ..OLMO2
};

const GEMMA2: Family = Family {
    name: "gemma2",
    norm: NormKind::RmsPlusOne,
    mlp_bias: Bias::Never,
    windows: Windows::Types { every: 2, key: None },
    scale: Scale::PreAttnScalar,
    softcaps: (true, true),
    scaled_embedding: true,
    keys: SizeKeys { act: "hidden_activation", ..LLAMA.keys },
    defaults: Defaults {
        vocab: Some(256_000),
        heads: Some(8),
        kv_heads: Some(4),
        head_dim: Some(256),
        context: 8192,
        act: "gelu_pytorch_tanh",
        tied: true,
        window: Some(4096),
        attn_softcap: Some(50.0),
        logit_softcap: Some(30.0),
        ..LLAMA.defaults
    },
    names: Names {
        attn_post: Some("post_attention_layernorm"),
        mlp_norm: Some("pre_feedforward_layernorm"),
        mlp_post: Some("post_feedforward_layernorm"),
        ..LLAMA.names
    },
    ..LLAMA
};

const GEMMA3: Family = Family {
    name: "gemma3_text",
    qk_norm: QkNorm::Head,
    positions: Positions::Rotary {
        theta_key: "rope_theta",
        theta: 1_000_000.0,
        partial_key: "partial_rotary_factor",
        partial: 1.0,
        local: LocalRope::Own { key: "rope_local_base_freq", theta: 10_000.0 },
    },
    windows: Windows::Types { every: 6, key: Some("sliding_window_pattern") },
    // transformers has the key for scores and does not act on it.
    softcaps: (false, true),
    defaults: Defaults {
        vocab: Some(262_208),
        context: 131_072,
        attn_softcap: None,
        logit_softcap: None,
        ..GEMMA2.defaults
    },
    ..GEMMA2
};

const GPT2: Family = Family {
    name: "gpt2",
    norm: NormKind::Layer,
    qkv: Qkv::Joined,
    attn_bias: Bias::Always,
    mlp_bias: Bias::Always,
    transposed: true,
    positions: Positions::Learned,
    scale: Scale::Gpt2,
    keys: SizeKeys {
        hidden: "n_embd",
        intermediate: "n_inner",
        layers: "n_layer",
        heads: "n_head",
        context: "n_positions",
        act: "activation_function",
        eps: "layer_norm_epsilon",
    },
    defaults: Defaults { context: 1024, act: "gelu_new", eps: 1e-5, tied: true, ..LLAMA.defaults },
    names: Names {
        embed: "transformer.wte",
        positions: "transformer.wpe",
        blocks: "transformer.h",
        attn_norm: Some("ln_1"),
        mlp_norm: Some("ln_2"),
        qkv: ["attn.c_attn", "", ""],
        out: "attn.c_proj",
        gate: None,
        up: "mlp.c_fc",
        down: "mlp.c_proj",
        norm: "transformer.ln_f",
        ..LLAMA.names
    },
    ..LLAMA
};

const GPT_NEOX: Family = Family {
    name: "gpt_neox",
    norm: NormKind::Layer,
    qkv: Qkv::PerHead,
    attn_bias: Bias::Key("attention_bias", true),
    mlp_bias: Bias::Always,
    positions: Positions::Rotary {
        theta_key: "rotary_emb_base",
        theta: 10_000.0,
        partial_key: "rotary_pct",
        partial: 0.25,
        local: LocalRope::Shared,
    },
    parallel: true,
    keys: SizeKeys { eps: "layer_norm_eps", ..LLAMA.keys },
    defaults: Defaults { act: "gelu", eps: 1e-5, ..LLAMA.defaults },
    names: Names {
        embed: "gpt_neox.embed_in",
        blocks: "gpt_neox.layers",
        qkv: ["attention.query_key_value", "", ""],
        out: "attention.dense",
        gate: None,
        up: "mlp.dense_h_to_4h",
        down: "mlp.dense_4h_to_h",
        norm: "gpt_neox.final_layer_norm",
        head: "embed_out",
        ..LLAMA.names
    },
    ..LLAMA
};

/// Every family.
pub static FAMILIES: [&Family; 10] =
    [&LLAMA, &MISTRAL, &QWEN2, &QWEN3, &GEMMA2, &GEMMA3, &OLMO2, &OLMO3, &GPT2, &GPT_NEOX];
