//! Models in the user's own files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use truenorth_protocol::hash::hex;

use super::error::io;
use super::hash::{display_name, remembered};
use super::sources::{ADAPTER, CONFIG, INDEX, SINGLE, TOKENIZERS, has_tokenizer};
use super::{Files, ModelsError, ResolveOptions, Resolved};
use truenorth_files::is_lfs_pointer;

/// Far above the largest index there is, far below what could exhaust memory.
const INDEX_CAP: u64 = 64 << 20;

/// Far above what an adapter says of itself.
const ADAPTER_CAP: u64 = 1 << 20;

#[derive(Deserialize)]
struct WeightIndex {
    /// Tensor to shard.
    weight_map: BTreeMap<String, String>,
}

/// A folder with `config.json` and, unless it is to be untrained, safetensors.
pub(super) fn folder(
    path: &Path,
    untrained: bool,
    options: &ResolveOptions,
) -> Result<Resolved, ModelsError> {
    let path = path.canonicalize().map_err(io("open", path))?;
    require_config(&path)?;
    let weights = if untrained { Vec::new() } else { weights(&path)? };
    let mut parts = vec![path.join(CONFIG)];
    parts.extend(TOKENIZERS.iter().map(|name| path.join(name)).filter(|file| file.is_file()));
    parts.extend(weights.iter().cloned());
    Ok(Resolved {
        identity: format!("sha256:{}", identity(&parts, options)?),
        name: display_name(&path),
        files: Files::Folder(path),
        weights,
        revision: "local".to_owned(),
        random_init_seed: None,
        instruct: None,
        note: None,
    })
}

pub(super) fn require_config(path: &Path) -> Result<(), ModelsError> {
    let whole = path.join(CONFIG).is_file();
    if path.join(ADAPTER).is_file() {
        return Err(ModelsError::Adapter {
            path: path.to_owned(),
            base: base_of(&path.join(ADAPTER)),
            whole,
        });
    }
    if whole {
        return Ok(());
    }
    let gguf = named_like(path, |name| name.ends_with(".gguf")).into_iter().next();
    Err(ModelsError::NoConfig { path: path.to_owned(), gguf: gguf.map(|name| path.join(name)) })
}

/// The model that an adapter changes, where its file can be read and says so.
fn base_of(adapter: &Path) -> Option<String> {
    #[derive(Deserialize)]
    struct AdapterConfig {
        base_model_name_or_path: Option<String>,
    }
    let mut text = String::new();
    File::open(adapter).ok()?.take(ADAPTER_CAP).read_to_string(&mut text).ok()?;
    let config: AdapterConfig = serde_json::from_str(&text).ok()?;
    config.base_model_name_or_path.filter(|base| !base.is_empty())
}

/// The weight files of a folder, in the order of their names.
pub(super) fn weights(path: &Path) -> Result<Vec<PathBuf>, ModelsError> {
    // A whole file wins over shards, as in transformers.
    let names = if path.join(SINGLE).is_file() {
        vec![SINGLE.to_owned()]
    } else if path.join(INDEX).is_file() {
        let index = path.join(INDEX);
        let shards = shards(&index)?;
        if let Some(shard) = shards.iter().find(|shard| !path.join(shard).is_file()) {
            return Err(ModelsError::MissingShard { index, shard: shard.clone() });
        }
        shards
    } else {
        named_like(path, |name| name.ends_with(".safetensors"))
    };
    if names.is_empty() {
        let unread = |name: &str| {
            name.starts_with("pytorch_model")
                || [".h5", ".msgpack", ".gguf"].iter().any(|end| name.ends_with(end))
        };
        let other = named_like(path, unread).into_iter().next();
        return Err(ModelsError::NoWeights { path: path.to_owned(), other });
    }
    let files: Vec<PathBuf> = names.iter().map(|name| path.join(name)).collect();
    for file in &files {
        if file.metadata().map_err(io("read", file))?.len() == 0 {
            return Err(ModelsError::EmptyFile { path: file.clone() });
        }
        refuse_pointer(file)?;
    }
    Ok(files)
}

/// The shards that an index names, each once, in the order of their names.
pub(super) fn shards(index: &Path) -> Result<Vec<String>, ModelsError> {
    let bad = |reason: String| ModelsError::BadIndex { path: index.to_owned(), reason };
    let mut text = String::new();
    let file = File::open(index).map_err(io("open", index))?;
    file.take(INDEX_CAP).read_to_string(&mut text).map_err(io("read", index))?;
    if is_lfs_pointer(text.as_bytes()) {
        return Err(ModelsError::LfsPointer { path: index.to_owned() });
    }
    let parsed: WeightIndex = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if shards.is_empty() {
        return Err(bad("its weight_map is empty".to_owned()));
    }
    // An index is somebody else's file: it may not lead out of its folder.
    if let Some(shard) = shards.iter().find(|shard| !is_plain(shard)) {
        return Err(bad(format!("the shard {shard:?} is not the name of a file beside it")));
    }
    Ok(shards.into_iter().collect())
}

fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\', ':'])
        && !name.contains(char::is_control)
}

fn head(path: &Path) -> Result<Vec<u8>, ModelsError> {
    let mut bytes = Vec::new();
    File::open(path).map_err(io("open", path))?.take(64).read_to_end(&mut bytes).map_err(io("read", path))?;
    Ok(bytes)
}

/// Refuses what Git LFS leaves in a file's place.
fn refuse_pointer(path: &Path) -> Result<(), ModelsError> {
    match is_lfs_pointer(&head(path)?) {
        true => Err(ModelsError::LfsPointer { path: path.to_owned() }),
        false => Ok(()),
    }
}

/// The names in a folder that are wanted, in their order.
pub(super) fn named_like(path: &Path, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| wanted(name)).collect();
    names.sort();
    names
}

/// SHA-256 over the names and checksums of the files, so that renaming the folder changes nothing.
pub(super) fn identity(files: &[PathBuf], options: &ResolveOptions) -> Result<String, ModelsError> {
    let mut hasher = Sha256::new();
    for file in files {
        let line = format!("{} {}\n", remembered(file, options)?, display_name(file));
        hasher.update(line);
    }
    Ok(hex(&hasher.finalize()))
}

/// The parts of a GGUF file that is split, as their names count them (`NAME-00001-of-00003.gguf`), or the
/// file alone.
fn gguf_parts(path: &Path) -> Result<Vec<PathBuf>, ModelsError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let Some((stem, count)) = file.strip_suffix(".gguf").and_then(split_name) else {
        return Ok(vec![path.to_owned()]);
    };
    let parts = (1..=count).map(|n| path.with_file_name(format!("{stem}-{n:05}-of-{count:05}.gguf")));
    let parts: Vec<PathBuf> = parts.collect();
    match parts.iter().find(|part| !part.is_file()) {
        Some(missing) => Err(ModelsError::MissingPart { path: path.to_owned(), part: missing.clone() }),
        None => Ok(parts),
    }
}

/// The name and the count of a part's name.
fn split_name(stem: &str) -> Option<(&str, u32)> {
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (name, number) = rest.rsplit_once('-')?;
    let five =
        |s: &str| (s.len() == 5 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse::<u32>().ok());
    let (number, count) = (five(number)??, five(count)??);
    (1..=count).contains(&number).then_some((name, count))
}

/// A `.gguf` file.
pub(super) fn gguf(path: &Path, options: &ResolveOptions) -> Result<Resolved, ModelsError> {
    let path = path.canonicalize().map_err(io("open", path))?;
    let not = |reason| ModelsError::NotGguf { path: path.clone(), reason };
    if !path.is_file() {
        return Err(not("it is not a regular file"));
    }
    let magic = head(&path)?;
    if magic.is_empty() {
        return Err(ModelsError::EmptyFile { path });
    }
    refuse_pointer(&path)?;
    if !magic.starts_with(b"GGUF") {
        return Err(not("its first four bytes are not GGUF"));
    }
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let weights = gguf_parts(&path)?;
    let mut parts = weights.clone();
    // The tokenizer's files beside it count where it has none of its own.
    if !has_tokenizer(&path).map_err(io("read", &path))? {
        parts.extend(TOKENIZERS.iter().map(|name| path.with_file_name(name)).filter(|file| file.is_file()));
    }
    let hash = match &parts[..] {
        [one] => remembered(one, options)?,
        parts => identity(parts, options)?,
    };
    Ok(Resolved {
        identity: format!("sha256:{hash}"),
        weights,
        files: Files::Gguf(path),
        name,
        revision: "local".to_owned(),
        random_init_seed: None,
        instruct: None,
        note: None,
    })
}
