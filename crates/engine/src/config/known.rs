//! Keys of a config that are known: those that change nothing, and those that are understood only where
//! they are off.

use serde_json::{Map, Value};

use crate::Choices;

/// Keys that no forward pass depends on: names, tokens, training, generation defaults, other heads.
/// Each is in `fixtures/config/keys.json`, a key of a config class that its model's code does not read or a
/// key of an official release that no class has.
pub(super) const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "_model_name_or_path",
    "_name_or_path",
    "_num_labels",
    "architectures",
    "attention_dropout",
    "attention_probs_dropout_prob",
    "attn_implementation",
    "attn_pdrop",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "classifier_dropout",
    "custom_pipelines",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "hidden_dropout",
    "hidden_dropout_prob",
    "id2label",
    "is_decoder",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "max_length",
    "max_sequence_length",
    "min_length",
    "model_max_length",
    "model_type",
    "n_ctx",
    "n_special",
    "name_or_path",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "output_scores",
    "pad_token_id",
    "predict_special_tokens",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "sliding_window_size",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "tokenizer_model_max_length",
    "tokenizer_padding_side",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unk_token_id",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
    "xla_device",
];

/// Keys that are understood only at the value at which they do nothing.
const OFF: &[&str] = &[
    "add_cross_attention",
    "attention_bias",
    "compression_config",
    "cross_attention_hidden_size",
    "is_encoder_decoder",
    "mlp_bias",
    "partial_rotary_factor",
    "pruned_heads",
    "quantization_config",
    "reorder_and_upcast_attn",
    "rope_interleaved",
    "rope_scaling",
    "use_bidirectional_attention",
    "use_mrope",
];

/// Says which keys a user vouches for in vain, and why. `outer` is the whole file, `map` what was read of it.
pub(super) fn vain(
    outer: &Value,
    map: &Map<String, Value>,
    accepted: &[String],
    choices: &Choices,
) -> Vec<String> {
    let at = |path: &str| {
        // A key of a GGUF file has dots of its own.
        if let Some(value) = map.get(path) {
            return Some(value);
        }
        let mut parts = path.split('.');
        let first = map.get(parts.next()?)?;
        parts.try_fold(first, |value, key| value.get(key))
    };
    let mut wanted: Vec<&String> = choices.accept_config_keys.iter().collect();
    wanted.sort_unstable();
    wanted.dedup();
    let in_vain = wanted.into_iter().filter(|key| !accepted.contains(key));
    let why = |key: &String| match at(key) {
        Some(Value::Null) => "it is null, as if it were not there",
        Some(_) => "it is known, and read or left out for this family as in transformers",
        None if outer.get(key).is_some() => "it is not part of the text model, of which alone keys are read",
        None => "the model's config has no such key",
    };
    in_vain.map(|key| format!("--accept-config-key {key} has no effect: {}", why(key))).collect()
}

/// Whether no forward pass depends on a key of the top, whatever its value.
pub(super) fn harmless(key: &str) -> bool {
    HARMLESS.contains(&key)
}

/// Whether a key is understood only where it is off.
pub(super) fn known_off(key: &str) -> bool {
    OFF.contains(&key)
}

/// Whether it is such a key, and off.
pub(super) fn is_off(key: &str, value: &Value) -> bool {
    known_off(key)
        && match value {
            Value::Null | Value::Bool(false) => true,
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Number(n) => key == "partial_rotary_factor" && n.as_f64() == Some(1.0),
            Value::Bool(true) | Value::String(_) => false,
        }
}
