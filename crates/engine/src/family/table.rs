//! The entries, each the difference from one before it.

use super::{
    AttentionScale, Bias, Defaults, Family, LocalRope, NormKind, Positions, QkNorm, Qkv, SizeKeys,
    TensorNames, Windows,
};

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
    scale: AttentionScale::HeadDim,
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
    names: TensorNames {
        embed: "model.embed_tokens",
        entry: None,
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
    names: TensorNames {
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
    scale: AttentionScale::PreAttnScalar,
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
    names: TensorNames {
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
    scale: AttentionScale::Gpt2,
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
    names: TensorNames {
        embed: "transformer.wte",
        entry: Some("transformer.drop"),
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
    names: TensorNames {
        embed: "gpt_neox.embed_in",
        entry: Some("gpt_neox.emb_dropout"),
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

/// Every family that is computed.
pub static FAMILIES: [&Family; 10] =
    [&LLAMA, &MISTRAL, &QWEN2, &QWEN3, &GEMMA2, &GEMMA3, &OLMO2, &OLMO3, &GPT2, &GPT_NEOX];
