//! The names of the files that a model is read from.
//!
//! The one list of them: what is fetched from the hub, what counts in a model's identity and where no result may be
//! written all go by it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::folder::{named_like, shards};

pub(super) const CONFIG: &str = "config.json";
/// What an adapter has in its place.
pub(super) const ADAPTER: &str = "adapter_config.json";
pub(super) const INDEX: &str = "model.safetensors.index.json";
pub(super) const SINGLE: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
/// A folder of chat templates, each a file that ends in [`TEMPLATE`].
const TEMPLATES: &str = "additional_chat_templates";
const TEMPLATE: &str = "jinja";
/// The templates as the hub's client names them.
#[cfg(feature = "hub")]
pub(super) const HUB_TEMPLATES: &str = "additional_chat_templates/*.jinja";

/// Names by which the files of a model are found, in its folder or beside a GGUF file. Shards are named by the index,
/// and templates lie in a folder of their own. The order decides the identity of copies out of the hub.
pub const MODEL_FILES: [&str; 13] = [
    ADAPTER,
    CONFIG,
    "generation_config.json",
    TOKENIZER,
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    INDEX,
    SINGLE,
];

/// Those that decide which tokens a text becomes. The order decides the identity of a model.
pub(super) const TOKENIZERS: [&str; 7] = [
    TOKENIZER,
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// One of these makes a folder a model, of which the others are read. A tokenizer alone is one with what is read of it.
const MARKS: [&str; 4] = [CONFIG, ADAPTER, SINGLE, INDEX];

/// The key of a GGUF file's vocabulary, and how far into the file it is looked for.
const VOCABULARY: &[u8] = b"tokenizer.ggml.tokens";
const METADATA: u64 = 1 << 20;
/// The architecture of a GGUF file that holds directions and no model.
const DIRECTIONS: &[u8] = b"controlvector";

/// The folder in a cache that the named models lie in.
#[must_use]
pub fn models_folder(cache_dir: &Path) -> PathBuf {
    cache_dir.join("models")
}

/// The repository of the hub's cache in which a path lies, by how that cache is laid out wherever it is.
#[must_use]
pub fn hub_repository(path: &Path) -> Option<&Path> {
    path.ancestors().find(|repository| {
        let named = |start: &str| {
            repository.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(start))
        };
        let inside = path.strip_prefix(repository).ok().and_then(|rest| rest.components().next());
        let kept = |part: &str| inside.is_some_and(|inside| inside.as_os_str() == part);
        named("models--") && ["blobs", "snapshots", "refs"].into_iter().any(kept)
    })
}

/// The files beside its weights that the model at a path, a folder or a GGUF file, is read from.
#[must_use]
pub fn files_with(model: &Path) -> Vec<PathBuf> {
    let whole = model.is_dir();
    if !whole && !borrows(model) {
        return Vec::new();
    }
    let folder = if whole { model } else { folder_of(model) };
    let names = MODEL_FILES.into_iter().filter(|name| whole || borrowed(name));
    let templates = named_like(&folder.join(TEMPLATES), |name| is_template(Path::new(name)));
    let templates = templates.into_iter().map(|name| folder.join(TEMPLATES).join(name));
    names.map(|name| folder.join(name)).chain(templates).filter(|file| file.is_file()).collect()
}

/// The model that is read from this file, or would be if the file were there: a folder, also one of a tokenizer alone,
/// or a GGUF file.
#[must_use]
pub fn read_from(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let beside = folder_of(file);
    let template = is_template(file) && beside.file_name().is_some_and(|folder| folder == TEMPLATES);
    let folder = if template { folder_of(beside) } else { beside };
    if !template && !MODEL_FILES.contains(&name) && !is_shard(folder, name) {
        return None;
    }
    // The file itself makes no model of a folder, or what was written once could not be written again.
    let has = |mark: &str| mark != name && folder.join(mark).is_file();
    if MARKS.into_iter().any(has) {
        return Some(folder.to_owned());
    }
    if !template && !borrowed(name) {
        return None;
    }
    let files = named_like(folder, |name| name.ends_with(".gguf"));
    let gguf = files.into_iter().map(|name| folder.join(name)).find(|gguf| borrows(gguf));
    gguf.or_else(|| has(TOKENIZER).then(|| folder.to_owned()))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn is_template(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == TEMPLATE)
}

/// Whether the index of a folder names a file, and counts.
fn is_shard(folder: &Path, name: &str) -> bool {
    name.ends_with(".safetensors")
        && !folder.join(SINGLE).is_file()
        && folder.join(INDEX).is_file()
        && shards(&folder.join(INDEX)).is_ok_and(|shards| shards.iter().any(|shard| shard == name))
}

/// Whether a file of that name is read beside a GGUF file without a tokenizer: all but those of weights.
fn borrowed(name: &str) -> bool {
    ![ADAPTER, INDEX, SINGLE].contains(&name)
}

/// Whether a file is a model in GGUF without a tokenizer, which takes that of the files beside it.
fn borrows(file: &Path) -> bool {
    // Opening a pipe would wait for who writes to it.
    file.is_file()
        && start(file).is_ok_and(|start| {
            start.starts_with(b"GGUF") && !holds(&start, VOCABULARY) && !holds(&start, DIRECTIONS)
        })
}

/// Whether the metadata of a GGUF file has a vocabulary. Where it stands so far behind that it is not found, files that
/// nothing is read from count too, which does no harm.
pub(super) fn has_tokenizer(path: &Path) -> std::io::Result<bool> {
    start(path).map(|start| holds(&start, VOCABULARY))
}

fn start(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(METADATA).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn holds(bytes: &[u8], key: &[u8]) -> bool {
    bytes.windows(key.len()).any(|window| window == key)
}
