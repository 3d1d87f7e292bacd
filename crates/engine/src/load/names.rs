//! One spelling of tensor names, whatever prefix a file was saved with.

use std::collections::BTreeMap;

use super::LoadError;
use super::index::{TensorEntry, TensorIndex};

/// The base model's prefix with a tensor that gives the family away in files saved without it.
const PREFIXES: [(&str, &str); 3] =
    [("model.", "embed_tokens.weight"), ("transformer.", "wte.weight"), ("gpt_neox.", "embed_in.weight")];

/// Tensors that some files carry and no model reads: masks and angles that are computed.
const BUFFERS: [&str; 5] =
    [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"];

/// What wrappers of PyTorch put into the names of a model's tensors.
const WRAPPERS: [(&str, &str); 4] = [
    ("_orig_mod.", "torch.compile"),
    ("_fsdp_wrapped_module.", "FullyShardedDataParallel"),
    ("_checkpoint_wrapped_module.", "a wrapper of activation checkpoints"),
    ("module.", "DistributedDataParallel"),
];
/// Parts of the names of adapters that peft keeps beside a model's own weights.
const ADAPTERS: [&str; 4] = [".lora_A.", ".lora_B.", ".lora_magnitude_vector.", ".base_layer."];

/// Refuses weights under names that say why the model's own are not there.
fn plain(index: &TensorIndex) -> Result<(), LoadError> {
    for (name, entry) in &index.entries {
        let path = || index.files[entry.file].path().to_path_buf();
        let holds = |part: &str| match part {
            // Other names may end in it.
            "module." => name.starts_with(part),
            part => name.contains(part),
        };
        if let Some((prefix, by)) = WRAPPERS.into_iter().find(|(prefix, _)| holds(prefix)) {
            return Err(LoadError::Wrapped { path: path(), tensor: name.clone(), prefix, by });
        }
        if ADAPTERS.iter().any(|part| name.contains(part)) {
            return Err(LoadError::Unmerged { path: path(), tensor: name.clone() });
        }
    }
    Ok(())
}

/// Renames the entries to the names of the hub's files for causal language models and drops
/// buffers that are not weights.
pub(super) fn canonical(index: &mut TensorIndex) -> Result<(), LoadError> {
    plain(index)?;
    let bare = PREFIXES.iter().find(|(_, sign)| index.entries.contains_key(*sign)).map(|(prefix, _)| *prefix);
    let absent = std::mem::take(&mut index.absent);
    index.absent = absent.into_iter().map(|(name, file)| (of_hub(name, bare), file)).collect();
    let mut renamed: BTreeMap<String, TensorEntry> = BTreeMap::new();
    for (name, entry) in std::mem::take(&mut index.entries) {
        if BUFFERS.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let new = of_hub(name, bare);
        if let Some(first) = renamed.get(&new)
            && !index.same(&new, first, &entry)?
        {
            let path = |e: &TensorEntry| index.files[e.file].path().to_path_buf();
            return Err(LoadError::DuplicateTensor { first: path(first), path: path(&entry), name: new });
        }
        renamed.insert(new, entry);
    }
    index.entries = renamed;
    Ok(())
}

/// The hub's name of a tensor in files that lack the prefix `bare`, or have the names of the text half of a model that
/// also sees.
fn of_hub(name: String, bare: Option<&str>) -> String {
    if let Some(rest) = name.strip_prefix("model.language_model.") {
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
    }
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
