//! Files that `torch.save` writes, as plain values. Bytes in, values out, nothing executed.
//!
//! A file is a zip archive: `NAME/data.pkl`, a pickle in which every storage is a persistent
//! identifier, and `NAME/data/KEY`, the bytes of each storage. Read are tensors and parameters of
//! the types in [`TorchDType`], dictionaries (plain and ordered), lists, tuples, text and numbers.
//!
//! [`read`] also takes what stands in no zip archive: the form of `torch.save` before PyTorch 1.6, and plain pickles. In
//! any of them arrays of NumPy are tensors, and objects of a short list of classes (steering-vectors' `SteeringVector`,
//! repeng's `ControlVector`) are dictionaries of their fields.

mod archive;
mod bare;
mod numpy;
mod reader;

use std::io::{Cursor, Read, Seek};

use half::{bf16, f16};

use crate::pickle::{PickleError, PickleLimits};
use archive::Archive;
use reader::{StorageSource, TorchReader};

/// The most that a file may unpack to.
#[derive(Clone, Copy, Debug)]
pub struct FileLimits {
    /// Bytes of tensors.
    pub tensors: usize,
    /// Bounds of the pickle that holds everything but the tensors.
    pub pickle: PickleLimits,
}

impl Default for FileLimits {
    /// 2 GiB of tensors.
    fn default() -> Self {
        Self { tensors: 2 << 30, pickle: PickleLimits::default() }
    }
}

/// Element types of stored tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TorchDType {
    /// 64-bit IEEE float.
    F64,
    /// 32-bit IEEE float.
    F32,
    /// 16-bit IEEE float.
    F16,
    /// Upper half of a 32-bit float.
    Bf16,
    /// 64-bit signed integer.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 16-bit signed integer.
    I16,
    /// 8-bit signed integer.
    I8,
    /// 8-bit unsigned integer.
    U8,
    /// Truth value, a byte each.
    Bool,
}

impl TorchDType {
    /// By the name of the storage class.
    fn of_storage(name: &str) -> Option<Self> {
        Some(match name {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::Bf16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// Whether the elements are floating-point numbers.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16)
    }

    /// Bytes an element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// A dense tensor, row-major whatever the strides in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TorchTensor {
    /// Type of each element.
    pub dtype: TorchDType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// The elements, little-endian and row-major.
    pub data: Vec<u8>,
}

impl TorchTensor {
    /// Turns the sign of every element; of floats it is the highest bit of the last byte.
    fn negate(&mut self) -> Result<(), TorchFileError> {
        if !self.dtype.is_float() {
            return Err(TorchFileError::Marked("neg".into()));
        }
        self.data.chunks_exact_mut(self.dtype.size()).for_each(|c| c[c.len() - 1] ^= 0x80);
        Ok(())
    }

    /// The elements as 64-bit floats; 64-bit integers beyond 2⁵³ are rounded.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        fn each<const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> f64) -> Vec<f64> {
            data.as_chunks::<N>().0.iter().map(|c| f(*c)).collect()
        }
        let d = &self.data;
        match self.dtype {
            TorchDType::F64 => each(d, f64::from_le_bytes),
            TorchDType::F32 => each(d, |b| f32::from_le_bytes(b).into()),
            TorchDType::F16 => each(d, |b| f16::from_le_bytes(b).into()),
            TorchDType::Bf16 => each(d, |b| bf16::from_le_bytes(b).into()),
            TorchDType::I64 => each(d, |b| i64::from_le_bytes(b) as f64),
            TorchDType::I32 => each(d, |b| i32::from_le_bytes(b).into()),
            TorchDType::I16 => each(d, |b| i16::from_le_bytes(b).into()),
            TorchDType::I8 => each(d, |[b]: [u8; 1]| i8::from_le_bytes([b]).into()),
            TorchDType::U8 | TorchDType::Bool => each(d, |[b]: [u8; 1]| b.into()),
        }
    }
}

/// A value out of a file of `torch.save`.
#[derive(Clone, Debug, PartialEq)]
pub enum TorchValue {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// Text, as UTF-8.
    Str(String),
    /// A list, in its order.
    List(Vec<TorchValue>),
    /// A tuple, in its order.
    Tuple(Vec<TorchValue>),
    /// A dictionary, plain or ordered, in its order.
    Dict(Vec<(TorchValue, TorchValue)>),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// A dense tensor with its numbers.
    Tensor(TorchTensor),
}

/// A file that is refused.
#[derive(Debug, thiserror::Error)]
pub enum TorchFileError {
    /// Not a zip archive.
    #[error("not a zip archive; expected a file of torch.save since PyTorch 1.6")]
    NotZip(#[source] zip::result::ZipError),
    /// An archive without a pickle of the expected name.
    #[error("expected one `*/data.pkl` in the archive, found {0}")]
    NoPickle(usize),
    /// A member that is missing or can't be unpacked.
    #[error("can't unpack `{name}`")]
    Member {
        /// Name of the member.
        name: String,
        /// The zip reader's error.
        #[source]
        source: zip::result::ZipError,
    },
    /// A member larger than allowed.
    #[error("`{name}` unpacks to more than {limit} bytes")]
    TooLarge {
        /// Name of the member.
        name: String,
        /// The most bytes it may unpack to.
        limit: usize,
    },
    /// More bytes than this machine has memory for.
    #[error("out of memory: a tensor or a list in the file takes {0} bytes")]
    Memory(usize),
    /// Stored with the most significant byte first.
    #[error("the file is stored in byte order `{0}`; expected `little`")]
    ByteOrder(String),
    /// The pickle inside is malformed, too large or names something that may not be read.
    #[error("the pickle inside is refused")]
    Pickle(#[from] PickleError),
    /// A storage of a type that is not read.
    #[error("unsupported storage `{0}`; expected float, half, bfloat16, integer or bool storages")]
    Storage(String),
    /// A tensor whose parts do not fit together.
    #[error("malformed tensor: {0}")]
    Tensor(&'static str),
    /// A tensor whose numbers are not those that are stored.
    #[error(
        "a tensor is marked `{0}`, so that its numbers are not those that are stored; expected none, or `neg` on floats \
         (save `tensor.resolve_conj().resolve_neg()`)"
    )]
    Marked(String),
    /// A tensor that reaches past its storage.
    #[error(
        "a tensor of shape {shape:?} and strides {stride:?} at offset {offset} reaches past its storage of {length} elements"
    )]
    OutOfStorage {
        /// Sizes of the axes.
        shape: Vec<usize>,
        /// Strides in elements.
        stride: Vec<usize>,
        /// Index of its first element in the storage.
        offset: usize,
        /// Elements in the storage.
        length: usize,
    },
    /// A value of a kind that plain data does not have.
    #[error("unsupported value: {0}")]
    Value(&'static str),
}

/// Reads a file of `torch.save`, in its new or its old form, or a plain pickle from memory.
///
/// # Errors
/// A [`TorchFileError`], naming a global that is not on the list.
pub fn read(bytes: &[u8]) -> Result<TorchValue, TorchFileError> {
    let limits = FileLimits::default();
    if bytes.starts_with(&[0x80]) {
        return bare::read(bytes, &limits);
    }
    unpacked(Cursor::new(bytes), &limits, &reader::allowed_in_files)
}

/// Reads a file of `torch.save` in its new form, as services send them. Memory grows with what has been read, never with what a header
/// promises, and a tensor that has a storage to itself takes it over as it is, so that a file of
/// one large tensor needs little more than its own size.
///
/// # Errors
/// As [`read`].
pub fn read_from(file: impl Read + Seek, limits: &FileLimits) -> Result<TorchValue, TorchFileError> {
    unpacked(file, limits, &reader::allowed)
}

fn unpacked(
    file: impl Read + Seek,
    limits: &FileLimits,
    allowed: &dyn Fn(&str, &str) -> bool,
) -> Result<TorchValue, TorchFileError> {
    let (mut archive, pickle) = Archive::open(file, limits)?;
    let value = crate::pickle::read(&pickle, &limits.pickle, allowed)?;
    drop(pickle);
    TorchReader::new(StorageSource::Archive(&mut archive), limits, &value).value(value)
}

#[cfg(test)]
mod tests;
