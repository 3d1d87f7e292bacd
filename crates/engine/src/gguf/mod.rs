//! The GGUF container: typed metadata and the list of tensors, read from bytes that may be hostile.
//!
//! Only the container is read here; what the keys and tensors mean is for the callers. The parser
//! is our own rather than candle's because a file must be refused by tensor and type name, counts
//! must not be trusted before the bytes are there, and a vocabulary of 262 144 strings should not
//! cost a tagged value a token. Layout: the GGUF specification of the ggml project, versions 2
//! and 3, little-endian.

mod cursor;
mod metadata;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, TryReserveError};

use candle_core::quantized::GgmlDType;
use thiserror::Error;

use cursor::Cursor;
pub use metadata::{GgufMetadata, Meta};
use truenorth_files::{add, room};

/// Why bytes are not a readable GGUF file.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GgufError {
    /// The file ends before what its header says is there.
    #[error("{what} needs {needed} bytes, there are {found}")]
    Truncated {
        /// The part that reaches past the end.
        what: String,
        /// Length there should be at least.
        needed: u64,
        /// Length there is.
        found: u64,
    },
    /// The header takes more memory than there is.
    #[error("out of memory while its header is read")]
    Memory,
    /// The bytes contradict the format; the text says how.
    #[error("{0}")]
    Malformed(String),
}

impl From<TryReserveError> for GgufError {
    fn from(_: TryReserveError) -> Self {
        Self::Memory
    }
}

/// An element type that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GgufElement {
    /// A type that candle reads.
    Ggml(GgmlDType),
    /// 32 codes of 4 bits into a table of 16 values, with a scale.
    Iq4Nl,
    /// 256 of the same, a scale of 6 bits each 32.
    Iq4Xs,
}

impl GgufElement {
    /// Elements and bytes of a block.
    #[must_use]
    pub fn block(self) -> (usize, usize) {
        match self {
            Self::Ggml(kind) => (kind.block_size(), kind.type_size()),
            Self::Iq4Nl => (32, 18),
            Self::Iq4Xs => (256, 136),
        }
    }
}

/// A tensor's place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name as written.
    pub name: String,
    /// Slowest dimension first (the reverse of the file's order).
    pub shape: Vec<usize>,
    /// Element type, or the name of one that is not read.
    pub kind: Result<GgufElement, String>,
    /// First byte, from the start of the file.
    pub start: usize,
    /// Bytes; 0 for a type that is not read.
    pub len: usize,
}

/// All that precedes the tensor data.
#[derive(Debug)]
pub struct GgufHeader {
    /// The metadata before the tensors.
    pub metadata: GgufMetadata,
    /// The tensors in the file's order; each lies inside the file.
    pub tensors: Vec<TensorInfo>,
    /// First byte of the tensor data.
    pub data_start: usize,
}

const MAGIC: &[u8] = b"GGUF";
const MAX_DIMS: u32 = 4;
const DEFAULT_ALIGNMENT: u64 = 32;
const ALIGNMENT_KEY: &str = "general.alignment";

/// Reads the header of a whole file given as bytes.
///
/// # Errors
/// [`GgufError::Truncated`] where a length or a tensor reaches beyond the end,
/// [`GgufError::Malformed`] for everything else that contradicts the format.
pub fn read_header(bytes: &[u8]) -> Result<GgufHeader, GgufError> {
    read_start(bytes, bytes.len())
}

/// Reads the header of a file of `len` bytes given its first ones; [`GgufError::Truncated`] where those
/// are too few.
///
/// # Errors
/// As [`read_header`].
pub fn read_start(bytes: &[u8], len: usize) -> Result<GgufHeader, GgufError> {
    let mut cursor = Cursor::new(bytes);
    let magic = cursor.take(4, "the magic number")?;
    if magic != MAGIC {
        return Err(GgufError::Malformed(format!(
            "it begins with {magic:02x?}, expected {MAGIC:02x?} (`GGUF`)"
        )));
    }
    let version = cursor.u32("the version")?;
    if !matches!(version, 2 | 3) {
        let order = if version & 0xffff == 0 { " (a big-endian file)" } else { "" };
        return Err(GgufError::Malformed(format!("it has version {version}{order}, expected 2 or 3")));
    }
    let tensor_count = cursor.u64("the tensor count")?;
    let pair_count = cursor.u64("the metadata count")?;
    // A tensor takes at least 24 bytes and a pair 13, so counts that cannot be are known now.
    let least = tensor_count.saturating_mul(24).saturating_add(pair_count.saturating_mul(13));
    if least > cursor.remaining() {
        return Err(GgufError::Truncated {
            what: format!("a header of {tensor_count} tensors and {pair_count} metadata keys"),
            needed: cursor.position().saturating_add(least),
            found: bytes.len() as u64,
        });
    }
    let metadata = metadata::read(&mut cursor, pair_count)?;
    let mut raw = Vec::new();
    for _ in 0..tensor_count {
        add(&mut raw, RawTensor::read(&mut cursor)?)?;
    }
    let alignment = alignment(&metadata)?;
    let data_start = cursor.position().next_multiple_of(alignment);
    let mut seen = BTreeSet::new();
    let mut tensors = room(raw.len())?;
    for tensor in raw {
        if !seen.insert(tensor.name.clone()) {
            return Err(GgufError::Malformed(format!("tensor `{}` is listed twice", tensor.name)));
        }
        tensors.push(tensor.place(data_start, alignment, len)?);
    }
    Ok(GgufHeader { metadata, tensors, data_start: usize::try_from(data_start).unwrap_or(len) })
}

fn alignment(metadata: &GgufMetadata) -> Result<u64, GgufError> {
    let Some(value) = metadata.get(ALIGNMENT_KEY) else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    match value.as_u64() {
        Some(n) if n.is_power_of_two() && (8..=1 << 20).contains(&n) => Ok(n),
        _ => Err(GgufError::Malformed(format!(
            "`{ALIGNMENT_KEY}` is {value}, expected a power of two of at least 8"
        ))),
    }
}

struct RawTensor {
    name: String,
    dims: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl RawTensor {
    fn read(cursor: &mut Cursor) -> Result<Self, GgufError> {
        let name = cursor.string("a tensor's name")?;
        let rank = cursor.u32("a tensor's rank")?;
        if rank == 0 || rank > MAX_DIMS {
            return Err(GgufError::Malformed(format!(
                "tensor `{name}` has {rank} dimensions, expected 1 to {MAX_DIMS}"
            )));
        }
        let dims = (0..rank).map(|_| cursor.u64("a tensor's shape")).collect::<Result<_, _>>()?;
        Ok(Self {
            name,
            dims,
            kind: cursor.u32("a tensor's type")?,
            offset: cursor.u64("a tensor's offset")?,
        })
    }

    /// Checks shape and extent.
    fn place(self, data_start: u64, alignment: u64, file: usize) -> Result<TensorInfo, GgufError> {
        let Self { name, dims, kind, offset } = self;
        let malformed = |problem: String| GgufError::Malformed(format!("tensor `{name}` {problem}"));
        let elements = dims.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
        let elements = match elements {
            Some(0) => return Err(malformed(format!("has the empty shape {dims:?}"))),
            Some(n) if n <= isize::MAX as u64 / 8 => n,
            _ => return Err(malformed(format!("has the impossible shape {dims:?}"))),
        };
        if !offset.is_multiple_of(alignment) {
            return Err(malformed(format!("is at offset {offset}, expected a multiple of {alignment}")));
        }
        let kind = element_type(kind);
        let mut len = 0;
        if let Ok(kind) = &kind {
            let (block, bytes) = kind.block();
            let (block, bytes) = (block as u64, bytes as u64);
            let row = dims.first().copied().unwrap_or(1);
            if !row.is_multiple_of(block) {
                return Err(malformed(format!(
                    "has rows of {row} elements, expected whole blocks of {block}"
                )));
            }
            // At most `isize::MAX / 8` elements of at most 4 bytes each.
            len = elements / block * bytes;
        }
        let start = data_start.saturating_add(offset);
        let end = start.saturating_add(len);
        if end > file as u64 {
            return Err(GgufError::Truncated {
                what: format!("tensor `{name}`"),
                needed: end,
                found: file as u64,
            });
        }
        // All fit: `end` is at most the length of a slice.
        let fit = |n: u64| usize::try_from(n).unwrap_or(file);
        Ok(TensorInfo {
            shape: dims.iter().rev().map(|d| fit(*d)).collect(),
            kind,
            start: fit(start),
            len: fit(len),
            name,
        })
    }
}

/// The element types that are read; for the rest their name. Numbers: `ggml.h`.
fn element_type(number: u32) -> Result<GgufElement, String> {
    Ok(GgufElement::Ggml(match number {
        20 => return Ok(GgufElement::Iq4Nl),
        23 => return Ok(GgufElement::Iq4Xs),
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        other => return Err(unread_type(other)),
    }))
}

fn unread_type(number: u32) -> String {
    let name = match number {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        34 => "TQ1_0",
        35 => "TQ2_0",
        39 => "MXFP4",
        _ => return format!("ggml type {number}"),
    };
    name.to_owned()
}
