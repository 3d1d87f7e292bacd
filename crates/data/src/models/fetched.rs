//! Weights of the hub that are fetched to be read once, and deleted then, so that of many checkpoints one is on disk.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use truenorth_protocol::hash::sha256_hex;

use super::error::io;
use super::{ModelsError, ResolveOptions};

/// Which files were fetched for a model, kept in the cache, so that a run that was cut short is gone on with knowing them.
#[derive(Clone, Debug)]
pub struct Fetched {
    list: PathBuf,
}

impl Fetched {
    /// Of the model that `spec` names.
    #[must_use]
    pub fn of(spec: &str, cache_dir: &Path) -> Self {
        Self { list: cache_dir.join("fetched").join(sha256_hex(spec.as_bytes())) }
    }

    /// Options that note each file of weights before it is fetched; what is there already is not noted.
    #[must_use]
    pub fn noting(&self, options: ResolveOptions) -> ResolveOptions {
        let list = self.list.clone();
        let note = move |path: &Path| {
            if let Some(folder) = list.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&list)?;
            writeln!(file, "{}", path.display())
        };
        ResolveOptions { fetching: Some(Arc::new(note)), ..options }
    }

    /// Deletes what was noted; gives how many bytes that were.
    ///
    /// # Errors
    /// When a file can't be deleted.
    pub fn delete(&self) -> Result<u64, ModelsError> {
        let Ok(list) = std::fs::read_to_string(&self.list) else { return Ok(0) };
        let mut bytes = 0;
        for path in list.lines().map(Path::new).filter(|path| is_weights(path)) {
            let Ok(blob) = path.canonicalize() else { continue };
            let shared =
                blob != path && links(path).any(|other| other.canonicalize().is_ok_and(|b| b == blob));
            std::fs::remove_file(path).map_err(io("delete", path))?;
            // A file that another revision has too is that revision's.
            if shared {
                continue;
            }
            if blob != path {
                bytes += blob.metadata().map_or(0, |m| m.len());
                std::fs::remove_file(&blob).map_err(io("delete", &blob))?;
            }
        }
        std::fs::remove_file(&self.list).map_err(io("delete", &self.list))?;
        Ok(bytes)
    }
}

/// Whether this is a file of weights in a snapshot of the hub's cache, and so one that can be fetched again.
fn is_weights(path: &Path) -> bool {
    let snapshot = path.parent().and_then(Path::parent).and_then(Path::file_name);
    snapshot.is_some_and(|name| name == "snapshots") && path.extension().is_some_and(|e| e == "safetensors")
}

/// The files of the other snapshots of a file's repository.
fn links(path: &Path) -> impl Iterator<Item = PathBuf> {
    let own = path.parent().map(Path::to_path_buf);
    let snapshots = own.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    let folders = snapshots.and_then(|s| std::fs::read_dir(s).ok()).into_iter().flatten().flatten();
    let others = folders.map(|f| f.path()).filter(move |f| Some(f) != own.as_ref());
    others.filter_map(|f| std::fs::read_dir(f).ok()).flatten().flatten().map(|f| f.path())
}
