//! Reading a config key by key, remembering which were read: what is left over and not known to
//! be harmless is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::ConfigError;
use super::known::{harmless, is_off, known_off};
use crate::{Choices, Transformers};

/// An object of the config.
pub(super) struct ConfigReader<'a> {
    map: &'a Map<String, Value>,
    under: String,
    family: &'a str,
    seen: RefCell<BTreeSet<&'static str>>,
    choices: &'a Choices,
    found: Rc<RefCell<ConfigNotes>>,
}

/// What reading a config found beside the architecture.
#[derive(Default)]
struct ConfigNotes {
    /// Keys that are not known and that the user vouches for.
    accepted: BTreeSet<String>,
    notes: Vec<String>,
}

impl<'a> ConfigReader<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, family: &'a str, choices: &'a Choices) -> Self {
        Self { map, under: String::new(), family, seen: RefCell::default(), choices, found: Rc::default() }
    }

    pub(super) fn family(&self) -> &str {
        self.family
    }

    /// The version of transformers that is followed.
    pub(super) fn rules(&self) -> Transformers {
        self.choices.transformers
    }

    /// Says something that a user should know.
    pub(super) fn note(&self, note: String) {
        self.found.borrow_mut().notes.push(note);
    }

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

    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Its keys and another's, which has the last word.
    pub(super) fn with(&self, other: &Self) -> Map<String, Value> {
        let mut both = self.map.clone();
        both.extend(other.map.clone());
        both
    }

    /// A reader of these keys in its place.
    pub(super) fn over<'b>(&'b self, map: &'b Map<String, Value>) -> ConfigReader<'b> {
        ConfigReader {
            map,
            under: self.under.clone(),
            family: self.family,
            seen: RefCell::default(),
            choices: self.choices,
            found: self.found.clone(),
        }
    }

    /// A value as errors show it.
    pub(super) fn shown(&self, key: &str) -> String {
        self.map.get(key).map(short).unwrap_or_default()
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

    pub(super) fn object(&self, key: &'static str) -> Result<Option<ConfigReader<'a>>, ConfigError> {
        let map = self.typed(key, "an object", Value::as_object)?;
        Ok(map.map(|map| ConfigReader {
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
            // A key that no version knows and that holds nothing says nothing.
            if value.is_null() || top && is_off(key, value) {
                continue;
            }
            let path = self.path(key);
            let vouched = self.choices.accept_config_keys.contains(&path);
            if top && known_off(key) {
                let mut expected = format!("nothing: family `{}` is not computed with it", self.family);
                if vouched {
                    expected.push_str(", which --accept-config-key can't change as the key is known");
                }
                return Err(self.bad(key, value, &expected));
            }
            if vouched {
                self.found.borrow_mut().accepted.insert(path);
                continue;
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
    // MLX writes its own key, and the usual one beside it without a method.
    let mlx = map.get("quantization").or_else(|| outer.get("quantization"));
    if mlx.is_some_and(|found| found.get("bits").is_some() && found.get("group_size").is_some()) {
        return Some(ConfigError::Quantized { key: "quantization", method: "MLX".to_owned() });
    }
    ["quantization_config", "compression_config"].into_iter().find_map(of)
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
