//! `tokenizer.json` and the files beside it that say how it is used.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::TokenizerError;
use super::order::KeyOrder;
use truenorth_files::{available, is_lfs_pointer};

/// Bytes of memory that parsing and building take at most for each of `tokenizer.json`, in libraries that can't
/// be refused any: memory for all is asked for first.
const BUILT: usize = 32;

pub(super) struct TokenizerFiles {
    pub(super) path: PathBuf,
    /// `tokenizer.json`.
    pub(super) json: Value,
    /// Whether there is none and it was made of vocabulary and merges.
    pub(super) parts: bool,
    /// `tokenizer_config.json`.
    pub(super) config: Map<String, Value>,
    /// The keys of `tokenizer_config.json` as they come in it.
    pub(super) config_order: KeyOrder,
    /// `special_tokens_map.json`, where that still counts.
    pub(super) map: Map<String, Value>,
    /// The keys of `special_tokens_map.json` as they come in it.
    pub(super) map_order: KeyOrder,
    /// `added_tokens.json`, where that still counts.
    pub(super) added: Map<String, Value>,
    config_class: Option<String>,
    pub(super) model_type: String,
}

impl TokenizerFiles {
    pub(super) fn read(path: &Path) -> Result<Self, TokenizerError> {
        let bytes = read_bytes(path)?;
        available(bytes.len().saturating_mul(BUILT))
            .map_err(|e| TokenizerError::Io { path: path.to_path_buf(), source: e.into() })?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|e| malformed(path, e))?;
        if !json.is_object() {
            return Err(malformed(path, "expected an object at the top"));
        }
        Self::beside(path, json, false)
    }

    /// With what lies beside a file of which this is the content; `parts` are of `vocab.json` and `merges.txt`.
    pub(super) fn beside(path: &Path, json: Value, parts: bool) -> Result<Self, TokenizerError> {
        let beside = |name: &str| object(&path.with_file_name(name));
        let ordered = |name: &str| ordered_object(&path.with_file_name(name));
        let (config, config_order) = ordered("tokenizer_config.json")?;
        let (mut map, mut map_order, mut added) = (Map::new(), KeyOrder::default(), Map::new());
        // Where the configuration lists the added tokens, the older files beside it are not looked at.
        if !config.contains_key("added_tokens_decoder") {
            (map, map_order) = ordered("special_tokens_map.json")?;
            added = beside("added_tokens.json")?.unwrap_or_default();
        }
        let model = beside("config.json")?.unwrap_or_default();
        let text = |key: &str| model.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            path: path.to_path_buf(),
            json,
            parts,
            config,
            config_order,
            map,
            map_order,
            added,
            config_class: text("tokenizer_class"),
            model_type: text("model_type").unwrap_or_default(),
        })
    }

    pub(super) fn class(&self) -> Option<&str> {
        self.config.get("tokenizer_class").and_then(Value::as_str).or(self.config_class.as_deref())
    }

    /// The code of its own that the configuration names for the tokenizer, which transformers runs only where told to.
    pub(super) fn own_code(&self) -> Option<&Value> {
        match self.config.get("auto_map")? {
            // As older files have it.
            list @ Value::Array(_) => Some(list),
            by_class => by_class.get("AutoTokenizer").filter(|code| !code.is_null()),
        }
    }

    /// Whether any part of the tokenizer works on bytes spelled as characters.
    pub(super) fn byte_level(&self) -> bool {
        ["normalizer", "pre_tokenizer", "decoder", "post_processor"]
            .iter()
            .filter_map(|part| self.json.get(part))
            .any(|part| part.to_string().contains("\"ByteLevel\""))
    }

    /// What the files say by a key, null included, and whether `special_tokens_map.json` does.
    pub(super) fn said(&self, key: &str) -> Option<(&Value, bool)> {
        let mapped = self.map.get(key).map(|value| (value, true));
        mapped.or_else(|| self.config.get(key).map(|value| (value, false)))
    }

    /// A flag of the configuration, null being false: `None` where there is no such key.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.said(key).map(|(value, _)| value.as_bool().unwrap_or(false))
    }

    /// Whether a space is put before a text, where the configuration says so.
    pub(super) fn prefix_space(&self) -> Option<bool> {
        self.said("add_prefix_space").and_then(|(value, _)| value.as_bool())
    }
}

pub(super) fn malformed(path: &Path, problem: impl ToString) -> TokenizerError {
    TokenizerError::Malformed { path: path.to_path_buf(), problem: problem.to_string() }
}

pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, TokenizerError> {
    let bytes =
        std::fs::read(path).map_err(|source| TokenizerError::Io { path: path.to_path_buf(), source })?;
    if is_lfs_pointer(&bytes) {
        return Err(TokenizerError::LfsPointer { path: path.to_path_buf() });
    }
    Ok(bytes)
}

/// A JSON object, where the file is there.
pub(super) fn object(path: &Path) -> Result<Option<Map<String, Value>>, TokenizerError> {
    if !path.is_file() {
        return Ok(None);
    }
    parsed(path, &read_bytes(path)?).map(Some)
}

/// A JSON object and the order of its keys, both empty where the file is not there.
fn ordered_object(path: &Path) -> Result<(Map<String, Value>, KeyOrder), TokenizerError> {
    if !path.is_file() {
        return Ok((Map::new(), KeyOrder::default()));
    }
    let bytes = read_bytes(path)?;
    let map = parsed(path, &bytes)?;
    let order = KeyOrder::read(&bytes).map_err(|e| malformed(path, e))?;
    Ok((map, order))
}

fn parsed(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>, TokenizerError> {
    match serde_json::from_slice::<Value>(bytes).map_err(|e| malformed(path, e))? {
        Value::Object(map) => Ok(map),
        _ => Err(malformed(path, "expected an object at the top")),
    }
}
