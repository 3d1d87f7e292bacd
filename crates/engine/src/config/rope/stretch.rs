//! One rotation of a config, and how it is stretched.

use serde_json::Value;

use super::{PARTIAL, Rope, Scaling, no_null};
use crate::Transformers;
use crate::config::ConfigError;
use crate::config::keys::ConfigReader;

/// How long sequences may be, and how long they were before a stretch.
#[derive(Clone, Copy)]
pub(super) struct ContextLengths {
    pub(super) now: usize,
    pub(super) stated: Option<usize>,
}

/// The kind of a rotation that has both the key and its older name.
fn kind_of_two<'k>(r: &ConfigReader, old: &'k str, new: &'k str) -> &'k str {
    // 4.57 lets the older one win in the config classes of these.
    if old == new || !["llama", "qwen2", "qwen3", "gpt_neox"].contains(&r.family()) {
        return new;
    }
    let (rules, other) = (r.rules(), r.rules().other());
    let (own, theirs) = if rules == Transformers::V5_23 { (new, old) } else { (old, new) };
    r.note(format!(
        "`rope_scaling` has `rope_type` `{new}` and `type` `{old}`: by transformers {rules}, which is followed, the \
         rotation is `{own}`, by {other} `{theirs}`; `--transformers {other}` follows the other"
    ));
    own
}

/// Positive numbers, one a rotated pair.
pub(super) fn factors(r: &ConfigReader, key: &'static str) -> Result<Option<Vec<f32>>, ConfigError> {
    let Some(list) = r.list(key)? else { return Ok(None) };
    #[allow(clippy::cast_possible_truncation)]
    let read = |v: &Value| v.as_f64().map(|x| x as f32).filter(|x| *x > 0.0 && x.is_finite());
    let wrong = || r.bad(key, &Value::Array(list.clone()), "a list of positive numbers");
    list.iter().map(read).collect::<Option<Vec<f32>>>().map(Some).ok_or_else(wrong)
}

/// One rotation of `rope_scaling` or `rope_parameters`.
pub(super) fn entry(
    r: &ConfigReader,
    plain: Rope,
    context: ContextLengths,
    nested: bool,
) -> Result<Rope, ConfigError> {
    if r.rules() == Transformers::V5_23 {
        no_null(r, "rope_theta")?;
    }
    let theta = r.positive("rope_theta")?.unwrap_or(plain.theta);
    let partial = r.positive(PARTIAL)?.unwrap_or(plain.partial);
    // The older key of the two.
    let old = r.text("type")?;
    let kind = match (old, r.text("rope_type")?) {
        (Some(old), Some(new)) => kind_of_two(r, old, new),
        (one, other) => other.or(one).unwrap_or("default"),
    };
    #[allow(clippy::cast_precision_loss)]
    let original = || {
        let own = r.count("original_max_position_embeddings")?;
        Ok::<_, ConfigError>(context.stated.or(own).unwrap_or(context.now) as f64)
    };
    let missing = |key: &str, what: &str| ConfigError::Value {
        key: r.path(key),
        found: "missing".into(),
        expected: format!("{what}, as `rope_type` is `{kind}`"),
    };
    let must = |key| r.positive(key)?.ok_or_else(|| missing(key, "a number"));
    let scaling = match kind {
        "default" => Scaling::None,
        "linear" => Scaling::Linear { factor: must("factor")? },
        "dynamic" => {
            // transformers measures by the context alone.
            r.count("original_max_position_embeddings")?;
            #[allow(clippy::cast_precision_loss)]
            let original = context.now as f64;
            Scaling::Dynamic { factor: must("factor")?, original }
        }
        "longrope" => {
            let by_5 = original()?;
            #[allow(clippy::cast_precision_loss)]
            let by_4 = context.stated.unwrap_or(context.now) as f64;
            let original = match r.rules() {
                Transformers::V4_57 => by_4,
                Transformers::V5_23 => by_5,
            };
            if by_4 != by_5 {
                let (rules, other) = (r.rules(), r.rules().other());
                let theirs = if rules == Transformers::V4_57 { by_5 } else { by_4 };
                r.note(format!(
                    "LongRoPE's `original_max_position_embeddings` stands in the rotation alone: by transformers \
                     {rules}, which is followed, its long factors hold beyond {original} tokens, by {other} beyond \
                     {theirs}; `--transformers {other}` follows the other"
                ));
            }
            #[allow(clippy::cast_precision_loss)]
            let factor = r.positive("factor")?.unwrap_or(context.now as f64 / original);
            let implied = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() };
            let list = |key| factors(r, key)?.ok_or_else(|| missing(key, "a list of numbers"));
            Scaling::Long {
                attention: r.positive("attention_factor")?.unwrap_or(implied),
                original,
                short: list("short_factor")?,
                long: list("long_factor")?,
            }
        }
        "llama3" => Scaling::Llama3 {
            factor: must("factor")?,
            low: must("low_freq_factor")?,
            high: must("high_freq_factor")?,
            original: original()?,
        },
        "yarn" => {
            let factor = match r.positive("factor")? {
                // Version 5 takes the share of the two contexts where the key is there without a number.
                None if r.rules() == Transformers::V5_23 && r.has("factor") => {
                    context.now as f64 / original()?
                }
                found => found.ok_or_else(|| missing("factor", "a number"))?,
            };
            let truncate = r.flag("truncate")?.unwrap_or(true);
            if nested && !truncate {
                // transformers looks for it outside of the nested object and so does not see it.
                return Err(r.bad("truncate", &Value::Bool(false), "true in a rotation by kind of layer"));
            }
            Scaling::Yarn {
                factor,
                attention: yarn_attention(r, factor)?,
                fast: r.positive("beta_fast")?.unwrap_or(32.0),
                slow: r.positive("beta_slow")?.unwrap_or(1.0),
                original: original()?,
                truncate,
            }
        }
        other => {
            let found = Value::String(other.into());
            return Err(r.bad("rope_type", &found, "default, linear, dynamic, llama3, longrope or yarn"));
        }
    };
    r.finish()?;
    Ok(Rope { theta, partial, scaling, ..plain })
}

/// `attention_factor`, or what the factor implies: `0.1 ln(factor) + 1`, section 3.4 of the paper.
fn yarn_attention(r: &ConfigReader, factor: f64) -> Result<f64, ConfigError> {
    let of = |m: f64| if factor <= 1.0 { 1.0 } else { 0.1 * m * factor.ln() + 1.0 };
    let (all, one) = (r.number("mscale_all_dim")?, r.number("mscale")?);
    if let Some(given) = r.positive("attention_factor")? {
        return Ok(given);
    }
    Ok(match (one, all) {
        (Some(one), Some(all)) if one != 0.0 && all != 0.0 => of(one) / of(all),
        _ => of(1.0),
    })
}
