//! The artifact as a safetensors file.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};

use super::error::DirectionError;
use super::metadata::DirectionMetadata;
use super::{Direction, Directions, foreign, pick};
use truenorth_files::{UnreadableKind, safetensors_bytes, write_atomic};

/// The most bytes read of any file with a direction.
const FILE_BYTES: u64 = 1 << 30;
/// Name of the tensor.
const TENSOR: &str = "direction";

/// The tensor as the writer sees it.
pub(super) struct DirectionTensor<'a>(pub &'a Direction);

impl View for DirectionTensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.0.vector.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.0.vector.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.0.vector.len() * 4
    }
}

/// The bytes of a file that is not unreasonably large.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, DirectionError> {
    let fail = |source| DirectionError::Io { what: "read", path: path.display().to_string(), source };
    let file = std::fs::File::open(path).map_err(fail)?;
    let bytes = file.metadata().map_err(fail)?.len();
    if bytes > FILE_BYTES {
        return Err(DirectionError::TooLarge { path: path.display().to_string(), bytes, limit: FILE_BYTES });
    }
    let mut out = Vec::new();
    file.take(FILE_BYTES).read_to_end(&mut out).map_err(fail)?;
    match UnreadableKind::stand_in(&out) {
        Some(look) => Err(DirectionError::Looks(look)),
        None => Ok(out),
    }
}

pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), DirectionError> {
    write_atomic(path, |w| w.write_all(bytes)).map_err(|source| DirectionError::Io {
        what: "write",
        path: path.display().to_string(),
        source,
    })
}

impl Direction {
    /// The bytes of the safetensors file: tensor `direction`, `[hidden]` f32, and the metadata.
    ///
    /// # Errors
    /// When the metadata are too large for the format.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, DirectionError> {
        safetensors_bytes([(TENSOR, DirectionTensor(self))], self.metadata.to_map())
            .map_err(DirectionError::Safetensors)
    }

    /// Reads what [`Direction::to_safetensors`] writes.
    ///
    /// # Errors
    /// When the file is malformed, the tensor is no finite unit vector, or metadata are missing.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, DirectionError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(DirectionError::Safetensors)?;
        let map = header.metadata().clone().unwrap_or_default();
        if Directions::are_several(&map) {
            let sites = map.get("sites").cloned().unwrap_or_default();
            let have = sites.trim_matches(['[', ']']).replace('"', "").replace(',', ", ");
            return Err(DirectionError::Several { have });
        }
        let metadata = DirectionMetadata::from_map(map)?;
        let arrays = foreign::safetensors(bytes)?;
        let array = pick::choose(arrays, Some(TENSOR), false)?;
        if array.shape.len() != 1 {
            return Err(DirectionError::Shape { found: array.shape });
        }
        Self::stored(array.values.iter().map(|v| *v as f32).collect(), metadata)
    }

    /// Reads an artifact.
    ///
    /// # Errors
    /// As [`Direction::from_safetensors`], or when the file can't be read.
    pub fn load(path: &Path) -> Result<Self, DirectionError> {
        Self::from_safetensors(&read_file(path)?)
    }

    /// Writes the artifact, all or nothing.
    ///
    /// # Errors
    /// When the file can't be written; an older file of that name is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), DirectionError> {
        write_file(path, &self.to_safetensors()?)
    }
}

/// A file that breaks its format.
pub(super) fn malformed(format: &'static str, what: impl Into<String>) -> DirectionError {
    DirectionError::Malformed { format, what: what.into() }
}
