//! The metadata keys of one architecture, typed and checked.
//!
//! Keys under the architecture's name that are not known go into the configuration by their own names, which
//! refuses them unless the user vouches for them: they could change the numbers.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::family::GgufFamily;
use crate::gguf::{GgufMetadata, Meta};
use crate::load::LoadError;

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

/// Keys that are understood only at the values at which they do nothing. Of experts those are known that a dense
/// model's file may have.
const OFF: &[(&str, &[f64])] = &[
    ("attention.scale", &[0.0]),
    ("embedding_scale", &[0.0, 1.0]),
    ("expert_weights_scale", &[0.0, 1.0]),
    ("logit_scale", &[0.0, 1.0]),
    ("residual_scale", &[0.0, 1.0]),
    ("rope.scale_linear", &[0.0, 1.0]),
    ("rope.scaling.attn_factor", &[1.0]),
];

/// Layers and bounds on what a file may ask for; far above any model.
const MAX_LAYERS: u64 = 10_000;
const MAX_SIZE: u64 = 1 << 28;

/// The sizes that tensor layouts depend on.
pub(super) struct Dims {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) hidden: usize,
    pub(super) head_dim: usize,
}

/// Typed access to the keys of one architecture.
pub(super) struct GgufKeys<'a> {
    pub(super) path: &'a Path,
    pub(super) arch: &'static str,
    pub(super) metadata: &'a GgufMetadata,
}

impl GgufKeys<'_> {
    pub(super) fn get(&self, key: &str) -> Option<&Meta> {
        self.metadata.get(&format!("{}.{key}", self.arch))
    }

    pub(super) fn wrong(&self, key: &str, problem: String) -> LoadError {
        LoadError::Metadata { path: self.path.to_path_buf(), key: format!("{}.{key}", self.arch), problem }
    }

    pub(super) fn optional_size(&self, key: &str) -> Result<Option<usize>, LoadError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_u64() {
            Some(n) if (1..=MAX_SIZE).contains(&n) => Ok(usize::try_from(n).ok()),
            _ => Err(self.wrong(key, format!("is {value}, expected an integer from 1 to {MAX_SIZE}"))),
        }
    }

    pub(super) fn size(&self, key: &str) -> Result<usize, LoadError> {
        self.optional_size(key)?.ok_or_else(|| self.wrong(key, "is missing, expected an integer".into()))
    }

    pub(super) fn optional_number(&self, key: &str) -> Result<Option<f64>, LoadError> {
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

    pub(super) fn number(&self, key: &str) -> Result<f64, LoadError> {
        self.optional_number(key)?.ok_or_else(|| self.wrong(key, "is missing, expected a number".into()))
    }
}

/// The f64 with the shortest decimal that names the same f32: 1e-6 in place of 9.99999997e-7.
fn shortest(x: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation)]
    let narrow = x as f32;
    if f64::from(narrow) == x { format!("{narrow:e}").parse().unwrap_or(x) } else { x }
}

impl Dims {
    pub(super) fn read(path: &Path, family: &GgufFamily, metadata: &GgufMetadata) -> Result<Self, LoadError> {
        let keys = GgufKeys { path, arch: family.arch, metadata };
        keys.causal()?;
        let layers = keys.size("block_count")?;
        if layers as u64 > MAX_LAYERS {
            return Err(keys.wrong("block_count", format!("is {layers}, expected at most {MAX_LAYERS}")));
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
            kv_heads: keys.optional_size("attention.head_count_kv")?.unwrap_or(heads),
            hidden,
            head_dim,
        })
    }
}

impl GgufKeys<'_> {
    /// The keys that are not known, by their own names.
    pub(super) fn unknown(&self) -> Vec<(String, Value)> {
        let prefix = format!("{}.", self.arch);
        let off = |rest: &str, value: &Meta| {
            let (number, experts) = (value.as_f64(), rest.starts_with("expert"));
            let at = OFF.iter().find(|(key, _)| *key == rest).map(|(_, at)| *at);
            at.is_some_and(|at| number.is_some_and(|n| at.contains(&n)))
                || experts && (value.as_u64() == Some(0) || matches!(value, Meta::Bool(false)))
        };
        let own = self.metadata.keys().filter_map(|key| Some((key, key.strip_prefix(&prefix)?)));
        own.filter(|(_, rest)| !KNOWN.contains(rest))
            .filter_map(|(key, rest)| Some((key, self.metadata.get(key).filter(|value| !off(rest, value))?)))
            .map(|(key, value)| (key.to_owned(), json!(value.to_string())))
            .collect()
    }

    pub(super) fn window(&self) -> Result<Option<usize>, LoadError> {
        const KEY: &str = "attention.sliding_window";
        if self.get(KEY).and_then(Meta::as_u64) == Some(0) { Ok(None) } else { self.optional_size(KEY) }
    }

    fn causal(&self) -> Result<(), LoadError> {
        if let Some(value @ Meta::Bool(false)) = self.get("attention.causal") {
            return Err(self.wrong("attention.causal", format!("is {value}, expected causal attention")));
        }
        Ok(())
    }

    /// `rope_scaling` as the hub writes it, null where there is none.
    pub(super) fn rope_scaling(&self) -> Result<Value, LoadError> {
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
                return Err(self.wrong("rope.scaling.type", format!("is {other}, expected its name")));
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
                    return Err(self.wrong("rope.scaling.yarn_ext_factor", format!("is {ext}, expected 1")));
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
            other => {
                Err(self.wrong("rope.scaling.type", format!("is `{other}`, expected none, linear or yarn")))
            }
        }
    }

    /// Which layers slide, by the file or by the family's `every`-th layer being full.
    pub(super) fn layer_types(&self, layers: usize, every: usize) -> Result<Vec<&'static str>, LoadError> {
        let key = "attention.sliding_window_pattern";
        let slides: Vec<bool> = match self.get(key) {
            None => (1..=layers).map(|n| n % every != 0).collect(),
            Some(Meta::Bools(slides)) if slides.len() == layers => slides.clone(),
            Some(Meta::Int(n)) if *n >= 1 => (1..=layers as i64).map(|i| i % n != 0).collect(),
            Some(other) => {
                return Err(
                    self.wrong(key, format!("is {other}, expected a period or {layers} truth values"))
                );
            }
        };
        let name = |slides| {
            if slides { "sliding_attention" } else { "full_attention" }
        };
        Ok(slides.into_iter().map(name).collect())
    }
}
