//! The `config.json` that the hub's repository of a GGUF file's model has.
//!
//! Values come from the metadata where the converter wrote them; what it leaves out because the
//! family fixes it is filled in as the family has it.

use std::path::Path;

use serde_json::{Value, json};

use super::family::GgufFamily;
use super::keys::{Dims, GgufKeys};
use crate::gguf::{GgufMetadata, Meta};
use crate::load::LoadError;
use crate::load::index::TensorIndex;

/// Builds the configuration of an opened file.
pub(super) fn synthesize(
    path: &Path,
    family: &GgufFamily,
    dims: &Dims,
    metadata: &GgufMetadata,
    index: &TensorIndex,
    rope_freqs: Option<Vec<f32>>,
) -> Result<Value, LoadError> {
    let keys = GgufKeys { path, arch: family.arch, metadata };
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
        return Err(LoadError::MissingTensor { path: path.to_path_buf(), name: "token_embd.weight".into() });
    };
    config["vocab_size"] = json!(vocab);
    for (key, hub) in
        [("tokenizer.ggml.bos_token_id", "bos_token_id"), ("tokenizer.ggml.eos_token_id", "eos_token_id")]
    {
        config[hub] = json!(metadata.u64(key));
    }
    for (key, value) in keys.unknown() {
        config[key] = value;
    }
    if let Some(factors) = rope_freqs {
        config["truenorth_rope_freqs"] = json!(factors);
    }
    Ok(config)
}

fn llama_like(keys: &GgufKeys, dims: &Dims, index: &TensorIndex) -> Result<Value, LoadError> {
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
        config["truenorth_rotary_width"] = rotary_width(keys, width, dims);
    }
    let attention_bias = has("model.layers.0.self_attn.q_proj.bias");
    let window = keys.window()?;
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
            config["attn_logit_softcapping"] =
                json!(keys.optional_number("attn_logit_softcapping")?.unwrap_or(50.0));
            config["final_logit_softcapping"] =
                json!(keys.optional_number("final_logit_softcapping")?.unwrap_or(30.0));
            ("gemma2", "Gemma2ForCausalLM")
        }
        "gemma3" => {
            gemma(&mut config, keys, dims, 62)?;
            config["sliding_window"] = json!(window);
            config["layer_types"] = match window {
                Some(_) => json!(keys.layer_types(dims.layers, 6)?),
                None => json!(vec!["full_attention"; dims.layers]),
            };
            config["rope_local_base_freq"] =
                json!(keys.optional_number("rope.freq_base_swa")?.unwrap_or(10_000.0));
            config["attn_logit_softcapping"] = json!(null);
            config["final_logit_softcapping"] = json!(keys.optional_number("final_logit_softcapping")?);
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
fn gemma(config: &mut Value, keys: &GgufKeys, dims: &Dims, largest: usize) -> Result<(), LoadError> {
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

fn gpt2(keys: &GgufKeys, dims: &Dims, index: &TensorIndex) -> Result<Value, LoadError> {
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

fn gpt_neox(keys: &GgufKeys, dims: &Dims, index: &TensorIndex) -> Result<Value, LoadError> {
    let parallel = match keys.get("use_parallel_residual") {
        None => true,
        Some(Meta::Bool(value)) => *value,
        Some(other) => {
            return Err(keys.wrong("use_parallel_residual", format!("is {other}, expected a truth value")));
        }
    };
    let rotary = keys.optional_size("rope.dimension_count")?.unwrap_or(dims.head_dim);
    let mut config = json!({
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
    });
    if rotary != dims.head_dim {
        config["truenorth_rotary_width"] = rotary_width(keys, rotary, dims);
    }
    Ok(config)
}

/// What the file says of the dimensions that turn, so that messages name its key and not the hub's.
fn rotary_width(keys: &GgufKeys, width: usize, dims: &Dims) -> Value {
    json!({"key": format!("{}.rope.dimension_count", keys.arch), "turned": width, "of": dims.head_dim})
}
