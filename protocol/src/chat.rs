//! What a model's files say of conversations: its chat templates and the tokens that they name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The chat templates of a model, as its files have them. Rendering is for whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatTemplates {
    /// Jinja sources by name; the one that is used where none is named is [`ChatTemplates::DEFAULT`].
    pub templates: BTreeMap<String, String>,
    /// The file, or the key of the metadata, that they stand in.
    pub source: String,
    /// The tokens with a name of their own, such as `bos_token`, which templates may use.
    pub special_tokens: BTreeMap<String, String>,
}

impl ChatTemplates {
    /// The name of the template that is used where none is named.
    pub const DEFAULT: &'static str = "default";
}

/// A text as token ids, without the tokens that a tokenizer puts around one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    /// Token ids, in the order of the text.
    pub ids: Vec<u32>,
    /// The bytes of the text that each token stands for, `[start, end)`. Tokens that share a character share its
    /// bytes.
    pub bytes: Vec<[u32; 2]>,
}
