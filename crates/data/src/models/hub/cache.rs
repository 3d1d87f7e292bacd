//! The hub's cache on this disk, laid out as `huggingface_hub` of Python lays it out, which shares it.
//!
//! | path in `models--ORG--NAME/` | what it is |
//! | --- | --- |
//! | `blobs/ETAG` | a file, by the hash that the hub names its content by |
//! | `blobs/ETAG.incomplete` | the part of it that has come |
//! | `snapshots/COMMIT/NAME` | a link to the blob of a file; a copy where there are no links |
//! | `refs/REVISION` | the commit of a branch or a tag, when it was last asked for |
//!
//! A file is locked by `.locks/models--ORG--NAME/ETAG.lock` while it comes.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use truenorth_files::Draft;

use super::super::error::io;
use super::super::lock::lock;
use super::super::{ModelsError, ResolveOptions};
use super::error::HubError;

/// The part of the cache that is of one repository.
pub(super) struct Cache {
    root: PathBuf,
    folder: String,
}

impl Cache {
    pub(super) fn of(id: &str, options: &ResolveOptions) -> Self {
        let root = options.hub.cache_dir.clone().unwrap_or_else(|| options.cache_dir.join("hub"));
        Self { root, folder: format!("models--{}", id.replace('/', "--")) }
    }

    fn at(&self, kind: &str) -> PathBuf {
        self.root.join(&self.folder).join(kind)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.at("snapshots").join(commit)
    }

    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.at("blobs").join(etag)
    }

    /// The commit that a revision stood for when it was last asked for, and its snapshot.
    pub(super) fn known(&self, revision: &str) -> Result<(String, PathBuf), HubError> {
        let note = self.at("refs").join(revision);
        let commit = match is_commit(revision) {
            true => revision.to_owned(),
            false => match std::fs::read_to_string(&note) {
                Ok(text) => text.trim().to_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return Err(HubError::NotCached { path: note });
                }
                Err(source) => return Err(HubError::Disk { doing: "read", path: note, source }),
            },
        };
        let snapshot = self.snapshot(&commit);
        match is_commit(&commit) && snapshot.is_dir() {
            true => Ok((commit, snapshot)),
            false => Err(HubError::NotCached { path: snapshot }),
        }
    }

    /// Notes which commit a revision stands for.
    pub(super) fn note(&self, revision: &str, commit: &str) -> Result<(), ModelsError> {
        if revision == commit {
            return Ok(());
        }
        let note = self.at("refs").join(revision);
        above(&note)?;
        let write = || {
            let mut draft = Draft::shared(&note)?;
            draft.file().write_all(commit.as_bytes())?;
            draft.put(&note)
        };
        write().map_err(io("write", &note))
    }

    /// Waits until no other process fetches the file.
    pub(super) fn lock(&self, etag: &str, name: &str, options: &ResolveOptions) -> Result<File, ModelsError> {
        let path = self.root.join(".locks").join(&self.folder).join(format!("{etag}.lock"));
        above(&path)?;
        lock(&path, name, options)
    }

    /// Gives a blob its name in a snapshot.
    pub(super) fn link(&self, commit: &str, name: &str, etag: &str) -> Result<(), ModelsError> {
        let (here, blob) = (self.snapshot(commit).join(name), self.blob(etag));
        above(&here)?;
        // A link to a file which is gone.
        if here.is_symlink() && !here.exists() {
            std::fs::remove_file(&here).map_err(io("replace", &here))?;
        }
        let up = "../".repeat(2 + name.matches('/').count());
        match symlink(&Path::new(&up).join("blobs").join(etag), &here) {
            Ok(()) => Ok(()),
            // Another process was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && here.exists() => Ok(()),
            Err(_) => copy(&blob, &here).map_err(io("write", &here)),
        }
    }
}

/// Whether a revision is the full name of a commit, which stands for itself.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Makes the folder that a file goes into.
pub(super) fn above(path: &Path) -> Result<(), ModelsError> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(io("create", folder))
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn symlink(to: &Path, at: &Path) -> std::io::Result<()> {
    // With the separators of the system: a link is followed as it is written.
    std::os::windows::fs::symlink_file(to.components().collect::<PathBuf>(), at)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut draft = Draft::shared(to)?;
    std::io::copy(&mut File::open(from)?, draft.file())?;
    draft.put(to)
}
