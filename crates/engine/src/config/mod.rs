//! What a model computes, read from a Hugging Face `config.json`.
//!
//! Every key is read, known to be harmless, or refused: a model is computed as its config says or
//! not at all.

mod error;
mod keys;
mod known;
mod rope;
#[cfg(test)]
mod tests;
mod windows;

use serde_json::Value;

pub use error::ConfigError;
pub use rope::{Rope, Scaling};

use super::family::{AttentionScale, Bias, FAMILIES, Family, Positions};
use super::reference::Choices;
use keys::ConfigReader;

/// An activation function of the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// `x σ(x)`.
    Silu,
    /// Gaussian error linear unit by the error function.
    GeluErf,
    /// The approximation of GELU by tanh.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// Which matrix makes logits of the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The embedding, which is also the output matrix.
    Tied,
    /// A matrix of its own.
    Own,
    /// Nowhere: the model is stored without one.
    Missing,
}

/// What may differ from block to block in attention.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockConfig {
    /// A token sees itself and the `window - 1` tokens before it; `None` for all before it.
    pub window: Option<usize>,
    /// Index into [`Config::ropes`].
    pub rope: usize,
    /// Factor on scores before the softmax.
    pub scale: f64,
}

/// A model's architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The family, which says what its configs and tensors mean.
    pub family: &'static Family,
    /// Rows of the embedding.
    pub vocab: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the MLP.
    pub intermediate: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Key-value heads of a block; a divisor of `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Tokens of the longest sequence.
    pub context: usize,
    /// What norms add to the variance.
    pub norm_eps: f64,
    /// Activation function of the MLP.
    pub act: Act,
    /// Whether queries, keys and values have a bias.
    pub qkv_bias: bool,
    /// Whether attention's output projection has a bias.
    pub out_bias: bool,
    /// Whether the MLP has biases.
    pub mlp_bias: bool,
    /// Where logits come from, by the config alone until the weights are looked at.
    pub head: Head,
    /// Whether the MLP reads what attention reads.
    pub parallel: bool,
    /// Soft-cap of scores.
    pub attn_softcap: Option<f64>,
    /// Soft-cap of logits.
    pub logit_softcap: Option<f64>,
    /// Factor on the embedding.
    pub embed_scale: f64,
    /// Standard deviation of untrained weights.
    pub init_std: f64,
    /// Rotations of full and of sliding layers; empty where positions are learned.
    pub ropes: Vec<Rope>,
    /// Each block, in the order of a pass.
    pub blocks: Vec<BlockConfig>,
    /// Tokens that end a text.
    pub eos: Vec<u32>,
    /// Keys that are not known and were accepted.
    pub accepted: Vec<String>,
    /// What a user should know of how the config was read.
    pub notes: Vec<String>,
}

impl Config {
    /// Reads a config.
    ///
    /// # Errors
    /// An unknown family, a missing or malformed key, a key that is not understood, or a value that
    /// is understood and not computed; each names the key.
    pub fn parse(config: &Value, choices: &Choices) -> Result<Self, ConfigError> {
        let empty = serde_json::Map::new();
        let mut map = config.as_object().unwrap_or(&empty);
        let mut model_type = map.get("model_type").and_then(Value::as_str).unwrap_or("");
        let outer_eos = map.get("eos_token_id");
        if model_type == "gemma3" {
            // The text half of a model that also sees.
            map = map
                .get("text_config")
                .and_then(Value::as_object)
                .ok_or_else(|| ConfigError::Missing { key: "text_config".into(), family: "gemma3".into() })?;
            model_type = "gemma3_text";
        }
        let family =
            FAMILIES.iter().find(|f| f.name == model_type).ok_or_else(|| ConfigError::UnknownFamily {
                found: model_type.chars().take(60).collect(),
                expected: FAMILIES.map(|f| f.name).join(", "),
            })?;
        if let Some(found) = keys::quantized(config, map) {
            return Err(found);
        }
        let r = ConfigReader::new(map, family.name, choices);
        let mut parsed = read(&r, family)?;
        r.finish()?;
        parsed.accepted = r.accepted();
        parsed.notes = r.notes();
        parsed.notes.extend(known::vain(config, map, &parsed.accepted, choices));
        if parsed.eos.is_empty() {
            parsed.eos = tokens(outer_eos);
        }
        Ok(parsed)
    }

    /// Transformer blocks.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.blocks.len()
    }

    /// The factor on the embedding, where there is one. transformers rounds it to the weights' type,
    /// f32 here.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub fn embed_factor(&self) -> Option<f32> {
        self.family.scaled_embedding.then_some(self.embed_scale as f32)
    }

    /// Width of the keys, and of the values, of a token in a block.
    #[must_use]
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }
}

/// Blocks of a model at most: a hundred times those of the deepest.
const MOST_LAYERS: usize = 1 << 14;
/// Width of a head at most: a hundred times that of the widest.
const MOST_HEAD_DIM: usize = 1 << 16;

fn read(r: &ConfigReader, family: &'static Family) -> Result<Config, ConfigError> {
    let (keys, defaults) = (&family.keys, &family.defaults);
    let hidden = r.needed(keys.hidden, None)?;
    let heads = r.needed(keys.heads, defaults.heads)?;
    let kv_heads =
        if has_kv_heads(family) { r.count("num_key_value_heads")?.or(defaults.kv_heads) } else { None }
            .unwrap_or(heads);
    if heads % kv_heads != 0 {
        let expected = format!("a divisor of `{}`, which is {heads}", keys.heads);
        return Err(r.bad("num_key_value_heads", &kv_heads.into(), &expected));
    }
    let head_dim = match r.count("head_dim")?.or(defaults.head_dim) {
        Some(n) => n,
        None if hidden % heads == 0 => hidden / heads,
        None => {
            return Err(r.bad(keys.heads, &heads.into(), "a divisor of the width where no `head_dim` is"));
        }
    };
    let intermediate = match (r.count(keys.intermediate)?, keys.intermediate) {
        (Some(n), _) => n,
        (None, "n_inner") => 4 * hidden,
        (None, key) => r.needed(key, None)?,
    };
    let layers = r.needed(keys.layers, None)?;
    // What is kept for each is made before the weights, which no file of that size has, are looked for.
    for (key, found, most) in [(keys.layers, layers, MOST_LAYERS), ("head_dim", head_dim, MOST_HEAD_DIM)] {
        if found > most {
            return Err(r.bad(key, &found.into(), &format!("at most {most}")));
        }
    }
    let mut context = r.needed(keys.context, Some(defaults.context))?;
    let ropes = rope::read(r, family, context)?;
    for rope in ropes.iter().flatten() {
        check_rope(r, rope, head_dim)?;
        if let Scaling::Yarn { factor, original, .. } | Scaling::Dynamic { factor, original } = rope.scaling {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let reach = (factor * original).min(f64::from(i32::MAX)) as usize;
            context = context.max(reach);
        }
    }
    let (qkv_bias, out_bias) = match family.attn_bias {
        Bias::QkvOnly => (true, false),
        other => {
            let both = bias(r, other)?;
            (both, both)
        }
    };
    #[allow(clippy::cast_precision_loss)]
    Ok(Config {
        family,
        vocab: r.needed("vocab_size", defaults.vocab)?,
        hidden,
        intermediate,
        heads,
        kv_heads,
        head_dim,
        context,
        norm_eps: r.positive(keys.eps)?.unwrap_or(defaults.eps),
        act: act(r, family)?,
        qkv_bias,
        out_bias,
        mlp_bias: bias(r, family.mlp_bias)?,
        head: match r.flag("tie_word_embeddings")?.unwrap_or(defaults.tied) {
            true => Head::Tied,
            false => Head::Own,
        },
        accepted: vec![],
        notes: vec![],
        parallel: family.parallel && r.flag("use_parallel_residual")?.unwrap_or(true),
        attn_softcap: softcap(r, "attn_logit_softcapping", family.softcaps.0, defaults.attn_softcap)?,
        logit_softcap: softcap(r, "final_logit_softcapping", family.softcaps.1, defaults.logit_softcap)?,
        embed_scale: if family.scaled_embedding { (hidden as f64).sqrt() } else { 1.0 },
        init_std: r.number("initializer_range")?.filter(|x| *x > 0.0).unwrap_or(0.02),
        blocks: blocks(r, family, layers, head_dim, context)?,
        ropes: ropes.map(Vec::from).unwrap_or_default(),
        eos: tokens(r.get("eos_token_id")),
    })
}

/// GPT-2 and GPT-NeoX keep one key-value head a head.
fn has_kv_heads(family: &Family) -> bool {
    family.qkv == super::family::Qkv::Separate
}

fn check_rope(r: &ConfigReader, rope: &Rope, head_dim: usize) -> Result<(), ConfigError> {
    let dims = super::rope::rotated(rope.partial, head_dim);
    if dims == 0 || dims > head_dim || !dims.is_multiple_of(2) {
        return Err(rope::odd_share(r, rope.partial, head_dim));
    }
    let pairs = format!("{} divisors, one a rotated pair", dims / 2);
    match &rope.scaling {
        Scaling::Long { short, .. } if short.len() != dims / 2 => {
            return Err(r.bad("short_factor", &short.len().into(), &pairs));
        }
        Scaling::Long { long, .. } if long.len() != dims / 2 => {
            return Err(r.bad("long_factor", &long.len().into(), &pairs));
        }
        Scaling::Dynamic { .. } if dims < 4 => {
            return Err(r.bad(
                "rope_type",
                &Value::String("dynamic".into()),
                "at least 4 rotated dimensions of a head",
            ));
        }
        _ => {}
    }
    match &rope.divisors {
        Some(d) if d.len() != dims / 2 => Err(r.bad("truenorth_rope_freqs", &d.len().into(), &pairs)),
        _ => Ok(()),
    }
}

fn bias(r: &ConfigReader, bias: Bias) -> Result<bool, ConfigError> {
    match bias {
        Bias::Never => Ok(false),
        Bias::Always | Bias::QkvOnly => Ok(true),
        Bias::Key(key, default) => Ok(r.flag(key)?.unwrap_or(default)),
    }
}

fn softcap(
    r: &ConfigReader,
    key: &'static str,
    has: bool,
    default: Option<f64>,
) -> Result<Option<f64>, ConfigError> {
    if !has {
        return match r.get(key) {
            Some(v) => Err(r.bad(key, v, "nothing: this family is not computed with it")),
            None => Ok(None),
        };
    }
    // Null turns it off; a missing key leaves the default.
    if r.has(key) { r.positive(key) } else { Ok(default) }
}

fn act(r: &ConfigReader, family: &Family) -> Result<Act, ConfigError> {
    let key = family.keys.act;
    let name = r.text(key)?.unwrap_or(family.defaults.act);
    let known = |name: &str| match name {
        "silu" | "swish" => Some(Act::Silu),
        "gelu" => Some(Act::GeluErf),
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Some(Act::GeluTanh),
        "relu" => Some(Act::Relu),
        _ => None,
    };
    const EXPECTED: &str = "silu, swish, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh or relu";
    let act = known(name).ok_or_else(|| r.bad(key, &name.into(), EXPECTED))?;
    if key == "hidden_activation"
        && let Some(other) = r.text("hidden_act")?
        && known(other) != Some(act)
    {
        return Err(r.bad("hidden_act", &other.into(), "the function of `hidden_activation`"));
    }
    Ok(act)
}

fn blocks(
    r: &ConfigReader,
    family: &Family,
    layers: usize,
    head_dim: usize,
    context: usize,
) -> Result<Vec<BlockConfig>, ConfigError> {
    let windows = windows::read(r, family, layers, context)?;
    #[allow(clippy::cast_precision_loss)]
    let (base, by_layer) = match family.scale {
        AttentionScale::HeadDim => ((head_dim as f64).powf(-0.5), false),
        AttentionScale::PreAttnScalar => {
            (r.positive("query_pre_attn_scalar")?.unwrap_or(256.0).powf(-0.5), false)
        }
        AttentionScale::Gpt2 => {
            let scaled = r.flag("scale_attn_weights")?.unwrap_or(true);
            let base = if scaled { (head_dim as f64).powf(-0.5) } else { 1.0 };
            // Scores are always f32 here, which is what this asks for; the order is a matter of rounding.
            r.flag("reorder_and_upcast_attn")?;
            (base, r.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false))
        }
    };
    let rotary = matches!(family.positions, Positions::Rotary { .. });
    #[allow(clippy::cast_precision_loss)]
    let block = |(i, window): (usize, Option<usize>)| BlockConfig {
        window,
        rope: usize::from(rotary && window.is_some()),
        scale: if by_layer { base / (i + 1) as f64 } else { base },
    };
    Ok(windows.into_iter().enumerate().map(block).collect())
}

fn tokens(value: Option<&Value>) -> Vec<u32> {
    let one = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    match value {
        Some(Value::Array(list)) => list.iter().filter_map(one).collect(),
        Some(v) => one(v).into_iter().collect(),
        None => Vec::new(),
    }
}
