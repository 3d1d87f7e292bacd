//! `tokenizer.json` and the files beside it that say how it is used.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::AddedToken;

use super::TokenizerError;
use super::class::Class;
use crate::Transformers;
use truenorth_files::{available, is_lfs_pointer};

/// Bytes of memory that parsing and building take at most for each of `tokenizer.json`, in libraries that can't
/// be refused any: memory for all is asked for first.
const BUILT: usize = 32;
/// Attributes that name a token, in the order in which transformers adds them.
pub(super) const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// What lies in a folder.
pub(super) struct Files {
    pub(super) path: PathBuf,
    /// `tokenizer.json`.
    pub(super) json: Value,
    /// Whether there is none and it was made of vocabulary and merges.
    pub(super) parts: bool,
    /// `tokenizer_config.json`, with `special_tokens_map.json` where that still counts.
    pub(super) config: Map<String, Value>,
    added: Map<String, Value>,
    config_class: Option<String>,
    pub(super) model_type: String,
}

impl Files {
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
        let mut config = beside("tokenizer_config.json")?.unwrap_or_default();
        let mut added = Map::new();
        // Where the configuration lists the added tokens, the older files beside it are not looked at.
        if !config.contains_key("added_tokens_decoder") {
            config.extend(beside("special_tokens_map.json")?.unwrap_or_default());
            added = beside("added_tokens.json")?.unwrap_or_default();
        }
        let model = beside("config.json")?.unwrap_or_default();
        let text = |key: &str| model.get(key).and_then(Value::as_str).map(str::to_owned);
        Ok(Self {
            path: path.to_path_buf(),
            json,
            parts,
            config,
            added,
            config_class: text("tokenizer_class"),
            model_type: text("model_type").unwrap_or_default(),
        })
    }

    /// The class that the files name.
    pub(super) fn class(&self) -> Option<&str> {
        self.config.get("tokenizer_class").and_then(Value::as_str).or(self.config_class.as_deref())
    }

    /// Whether any part of the tokenizer works on bytes spelled as characters.
    pub(super) fn byte_level(&self) -> bool {
        ["normalizer", "pre_tokenizer", "decoder", "post_processor"]
            .iter()
            .filter_map(|part| self.json.get(part))
            .any(|part| part.to_string().contains("\"ByteLevel\""))
    }

    /// The tokens that go by a name of their own, those of the class where the files are silent.
    pub(super) fn named(&self, class: Class, rules: Transformers) -> Vec<(String, AddedToken)> {
        let default =
            |key: &str| class.default_tokens(rules).iter().find(|(k, _)| *k == key).map(|(_, t)| *t);
        let mut all = Vec::new();
        for key in NAMED {
            let token = match self.config.get(key) {
                Some(value) => token(value, true),
                None => default(key).map(|text| AddedToken::from(text, true)),
            };
            all.extend(token.map(|token| (key.to_owned(), token)));
        }
        if rules == Transformers::V5_23 {
            all.extend(self.own(class, rules));
        }
        let extra = self.config.get("extra_special_tokens").and_then(Value::as_object);
        for (key, value) in extra.into_iter().flatten() {
            all.extend(token(value, true).map(|token| (key.clone(), token)));
        }
        if rules == Transformers::V5_23 {
            for (key, value) in self.config.iter().filter(|(key, _)| key.ends_with("_token")) {
                if !NAMED.contains(&key.as_str())
                    && !class.own_tokens(rules).iter().any(|(own, _)| own == key)
                {
                    all.extend(token(value, true).map(|token| (key.clone(), token)));
                }
            }
        }
        // A token that is listed as added is what that list says.
        let listed = self.listed();
        for (_, token) in &mut all {
            if let Some(as_listed) = listed.iter().find(|t| t.content == token.content) {
                *token = as_listed.clone();
            }
            token.special = true;
        }
        all
    }

    /// The special tokens that the class alone names.
    fn own(&self, class: Class, rules: Transformers) -> Vec<(String, AddedToken)> {
        let given = |key: &str, text: &str| match self.config.get(key) {
            Some(value) => token(value, true),
            None => Some(AddedToken::from(text, true)),
        };
        let names = class.own_tokens(rules).iter();
        names.filter_map(|(key, text)| Some(((*key).to_owned(), given(key, text)?))).collect()
    }

    /// The token in whose place the class builds a prompt for infilling.
    pub(super) fn fill(&self, class: Class) -> Option<String> {
        let own = self.own(class, Transformers::V5_23);
        own.into_iter().find(|(key, _)| key == "fill_token").map(|(_, token)| token.content)
    }

    /// Special tokens without a name of their own.
    fn unnamed(&self) -> Vec<AddedToken> {
        ["extra_special_tokens", "additional_special_tokens"]
            .iter()
            .filter_map(|key| self.config.get(*key)?.as_array())
            .find(|list| !list.is_empty())
            .into_iter()
            .flatten()
            .filter_map(|value| token(value, true))
            .collect()
    }

    /// The added tokens as listed, in the order of their ids.
    pub(super) fn listed(&self) -> Vec<AddedToken> {
        let mut all: Vec<(u64, AddedToken)> = Vec::new();
        if let Some(list) = self.config.get("added_tokens_decoder").and_then(Value::as_object) {
            all.extend(list.iter().filter_map(|(id, value)| Some((id.parse().ok()?, token(value, false)?))));
        } else {
            let special: Vec<String> = NAMED
                .iter()
                .filter_map(|key| Some(token(self.config.get(*key)?, true)?.content))
                .chain(self.unnamed().into_iter().map(|t| t.content))
                .collect();
            for (text, id) in &self.added {
                let token = AddedToken::from(text.as_str(), special.contains(text));
                all.extend(id.as_u64().map(|id| (id, token)));
            }
            for value in self.json.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
                let id = value.get("id").and_then(Value::as_u64);
                if let (Some(id), Some(token)) = (id, token(value, false)) {
                    // The tokenizer's own list has the last word on an id.
                    all.retain(|(other, _)| *other != id);
                    all.push((id, token));
                }
            }
        }
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, token)| token).collect()
    }

    /// All tokens that transformers adds to the vocabulary, in its order.
    pub(super) fn to_add(&self, class: Class, rules: Transformers) -> Vec<AddedToken> {
        let mut all = self.listed();
        let named = self.named(class, rules).into_iter().map(|(_, token)| token);
        let unnamed = self.unnamed();
        let own = match rules {
            Transformers::V4_57 => self.own(class, rules).into_iter().map(|(_, token)| token).collect(),
            // What the class says by default is listed though the configuration says otherwise, unless it
            // lists others.
            Transformers::V5_23 if unnamed.is_empty() => {
                let kept = class
                    .own_tokens(rules)
                    .iter()
                    .filter(|(key, _)| self.config.get(*key) != Some(&Value::Null));
                kept.map(|(_, text)| AddedToken::from(*text, true)).collect()
            }
            Transformers::V5_23 => vec![],
        };
        for token in named.chain(unnamed).chain(own) {
            if !all.iter().any(|t| t.content == token.content) {
                all.push(token);
            }
        }
        all
    }

    /// A flag of the configuration, null being false: `None` where there is no such key.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.config.get(key).map(|value| value.as_bool().unwrap_or(false))
    }

    /// Whether a space is put before a text, where the configuration says so.
    pub(super) fn prefix_space(&self) -> Option<bool> {
        self.config.get("add_prefix_space").and_then(Value::as_bool)
    }
}

/// A token given as text or as an object.
fn token(value: &Value, special: bool) -> Option<AddedToken> {
    if let Some(text) = value.as_str() {
        return Some(AddedToken::from(text, special));
    }
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    let special = flag("special").unwrap_or(special);
    let mut token = AddedToken::from(value.get("content")?.as_str()?, special);
    token.single_word = flag("single_word").unwrap_or(false);
    token.lstrip = flag("lstrip").unwrap_or(false);
    token.rstrip = flag("rstrip").unwrap_or(false);
    token.normalized = flag("normalized").unwrap_or(!special);
    Some(token)
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
    let value: Value = serde_json::from_slice(&read_bytes(path)?).map_err(|e| malformed(path, e))?;
    match value {
        Value::Object(map) => Ok(Some(map)),
        _ => Err(malformed(path, "expected an object at the top")),
    }
}
