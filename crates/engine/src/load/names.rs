//! One spelling of tensor names, whatever prefix a file was saved with.

use std::collections::BTreeMap;

use super::LoadError;
use super::index::{Entry, Index};

/// The base model's prefix with a tensor that gives the family away in files saved without it.
const PREFIXES: [(&str, &str); 3] =
    [("model.", "embed_tokens.weight"), ("transformer.", "wte.weight"), ("gpt_neox.", "embed_in.weight")];

/// Tensors that some files carry and no model reads: masks and angles that are computed.
const BUFFERS: [&str; 5] =
    [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"];

/// Renames the entries to the names of the hub's files for causal language models and drops
/// buffers that are not weights.
pub(super) fn canonical(index: &mut Index) -> Result<(), LoadError> {
    let bare = PREFIXES.iter().find(|(_, sign)| index.entries.contains_key(*sign)).map(|(prefix, _)| *prefix);
    let mut renamed: BTreeMap<String, Entry> = BTreeMap::new();
    for (name, entry) in std::mem::take(&mut index.entries) {
        if BUFFERS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let new = if let Some(rest) = name.strip_prefix("model.language_model.") {
            format!("model.{rest}")
        } else if let Some(rest) = name.strip_prefix("language_model.") {
            rest.to_owned()
        } else if let Some(prefix) = bare
            && !name.starts_with("lm_head.")
            && !name.starts_with("embed_out.")
        {
            format!("{prefix}{name}")
        } else {
            name
        };
        if let Some(first) = renamed.get(&new)
            && !index.same(&new, first, &entry)?
        {
            let path = |e: &Entry| index.files[e.file].path().to_path_buf();
            return Err(LoadError::DuplicateTensor { first: path(first), path: path(&entry), name: new });
        }
        renamed.insert(new, entry);
    }
    index.entries = renamed;
    Ok(())
}

/// Why a shape cannot be that of a weight, if it cannot.
pub(super) fn unusable_shape(shape: &[usize]) -> Option<String> {
    if shape.len() > 4 {
        return Some(format!("has {} dimensions, expected at most 4", shape.len()));
    }
    if shape.contains(&0) {
        return Some(format!("has the empty shape {shape:?}"));
    }
    let elements = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d));
    match elements {
        Some(n) if n <= isize::MAX as usize / 8 => None,
        _ => Some(format!("has the impossible shape {shape:?}")),
    }
}
