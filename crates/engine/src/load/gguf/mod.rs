//! A GGUF file: its metadata as a `config.json`, its tensors under the hub's names.

mod config;
mod family;
mod keys;
mod parts;
#[cfg(test)]
mod tests;

use std::path::Path;

use candle_core::DType;
use candle_core::quantized::GgmlDType;
use serde_json::Value;

use super::decode::{self, Encoding, RowConversion};
use super::disk::DiskFile;
use super::index::{StoredLayout, TensorEntry, TensorIndex};
use super::{LoadError, names};
use crate::gguf::{GgufElement, GgufError, GgufHeader, GgufMetadata, TensorInfo, read_start};

/// Element types of GGUF files that are read.
const READABLE: &str =
    "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, IQ4_XS";
/// Bytes of a file that are looked for its header first.
const FIRST: usize = 1 << 20;
/// Bytes of a header at most: a hundred times those of a vocabulary of 262 144.
const MOST_HEADER: usize = 1 << 30;
const ROPE_FREQS: &str = "rope_freqs.weight";

/// What a GGUF file says of its model.
pub(super) struct Opened {
    pub(super) config: Value,
    pub(super) metadata: GgufMetadata,
    pub(super) index: TensorIndex,
}

pub(super) fn open(path: &Path) -> Result<Opened, LoadError> {
    let parts = parts::open(path)?;
    let metadata = parts.metadata;
    let family = family::find(path, &metadata)?;
    let shape = keys::Dims::read(path, family, &metadata)?;
    let mut index = TensorIndex { files: parts.files, ..TensorIndex::default() };
    let mut rope_freqs = None;
    for (file, tensor) in &parts.tensors {
        if tensor.name == ROPE_FREQS && family.rope_freqs {
            rope_freqs = Some(read_vector(&index, *file, tensor)?);
            continue;
        }
        let (name, layout) =
            family.hub_name(&tensor.name, &shape).ok_or_else(|| LoadError::UnknownTensor {
                path: path.to_path_buf(),
                name: tensor.name.clone(),
                arch: family.arch.to_owned(),
            })?;
        index.add(&name, path, entry(path, *file, tensor, layout)?)?;
    }
    let config = config::synthesize(path, family, &shape, &metadata, &index, rope_freqs)?;
    Ok(Opened { config, metadata, index })
}

/// What the file calls the tensor of one of the hub's names, or that name.
pub(super) fn own_name(path: &Path, metadata: &GgufMetadata, hub: &str) -> String {
    let family = family::find(path, metadata).ok();
    family.and_then(|family| family.own_name(hub)).unwrap_or_else(|| hub.to_owned())
}

/// Reads the header, of which only itself tells how long it is.
fn header(file: &DiskFile) -> Result<GgufHeader, LoadError> {
    let most = file.len().min(MOST_HEADER);
    let mut length = most.min(FIRST);
    loop {
        let start = file.bytes(0..length, "the header")?;
        match read_start(&start, file.len()) {
            Err(GgufError::Truncated { .. }) if length < most => length = most.min(length * 8),
            done => return done.map_err(|error| header_error(file.path(), error)),
        }
    }
}

fn encoding(tensor: &TensorInfo) -> Result<Encoding, String> {
    tensor.kind.clone().map(|kind| match kind {
        GgufElement::Ggml(GgmlDType::F32) => Encoding::F32,
        GgufElement::Ggml(GgmlDType::F16) => Encoding::F16,
        GgufElement::Ggml(GgmlDType::BF16) => Encoding::Bf16,
        GgufElement::Ggml(blocks) => Encoding::Blocks(blocks),
        GgufElement::Iq4Nl => Encoding::Iq4Nl,
        GgufElement::Iq4Xs => Encoding::Iq4Xs,
    })
}

/// The entry of a tensor, checked that its layout can be undone.
fn entry(
    path: &Path,
    file: usize,
    tensor: &TensorInfo,
    layout: StoredLayout,
) -> Result<TensorEntry, LoadError> {
    let misfit = |problem: String| LoadError::Header {
        path: path.to_path_buf(),
        format: "gguf",
        problem: format!("tensor `{}` {problem}", tensor.name),
    };
    if let Some(bad) = names::unusable_shape(&tensor.shape) {
        return Err(misfit(bad));
    }
    let mut shape = tensor.shape.clone();
    if layout == StoredLayout::Transposed {
        if shape.len() != 2 {
            return Err(misfit(format!("has shape {shape:?}, expected a matrix")));
        }
        shape.reverse();
    }
    let entry = TensorEntry {
        file,
        start: tensor.start,
        len: tensor.len,
        shape,
        encoding: encoding(tensor),
        readable: READABLE,
        layout,
    };
    let (rows, row) = entry.rows();
    let by_rows = matches!(layout, StoredLayout::Interleaved { .. } | StoredLayout::Stacked { .. });
    let block = entry.encoding.as_ref().map_or(1, |e| e.block());
    if !layout.fits(rows) || by_rows && !row.is_multiple_of(block) {
        return Err(misfit(format!("has shape {:?}, which the heads do not divide", tensor.shape)));
    }
    Ok(entry)
}

/// Reads a small vector at once.
fn read_vector(index: &TensorIndex, file: usize, tensor: &TensorInfo) -> Result<Vec<f32>, LoadError> {
    let entry = TensorEntry {
        file,
        start: tensor.start,
        len: tensor.len,
        shape: tensor.shape.clone(),
        encoding: encoding(tensor),
        readable: READABLE,
        layout: StoredLayout::AsStored,
    };
    let plan = RowConversion { row: entry.elements(), source_row: None, offset: 0.0 };
    decode::check_target(DType::F32)?;
    decode::decode::<f32>(&index.stored(&tensor.name, &entry)?, &plan)
}

fn header_error(path: &Path, error: GgufError) -> LoadError {
    let path = path.to_path_buf();
    match error {
        GgufError::Truncated { what, needed, found } => LoadError::Truncated { path, what, needed, found },
        GgufError::Memory => LoadError::Io { path, source: std::io::ErrorKind::OutOfMemory.into() },
        GgufError::Malformed(problem) => LoadError::Header { path, format: "gguf", problem },
    }
}
