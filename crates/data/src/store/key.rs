//! What an entry is stored under: a hash of everything that determines its value.

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Where and how an activation is read: all of its key but the prompt. Shared by the keys of a
/// batch, and stored once a database rather than once an entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReadingContext {
    /// The model, with the identity of its weights (`name@sha256:…`): a name alone may come to
    /// mean other weights.
    pub model: String,
    /// The revision asked for, as the model's source names it.
    pub revision: String,
    /// The dtype the model computes in (`f32`, `bf16`, `f16`).
    pub dtype: String,
    /// The numeric path, such as `engine-f32`: whatever may change the last digits.
    pub path: String,
    /// The site read, such as `resid_post.12`.
    pub site: String,
    /// The positions read, such as `last`.
    pub positions: String,
}

impl ReadingContext {
    /// A context ready to be shared by many keys.
    pub fn new(
        model: impl Into<String>,
        revision: impl Into<String>,
        dtype: impl Into<String>,
        path: impl Into<String>,
        site: impl Into<String>,
        positions: impl Into<String>,
    ) -> Arc<ReadingContext> {
        Arc::new(ReadingContext {
            model: model.into(),
            revision: revision.into(),
            dtype: dtype.into(),
            path: path.into(),
            site: site.into(),
            positions: positions.into(),
        })
    }

    fn fields(&self) -> [&str; 6] {
        [&self.model, &self.revision, &self.dtype, &self.path, &self.site, &self.positions]
    }
}

/// The input that was run, part of the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StoredPrompt {
    /// Token ids, special tokens included.
    Tokens(Vec<u32>),
    /// Text that the far side tokenizes (a hosted model).
    Text(String),
}

/// What one activation is stored under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ActivationKey {
    /// Model, dtype, numeric path, site and positions of the reading.
    pub context: Arc<ReadingContext>,
    /// The input that was run.
    pub prompt: StoredPrompt,
}

impl ActivationKey {
    /// The key of `prompt` read in `context`.
    pub fn new(context: Arc<ReadingContext>, prompt: StoredPrompt) -> Self {
        ActivationKey { context, prompt }
    }

    /// SHA-256 of the key. Every field is preceded by its length in bytes (u64, little-endian),
    /// so that different keys never run together into the same bytes.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        field(&mut hasher, b"truenorth.activation.1");
        for text in self.context.fields() {
            field(&mut hasher, text.as_bytes());
        }
        match &self.prompt {
            StoredPrompt::Tokens(ids) => {
                hasher.update([0]);
                hasher.update((ids.len() as u64).to_le_bytes());
                for id in ids {
                    hasher.update(id.to_le_bytes());
                }
            }
            StoredPrompt::Text(text) => {
                hasher.update([1]);
                field(&mut hasher, text.as_bytes());
            }
        }
        hasher.finalize().into()
    }
}

/// The key of the answer to a whole intervention graph, such as generated text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResultKey {
    /// SHA-256 of the graph's encoding.
    pub graph: [u8; 32],
    /// The model, with the identity of its weights.
    pub model: String,
    /// The revision that was asked for.
    pub revision: String,
    /// Type that the model computes in: `f32`, `bf16` or `f16`.
    pub dtype: String,
    /// The numeric path that computes it.
    pub path: String,
}

impl ResultKey {
    /// SHA-256 of the key, encoded as [`ActivationKey::hash`] under another leading tag.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        field(&mut hasher, b"truenorth.result.1");
        hasher.update(self.graph);
        for text in [&self.model, &self.revision, &self.dtype, &self.path] {
            field(&mut hasher, text.as_bytes());
        }
        hasher.finalize().into()
    }

    /// The context under which results are counted: a result has no site and no positions.
    pub(super) fn context(&self) -> ReadingContext {
        ReadingContext {
            model: self.model.clone(),
            revision: self.revision.clone(),
            dtype: self.dtype.clone(),
            path: self.path.clone(),
            site: String::new(),
            positions: String::new(),
        }
    }
}

fn field(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
