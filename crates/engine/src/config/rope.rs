//! The rotation of queries and keys as configs describe it, classic or nested.

use serde_json::Value;

use super::ConfigError;
use super::keys::Reader;
use crate::Transformers;
use crate::family::{Family, LocalRope, Positions};

/// A rotation.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The base of the wavelengths.
    pub theta: f64,
    /// The rotated share of a head.
    pub partial: f64,
    /// How it was stretched to longer contexts.
    pub scaling: Scaling,
    /// Divisors of the frequencies, one each, where the file brings them.
    pub divisors: Option<Vec<f32>>,
}

/// A stretch of the rotation to longer contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// None.
    None,
    /// All frequencies divided by the factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Llama 3: low frequencies divided, high ones kept, a ramp between.
    Llama3 {
        /// The factor.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low: f64,
        /// Wavelengths below `original / high` are kept.
        high: f64,
        /// Context before the stretch.
        original: f64,
    },
    /// Dynamic NTK: a sequence longer than the context raises the base, the more the longer it is.
    Dynamic {
        /// The factor.
        factor: f64,
        /// Context before the stretch.
        original: f64,
    },
    /// LongRoPE (Ding et al. 2024, arXiv:2402.13753): divisors of the frequencies, other ones for a
    /// sequence longer than the original context.
    Long {
        /// What cosines and sines are multiplied by.
        attention: f64,
        /// Context before the stretch.
        original: f64,
        /// Divisors up to the original context, one a rotated pair.
        short: Vec<f32>,
        /// Divisors beyond it.
        long: Vec<f32>,
    },
    /// YaRN (Peng et al. 2023, arXiv:2309.00071).
    Yarn {
        /// The factor.
        factor: f64,
        /// What cosines and sines are multiplied by.
        attention: f64,
        /// Rotations over the original context above which a frequency is kept.
        fast: f64,
        /// Rotations below which it is divided.
        slow: f64,
        /// Context before the stretch.
        original: f64,
        /// Whether the ends of the ramp are rounded to whole dimensions.
        truncate: bool,
    },
}

const PARTIAL: &str = "partial_rotary_factor";
const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The rotations of full and of sliding layers, and the context that scaling reaches.
///
/// Reads the classic keys (`rope_theta`, `rope_scaling`) or `rope_parameters`, flat or by kind of layer.
pub(super) fn read(r: &Reader, family: &Family, context: usize) -> Result<Option<[Rope; 2]>, ConfigError> {
    let Positions::Rotary { theta_key, theta, partial_key, partial, local } = family.positions else {
        return Ok(None);
    };
    let default = theta;
    let stated_base = r.positive(theta_key)?;
    let theta = match stated_base {
        Some(theta) => theta,
        None if local == LocalRope::Unscaled && r.get("rope_parameters").is_none() => {
            unstated_base(r, default)
        }
        None => default,
    };
    let default_share = partial;
    let partial = r.positive(partial_key)?.unwrap_or(partial);
    if partial_key == PARTIAL && partial != default_share {
        return Err(whole_head(r, partial));
    }
    // Version 4.57 writes GPT-NeoX's two under the usual names as well.
    for (key, value, alias) in
        [(theta_key, theta, "rope_theta"), (partial_key, partial, "partial_rotary_factor")]
    {
        if key != alias && r.number(alias)?.is_some_and(|other| other != value) {
            let other = r.get(alias).cloned().unwrap_or_default();
            return Err(r.bad(alias, &other, &format!("the value of `{key}`, which is {value}")));
        }
    }
    let divisors = divisors(r)?;
    // A key beside the rotation has the last word, as in transformers.
    let stated = r.count("original_max_position_embeddings")?;
    let context = Context { now: context, stated };
    let own = match local {
        LocalRope::Own { key, theta } => r.positive(key)?.unwrap_or(theta),
        LocalRope::Shared | LocalRope::Unscaled => theta,
    };
    let plain = |theta| Rope { theta, partial, scaling: Scaling::None, divisors: divisors.clone() };
    let two = if let Some(given) = r.object("rope_parameters")? {
        if let Some(old) = r.get("rope_scaling") {
            return Err(r.bad("rope_scaling", old, "nothing beside `rope_parameters`"));
        }
        if r.rules() == Transformers::V4_57 {
            r.note(
                "`rope_parameters` is followed, as by transformers 5.23; 4.57, which is asked for, leaves it unread"
                    .into(),
            );
        }
        let by_kind = [FULL, SLIDING].into_iter().find(|kind| given.has(kind));
        if let (Some(kind), LocalRope::Shared) = (by_kind, local) {
            return Err(ConfigError::Value {
                key: format!("rope_parameters.{kind}"),
                found: given.shown(kind),
                expected: format!(
                    "one rotation for all layers, as family `{}` has it: of rotations by kind of layer transformers \
                     5.23 reads none or can't open the model",
                    r.family()
                ),
            });
        }
        if by_kind.is_some() {
            let one = |kind, theta| -> Result<Rope, ConfigError> {
                given.object(kind)?.map_or(Ok(plain(theta)), |o| entry(&o, plain(theta), context, true))
            };
            let two = [one(FULL, theta)?, one(SLIDING, own)?];
            given.finish()?;
            two
        } else if local == LocalRope::Shared {
            let rope = entry(&given, plain(theta), context, false)?;
            [rope.clone(), rope]
        } else {
            let expected = "an object with `full_attention` and `sliding_attention`";
            return Err(r.bad("rope_parameters", &Value::String("flat".into()), expected));
        }
    } else {
        if local == LocalRope::Unscaled && stated_base.is_some_and(|theta| theta != default) {
            // Versions of transformers disagree about the base of sliding layers then.
            let expected = format!("{default}, or `rope_parameters` by kind of layer");
            return Err(r.bad(theta_key, &theta.into(), &expected));
        }
        let full = match r.object("rope_scaling")? {
            Some(given) => {
                let mut inside = entry(&given, plain(theta), context, false)?;
                if local != LocalRope::Shared && inside.scaling != Scaling::None {
                    inside.scaling = by_name_of_kind(r, &given, inside.scaling)?;
                }
                beside(r, inside, plain(theta))
            }
            None => plain(theta),
        };
        let sliding = if local == LocalRope::Shared { full.clone() } else { plain(own) };
        [full, sliding]
    };
    Ok(Some(two))
}

/// The base of OLMo 3 where its config has none, about which versions disagree.
fn unstated_base(r: &Reader, by_5: f64) -> f64 {
    const BY_4: f64 = 10_000.0;
    let (rules, other) = (r.rules(), r.rules().other());
    let (own, theirs) = if rules == Transformers::V5_23 { (by_5, BY_4) } else { (BY_4, by_5) };
    r.note(format!(
        "config key `rope_theta` is missing: transformers {rules}, which is followed, takes {own}, {other} {theirs}; \
         `--transformers {other}` follows the other"
    ));
    own
}

/// The kind of a rotation that has both the key and its older name.
fn kind_of_two<'k>(r: &Reader, old: &'k str, new: &'k str) -> &'k str {
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

/// The stretch of `rope_scaling` where layers of two kinds turn by two rotations. Transformers 5.23 reads its kind
/// from `rope_type` alone there, and leaves all layers as they are where only the older `type` names it; 4.57 can't
/// open such a model.
fn by_name_of_kind(r: &Reader, given: &Reader, stretch: Scaling) -> Result<Scaling, ConfigError> {
    let Some(old) = given.get("type").filter(|_| given.get("rope_type").is_none()) else {
        return Ok(stretch);
    };
    match r.rules() {
        Transformers::V4_57 => {
            Err(given.bad("type", old, "`rope_type` in its place, without which 4.57 opens no such model"))
        }
        Transformers::V5_23 => {
            r.note(format!(
                "`rope_scaling` names its kind {old} by the older key `type` alone, which transformers 5.23, which is \
                 followed, leaves unread for family `{}`: positions are not stretched; 4.57 can't open the model. \
                 Name the kind `rope_type` in config.json to stretch them",
                r.family()
            ));
            Ok(Scaling::None)
        }
    }
}

/// A base or a share that stands inside of `rope_scaling`: transformers 5.23 takes it before the one beside it,
/// 4.57 leaves it unread.
fn beside(r: &Reader, inside: Rope, outside: Rope) -> Rope {
    let (by_5, by_4) = ((inside.theta, inside.partial), (outside.theta, outside.partial));
    if by_5 == by_4 {
        return inside;
    }
    let (rules, other) = (r.rules(), r.rules().other());
    let (own, theirs) = if rules == Transformers::V5_23 { (by_5, by_4) } else { (by_4, by_5) };
    r.note(format!(
        "`rope_scaling` has a base or a share of its own: by transformers {rules}, which is followed, the base is {} and \
         the share {}, by {other} {} and {}; `--transformers {other}` follows the other",
        own.0, own.1, theirs.0, theirs.1
    ));
    Rope { theta: own.0, partial: own.1, ..inside }
}

/// How long sequences may be, and how long they were before a stretch.
#[derive(Clone, Copy)]
struct Context {
    now: usize,
    stated: Option<usize>,
}

/// A share of the head where the family turns all of it: transformers 5.23 leaves the key unread for some
/// kinds of rotation and obeys it for others, and 4.57 can't open such a model.
fn whole_head(r: &Reader, share: f64) -> ConfigError {
    r.bad(PARTIAL, &share.into(), "1, because this family turns whole heads")
}

fn divisors(r: &Reader) -> Result<Option<Vec<f32>>, ConfigError> {
    factors(r, "truenorth_rope_freqs")
}

fn factors(r: &Reader, key: &'static str) -> Result<Option<Vec<f32>>, ConfigError> {
    let Some(list) = r.list(key)? else { return Ok(None) };
    #[allow(clippy::cast_possible_truncation)]
    let read = |v: &Value| v.as_f64().map(|x| x as f32).filter(|x| *x > 0.0 && x.is_finite());
    let wrong = || r.bad(key, &Value::Array(list.clone()), "a list of positive numbers");
    list.iter().map(read).collect::<Option<Vec<f32>>>().map(Some).ok_or_else(wrong)
}

/// One rotation of `rope_scaling` or `rope_parameters`.
fn entry(r: &Reader, plain: Rope, context: Context, nested: bool) -> Result<Rope, ConfigError> {
    let theta = r.positive("rope_theta")?.unwrap_or(plain.theta);
    let partial = r.positive(PARTIAL)?.unwrap_or(plain.partial);
    if partial != plain.partial && plain.partial == 1.0 {
        return Err(whole_head(r, partial));
    }
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
            let factor = must("factor")?;
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
fn yarn_attention(r: &Reader, factor: f64) -> Result<f64, ConfigError> {
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
