//! A special token as a file gives it: a plain text, or an object with flags.

use serde_json::Value;
use tokenizers::AddedToken;

/// A token as transformers holds it. A plain text equals no object.
#[derive(Clone, PartialEq)]
pub(super) enum TransformersToken {
    Text(String),
    Object(Object),
}

/// A token with its flags.
#[derive(Clone, PartialEq)]
pub(super) struct Object {
    pub(super) token: AddedToken,
    /// Nothing says whether it is normalized: it is unless it is special, which may still change.
    open: bool,
}

impl Object {
    /// `special` is what one is that does not say.
    pub(super) fn read(value: &Value, special: bool) -> Option<Self> {
        let flag = |key: &str| value.get(key).and_then(Value::as_bool);
        let special = flag("special").unwrap_or(special);
        let mut token = AddedToken::from(value.get("content")?.as_str()?, special);
        token.single_word = flag("single_word").unwrap_or(false);
        token.lstrip = flag("lstrip").unwrap_or(false);
        token.rstrip = flag("rstrip").unwrap_or(false);
        token.normalized = flag("normalized").unwrap_or(!special);
        Some(Self { token, open: flag("normalized").is_none() })
    }

    /// One that is special where `special` is true, and otherwise what it was.
    pub(super) fn special(mut self, special: bool) -> Self {
        self.token.special |= special;
        if self.open {
            self.token.normalized = !self.token.special;
        }
        self
    }
}

impl From<AddedToken> for Object {
    fn from(token: AddedToken) -> Self {
        Self { token, open: false }
    }
}

impl TransformersToken {
    pub(super) fn content(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Object(object) => &object.token.content,
        }
    }

    pub(super) fn token(&self, special: bool) -> AddedToken {
        match self {
            Self::Text(text) => AddedToken::from(text.as_str(), true),
            Self::Object(object) => object.clone().special(special).token,
        }
    }
}

/// A token of the configuration or, if `mapped`, of `special_tokens_map.json`, whose objects are special whatever they
/// say. So are objects of the configuration without their type, which transformers refuses.
pub(super) fn given(value: &Value, mapped: bool) -> Option<TransformersToken> {
    if let Some(text) = value.as_str() {
        return Some(TransformersToken::Text(text.to_owned()));
    }
    let object = Object::read(value, mapped || value.get("__type").is_none())?;
    Some(TransformersToken::Object(object.special(mapped)))
}

pub(super) fn list(value: Option<&Value>, mapped: bool) -> Vec<TransformersToken> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(|value| given(value, mapped)).collect()
}
