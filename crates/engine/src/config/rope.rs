//! The rotation of queries and keys as configs describe it, classic or nested.

mod stretch;

use serde_json::Value;

use super::ConfigError;
use super::keys::ConfigReader;
use crate::Transformers;
use crate::family::{Family, LocalRope, Positions};
use stretch::{ContextLengths, entry, factors};

/// How positions rotate queries and keys (RoPE).
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// The base θ: wavelengths are `2π θ^(2i/d)`.
    pub theta: f64,
    /// Share of a head that is rotated, in (0, 1].
    pub partial: f64,
    /// How it was stretched to longer contexts.
    pub scaling: Scaling,
    /// Divisors of the frequencies, one each, where the file brings them.
    pub divisors: Option<Vec<f32>>,
}

/// A stretch of the rotation to longer contexts.
#[derive(Clone, Debug, PartialEq)]
pub enum Scaling {
    /// Not stretched.
    None,
    /// All frequencies divided by the factor.
    Linear {
        /// What every frequency is divided by.
        factor: f64,
    },
    /// Llama 3: low frequencies divided, high ones kept, a ramp between.
    Llama3 {
        /// What low frequencies are divided by.
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
        /// How many times longer the context became, as the config says.
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
        /// How many times longer the context became, as the config says.
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
pub(super) fn read(
    r: &ConfigReader,
    family: &Family,
    context: usize,
) -> Result<Option<[Rope; 2]>, ConfigError> {
    let Positions::Rotary { theta_key, theta, partial_key, partial, local } = family.positions else {
        return Ok(None);
    };
    let default = theta;
    let stated_base = r.positive(theta_key)?;
    let newer = newer(r, local)?;
    let width = width(r);
    if !states_bases(r, newer.as_ref(), local) {
        no_null(r, theta_key)?;
    }
    let theta = match stated_base {
        Some(theta) => theta,
        None if local == LocalRope::Unscaled && newer.is_none() => unstated_base(r, default),
        None => default,
    };
    let whole = partial_key == PARTIAL && partial == 1.0;
    let partial = r.positive(partial_key)?.unwrap_or(partial);
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
    let context = ContextLengths { now: context, stated };
    let own = match local {
        LocalRope::Own { key, theta } => {
            if newer.is_none() {
                no_null(r, key)?;
            }
            r.positive(key)?.unwrap_or(theta)
        }
        // Versions disagree about the base of sliding layers where one is stated.
        LocalRope::Unscaled => sliding_base(r, theta, default, newer.is_some()),
        LocalRope::Shared => theta,
    };
    let plain = |theta| Rope { theta, partial, scaling: Scaling::None, divisors: divisors.clone() };
    let two = if let Some(given) = newer {
        if r.rules() == Transformers::V4_57 {
            r.note(
                "`rope_parameters` is followed, as by transformers 5.23; 4.57, which is asked for, leaves it unread"
                    .into(),
            );
        }
        if local == LocalRope::Shared {
            let rope = entry(&given, plain(theta), context, false)?;
            [rope.clone(), rope]
        } else {
            // A stretch by the older key is put over the newer one's of full layers.
            let over = r.object("rope_scaling")?;
            if over.is_some() {
                r.note(
                    "the config has both `rope_scaling` and `rope_parameters`: the first is put over the second's rotation \
                     of full layers, as by transformers 5.23; 4.57 reads `rope_scaling` alone"
                        .into(),
                );
            }
            let one = |kind, theta| -> Result<Rope, ConfigError> {
                let own = given.object(kind)?;
                match (own, &over) {
                    (Some(own), Some(over)) if kind == FULL => {
                        let both = own.with(over);
                        entry(&own.over(&both), plain(theta), context, true)
                    }
                    (None, Some(_)) if kind == FULL => Err(r.bad(
                        "rope_parameters",
                        &Value::String(format!("without `{FULL}`")),
                        "that, or no `rope_scaling` beside it, which is put over it",
                    )),
                    (own, _) => own.map_or(Ok(plain(theta)), |o| entry(&o, plain(theta), context, true)),
                }
            };
            let two = [one(FULL, theta)?, one(SLIDING, own)?];
            given.finish()?;
            two
        }
    } else {
        let full = match r.object("rope_scaling")? {
            Some(given) if local != LocalRope::Shared && older_name(r, &given)? => {
                no_null(&given, "rope_theta")?;
                Rope { theta: given.positive("rope_theta")?.unwrap_or(theta), ..plain(theta) }
            }
            Some(given) => {
                let mut inside = entry(&given, plain(theta), context, false)?;
                if whole && inside.scaling == Scaling::None && r.rules() == Transformers::V5_23 {
                    inside.partial = 1.0;
                }
                let share = if given.has(PARTIAL) { partial } else { inside.partial };
                beside(r, inside, Rope { partial: share, ..plain(theta) })
            }
            None => plain(theta),
        };
        let sliding = if local == LocalRope::Shared { full.clone() } else { plain(own) };
        [full, sliding]
    };
    if !whole {
        return Ok(Some(two));
    }
    let shares = two.iter().map(|rope| rope.partial).find(|share| *share != 1.0);
    let [full, sliding] = two.map(|rope| whole_heads(r, rope));
    if let Some(share) = shares {
        let family = r.family();
        r.note(match width {
            Some(Width { key, turned, of }) => format!(
                "`{key}` of {turned} of the {of} dimensions of a head is left unread and all are turned, as by transformers \
                 5.23 for family `{family}`; llama.cpp turns those {turned} alone"
            ),
            None => format!(
                "`{PARTIAL}` of {share} is left unread, as by transformers 5.23 for family `{family}` without a stretch; \
                 4.57 can't run the model"
            ),
        });
    }
    Ok(Some([full?, sliding?]))
}

/// `rope_parameters`, where transformers 5.23 reads them.
fn newer<'a>(r: &ConfigReader<'a>, local: LocalRope) -> Result<Option<ConfigReader<'a>>, ConfigError> {
    let Some(given) = r.object("rope_parameters")? else { return Ok(None) };
    let older = r.object("rope_scaling")?;
    let by_kind = [FULL, SLIDING].into_iter().find(|kind| given.has(kind));
    match (by_kind, local, older) {
        (_, LocalRope::Shared, Some(older)) if !older.is_empty() => {
            r.note(
                "the config has both `rope_scaling` and `rope_parameters`: by transformers 5.23 and 4.57 `rope_scaling` \
                 holds and the other is left unread, its base too"
                    .into(),
            );
            Ok(None)
        }
        (Some(kind), LocalRope::Shared, _) => Err(ConfigError::Value {
            key: format!("rope_parameters.{kind}"),
            found: given.shown(kind),
            expected: format!(
                "one rotation for all layers, as family `{}` has it: of rotations by kind of layer transformers 5.23 reads \
                 none or can't open the model",
                r.family()
            ),
        }),
        (None, LocalRope::Own { .. } | LocalRope::Unscaled, Some(_)) if r.rules() == Transformers::V5_23 => {
            Err(r.bad(
                "rope_parameters",
                &Value::String("flat".into()),
                "an object with `full_attention` and `sliding_attention`, or none beside `rope_scaling`, which is read alone",
            ))
        }
        (None, LocalRope::Own { .. } | LocalRope::Unscaled, _) => {
            if !given.is_empty() {
                r.note(format!(
                    "`rope_parameters` is not by kind of layer, and transformers {}, which is followed, leaves it unread for \
                     family `{}`: bases are the family's or those of keys beside it, and nothing is stretched. Write it \
                     under `{FULL}` and `{SLIDING}` in config.json to have it read",
                    r.rules(),
                    r.family()
                ));
            }
            Ok(None)
        }
        _ => Ok(Some(given)),
    }
}

/// The base of sliding layers of OLMo 3.
fn sliding_base(r: &ConfigReader, theta: f64, default: f64, newer: bool) -> f64 {
    if theta == default || newer && r.rules() == Transformers::V4_57 {
        return default;
    }
    if r.positive("rope_theta").ok().flatten().is_none() {
        return theta;
    }
    let (rules, other) = (r.rules(), r.rules().other());
    let (own, theirs) = if rules == Transformers::V5_23 { (default, theta) } else { (theta, default) };
    r.note(format!(
        "`rope_theta` of {theta} is by transformers 5.23 for layers of full attention alone: sliding layers turn by the base \
         {own} by {rules}, which is followed, and by {theirs} by {other}; `--transformers {other}` follows the other"
    ));
    own
}

/// A rotation of whole heads. A share of them is left unread by transformers 5.23 where nothing is stretched; stretched,
/// or by 4.57, neither can run the model.
fn whole_heads(r: &ConfigReader, rope: Rope) -> Result<Rope, ConfigError> {
    if rope.partial == 1.0 || rope.scaling == Scaling::None && r.rules() == Transformers::V5_23 {
        return Ok(Rope { partial: 1.0, ..rope });
    }
    Err(whole_head(r, rope.partial))
}

/// The base of OLMo 3 where its config has none, about which versions disagree.
fn unstated_base(r: &ConfigReader, by_5: f64) -> f64 {
    const BY_4: f64 = 10_000.0;
    let (rules, other) = (r.rules(), r.rules().other());
    let (own, theirs) = if rules == Transformers::V5_23 { (by_5, BY_4) } else { (BY_4, by_5) };
    r.note(format!(
        "config key `rope_theta` is missing: transformers {rules}, which is followed, takes {own}, {other} {theirs}; \
         `--transformers {other}` follows the other"
    ));
    own
}

/// Whether `rope_scaling` names its kind by the older `type` alone where layers of two kinds turn by two rotations.
/// Transformers 5.23 reads the kind from `rope_type` alone there, and leaves all layers as they are whatever `type` says;
/// 4.57 can't open such a model.
fn older_name(r: &ConfigReader, given: &ConfigReader) -> Result<bool, ConfigError> {
    let Some(old) = given.get("type").filter(|_| given.get("rope_type").is_none()) else { return Ok(false) };
    match r.rules() {
        _ if old == "default" => Ok(false),
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
            Ok(true)
        }
    }
}

/// A base or a share that stands inside of `rope_scaling`: transformers 5.23 takes it before the one beside it,
/// 4.57 leaves it unread.
fn beside(r: &ConfigReader, inside: Rope, outside: Rope) -> Rope {
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

/// A share of the head where the family turns all of it: transformers 5.23 leaves the key unread for some
/// kinds of rotation and obeys it for others, and 4.57 can't open such a model.
fn whole_head(r: &ConfigReader, share: f64) -> ConfigError {
    const WHY: &str = "because this family turns whole heads";
    match width(r) {
        Some(width) => width.bad(format!("{}, {WHY}", width.of)),
        None => r.bad(PARTIAL, &share.into(), &format!("1, {WHY}")),
    }
}

/// The error for a share of a head that leaves no even number of dimensions.
pub(super) fn odd_share(r: &ConfigReader, share: f64, head_dim: usize) -> ConfigError {
    let key = if r.has("rotary_pct") { "rotary_pct" } else { PARTIAL };
    match width(r) {
        Some(width) => width.bad(format!("an even number of the {head_dim} dimensions of a head")),
        None => {
            r.bad(key, &share.into(), &format!("a share of the {head_dim} dimensions of a head that is even"))
        }
    }
}

/// How a GGUF file states a share of a head.
struct Width<'a> {
    /// Its key in the file.
    key: &'a str,
    /// Dimensions that turn.
    turned: u64,
    /// Dimensions of a head.
    of: u64,
}

impl Width<'_> {
    fn bad(&self, expected: String) -> ConfigError {
        ConfigError::Value { key: self.key.to_owned(), found: self.turned.to_string(), expected }
    }
}

fn width<'a>(r: &ConfigReader<'a>) -> Option<Width<'a>> {
    let stated = r.get("truenorth_rotary_width")?;
    let count = |key: &str| stated.get(key).and_then(Value::as_u64);
    Some(Width { key: stated.get("key")?.as_str()?, turned: count("turned")?, of: count("of")? })
}

/// Whether the rotations state all bases themselves, so that none is taken from the key beside them.
fn states_bases(r: &ConfigReader, newer: Option<&ConfigReader>, local: LocalRope) -> bool {
    let stated = |given: &Value| given.get("rope_theta").is_some_and(|base| !base.is_null());
    match newer {
        Some(given) if local == LocalRope::Shared => given.get("rope_theta").is_some(),
        Some(given) => [FULL, SLIDING].into_iter().all(|kind| given.get(kind).is_some_and(stated)),
        // 4.57 leaves a base in there unread.
        None => r.rules() == Transformers::V5_23 && r.get("rope_scaling").is_some_and(stated),
    }
}

/// Refuses a base of null: transformers takes its default where the key is missing, and can't compute with null.
fn no_null(r: &ConfigReader, key: &'static str) -> Result<(), ConfigError> {
    if r.has(key) && r.get(key).is_none() {
        let expected = "a positive number, or no such key, which leaves the base to the default (transformers fails \
                        over null)";
        return Err(r.bad(key, &Value::Null, expected));
    }
    Ok(())
}

fn divisors(r: &ConfigReader) -> Result<Option<Vec<f32>>, ConfigError> {
    factors(r, "truenorth_rope_freqs")
}
