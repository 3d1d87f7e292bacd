//! Whether files of the hub's cache are what the hub says they are.
//!
//! The cache keeps a file under the name that the hub gave it: SHA-256 of a large one, git's hash of a
//! small one. So a file that was damaged or changed there is told from a good one without the network.

use std::path::{Path, PathBuf};

use sha1::{Digest as _, Sha1};

use super::error::io;
use super::folder::identity;
use super::hash::{display_name, file, read, remembered};
use super::{ModelsError, ResolveOptions};
use truenorth_protocol::hash::hex;

/// Checks each file against the hash it is kept under. Returns those that are kept under none: a cache
/// on a disk without links has copies in place of them.
pub(super) fn check(
    repository: &str,
    files: &[PathBuf],
    options: &ResolveOptions,
) -> Result<Vec<PathBuf>, ModelsError> {
    let mut unnamed = Vec::new();
    for file in files {
        let blob = file.canonicalize().map_err(io("open", file))?;
        let expected = display_name(&blob);
        let kept = blob.parent().and_then(Path::file_name).is_some_and(|folder| folder == "blobs");
        let found = match Digest::of(&expected).filter(|_| kept) {
            Some(Digest::Sha256) => remembered(&blob, options)?,
            Some(Digest::Git) => git_blob(&blob, options)?,
            None => {
                unnamed.push(file.clone());
                continue;
            }
        };
        if found != expected {
            let (repository, file) = (repository.to_owned(), display_name(file));
            return Err(ModelsError::Damaged { repository, file, path: blob, expected, found });
        }
    }
    Ok(unnamed)
}

/// SHA-256 over the names and checksums of files, if there are any.
pub(super) fn of(files: &[PathBuf], options: &ResolveOptions) -> Result<Option<String>, ModelsError> {
    if files.is_empty() { Ok(None) } else { identity(files, options).map(Some) }
}

/// Git's name of a file as it would store it, in hex: SHA-1 of the word `blob`, the length and the bytes.
fn git_blob(path: &Path, options: &ResolveOptions) -> Result<String, ModelsError> {
    let total = path.metadata().map_err(io("read", path))?.len();
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {total}\0"));
    read(path, &mut hasher, options)?;
    Ok(hex(&hasher.finalize()))
}

/// What kind of hash the hub names a file by.
#[derive(Clone, Copy)]
pub(super) enum Digest {
    Sha256,
    Git,
}

impl Digest {
    /// The kind that a name is of; none where it is of none.
    pub(super) fn of(name: &str) -> Option<Self> {
        let hex = name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match name.len() {
            64 if hex => Some(Self::Sha256),
            40 if hex => Some(Self::Git),
            _ => None,
        }
    }

    /// The hash of a file that has not got its name yet, in hex.
    pub(super) fn hash(self, path: &Path, options: &ResolveOptions) -> Result<String, ModelsError> {
        match self {
            Self::Sha256 => file(path, options),
            Self::Git => git_blob(path, options),
        }
    }
}
