//! Files that `torch.save` writes, as plain values. Bytes in, values out, nothing executed.
//!
//! A file is a zip archive: `NAME/data.pkl`, a pickle in which every storage is a persistent
//! identifier, and `NAME/data/KEY`, the bytes of each storage. Read are tensors and parameters of
//! the types in [`TorchDType`], dictionaries (plain and ordered), lists, tuples, text and numbers.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use half::{bf16, f16};

use crate::pickle::{self, Call, Limits, PickleError, Value};

/// The most bytes of tensors that one file may unpack to.
const TENSOR_BYTES: usize = 2 << 30;

/// Element types of stored tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TorchDType {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// 16-bit float.
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
    /// Element type.
    pub dtype: TorchDType,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Little-endian elements.
    pub data: Vec<u8>,
}

impl TorchTensor {
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
    /// `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    List(Vec<TorchValue>),
    /// A tuple.
    Tuple(Vec<TorchValue>),
    /// A dictionary, plain or ordered, in its order.
    Dict(Vec<(TorchValue, TorchValue)>),
    /// A tensor.
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
        /// Why.
        #[source]
        source: zip::result::ZipError,
    },
    /// A member larger than allowed.
    #[error("`{name}` unpacks to more than {limit} bytes")]
    TooLarge {
        /// Name of the member.
        name: String,
        /// The bound.
        limit: usize,
    },
    /// Stored with the most significant byte first.
    #[error("the file is stored in byte order `{0}`; expected `little`")]
    ByteOrder(String),
    /// The pickle is refused.
    #[error("the pickle inside is refused")]
    Pickle(#[from] PickleError),
    /// A storage of a type that is not read.
    #[error("unsupported storage `{0}`; expected float, half, bfloat16, integer or bool storages")]
    Storage(String),
    /// A tensor whose parts do not fit together.
    #[error("malformed tensor: {0}")]
    Tensor(&'static str),
    /// A tensor that reaches past its storage.
    #[error(
        "a tensor of shape {shape:?} and strides {stride:?} at offset {offset} reaches past its storage of {length} elements"
    )]
    OutOfStorage {
        /// Sizes of the axes.
        shape: Vec<usize>,
        /// Strides in elements.
        stride: Vec<usize>,
        /// First element.
        offset: usize,
        /// Elements in the storage.
        length: usize,
    },
    /// A value of a kind that plain data does not have.
    #[error("unsupported value: {0}")]
    Value(&'static str),
}

fn allowed(module: &str, name: &str) -> bool {
    match module {
        "torch" => TorchDType::of_storage(name).is_some() || name.ends_with("Storage"),
        "torch._utils" => matches!(name, "_rebuild_tensor_v2" | "_rebuild_parameter"),
        "collections" => name == "OrderedDict",
        _ => false,
    }
}

/// Reads a file of `torch.save`.
///
/// # Errors
/// A [`TorchFileError`], naming a global that is not on the list.
pub fn read(bytes: &[u8]) -> Result<TorchValue, TorchFileError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(TorchFileError::NotZip)?;
    let names: Result<Vec<String>, _> = archive.file_names().map(|n| n.map(|n| n.into_owned())).collect();
    let mut pickles = names.map_err(TorchFileError::NotZip)?;
    pickles.retain(|n| n.ends_with("/data.pkl"));
    let [name] = pickles.as_slice() else {
        return Err(TorchFileError::NoPickle(pickles.len()));
    };
    let root = name.trim_end_matches("data.pkl").to_owned();
    let limits = Limits::default();
    let order = format!("{root}byteorder");
    if archive.index_for_name(&order).is_some() {
        let order = member(&mut archive, &order, 64)?;
        if order != b"little" {
            return Err(TorchFileError::ByteOrder(String::from_utf8_lossy(&order).into_owned()));
        }
    }
    let pickle = member(&mut archive, name, limits.bytes)?;
    let value = pickle::read(&pickle, &limits, &allowed)?;
    let mut reader = Reader { archive, root, storages: BTreeMap::new(), left: TENSOR_BYTES };
    reader.value(value)
}

type Archive<'a> = zip::ZipArchive<Cursor<&'a [u8]>>;

fn member(archive: &mut Archive<'_>, name: &str, limit: usize) -> Result<Vec<u8>, TorchFileError> {
    let fail = |source| TorchFileError::Member { name: name.to_owned(), source };
    let file = archive.by_name(name).map_err(fail)?;
    let mut out = Vec::new();
    // The size in the directory may lie, so the bytes themselves are counted.
    file.take(limit as u64 + 1).read_to_end(&mut out).map_err(|e| fail(e.into()))?;
    if out.len() > limit {
        return Err(TorchFileError::TooLarge { name: name.to_owned(), limit });
    }
    Ok(out)
}

struct Reader<'a> {
    archive: Archive<'a>,
    root: String,
    storages: BTreeMap<String, Vec<u8>>,
    /// Bytes of tensors that may still be made.
    left: usize,
}

/// A storage as the pickle describes it.
struct Storage {
    dtype: TorchDType,
    key: String,
    length: usize,
}

impl Reader<'_> {
    fn value(&mut self, value: Value) -> Result<TorchValue, TorchFileError> {
        Ok(match value {
            Value::None => TorchValue::None,
            Value::Bool(b) => TorchValue::Bool(b),
            Value::Int(i) => TorchValue::Int(i),
            Value::Float(f) => TorchValue::Float(f),
            Value::Str(s) => TorchValue::Str(s),
            Value::List(v) => TorchValue::List(self.all(v)?),
            Value::Tuple(v) => TorchValue::Tuple(self.all(v)?),
            Value::Dict(entries) => self.dict(entries)?,
            Value::Call(call) => self.call(*call)?,
            Value::Bytes(_) => return Err(TorchFileError::Value("bytes")),
            Value::Set(_) => return Err(TorchFileError::Value("a set")),
            Value::Global(_) => return Err(TorchFileError::Value("a global that is not called")),
            Value::Persistent(_) => return Err(TorchFileError::Value("a storage outside a tensor")),
        })
    }

    fn all(&mut self, values: Vec<Value>) -> Result<Vec<TorchValue>, TorchFileError> {
        values.into_iter().map(|v| self.value(v)).collect()
    }

    fn dict(&mut self, entries: Vec<(Value, Value)>) -> Result<TorchValue, TorchFileError> {
        entries
            .into_iter()
            .map(|(k, v)| Ok((self.value(k)?, self.value(v)?)))
            .collect::<Result<_, TorchFileError>>()
            .map(TorchValue::Dict)
    }

    fn call(&mut self, call: Call) -> Result<TorchValue, TorchFileError> {
        if !call.appended.is_empty() {
            return Err(TorchFileError::Value("an object with appended elements"));
        }
        match call.global.name.as_str() {
            // State of an ordered dictionary holds attributes of modules (`_metadata`), not data.
            "OrderedDict" if call.args.is_empty() => self.dict(call.items),
            "OrderedDict" => Err(TorchFileError::Value("an ordered dictionary with arguments")),
            "_rebuild_tensor_v2" => self.tensor(call.args).map(TorchValue::Tensor),
            "_rebuild_parameter" => match call.args.into_iter().next() {
                Some(Value::Call(inner)) if inner.global.name == "_rebuild_tensor_v2" => {
                    self.tensor(inner.args).map(TorchValue::Tensor)
                }
                _ => Err(TorchFileError::Tensor("a parameter without a tensor")),
            },
            _ => Err(TorchFileError::Value("a call of a storage class")),
        }
    }

    fn tensor(&mut self, args: Vec<Value>) -> Result<TorchTensor, TorchFileError> {
        let mut args = args.into_iter();
        let (Some(Value::Persistent(id)), Some(offset), Some(shape), Some(stride)) =
            (args.next(), args.next(), args.next(), args.next())
        else {
            return Err(TorchFileError::Tensor("expected storage, offset, shape and strides"));
        };
        let storage = storage(*id)?;
        let offset = index(&offset)?;
        let (shape, stride) = (indices(&shape)?, indices(&stride)?);
        if shape.len() != stride.len() || shape.len() > 16 {
            return Err(TorchFileError::Tensor("shape and strides of different or excessive length"));
        }
        let size = storage.dtype.size();
        let elements = shape.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
        let bytes = elements.and_then(|n| n.checked_mul(size)).filter(|b| *b <= self.left);
        let (Some(elements), Some(bytes)) = (elements, bytes) else {
            return Err(TorchFileError::TooLarge {
                name: format!("{}data/{}", self.root, storage.key),
                limit: TENSOR_BYTES,
            });
        };
        self.left -= bytes;
        let data = self.storage_bytes(&storage)?;
        let length = data.len() / size;
        // Largest element touched: the offset and the last index along each axis.
        let last = shape.iter().zip(&stride).try_fold(offset, |at, (n, s)| {
            n.saturating_sub(1).checked_mul(*s).and_then(|m| at.checked_add(m))
        });
        if elements > 0 && last.is_none_or(|l| l >= length) {
            return Err(TorchFileError::OutOfStorage { shape, stride, offset, length });
        }
        let mut out = Vec::with_capacity(bytes);
        let mut at = vec![0_usize; shape.len()];
        for _ in 0..elements {
            let element = offset + at.iter().zip(&stride).map(|(i, s)| i * s).sum::<usize>();
            out.extend_from_slice(data.get(element * size..(element + 1) * size).unwrap_or_default());
            // The last axis runs fastest.
            for (i, n) in at.iter_mut().zip(&shape).rev() {
                *i += 1;
                if *i < *n {
                    break;
                }
                *i = 0;
            }
        }
        Ok(TorchTensor { dtype: storage.dtype, shape, data: out })
    }

    fn storage_bytes(&mut self, storage: &Storage) -> Result<&[u8], TorchFileError> {
        let name = format!("{}data/{}", self.root, storage.key);
        if !self.storages.contains_key(&storage.key) {
            let bytes = member(&mut self.archive, &name, TENSOR_BYTES)?;
            self.storages.insert(storage.key.clone(), bytes);
        }
        let bytes = self.storages.get(&storage.key).map(Vec::as_slice).unwrap_or_default();
        let needed = storage.length.checked_mul(storage.dtype.size());
        match needed.and_then(|n| bytes.get(..n)) {
            Some(bytes) => Ok(bytes),
            None => Err(TorchFileError::Tensor("a storage shorter than it says")),
        }
    }
}

/// `('storage', class, key, device, length)`.
fn storage(id: Value) -> Result<Storage, TorchFileError> {
    let Value::Tuple(parts) = id else {
        return Err(TorchFileError::Tensor("a storage identifier that is no tuple"));
    };
    match <[Value; 5]>::try_from(parts) {
        Ok([Value::Str(kind), Value::Global(class), Value::Str(key), _, length]) if kind == "storage" => {
            let dtype = TorchDType::of_storage(&class.name).ok_or(TorchFileError::Storage(class.name))?;
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(TorchFileError::Tensor("a storage key that is no plain name"));
            }
            Ok(Storage { dtype, key, length: index(&length)? })
        }
        _ => Err(TorchFileError::Tensor("a storage identifier of an unknown form")),
    }
}

fn index(value: &Value) -> Result<usize, TorchFileError> {
    match value {
        Value::Int(i) => {
            usize::try_from(*i).map_err(|_| TorchFileError::Tensor("a negative size, stride or offset"))
        }
        _ => Err(TorchFileError::Tensor("a size, stride or offset that is no integer")),
    }
}

fn indices(value: &Value) -> Result<Vec<usize>, TorchFileError> {
    match value {
        Value::Tuple(v) | Value::List(v) => v.iter().map(index).collect(),
        _ => Err(TorchFileError::Tensor("a shape that is no tuple")),
    }
}

#[cfg(test)]
mod tests;
