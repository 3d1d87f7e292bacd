//! Edits written into the weights of a model folder: a direction ablated from all that writes to the residual stream, or
//! a vector added at blocks.
//!
//! What comes out computes what the original computes under the same edit, within the rounding of its weights.

mod error;
mod folder;
mod matrix;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::family::{Bias, FAMILIES, Family};
pub use error::BakeError;

/// What is written into the weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Takes a direction, `[hidden]`, out of everything that is added to the residual stream: the edit of `embed` and every
    /// `attn_out` and `mlp_out`.
    Ablate(Vec<f64>),
    /// Adds vectors, `[hidden]`, to the residual stream that leaves blocks, at every token: the edit of `resid_post`.
    Add(Vec<(u32, Vec<f64>)>),
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Baked {
    /// Tensors that were changed, by their names in the files.
    pub changed: Vec<String>,
    /// Tensors that were not there before.
    pub added: Vec<String>,
    /// Keys of the config that are other than they were.
    pub config: Vec<String>,
    /// Files with weights.
    pub files: Vec<String>,
}

/// What a change does to one tensor.
enum Edit<'a> {
    /// Each row is a vector of the stream.
    Rows(&'a [f64]),
    /// Each column is.
    Columns(&'a [f64]),
    /// It is one, and this is added.
    Plus(&'a [f64]),
}

/// A model's kind as far as a change goes.
struct Kind<'a> {
    family: &'a Family,
    change: &'a Change,
    hidden: usize,
    layers: usize,
    /// Whether the output matrix is the embedding, which an ablation of the embedding must not change.
    tied: bool,
    /// Whether the MLP has biases already.
    has_biases: bool,
}

impl<'a> Kind<'a> {
    fn of(config: &Value, change: &'a Change) -> Result<Self, BakeError> {
        let name = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let family = FAMILIES.iter().find(|f| f.name == name).copied();
        let family = family.ok_or_else(|| BakeError::Family { found: name.to_owned() })?;
        let size = |key: &'static str| {
            let found = config.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            found.ok_or(BakeError::Key { key })
        };
        let (hidden, layers) = (size(family.keys.hidden)?, size(family.keys.layers)?);
        let tied = config.get("tie_word_embeddings").and_then(Value::as_bool);
        let tied = tied.unwrap_or(family.defaults.tied);
        let has_biases = match family.mlp_bias {
            Bias::Always => true,
            Bias::Key(key, default) => config.get(key).and_then(Value::as_bool).unwrap_or(default),
            Bias::Never | Bias::QkvOnly => false,
        };
        let kind = Self { family, change, hidden, layers, tied, has_biases };
        kind.check()?;
        Ok(kind)
    }

    fn check(&self) -> Result<(), BakeError> {
        let family = self.family.name;
        let vectors: Vec<&Vec<f64>> = match self.change {
            Change::Ablate(d) => vec![d],
            Change::Add(all) => all.iter().map(|(_, v)| v).collect(),
        };
        if let Some(other) = vectors.iter().find(|v| v.len() != self.hidden) {
            return Err(BakeError::Width { direction: other.len(), model: self.hidden });
        }
        match self.change {
            Change::Ablate(_) if self.family.names.attn_post.is_some() => Err(BakeError::Norms { family }),
            // A bias of the MLP is the only weight that is added whatever the token is.
            Change::Add(_) if self.family.names.mlp_post.is_some() => Err(BakeError::Norms { family }),
            Change::Add(_) if self.biases().is_none() => Err(BakeError::NoBias { family }),
            Change::Add(all) => match all.iter().find(|(l, _)| *l as usize >= self.layers) {
                Some((layer, _)) => Err(BakeError::Layer { layer: *layer, layers: self.layers }),
                None => Ok(()),
            },
            Change::Ablate(_) => Ok(()),
        }
    }

    /// The key that gives an MLP biases, empty where it always has them; none where it can't have any.
    fn biases(&self) -> Option<&'static str> {
        match self.family.mlp_bias {
            Bias::Always => Some(""),
            Bias::Key(key, _) => Some(key),
            Bias::Never | Bias::QkvOnly => None,
        }
    }

    /// The name that the family's table has for a tensor of a file that may have been saved without its prefix.
    fn canonical(&self, name: &str) -> String {
        let root = self.family.names.embed.split_once('.').map_or("", |(root, _)| root);
        let head = format!("{}.", self.family.names.head);
        if name.starts_with(&format!("{root}.")) || name.starts_with(&head) {
            name.to_owned()
        } else {
            format!("{root}.{name}")
        }
    }

    /// The part of a block that a tensor is, and which block.
    fn in_block<'n>(&self, name: &'n str) -> Option<(u32, &'n str)> {
        let rest = name.strip_prefix(self.family.names.blocks)?.strip_prefix('.')?;
        let (layer, part) = rest.split_once('.')?;
        Some((layer.parse().ok()?, part))
    }

    /// What is done to a tensor, by its canonical name.
    fn edit(&self, name: &str) -> Option<Edit<'_>> {
        let names = &self.family.names;
        let part = self.in_block(name);
        let is = |of: &str, leaf: &str| part.is_some_and(|(_, p)| p == format!("{of}.{leaf}"));
        match self.change {
            Change::Ablate(d) => {
                let rows = name == format!("{}.weight", names.embed)
                    || (!names.positions.is_empty() && name == format!("{}.weight", names.positions))
                    || is(names.out, "bias")
                    || is(names.down, "bias");
                let writes = is(names.out, "weight") || is(names.down, "weight");
                match (rows, writes, self.family.transposed) {
                    (true, _, _) | (_, true, true) => Some(Edit::Rows(d)),
                    (_, true, false) => Some(Edit::Columns(d)),
                    _ => None,
                }
            }
            Change::Add(all) => {
                let (layer, _) = part.filter(|_| is(names.down, "bias"))?;
                all.iter().find(|(l, _)| *l == layer).map(|(_, v)| Edit::Plus(v))
            }
        }
    }
}

/// Writes a copy of a model folder with a change in its weights into a folder that is empty or not there; `about` says in
/// the card what was changed. Shards stay shards, and each tensor keeps its type.
///
/// # Errors
/// When the family can't hold the change in its weights, a file can't be read or written, or the folder is not empty.
pub fn bake(from: &Path, to: &Path, change: &Change, about: &str) -> Result<Baked, BakeError> {
    folder::bake(from, to, change, about)
}

#[cfg(test)]
mod tests;
