//! The architectures of GGUF files: tensor names and what the converter changed.
//!
//! Names and changes follow llama.cpp's `convert_hf_to_gguf.py` and `gguf-py`, read for what they
//! do; a tensor that an architecture does not have is refused, for it could change the numbers.

use std::path::Path;

use super::keys::Dims;
use crate::gguf::GgufMetadata;
use crate::load::LoadError;
use crate::load::index::StoredLayout;

pub(super) struct GgufFamily {
    /// `general.architecture`.
    pub(super) arch: &'static str,
    /// Name of the hub's tensor for each of the model as a whole.
    globals: &'static [(&'static str, &'static str)],
    /// Prefix of a block's tensors on the hub.
    blocks: &'static str,
    /// Name within a block on the hub for each within `blk.N.`.
    block: &'static [(&'static str, &'static str)],
    /// Query and key rows are interleaved for the rotation of neighbouring pairs.
    interleaved: bool,
    /// Norm weights carry the one that the hub's model adds.
    norms_plus_one: bool,
    /// Matrices are transposed against the hub's (`Conv1D`).
    transposed: bool,
    /// The fused projection is stacked by query, key and value in place of by head.
    stacked: bool,
    /// The file may hold a rotary factor for each frequency.
    pub(super) rope_freqs: bool,
}

const LLAMA_GLOBALS: &[(&str, &str)] =
    &[("token_embd", "model.embed_tokens"), ("output_norm", "model.norm"), ("output", "lm_head")];

const PRE_NORM: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const PRE_NORM_QK: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

const SANDWICH: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_output", "self_attn.o_proj"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

const POST_NORM: &[(&str, &str)] = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
    ("attn_output", "self_attn.o_proj"),
    ("post_attention_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

const PLAIN: GgufFamily = GgufFamily {
    arch: "",
    globals: LLAMA_GLOBALS,
    blocks: "model.layers",
    block: PRE_NORM,
    interleaved: false,
    norms_plus_one: false,
    transposed: false,
    stacked: false,
    rope_freqs: false,
};

pub(super) const FAMILIES: &[GgufFamily] = &[
    GgufFamily { arch: "llama", interleaved: true, rope_freqs: true, ..PLAIN },
    GgufFamily { arch: "qwen2", ..PLAIN },
    GgufFamily { arch: "qwen3", block: PRE_NORM_QK, ..PLAIN },
    GgufFamily { arch: "gemma2", block: SANDWICH, norms_plus_one: true, ..PLAIN },
    GgufFamily { arch: "gemma3", block: SANDWICH, norms_plus_one: true, ..PLAIN },
    // OLMo 3 files carry this name too, with a sliding window.
    GgufFamily { arch: "olmo2", block: POST_NORM, ..PLAIN },
    GgufFamily {
        arch: "gpt2",
        globals: &[
            ("token_embd", "transformer.wte"),
            ("position_embd", "transformer.wpe"),
            ("output_norm", "transformer.ln_f"),
            ("output", "lm_head"),
        ],
        blocks: "transformer.h",
        block: &[
            ("attn_norm", "ln_1"),
            ("attn_qkv", "attn.c_attn"),
            ("attn_output", "attn.c_proj"),
            ("ffn_norm", "ln_2"),
            ("ffn_up", "mlp.c_fc"),
            ("ffn_down", "mlp.c_proj"),
        ],
        transposed: true,
        ..PLAIN
    },
    GgufFamily {
        arch: "gptneox",
        globals: &[
            ("token_embd", "gpt_neox.embed_in"),
            ("output_norm", "gpt_neox.final_layer_norm"),
            ("output", "embed_out"),
        ],
        blocks: "gpt_neox.layers",
        block: &[
            ("attn_norm", "input_layernorm"),
            ("attn_qkv", "attention.query_key_value"),
            ("attn_output", "attention.dense"),
            ("ffn_norm", "post_attention_layernorm"),
            ("ffn_up", "mlp.dense_h_to_4h"),
            ("ffn_down", "mlp.dense_4h_to_h"),
        ],
        stacked: true,
        ..PLAIN
    },
];

pub(super) fn find(path: &Path, metadata: &GgufMetadata) -> Result<&'static GgufFamily, LoadError> {
    if let Some(stated) = metadata.text("general.type").filter(|stated| *stated != "model") {
        let kind = match stated {
            "adapter" => "a LoRA adapter",
            "mmproj" => "the vision or audio half of a model",
            _ => "no model",
        };
        return Err(LoadError::NoModel { path: path.to_path_buf(), kind, stated: stated.to_owned() });
    }
    let found = metadata.text("general.architecture").ok_or_else(|| LoadError::Metadata {
        path: path.to_path_buf(),
        key: "general.architecture".into(),
        problem: "is missing, expected the architecture's name".into(),
    })?;
    FAMILIES.iter().find(|family| family.arch == found).ok_or_else(|| LoadError::UnknownArchitecture {
        path: path.to_path_buf(),
        found: found.to_owned(),
        expected: FAMILIES.iter().map(|family| family.arch).collect::<Vec<_>>().join(", "),
    })
}

impl GgufFamily {
    /// The hub's name of a tensor and how its layout differs; `None` for one that models of this
    /// architecture do not have.
    pub(super) fn hub_name(&self, name: &str, dims: &Dims) -> Option<(String, StoredLayout)> {
        let (stem, kind) = name.rsplit_once('.')?;
        if !matches!(kind, "weight" | "bias") {
            return None;
        }
        let Some(within) = stem.strip_prefix("blk.") else {
            let hub = lookup(self.globals, stem)?;
            let layout = if stem == "output_norm" { self.norm() } else { StoredLayout::AsStored };
            return Some((format!("{hub}.{kind}"), layout));
        };
        let (number, part) = within.split_once('.')?;
        let number: usize = number.parse().ok()?;
        if number >= dims.layers {
            return None;
        }
        let hub = lookup(self.block, part)?;
        let layout = match part {
            "attn_q" if self.interleaved => StoredLayout::Interleaved { heads: dims.heads },
            "attn_k" if self.interleaved => StoredLayout::Interleaved { heads: dims.kv_heads },
            "attn_qkv" if self.stacked => StoredLayout::Stacked { heads: dims.heads },
            part if part.ends_with("norm") => self.norm(),
            _ if self.transposed && kind == "weight" => StoredLayout::Transposed,
            _ => StoredLayout::AsStored,
        };
        Some((format!("{}.{number}.{hub}.{kind}", self.blocks), layout))
    }

    /// What the file calls the tensor of one of the hub's names.
    pub(super) fn own_name(&self, hub: &str) -> Option<String> {
        let (stem, kind) = hub.rsplit_once('.')?;
        let back = |table: &[(&'static str, &str)], hub: &str| {
            table.iter().find(|(_, h)| *h == hub).map(|(name, _)| *name)
        };
        if let Some(name) = back(self.globals, stem) {
            return Some(format!("{name}.{kind}"));
        }
        let (number, part) = stem.strip_prefix(self.blocks)?.strip_prefix('.')?.split_once('.')?;
        Some(format!("blk.{number}.{}.{kind}", back(self.block, part)?))
    }

    fn norm(&self) -> StoredLayout {
        if self.norms_plus_one { StoredLayout::PlusOne } else { StoredLayout::AsStored }
    }
}

fn lookup(table: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    table.iter().find(|(name, _)| *name == key).map(|(_, hub)| *hub)
}
