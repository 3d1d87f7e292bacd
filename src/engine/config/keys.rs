//! Reading a config key by key, remembering which were read: what is left over and not known to
//! be harmless is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::ConfigError;
use crate::engine::{Choices, Transformers};

/// Keys that no forward pass depends on: names, tokens, training, generation defaults, other heads.
/// Each is in `fixtures/config/keys.json`, a key of a config class that its model's code does not read or a
/// key of an official release that no class has.
pub(super) const HARMLESS: &[&str] = &[
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_flash_attn_2_enabled",
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
    "layer_types",
    "mlp_bias",
    "partial_rotary_factor",
    "pruned_heads",
    "quantization_config",
    "reorder_and_upcast_attn",
    "rope_interleaved",
    "rope_scaling",
    "sliding_window",
    "use_bidirectional_attention",
    "use_mrope",
    "use_sliding_window",
];

/// An object of the config.
pub(super) struct Reader<'a> {
    map: &'a Map<String, Value>,
    under: String,
    family: &'a str,
    seen: RefCell<BTreeSet<&'static str>>,
    choices: &'a Choices,
    found: Rc<RefCell<Found>>,
}

/// What reading a config found beside the architecture.
#[derive(Default)]
struct Found {
    /// Keys that are not known and that the user vouches for.
    accepted: BTreeSet<String>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, family: &'a str, choices: &'a Choices) -> Self {
        Self { map, under: String::new(), family, seen: RefCell::default(), choices, found: Rc::default() }
    }

    /// The version of transformers that is followed.
    pub(super) fn rules(&self) -> Transformers {
        self.choices.transformers
    }

    /// Says something that a user should know.
    pub(super) fn note(&self, note: String) {
        self.found.borrow_mut().notes.push(note);
    }

    /// What was said.
    pub(super) fn notes(&self) -> Vec<String> {
        self.found.borrow().notes.clone()
    }

    /// Keys that were not known and are accepted.
    pub(super) fn accepted(&self) -> Vec<String> {
        self.found.borrow().accepted.iter().cloned().collect()
    }

    /// A value that is there and not null.
    pub(super) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.seen.borrow_mut().insert(key);
        self.map.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    fn typed<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(key).map(|v| read(v).ok_or_else(|| self.bad(key, v, expected))).transpose()
    }

    /// A count of at least one that fits 32 bits.
    pub(super) fn count(&self, key: &'static str) -> Result<Option<usize>, ConfigError> {
        self.typed(key, "a whole number from 1 to 2147483647", |v| {
            // Some writers have 10000.0 where 10000 is meant.
            let n = v.as_u64().or_else(|| whole(v.as_f64()?))?;
            usize::try_from(n).ok().filter(|n| (1..=i32::MAX as usize).contains(n))
        })
    }

    pub(super) fn needed(&self, key: &'static str, default: Option<usize>) -> Result<usize, ConfigError> {
        self.count(key)?
            .or(default)
            .ok_or_else(|| ConfigError::Missing { key: self.path(key), family: self.family.to_owned() })
    }

    pub(super) fn positive(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        self.typed(key, "a positive number", |v| v.as_f64().filter(|x| *x > 0.0 && x.is_finite()))
    }

    pub(super) fn number(&self, key: &'static str) -> Result<Option<f64>, ConfigError> {
        self.typed(key, "a number", |v| v.as_f64().filter(|x| x.is_finite()))
    }

    pub(super) fn flag(&self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(super) fn text(&self, key: &'static str) -> Result<Option<&'a str>, ConfigError> {
        self.typed(key, "a string", Value::as_str)
    }

    pub(super) fn object(&self, key: &'static str) -> Result<Option<Reader<'a>>, ConfigError> {
        let map = self.typed(key, "an object", Value::as_object)?;
        Ok(map.map(|map| Reader {
            map,
            under: self.path(key),
            family: self.family,
            seen: RefCell::default(),
            choices: self.choices,
            found: self.found.clone(),
        }))
    }

    pub(super) fn list(&self, key: &'static str) -> Result<Option<&'a Vec<Value>>, ConfigError> {
        self.typed(key, "a list", Value::as_array)
    }

    pub(super) fn path(&self, key: &str) -> String {
        if self.under.is_empty() { key.to_owned() } else { format!("{}.{key}", self.under) }
    }

    /// The error for a value that is not what it should be.
    pub(super) fn bad(&self, key: &str, found: &Value, expected: &str) -> ConfigError {
        ConfigError::Value { key: self.path(key), found: short(found), expected: expected.to_owned() }
    }

    /// Refuses what was neither read nor is known to be harmless nor accepted. The lists of harmless
    /// keys are those of the top of a config; nested objects have none.
    pub(super) fn finish(&self) -> Result<(), ConfigError> {
        let seen = self.seen.borrow();
        let top = self.under.is_empty();
        for (key, value) in self.map {
            let key = key.as_str();
            if seen.contains(key) || (top && harmless(key)) {
                continue;
            }
            let path = self.path(key);
            if self.choices.accept_config_keys.contains(&path) && !(top && OFF.contains(&key)) {
                self.found.borrow_mut().accepted.insert(path);
                continue;
            }
            if top && OFF.contains(&key) {
                if is_off(key, value) {
                    continue;
                }
                let expected = format!("nothing: family `{}` is not computed with it", self.family);
                return Err(self.bad(key, value, &expected));
            }
            return Err(ConfigError::UnknownKey {
                key: self.path(key),
                value: short(value),
                family: self.family.to_owned(),
            });
        }
        Ok(())
    }
}

/// Whether no forward pass depends on a key of the top, whatever its value.
pub(super) fn harmless(key: &str) -> bool {
    HARMLESS.contains(&key)
}

/// How weights are stored that are not numbers but codes of them, by the config of transformers'
/// quantizers.
pub(super) fn quantized(outer: &Value, map: &Map<String, Value>) -> Option<ConfigError> {
    let of = |key: &'static str| {
        let found = map.get(key).or_else(|| outer.get(key)).filter(|v| !v.is_null())?;
        let text = |key: &str| found.get(key).and_then(Value::as_str);
        let on = |key: &str| found.get(key).and_then(Value::as_bool) == Some(true);
        let method = match text("quant_method") {
            Some(method) => method.to_owned(),
            None if on("load_in_4bit") || on("load_in_8bit") => "bitsandbytes".to_owned(),
            None if found.as_object().is_some_and(Map::is_empty) => return None,
            None => "a method that it does not name".to_owned(),
        };
        Some(ConfigError::Quantized { key, method })
    };
    ["quantization_config", "compression_config"].into_iter().find_map(of)
}

fn is_off(key: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => {
            list.is_empty() || key == "layer_types" && list.iter().all(|t| t == "full_attention")
        }
        Value::Number(n) => key == "partial_rotary_factor" && n.as_f64() == Some(1.0),
        Value::Bool(true) | Value::String(_) => false,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(x: f64) -> Option<u64> {
    (x.fract() == 0.0 && (0.0..=1e9).contains(&x)).then_some(x as u64)
}

/// A value as text of at most 60 characters.
pub(super) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    let head: String = text.chars().take(57).collect();
    format!("{head}...")
}
