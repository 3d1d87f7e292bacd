//! The tensors of a model's files, by the names the hub gives them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::LoadError;
use super::decode::{Encoding, StoredTensor};
use super::disk::DiskFile;

/// How the stored tensor differs from the one the hub's files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoredLayout {
    /// Not at all.
    AsStored,
    /// Query or key rows of each head interleaved for rotation of neighbouring pairs.
    Interleaved {
        /// Heads of this matrix.
        heads: usize,
    },
    /// Query, key and value rows stacked, where the hub's file keeps the three of a head together.
    Stacked {
        /// Attention heads.
        heads: usize,
    },
    /// A matrix that the hub's file keeps transposed. `TensorEntry::shape` is the hub's.
    Transposed,
    PlusOne,
}

impl StoredLayout {
    /// For a row of the hub's tensor with `rows` rows, the row of the file.
    pub(super) fn source_row(self, rows: usize) -> Option<impl Fn(usize) -> usize + Sync> {
        let (heads, interleaved) = match self {
            Self::Interleaved { heads } => (heads, true),
            Self::Stacked { heads } => (heads, false),
            Self::AsStored | Self::Transposed | Self::PlusOne => return None,
        };
        Some(move |row: usize| {
            if interleaved {
                // (head, half, i) in the hub's file, (head, i, half) in this one.
                let width = rows / heads;
                let (head, within) = (row / width, row % width);
                let (half, i) = (within / (width / 2), within % (width / 2));
                head * width + i * 2 + half
            } else {
                // (head, which, i) in the hub's file, (which, head, i) in this one.
                let width = rows / heads / 3;
                let (head, within) = (row / (3 * width), row % (3 * width));
                let (which, i) = (within / width, within % width);
                (which * heads + head) * width + i
            }
        })
    }

    /// Whether a tensor of `rows` rows can have this layout.
    pub(super) fn fits(self, rows: usize) -> bool {
        match self {
            Self::Interleaved { heads } => heads > 0 && rows.is_multiple_of(heads * 2),
            Self::Stacked { heads } => heads > 0 && rows.is_multiple_of(heads * 3),
            Self::AsStored | Self::Transposed | Self::PlusOne => true,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct TensorEntry {
    pub(super) file: usize,
    pub(super) start: usize,
    pub(super) len: usize,
    /// The shape in the hub's file, slowest dimension first.
    pub(super) shape: Vec<usize>,
    /// Or the name of an element type that is not read.
    pub(super) encoding: Result<Encoding, String>,
    /// The element types that are read of this kind of file.
    pub(super) readable: &'static str,
    pub(super) layout: StoredLayout,
}

impl TensorEntry {
    /// Elements; checked not to overflow when the file was opened.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Rows and their width; a vector has rows of one element.
    pub(super) fn rows(&self) -> (usize, usize) {
        match self.shape.split_first() {
            None => (1, 1),
            Some((rows, rest)) => (*rows, rest.iter().product()),
        }
    }
}

#[derive(Default)]
pub(super) struct TensorIndex {
    pub(super) files: Vec<DiskFile>,
    pub(super) entries: BTreeMap<String, TensorEntry>,
    /// Tensors that the listing of the files places in one of them and none holds, with that file.
    pub(super) absent: BTreeMap<String, PathBuf>,
    /// Tensors that a later file holds too.
    pub(super) again: Vec<(String, TensorEntry)>,
}

/// Bytes that are compared at once.
const COMPARED: usize = 16 << 20;

impl TensorIndex {
    pub(super) fn add(&mut self, name: &str, path: &Path, entry: TensorEntry) -> Result<(), LoadError> {
        match self.entries.insert(name.to_owned(), entry) {
            None => Ok(()),
            Some(first) => Err(LoadError::DuplicateTensor {
                // A file is listed once it is read to its end.
                first: self.files.get(first.file).map_or(path, DiskFile::path).to_path_buf(),
                path: path.to_path_buf(),
                name: name.to_owned(),
            }),
        }
    }

    /// [`TensorIndex::add`] for one of several files: as in transformers the last file with a tensor counts, and
    /// [`TensorIndex::agree`] holds it against the earlier ones.
    pub(super) fn add_last(&mut self, name: &str, path: &Path, entry: TensorEntry) -> Result<(), LoadError> {
        match self.entries.get(name) {
            Some(first) if first.file != entry.file => {
                let first = self.entries.insert(name.to_owned(), entry);
                self.again.extend(first.map(|first| (name.to_owned(), first)));
                Ok(())
            }
            _ => self.add(name, path, entry),
        }
    }

    /// Refuses tensors that two files hold with different numbers: which are meant nobody can tell.
    pub(super) fn agree(&mut self) -> Result<(), LoadError> {
        for (name, first) in std::mem::take(&mut self.again) {
            if let Some(last) = self.entries.get(&name)
                && !self.same(&name, &first, last)?
            {
                let path = |e: &TensorEntry| self.files[e.file].path().to_path_buf();
                return Err(LoadError::DuplicateTensor { first: path(&first), path: path(last), name });
            }
        }
        Ok(())
    }

    /// Whether two entries are the same bytes, read as the same.
    pub(super) fn same(&self, name: &str, a: &TensorEntry, b: &TensorEntry) -> Result<bool, LoadError> {
        if (&a.shape, &a.encoding, a.layout, a.len) != (&b.shape, &b.encoding, b.layout, b.len) {
            return Ok(false);
        }
        let (Some(left), Some(right)) = (self.files.get(a.file), self.files.get(b.file)) else {
            return Ok(false);
        };
        let what = format!("tensor `{name}`");
        for from in (0..a.len).step_by(COMPARED) {
            let part = |start: usize| start + from..start + a.len.min(from + COMPARED);
            if left.bytes(part(a.start), &what)? != right.bytes(part(b.start), &what)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bytes of an entry with a readable element type.
    pub(super) fn stored<'a>(
        &'a self,
        name: &'a str,
        entry: &'a TensorEntry,
    ) -> Result<StoredTensor<'a>, LoadError> {
        let encoding = entry.encoding.clone().map_err(|found| LoadError::ElementType {
            name: name.to_owned(),
            found,
            expected: entry.readable,
        })?;
        let file = self.files.get(entry.file).ok_or_else(|| LoadError::MissingTensor {
            path: Path::new("").to_path_buf(),
            name: name.to_owned(),
        })?;
        Ok(StoredTensor {
            name,
            file,
            start: entry.start,
            len: entry.len,
            encoding,
            elements: entry.elements(),
        })
    }
}
