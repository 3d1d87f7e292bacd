//! The tokens that transformers adds to a vocabulary, in its order and with the flags that each ends with.
//!
//! The library takes them one after the other, and a token that comes again has the flags of its last coming. So it
//! counts what is added again: version 4 leaves out names given as plain text that are there already, version 5 all
//! such names, and its Qwen 2 class adds every special token once more, without flags.

use serde_json::Value;
use tokenizers::AddedToken;

use super::class::Class;
use super::files::TokenizerFiles;
use super::transformers_token::{Object, TransformersToken, given, list};
use crate::Transformers;

/// Attributes that name a token, in the order in which transformers adds them.
pub(super) const NAMED: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
const EXTRA: &str = "extra_special_tokens";
const ADDITIONAL: &str = "additional_special_tokens";
const SPECIFIC: &str = "model_specific_special_tokens";

/// What is added, and by which names.
pub(super) struct AddedTokens {
    /// The tokens that go by a name of their own.
    pub(super) named: Vec<(String, AddedToken)>,
    /// All that are added, one after the other.
    pub(super) all: Vec<AddedToken>,
}

impl AddedTokens {
    pub(super) fn new(files: &TokenizerFiles, class: Class, rules: Transformers) -> Self {
        let reader = AddedTokenReader { files, class, rules };
        let listed = reader.listed();
        let named = reader.named(&listed);
        let unnamed = reader.unnamed();
        let all = match rules {
            Transformers::V4_57 => reader.added_4(listed, &named, &unnamed),
            Transformers::V5_23 => reader.added_5(listed, &named, &unnamed),
        };
        let named = named.into_iter().map(|(key, given)| (key, given.token(true))).collect();
        Self { named, all }
    }
}

/// The token in whose place the class builds a prompt for infilling.
pub(super) fn fill(files: &TokenizerFiles, class: Class) -> Option<String> {
    let text = class.own_tokens(Transformers::V5_23).iter().find(|(key, _)| *key == "fill_token")?.1;
    match files.said("fill_token") {
        Some((value, mapped)) => given(value, mapped).map(|given| given.content().to_owned()),
        None => Some(text.to_owned()),
    }
}

/// A token and the name that it goes by.
type NamedToken = (String, TransformersToken);

struct AddedTokenReader<'a> {
    files: &'a TokenizerFiles,
    class: Class,
    rules: Transformers,
}

impl AddedTokenReader<'_> {
    /// The added tokens as listed, in the order of their ids.
    fn listed(&self) -> Vec<Object> {
        let mut all: Vec<(u64, Object)> = Vec::new();
        if let Some(list) = self.files.config.get("added_tokens_decoder").and_then(Value::as_object) {
            all.extend(
                list.iter().filter_map(|(id, value)| Some((id.parse().ok()?, Object::read(value, false)?))),
            );
        } else {
            let special = self.known_by_text();
            for (text, id) in &self.files.added {
                let token = AddedToken::from(text.as_str(), special.contains(text));
                all.extend(id.as_u64().map(|id| (id, token.into())));
            }
            for value in self.in_file() {
                let id = value.get("id").and_then(Value::as_u64);
                if let (Some(id), Some(token)) = (id, Object::read(value, false)) {
                    // The tokenizer's own list has the last word on an id.
                    all.retain(|(other, _)| *other != id);
                    all.push((id, token));
                }
            }
        }
        all.sort_by_key(|(id, _)| *id);
        all.into_iter().map(|(_, token)| token).collect()
    }

    fn in_file(&self) -> impl Iterator<Item = &Value> {
        self.files.json.get("added_tokens").and_then(Value::as_array).into_iter().flatten()
    }

    /// Special tokens that tokens of `added_tokens.json` are told by: objects of the configuration are none yet.
    fn known_by_text(&self) -> Vec<String> {
        let (config, map) = (&self.files.config, &self.files.map);
        let lists = match self.rules {
            Transformers::V4_57 => [(config.get(ADDITIONAL), false), (map.get(ADDITIONAL), true)],
            Transformers::V5_23 => [(self.extra_of_config(), false), (map.get(EXTRA), true)],
        };
        let names = NAMED.iter().filter_map(|key| self.files.said(key));
        let of_lists = lists.into_iter().flat_map(|(value, mapped)| {
            value.and_then(Value::as_array).into_iter().flatten().map(move |value| (value, mapped))
        });
        let texts = names.chain(of_lists).filter(|(value, mapped)| *mapped || value.is_string());
        texts.filter_map(|(value, mapped)| Some(given(value, mapped)?.content().to_owned())).collect()
    }

    /// The key of the list, or object, of further special tokens that version 5 takes from the configuration.
    fn extra_key(&self) -> &'static str {
        let config = &self.files.config;
        let full = |value: &Value| match value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => false,
        };
        if config.get(EXTRA).is_some_and(full) || !config.contains_key(ADDITIONAL) {
            EXTRA
        } else {
            ADDITIONAL
        }
    }

    fn extra_of_config(&self) -> Option<&Value> {
        self.files.config.get(self.extra_key())
    }

    /// The tokens of the object under a key of the configuration or, if `mapped`, of `special_tokens_map.json`, in the
    /// order of the file: new ones get their ids in it.
    fn objects(&self, key: &str, mapped: bool) -> Vec<NamedToken> {
        let entries = match mapped {
            true => self.files.map_order.inner(key, &self.files.map).collect::<Vec<_>>(),
            false => self.files.config_order.inner(key, &self.files.config).collect(),
        };
        let entries = entries.into_iter();
        entries.filter_map(|(name, value)| Some((name.clone(), given(value, mapped)?))).collect()
    }

    /// Whether other names in the configuration take the place of all that it has under the key of a model's own special
    /// tokens, which version 4 does not know: plain texts by a name of their own, or the object of further ones.
    fn sets_aside_specific(&self) -> bool {
        let plain = |(key, value): (&String, &Value)| {
            key.ends_with("_token") && !NAMED.contains(&key.as_str()) && value.is_string()
        };
        let further = self.extra_of_config().and_then(Value::as_object);
        further.is_some_and(|further| !further.is_empty()) || self.files.config.iter().any(plain)
    }

    /// The tokens that go by a name of their own, those of the class where the files are silent.
    fn named(&self, listed: &[Object]) -> Vec<(String, TransformersToken)> {
        let default = |key: &str| {
            let of_class = self.class.default_tokens(self.rules).iter().find(|(k, _)| *k == key);
            of_class.map(|(_, text)| TransformersToken::Text((*text).to_owned()))
        };
        let mut all = Vec::new();
        for key in NAMED {
            let token = match self.files.said(key) {
                // A token that is listed as added is what that list says.
                Some((value, mapped)) => given(value, mapped).map(|given| {
                    let is =
                        |object: &&Object| object.token.content == given.content() && self.counts(object);
                    let as_listed = listed.iter().rev().find(is);
                    as_listed.map_or(given, |object| TransformersToken::Object(object.clone()))
                }),
                None => default(key).or_else(|| self.pad(key)),
            };
            all.extend(token.map(|token| (key.to_owned(), self.made(key, token))));
        }
        let further = match self.rules {
            Transformers::V4_57 => self.objects(EXTRA, false),
            Transformers::V5_23 => {
                all.extend(self.own().into_iter().map(|(key, given)| (key.to_owned(), given)));
                let (texts, others) = self.further_names();
                all.extend(others);
                let of_config = match self.sets_aside_specific() {
                    true => self.objects(self.extra_key(), false),
                    false => self.objects(SPECIFIC, false),
                };
                texts.into_iter().chain(of_config).chain(self.objects(EXTRA, true)).collect()
            }
        };
        for (key, token) in further {
            match all.iter_mut().find(|(other, _)| *other == key) {
                Some((_, there)) => *there = token,
                None => all.push((key, token)),
            }
        }
        // One of the first names has its place among them even where the class has no token of its own for it.
        all.sort_by_key(|(key, _)| NAMED.iter().position(|name| key == name).unwrap_or(NAMED.len()));
        all
    }

    /// Tokens by names of their own beside the first ones, as version 5 takes them: plain texts of the configuration,
    /// which count last and have the last word on their names, and the others, each in the order of the files.
    fn further_names(&self) -> (Vec<NamedToken>, Vec<NamedToken>) {
        let is_further = |key: &str| key.ends_with("_token") && !NAMED.contains(&key);
        let own = |key: &str| self.class.own_tokens(self.rules).iter().any(|(own, _)| *own == key);
        let (config, map) = (&self.files.config, &self.files.map);
        let is_text = |key: &str| config.get(key).is_some_and(Value::is_string);
        let (mut texts, mut others) = (Vec::new(), Vec::new());
        for (key, value) in self.files.config_order.entries(config).filter(|(key, _)| is_further(key)) {
            if is_text(key) {
                texts.extend(given(value, false).map(|token| (key.clone(), token)));
                continue;
            }
            // What the map says stands in the place of the configuration's.
            let (value, mapped) = map.get(key).map_or((value, false), |value| (value, true));
            // An object without its type is none of them.
            let told = mapped || value.get("__type").is_some();
            let token = given(value, mapped).filter(|_| told && !own(key));
            others.extend(token.map(|token| (key.clone(), token)));
        }
        let new = |key: &String| is_further(key) && !own(key) && (is_text(key) || !config.contains_key(key));
        for (key, value) in self.files.map_order.entries(map).filter(|(key, _)| new(key)) {
            others.extend(given(value, true).map(|token| (key.clone(), token)));
        }
        (texts, others)
    }

    /// Whether names are what the list says of this token: version 4 forgets those of `added_tokens.json`.
    fn counts(&self, listed: &Object) -> bool {
        let elsewhere = || {
            self.in_file().any(|value| value.get("content") == Some(&listed.token.content.as_str().into()))
        };
        self.rules == Transformers::V5_23
            || !self.files.added.contains_key(&listed.token.content)
            || elsewhere()
    }

    /// The token that the file was last padded with, which goes by the name where the class has none.
    fn pad(&self, key: &str) -> Option<TransformersToken> {
        let without = match self.class {
            Class::Generic | Class::Llama | Class::CodeLlama => true,
            Class::Gpt2 => self.rules == Transformers::V4_57,
            Class::GptNeoX | Class::Qwen2 | Class::Gemma => false,
        };
        let token = self.files.json.pointer("/padding/pad_token").and_then(Value::as_str);
        token.filter(|_| without && key == "pad_token").map(|text| TransformersToken::Text(text.to_owned()))
    }

    /// What version 4's classes make of a name that is plain text.
    fn made(&self, key: &str, token: TransformersToken) -> TransformersToken {
        let text = match &token {
            TransformersToken::Text(text) => text,
            // The slow tokenizer that is converted settles whether they are normalized.
            TransformersToken::Object(object) if self.rules == Transformers::V4_57 && self.files.parts => {
                return TransformersToken::Object(object.token.clone().into());
            }
            TransformersToken::Object(_) => return token,
        };
        let wrapped = ["bos_token", "eos_token", "unk_token", "pad_token"].contains(&key);
        match (self.rules, self.class) {
            (Transformers::V4_57, Class::Qwen2) if wrapped => {
                TransformersToken::Object(AddedToken::from(text.as_str(), true).into())
            }
            (Transformers::V4_57, Class::Gpt2) if wrapped && self.files.parts => {
                TransformersToken::Object(AddedToken::from(text.as_str(), false).into())
            }
            _ => token,
        }
    }

    /// The special tokens that the class alone names, as it is given them: version 5 keeps plain texts of the
    /// configuration from it, which count as names later.
    fn own(&self) -> Vec<(&'static str, TransformersToken)> {
        let keeps = self.rules == Transformers::V5_23;
        let names = self.class.own_tokens(self.rules).iter();
        names
            .filter_map(|(key, text)| match self.files.said(key) {
                Some((value, mapped)) if mapped || !value.is_string() || !keeps => {
                    Some((*key, given(value, mapped)?))
                }
                _ => Some((*key, TransformersToken::Text((*text).to_owned()))),
            })
            .collect()
    }

    /// Special tokens without a name of their own.
    fn unnamed(&self) -> Vec<TransformersToken> {
        let (config, map) = (&self.files.config, &self.files.map);
        let own = self.own().into_iter().map(|(_, given)| given);
        if self.rules == Transformers::V4_57 {
            let mut all = list(config.get(ADDITIONAL), false);
            for token in list(map.get(ADDITIONAL), true) {
                if !all.contains(&token) {
                    all.push(token);
                }
            }
            return all.into_iter().chain(own).collect();
        }
        let of_config = self.extra_of_config();
        let mut all = list(of_config, false);
        for token in list(map.get(EXTRA), true) {
            if !all.contains(&token) {
                all.push(token);
            }
        }
        // A list by the newer name stands in the way of what else there is.
        let lists = |value: Option<&Value>| value.is_some_and(|value| !value.is_object());
        if !lists(of_config) && !lists(map.get(EXTRA)) {
            // Beside an object with names, a list by the older name stands as well; the map's own takes its place.
            let beside = || config.get(ADDITIONAL).filter(|_| of_config == config.get(EXTRA));
            all = match map.get(ADDITIONAL) {
                Some(value) => list(Some(value), true),
                None => list(beside(), false),
            };
            all.extend(own);
        }
        all
    }

    fn added_4(
        &self,
        listed: Vec<Object>,
        named: &[(String, TransformersToken)],
        unnamed: &[TransformersToken],
    ) -> Vec<AddedToken> {
        let is_first = |key: &String| NAMED.contains(&key.as_str());
        let names = |wanted: bool| named.iter().filter(move |(key, _)| is_first(key) == wanted);
        let mut special: Vec<&TransformersToken> = Vec::new();
        let names_of = |wanted| names(wanted).map(|(_, given)| std::slice::from_ref(given));
        for group in names_of(true).chain([unnamed]).chain(names_of(false)) {
            // A list may name a token twice.
            let new =
                |token: &&TransformersToken| !special.iter().any(|other| other.content() == token.content());
            special.extend(group.iter().filter(new).collect::<Vec<_>>());
        }
        let is_special = |text: &str| special.iter().any(|token| token.content() == text);
        let there = |text: &str| {
            let in_file = self.in_file().filter_map(|value| value.get("content")?.as_str());
            listed
                .iter()
                .map(|object| object.token.content.as_str())
                .chain(in_file)
                .any(|other| other == text)
        };
        let missing = special.iter().filter(|given| match given {
            TransformersToken::Text(text) => !there(text),
            TransformersToken::Object(object) => !listed.contains(object),
        });
        let missing = missing.map(|given| given.token(true));
        let listed = listed.iter().map(|object| {
            let special = is_special(&object.token.content);
            object.clone().special(special).token
        });
        settled(&self.in_file().filter_map(file_token).collect::<Vec<_>>(), listed.chain(missing).collect())
    }

    fn added_5(
        &self,
        listed: Vec<Object>,
        named: &[(String, TransformersToken)],
        unnamed: &[TransformersToken],
    ) -> Vec<AddedToken> {
        let mut there: Vec<&str> = listed.iter().map(|object| object.token.content.as_str()).collect();
        if self.class == Class::Generic {
            there.extend(self.in_file().filter_map(|value| value.get("content")?.as_str()));
        }
        let mut missing: Vec<&TransformersToken> = Vec::new();
        for token in named.iter().map(|(_, given)| given).chain(unnamed) {
            if !there.contains(&token.content()) && !missing.contains(&token) {
                missing.push(token);
            }
        }
        let listed = listed.iter().map(|object| TransformersToken::Object(object.clone()));
        let all: Vec<TransformersToken> = listed.chain(missing.into_iter().cloned()).collect();
        let has_name = |text: &str| named.iter().any(|(_, given)| given.content() == text);
        let mut all: Vec<AddedToken> =
            all.iter().map(|given| given.token(has_name(given.content()))).collect();
        if self.class == Class::Qwen2 {
            let special = named.iter().map(|(_, given)| given).chain(unnamed);
            all.extend(special.map(|given| AddedToken::from(given.content(), true)));
        }
        all
    }
}

fn file_token(value: &Value) -> Option<AddedToken> {
    Object::read(value, false).map(|object| object.token)
}

/// What the library that version 4 brings makes of tokens that are added after those of the file: it drops one that
/// equals any that came before, and looks for a special token as it first came, before or after texts are normalized.
fn settled(file: &[AddedToken], added: Vec<AddedToken>) -> Vec<AddedToken> {
    let mut out: Vec<AddedToken> = Vec::new();
    for token in &added {
        if out.iter().any(|done| done.content == token.content) {
            continue;
        }
        let same = |other: &&AddedToken| other.content == token.content;
        let mut came: Vec<&AddedToken> = Vec::new();
        for one in file.iter().chain(&added).filter(same) {
            if !came.contains(&one) {
                came.push(one);
            }
        }
        let first = came.iter().position(|one| one.special).map_or(came.len(), |at| at + 1);
        let mut last = came.last().map_or_else(|| token.clone(), |one| (*one).clone());
        last.normalized = came.iter().take(first).all(|one| one.normalized);
        out.push(last);
    }
    out
}
