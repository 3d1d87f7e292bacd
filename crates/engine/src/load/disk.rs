//! Weight files, read piece by piece.
//!
//! A file is not mapped: whoever shortens a mapped file while it is read ends the process by a signal,
//! and here gets an error that names the tensor.

use std::cell::Cell;
use std::collections::TryReserveError;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::LoadError;
use truenorth_files::{available, is_lfs_pointer};

/// A weight file.
pub(super) struct DiskFile {
    path: PathBuf,
    file: File,
    len: usize,
}

impl DiskFile {
    pub(super) fn open(path: &Path) -> Result<Self, LoadError> {
        let io = |source| LoadError::Io { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(io)?;
        let len = usize::try_from(file.metadata().map_err(io)?.len()).map_err(|e| io(io::Error::other(e)))?;
        let file = Self { path: path.to_path_buf(), file, len };
        if is_lfs_pointer(&file.bytes(0..len.min(64), "the header")?) {
            return Err(LoadError::LfsPointer { path: file.path });
        }
        Ok(file)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes when it was opened.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The bytes of a range, which lies inside the file.
    pub(super) fn bytes(&self, range: Range<usize>, what: &str) -> Result<Vec<u8>, LoadError> {
        available(range.len()).map_err(|e| self.no_memory(e))?;
        let mut bytes = vec![0; range.len()];
        self.fill(range.start, &mut bytes, what)?;
        Ok(bytes)
    }

    /// Calls `f` with the bytes of a range, in memory that this thread keeps. `what` they are is for the
    /// error where they are no longer there.
    pub(super) fn read<R>(
        &self,
        range: Range<usize>,
        what: &str,
        f: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, LoadError> {
        thread_local! {
            static ROOM: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
        }
        let mut room = ROOM.take();
        if room.len() < range.len() {
            room.try_reserve_exact(range.len() - room.len()).map_err(|e| self.no_memory(e))?;
            room.resize(range.len(), 0);
        }
        let bytes = &mut room[..range.len()];
        let done = self.fill(range.start, bytes, what).map(|()| f(bytes));
        ROOM.set(room);
        done
    }

    /// What is said where memory for a part of the file is refused.
    pub(super) fn no_memory(&self, error: TryReserveError) -> LoadError {
        LoadError::Io { path: self.path.clone(), source: error.into() }
    }

    fn fill(&self, start: usize, bytes: &mut [u8], what: &str) -> Result<(), LoadError> {
        read_at(&self.file, start as u64, bytes).map_err(|source| {
            let path = self.path.clone();
            if source.kind() != io::ErrorKind::UnexpectedEof {
                return LoadError::Io { path, source };
            }
            let found = self.file.metadata().map_or(0, |m| m.len());
            LoadError::Truncated { path, what: what.to_owned(), needed: (start + bytes.len()) as u64, found }
        })
    }
}

#[cfg(unix)]
fn read_at(file: &File, start: u64, bytes: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, start)
}

#[cfg(windows)]
fn read_at(file: &File, mut start: u64, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, start) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                start += n as u64;
                bytes = &mut bytes[n..];
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
