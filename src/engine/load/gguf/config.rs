//! The `config.json` that the hub's repository of a GGUF file's model has.
//!
//! Values come from the metadata where the converter wrote them; what it leaves out because the
//! family fixes it is filled in as the family has it. Keys under the architecture's name that are
//! not known are refused.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::family::Family;
use crate::engine::gguf::{Meta, Metadata};
use crate::engine::load::LoadError;
use crate::engine::load::index::Index;

/// Keys (after `ARCH.`) that are read, or that say nothing about the numbers.
const KNOWN: &[&str] = &[
    "attention.causal",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.value_length",
    "attn_logit_softcapping",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "final_logit_softcapping",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.scaling.factor",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_ext_factor",
    "tensor_data_layout",
    "use_parallel_residual",
    "vocab_size",
];

/// Layers and bounds on what a file may ask for; far above any model.
const MAX_LAYERS: u64 = 10_000;
const MAX_SIZE: u64 = 1 << 28;

/// The sizes that tensor layouts depend on.
pub(super) struct Dims {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    hidden: usize,
    head_dim: usize,
}

/// Typed access to the keys of one architecture.
struct Keys<'a> {
    path: &'a Path,
    arch: &'static str,
    metadata: &'a Metadata,
}

impl Keys<'_> {
    fn get(&self, key: &str) -> Option<&Meta> {
        self.metadata.get(&format!("{}.{key}", self.arch))
    }

    fn wrong(&self, key: &str, problem: String) -> LoadError {
        LoadError::Metadata {
            path: self.path.to_path_buf(),
            key: format!("{}.{key}", self.arch),
            problem,
        }
    }

    fn optional_size(&self, key: &str) -> Result<Option<usize>, LoadError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(n) if (1..=MAX_SIZE).contains(&n) => Ok(usize::try_from(n).ok()),
            _ => Err(self.wrong(
                key,
                format!("is {value}, expected an integer from 1 to {MAX_SIZE}"),
            )),
        }
    }

    fn size(&self, key: &str) -> Result<usize, LoadError> {
        self.optional_size(key)?
            .ok_or_else(|| self.wrong(key, "is missing, expected an integer".into()))
    }

    fn optional_number(&self, key: &str) -> Result<Option<f64>, LoadError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value {
            // The file holds f32; its shortest decimal is what the hub's config says.
            Meta::Float(x) if x.is_finite() => Ok(Some(shortest(*x))),
            Meta::Int(n) => Ok(Some(*n as f64)),
            other => Err(self.wrong(key, format!("is {other}, expected a finite number"))),
        }
    }

    fn number(&self, key: &str) -> Result<f64, LoadError> {
        self.optional_number(key)?
            .ok_or_else(|| self.wrong(key, "is missing, expected a number".into()))
    }
}

/// The f64 with the shortest decimal that names the same f32: 1e-6 in place of 9.99999997e-7.
fn shortest(x: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation)]
    let narrow = x as f32;
    if f64::from(narrow) == x {
        format!("{narrow:e}").parse().unwrap_or(x)
    } else {
        x
    }
}

impl Dims {
    pub(super) fn read(
        path: &Path,
        family: &Family,
        metadata: &Metadata,
    ) -> Result<Self, LoadError> {
        let keys = Keys {
            path,
            arch: family.arch,
            metadata,
        };
        keys.refuse_unknown()?;
        let layers = keys.size("block_count")?;
        if layers as u64 > MAX_LAYERS {
            return Err(keys.wrong(
                "block_count",
                format!("is {layers}, expected at most {MAX_LAYERS}"),
            ));
        }
        let hidden = keys.size("embedding_length")?;
        let heads = keys.size("attention.head_count")?;
        let head_dim = match keys.optional_size("attention.key_length")? {
            Some(width) => width,
            None if hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(keys.wrong(
                    "attention.head_count",
                    format!("is {heads}, which does not divide the hidden size {hidden}"),
                ));
            }
        };
        if let Some(width) = keys.optional_size("attention.value_length")?
            && width != head_dim
        {
            return Err(keys.wrong(
                "attention.value_length",
                format!("is {width}, expected the width of the keys, {head_dim}"),
            ));
        }
        Ok(Self {
            layers,
            heads,
            kv_heads: keys
                .optional_size("attention.head_count_kv")?
                .unwrap_or(heads),
            hidden,
            head_dim,
        })
    }
}

impl Keys<'_> {
    fn refuse_unknown(&self) -> Result<(), LoadError> {
        let prefix = format!("{}.", self.arch);
        for key in self.metadata.keys() {
            if let Some(rest) = key.strip_prefix(&prefix)
                && !KNOWN.contains(&rest)
                // A dense model's file may say that it has no experts.
                && !(rest.starts_with("expert") && self.metadata.u64(key) == Some(0))
            {
                return Err(LoadError::UnknownKey {
                    path: self.path.to_path_buf(),
                    key: key.to_owned(),
                });
            }
        }
        if let Some(value @ Meta::Bool(false)) = self.get("attention.causal") {
            return Err(self.wrong(
                "attention.causal",
                format!("is {value}, expected causal attention"),
            ));
        }
        Ok(())
    }

    /// `rope_scaling` as the hub writes it, null where there is none.
    fn rope_scaling(&self) -> Result<Value, LoadError> {
        let kind = match self.get("rope.scaling.type") {
            None => {
                // Old files give a factor alone, which is linear.
                return Ok(match self.optional_number("rope.scaling.factor")? {
                    Some(factor) if factor != 1.0 && factor != 0.0 => {
                        json!({"rope_type": "linear", "factor": factor})
                    }
                    _ => Value::Null,
                });
            }
            Some(Meta::Text(kind)) => kind.as_str(),
            Some(other) => {
                return Err(self.wrong(
                    "rope.scaling.type",
                    format!("is {other}, expected its name"),
                ));
            }
        };
        match kind {
            "none" => Ok(Value::Null),
            "linear" => Ok(json!({
                "rope_type": "linear",
                "factor": self.number("rope.scaling.factor")?,
            })),
            "yarn" => {
                if let Some(ext) = self.optional_number("rope.scaling.yarn_ext_factor")?
                    && ext != 1.0
                {
                    return Err(self.wrong(
                        "rope.scaling.yarn_ext_factor",
                        format!("is {ext}, expected 1"),
                    ));
                }
                let mut scaling = Map::new();
                scaling.insert("rope_type".into(), json!("yarn"));
                scaling.insert("factor".into(), json!(self.number("rope.scaling.factor")?));
                scaling.insert(
                    "original_max_position_embeddings".into(),
                    json!(self.size("rope.scaling.original_context_length")?),
                );
                for (key, hub) in [
                    ("rope.scaling.yarn_attn_factor", "attention_factor"),
                    ("rope.scaling.yarn_beta_fast", "beta_fast"),
                    ("rope.scaling.yarn_beta_slow", "beta_slow"),
                ] {
                    if let Some(value) = self.optional_number(key)? {
                        scaling.insert(hub.into(), json!(value));
                    }
                }
                Ok(Value::Object(scaling))
            }
            other => Err(self.wrong(
                "rope.scaling.type",
                format!("is `{other}`, expected none, linear or yarn"),
            )),
        }
    }

    /// Which layers slide, by the file or by the family's `every`-th layer being full.
    fn layer_types(&self, layers: usize, every: usize) -> Result<Vec<&'static str>, LoadError> {
        let key = "attention.sliding_window_pattern";
        let slides: Vec<bool> = match self.get(key) {
            None => (1..=layers).map(|n| n % every != 0).collect(),
            Some(Meta::Bools(slides)) if slides.len() == layers => slides.clone(),
            Some(Meta::Int(n)) if *n >= 1 => (1..=layers as i64).map(|i| i % n != 0).collect(),
            Some(other) => {
                return Err(self.wrong(
                    key,
                    format!("is {other}, expected a period or {layers} truth values"),
                ));
            }
        };
        let name = |slides| {
            if slides {
                "sliding_attention"
            } else {
                "full_attention"
            }
        };
        Ok(slides.into_iter().map(name).collect())
    }
}

/// Builds the configuration of an opened file.
pub(super) fn synthesize(
    path: &Path,
    family: &Family,
    dims: &Dims,
    metadata: &Metadata,
    index: &Index,
    rope_freqs: Option<Vec<f32>>,
) -> Result<Value, LoadError> {
    let keys = Keys {
        path,
        arch: family.arch,
        metadata,
    };
    let mut config = match family.arch {
        "gpt2" => gpt2(&keys, dims, index)?,
        "gptneox" => gpt_neox(&keys, dims, index)?,
        _ => llama_like(&keys, dims, index)?,
    };
    let embedding = match family.arch {
        "gpt2" => "transformer.wte.weight",
        "gptneox" => "gpt_neox.embed_in.weight",
        _ => "model.embed_tokens.weight",
    };
    let Some((vocab, _)) = index.entries.get(embedding).map(|e| e.rows()) else {
        return Err(LoadError::MissingTensor {
            path: path.to_path_buf(),
            name: "token_embd.weight".into(),
        });
    };
    config["vocab_size"] = json!(vocab);
    for (key, hub) in [
        ("tokenizer.ggml.bos_token_id", "bos_token_id"),
        ("tokenizer.ggml.eos_token_id", "eos_token_id"),
    ] {
        config[hub] = json!(metadata.u64(key));
    }
    if let Some(factors) = rope_freqs {
        config["truenorth_rope_freqs"] = json!(factors);
    }
    Ok(config)
}

fn llama_like(keys: &Keys, dims: &Dims, index: &Index) -> Result<Value, LoadError> {
    let has = |name: &str| index.entries.contains_key(name);
    let mut config = json!({
        "hidden_size": dims.hidden,
        "num_hidden_layers": dims.layers,
        "num_attention_heads": dims.heads,
        "num_key_value_heads": dims.kv_heads,
        "head_dim": dims.head_dim,
        "intermediate_size": keys.size("feed_forward_length")?,
        "rms_norm_eps": keys.number("attention.layer_norm_rms_epsilon")?,
        "rope_theta": keys.optional_number("rope.freq_base")?.unwrap_or(10_000.0),
        "rope_scaling": keys.rope_scaling()?,
        "max_position_embeddings": keys.size("context_length")?,
        "tie_word_embeddings": !has("lm_head.weight"),
    });
    if let Some(width) = keys.optional_size("rope.dimension_count")?
        && width != dims.head_dim
    {
        config["partial_rotary_factor"] = json!(width as f64 / dims.head_dim as f64);
    }
    let attention_bias = has("model.layers.0.self_attn.q_proj.bias");
    let window = keys.optional_size("attention.sliding_window")?;
    let (model_type, class) = match keys.arch {
        "qwen2" => {
            config["hidden_act"] = json!("silu");
            config["use_sliding_window"] = json!(false);
            ("qwen2", "Qwen2ForCausalLM")
        }
        "qwen3" => {
            config["hidden_act"] = json!("silu");
            config["attention_bias"] = json!(attention_bias);
            config["use_sliding_window"] = json!(false);
            ("qwen3", "Qwen3ForCausalLM")
        }
        "gemma2" => {
            gemma(&mut config, keys, dims, 46)?;
            config["sliding_window"] = json!(window.unwrap_or(4096));
            config["layer_types"] = json!(keys.layer_types(dims.layers, 2)?);
            config["attn_logit_softcapping"] = json!(
                keys.optional_number("attn_logit_softcapping")?
                    .unwrap_or(50.0)
            );
            config["final_logit_softcapping"] = json!(
                keys.optional_number("final_logit_softcapping")?
                    .unwrap_or(30.0)
            );
            ("gemma2", "Gemma2ForCausalLM")
        }
        "gemma3" => {
            gemma(&mut config, keys, dims, 62)?;
            config["sliding_window"] = json!(window);
            config["layer_types"] = match window {
                Some(_) => json!(keys.layer_types(dims.layers, 6)?),
                None => json!(vec!["full_attention"; dims.layers]),
            };
            config["rope_local_base_freq"] = json!(
                keys.optional_number("rope.freq_base_swa")?
                    .unwrap_or(10_000.0)
            );
            config["attn_logit_softcapping"] = json!(null);
            config["final_logit_softcapping"] =
                json!(keys.optional_number("final_logit_softcapping")?);
            ("gemma3_text", "Gemma3ForCausalLM")
        }
        "olmo2" => {
            config["hidden_act"] = json!("silu");
            config["attention_bias"] = json!(attention_bias);
            match window {
                Some(window) => {
                    config["sliding_window"] = json!(window);
                    config["layer_types"] = json!(keys.layer_types(dims.layers, 4)?);
                    ("olmo3", "Olmo3ForCausalLM")
                }
                None => ("olmo2", "Olmo2ForCausalLM"),
            }
        }
        _ => {
            config["hidden_act"] = json!("silu");
            match window {
                Some(window) => {
                    config["sliding_window"] = json!(window);
                    ("mistral", "MistralForCausalLM")
                }
                None => {
                    config["attention_bias"] = json!(attention_bias);
                    config["mlp_bias"] = json!(has("model.layers.0.mlp.up_proj.bias"));
                    ("llama", "LlamaForCausalLM")
                }
            }
        }
    };
    config["model_type"] = json!(model_type);
    config["architectures"] = json!([class]);
    Ok(config)
}

/// What Gemma 2 and 3 share. The scale of the queries is not in the file: the family's models have
/// the head's width, except for the largest (27B, known by its layers), which has hidden / heads.
fn gemma(config: &mut Value, keys: &Keys, dims: &Dims, largest: usize) -> Result<(), LoadError> {
    let scalar = if dims.layers == largest {
        if !dims.hidden.is_multiple_of(dims.heads) {
            return Err(keys.wrong(
                "attention.head_count",
                format!("is {}, expected a divisor of the hidden size", dims.heads),
            ));
        }
        dims.hidden / dims.heads
    } else {
        dims.head_dim
    };
    config["query_pre_attn_scalar"] = json!(scalar);
    config["hidden_activation"] = json!("gelu_pytorch_tanh");
    config["attention_bias"] = json!(false);
    Ok(())
}

fn gpt2(keys: &Keys, dims: &Dims, index: &Index) -> Result<Value, LoadError> {
    Ok(json!({
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": dims.hidden,
        "n_layer": dims.layers,
        "n_head": dims.heads,
        "n_inner": keys.size("feed_forward_length")?,
        "n_positions": keys.size("context_length")?,
        "n_ctx": keys.size("context_length")?,
        "layer_norm_epsilon": keys.number("attention.layer_norm_epsilon")?,
        "activation_function": "gelu_new",
        "scale_attn_weights": true,
        "scale_attn_by_inverse_layer_idx": false,
        "tie_word_embeddings": !index.entries.contains_key("lm_head.weight"),
    }))
}

fn gpt_neox(keys: &Keys, dims: &Dims, index: &Index) -> Result<Value, LoadError> {
    let parallel = match keys.get("use_parallel_residual") {
        None => true,
        Some(Meta::Bool(value)) => *value,
        Some(other) => {
            return Err(keys.wrong(
                "use_parallel_residual",
                format!("is {other}, expected a truth value"),
            ));
        }
    };
    let rotary = keys
        .optional_size("rope.dimension_count")?
        .unwrap_or(dims.head_dim);
    Ok(json!({
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "hidden_size": dims.hidden,
        "num_hidden_layers": dims.layers,
        "num_attention_heads": dims.heads,
        "intermediate_size": keys.size("feed_forward_length")?,
        "layer_norm_eps": keys.number("attention.layer_norm_epsilon")?,
        "rotary_pct": rotary as f64 / dims.head_dim as f64,
        "rotary_emb_base": keys.optional_number("rope.freq_base")?.unwrap_or(10_000.0),
        "rope_scaling": keys.rope_scaling()?,
        "use_parallel_residual": parallel,
        "attention_bias": true,
        "hidden_act": "gelu",
        "max_position_embeddings": keys.size("context_length")?,
        "tie_word_embeddings": !index.entries.contains_key("embed_out.weight"),
    }))
}
