//! Edits written into the weights of a model folder: a direction ablated from all that writes to the residual stream, or
//! a vector added at blocks or to the embedding.
//!
//! What comes out computes what the original computes under the same edit, within the rounding of its weights; what no
//! weights could do is refused. Behind a norm that is behind attention or the MLP (Gemma 2 and 3, OLMo 2 and 3) that is all
//! but one thing: `diag(w)·W·x / rms(W·x)` less its part along `d` is of this form for every `x` only where `d` is one
//! channel, whose factor is then 0. Else `W` would have to change, and with it the root mean square that is divided by.

mod error;
mod folder;
mod matrix;

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use truenorth_protocol::Site;

use crate::config::{Config, Head};
use crate::family::{Bias, FAMILIES, Family, NormKind, Positions};
use crate::reference::Choices;
pub use error::BakeError;

/// A change of a model's weights.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Takes a direction, `[hidden]`, out of everything that is added to the residual stream: the edit of `embed` and every
    /// `attn_out` and `mlp_out`.
    Ablate(Vec<f64>),
    /// Adds vectors, `[hidden]`, at every token: to the embedding, to the residual stream that leaves a block, which is to
    /// what its MLP adds, or to what its attention adds where the output projection has a bias.
    Add(Vec<(Site, Vec<f64>)>),
}

/// The tensors, config keys and files that a change touched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BakeSummary {
    /// Tensors that were changed, by their names in the files.
    pub changed: Vec<String>,
    /// Tensors that were not there before.
    pub added: Vec<String>,
    /// Keys of the config that are other than they were.
    pub config: Vec<String>,
    /// Files with weights.
    pub files: Vec<String>,
}

enum TensorEdit<'a> {
    /// Each row is a vector of the stream.
    Rows(&'a [f64]),
    /// Each column is a vector of the stream.
    Columns(&'a [f64]),
    /// Each row is one, and this is added.
    Plus(Vec<f64>),
    /// It is the weight of a norm, whose value at this channel becomes that.
    Channel(usize, f64),
}

/// A model's kind as far as a change goes.
struct ChangedModel<'a> {
    family: &'a Family,
    change: &'a Change,
    hidden: usize,
    layers: usize,
    /// Whether the output matrix is the embedding, which an ablation of the embedding must not change.
    tied: bool,
    /// Whether the config says so, whatever is stored.
    says_tied: bool,
    /// Whether positions are learned.
    learned_positions: bool,
    /// Whether the MLP has biases already.
    has_biases: bool,
    /// Whether the output projection of attention has a bias.
    has_attn_bias: bool,
}

impl<'a> ChangedModel<'a> {
    /// `stated` is config.json, `config` what the loader makes of it and of the weights beside it.
    fn of(stated: &Value, config: &Config, change: &'a Change) -> Result<Self, BakeError> {
        let name = stated.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let family = FAMILIES.iter().find(|f| f.name == name).copied();
        let family = family.ok_or_else(|| BakeError::Family { found: name.to_owned() })?;
        let size = |key: &'static str| {
            let found = stated.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            found.ok_or(BakeError::Key { key })
        };
        let (hidden, layers) = (size(family.keys.hidden)?, size(family.keys.layers)?);
        let says_tied = stated.get("tie_word_embeddings").and_then(Value::as_bool);
        let has = |bias: Bias| match bias {
            Bias::Always => true,
            Bias::Key(key, default) => stated.get(key).and_then(Value::as_bool).unwrap_or(default),
            Bias::Never | Bias::QkvOnly => false,
        };
        let kind = Self {
            family,
            change,
            hidden,
            layers,
            tied: config.head == Head::Tied,
            says_tied: says_tied.unwrap_or(family.defaults.tied),
            learned_positions: matches!(family.positions, Positions::Learned),
            has_biases: has(family.mlp_bias),
            has_attn_bias: has(family.attn_bias),
        };
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
            Change::Ablate(d) if self.family.names.attn_post.is_some() && channel(d).is_none() => {
                Err(BakeError::Ablation { family })
            }
            Change::Ablate(_) => Ok(()),
            Change::Add(all) => all.iter().try_for_each(|(site, _)| match site {
                Site::Embed => Ok(()),
                // A bias of the MLP is the only weight that is added whatever the token is.
                Site::ResidPost(_) | Site::MlpOut(_) if self.family.names.mlp_post.is_some() => {
                    Err(BakeError::Addition { family })
                }
                Site::ResidPost(_) | Site::MlpOut(_) if self.biases().is_none() => {
                    Err(BakeError::NoBias { family })
                }
                Site::AttnOut(_) if self.family.names.attn_post.is_some() => {
                    Err(BakeError::AttentionAddition { family })
                }
                Site::AttnOut(_) if !self.has_attn_bias => {
                    Err(BakeError::NoAttentionBias { family, site: *site })
                }
                Site::ResidPost(layer) | Site::MlpOut(layer) | Site::AttnOut(layer)
                    if *layer as usize >= self.layers =>
                {
                    Err(BakeError::Layer { layer: *layer, layers: self.layers })
                }
                Site::ResidPost(_) | Site::MlpOut(_) | Site::AttnOut(_) => Ok(()),
                other => Err(BakeError::Site { site: *other }),
            }),
        }
    }

    /// What is added to the stream that leaves a block.
    fn added(&self, layer: u32) -> Option<Vec<f64>> {
        self.sum(|site| site == Site::ResidPost(layer) || site == Site::MlpOut(layer))
    }

    /// What is added to each row of the embedding, before it is scaled.
    #[allow(clippy::cast_precision_loss, reason = "a width")]
    fn embedded(&self) -> Option<Vec<f64>> {
        let scale = if self.family.scaled_embedding { (self.hidden as f64).sqrt() } else { 1.0 };
        Some(self.sum(|site| site == Site::Embed)?.into_iter().map(|v| v / scale).collect())
    }

    /// The sum of what is added at sites; none where nothing is.
    fn sum(&self, at: impl Fn(Site) -> bool) -> Option<Vec<f64>> {
        let Change::Add(all) = self.change else { return None };
        let own = all.iter().filter(|(site, _)| at(*site)).map(|(_, v)| v.clone());
        own.reduce(|a, b| a.iter().zip(&b).map(|(a, b)| a + b).collect())
    }

    /// Whether the embedding is changed, and with it what is read by an output matrix that was the same.
    fn parts_embedding(&self) -> bool {
        matches!(self.change, Change::Ablate(_)) || self.embedded().is_some()
    }

    /// Whether something is added to what MLPs write.
    fn adds_at_mlps(&self) -> bool {
        self.sum(|site| matches!(site, Site::ResidPost(_) | Site::MlpOut(_))).is_some()
    }

    /// The key that gives an MLP biases, empty where it always has them; none where it can't have any.
    fn biases(&self) -> Option<&'static str> {
        match self.family.mlp_bias {
            Bias::Always => Some(""),
            Bias::Key(key, _) => Some(key),
            Bias::Never | Bias::QkvOnly => None,
        }
    }

    /// The tensors that the change is about, by their canonical names: without one of them it would be half done.
    fn needed(&self) -> Vec<String> {
        let names = &self.family.names;
        let whole = |name: &str| format!("{name}.weight");
        let each = |parts: &[String]| -> Vec<String> {
            let of_block = |l: usize| parts.iter().map(move |part| format!("{}.{l}.{part}", names.blocks));
            (0..self.layers).flat_map(of_block).collect()
        };
        match self.change {
            Change::Ablate(_) => {
                let mut needed = vec![whole(names.embed)];
                if self.learned_positions {
                    needed.push(whole(names.positions));
                }
                let mut parts = match (names.attn_post, names.mlp_post) {
                    (Some(attn), Some(mlp)) => vec![whole(attn), whole(mlp)],
                    _ => vec![whole(names.out), whole(names.down)],
                };
                if names.attn_post.is_none() && self.has_attn_bias {
                    parts.push(format!("{}.bias", names.out));
                }
                if names.mlp_post.is_none() && self.has_biases {
                    parts.push(format!("{}.bias", names.down));
                }
                needed.extend(each(&parts));
                needed
            }
            Change::Add(all) => {
                let parts: Vec<&str> = [names.gate.unwrap_or(""), names.up, names.down]
                    .into_iter()
                    .filter(|p| !p.is_empty())
                    .collect();
                let mut needed = if self.adds_at_mlps() && !self.has_biases {
                    // Every MLP gains biases.
                    each(&parts.into_iter().map(whole).collect::<Vec<_>>())
                } else {
                    vec![]
                };
                needed.extend(all.iter().filter_map(|(site, _)| match site {
                    Site::Embed => Some(whole(names.embed)),
                    Site::AttnOut(l) => Some(format!("{}.{l}.{}.bias", names.blocks, names.out)),
                    Site::ResidPost(l) | Site::MlpOut(l) if self.has_biases => {
                        Some(format!("{}.{l}.{}.bias", names.blocks, names.down))
                    }
                    _ => None,
                }));
                needed
            }
        }
    }

    /// The name that the family's table has for a tensor of a file that may have been saved without its prefix, or with
    /// that of the text half of a model that also sees.
    fn canonical(&self, name: &str) -> String {
        let within;
        let name = if let Some(rest) = name.strip_prefix("model.language_model.") {
            within = format!("model.{rest}");
            within.as_str()
        } else {
            name.strip_prefix("language_model.").unwrap_or(name)
        };
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
    fn edit(&self, name: &str) -> Option<TensorEdit<'_>> {
        let names = &self.family.names;
        let part = self.in_block(name);
        let is = |of: &str, leaf: &str| part.is_some_and(|(_, p)| p == format!("{of}.{leaf}"));
        let embedding = name == format!("{}.weight", names.embed);
        match self.change {
            Change::Ablate(d) => {
                let rows = embedding
                    || (!names.positions.is_empty() && name == format!("{}.weight", names.positions));
                if let (Some(attn), Some(mlp)) = (names.attn_post, names.mlp_post) {
                    let norm = is(attn, "weight") || is(mlp, "weight");
                    let nothing = if self.family.norm == NormKind::RmsPlusOne { -1.0 } else { 0.0 };
                    return match (rows, norm) {
                        (true, _) => Some(TensorEdit::Rows(d)),
                        (_, true) => Some(TensorEdit::Channel(channel(d)?, nothing)),
                        _ => None,
                    };
                }
                let rows = rows || is(names.out, "bias") || is(names.down, "bias");
                let writes = is(names.out, "weight") || is(names.down, "weight");
                match (rows, writes, self.family.transposed) {
                    (true, _, _) | (_, true, true) => Some(TensorEdit::Rows(d)),
                    (_, true, false) => Some(TensorEdit::Columns(d)),
                    _ => None,
                }
            }
            Change::Add(_) if embedding => self.embedded().map(TensorEdit::Plus),
            Change::Add(_) => {
                let (layer, _) = part?;
                if is(names.out, "bias") {
                    return self.sum(|site| site == Site::AttnOut(layer)).map(TensorEdit::Plus);
                }
                if is(names.down, "bias") { self.added(layer).map(TensorEdit::Plus) } else { None }
            }
        }
    }
}

/// The channel that a direction is, where it is one alone.
fn channel(d: &[f64]) -> Option<usize> {
    let mut there = d.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(i, _)| i);
    there.next().filter(|_| there.next().is_none())
}

/// Writes a copy of a model folder with a change in its weights into a folder that is empty or not there; `about` says in
/// the card what was changed. Shards stay shards, and each tensor keeps its type.
///
/// # Errors
/// When the family can't hold the change in its weights, the model is none that the engine opens, a file can't be read or
/// written, or the folder is not empty.
pub fn bake(from: &Path, to: &Path, change: &Change, about: &str) -> Result<BakeSummary, BakeError> {
    bake_as(from, to, change, about, &Choices::default())
}

/// As [`bake`], the model's files read as these choices say.
///
/// # Errors
/// As [`bake`].
pub fn bake_as(
    from: &Path,
    to: &Path,
    change: &Change,
    about: &str,
    choices: &Choices,
) -> Result<BakeSummary, BakeError> {
    folder::bake(from, to, change, about, choices)
}

#[cfg(test)]
mod tests;
