//! Read-only memory maps that give their pages back.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::LoadError;
use crate::data::is_lfs_pointer;

/// A weight file mapped into memory; pages come in as they are touched.
pub(super) struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

impl MappedFile {
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let io = |source| LoadError::Io { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.len() == 0 {
            // An empty file cannot be mapped on every system.
            return Err(LoadError::Truncated {
                path: path.to_path_buf(),
                what: "the header".into(),
                needed: 8,
                found: 0,
            });
        }
        // SAFETY: the map is read-only and private to this value. As with every map of a file,
        // another process that shortens the file while we read raises a signal; weights are
        // written once and renamed into place, never edited.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        if is_lfs_pointer(&map) {
            return Err(LoadError::LfsPointer { path: path.to_path_buf() });
        }
        Ok(Self { path: path.to_path_buf(), map })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Lets the kernel drop the pages of `range` from this process. They come back from the page
    /// cache or the disk when touched again, so a failure costs memory and nothing else.
    pub(super) fn release(&self, range: Range<usize>) {
        #[cfg(unix)]
        if range.start < range.end && range.end <= self.map.len() {
            // SAFETY: the map is file-backed and never written, so dropped pages are read again
            // with the same content.
            let _ = unsafe {
                self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, range.start, range.len())
            };
        }
        #[cfg(not(unix))]
        let _ = range;
    }
}
