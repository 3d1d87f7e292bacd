//! Values out of the pickle and the storages beside it.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::archive::Archive;
use super::{FileLimits, TorchDType, TorchFileError, TorchTensor, TorchValue};
use crate::pickle::{Call, Value};

/// Which globals a file may name.
pub(super) fn allowed(module: &str, name: &str) -> bool {
    match module {
        "torch" => TorchDType::of_storage(name).is_some() || name.ends_with("Storage"),
        "torch._utils" => matches!(name, "_rebuild_tensor_v2" | "_rebuild_parameter"),
        "collections" => name == "OrderedDict",
        // An enumeration of text, in the status frames of a service.
        "nnsight.schema.response" => name == "Status",
        _ => false,
    }
}

/// Makes values of what the pickle describes.
pub(super) struct Reader<'a, R> {
    archive: &'a mut Archive<R>,
    /// Storages that more than one tensor, or a part of one, was made of.
    storages: BTreeMap<String, Vec<u8>>,
    /// By key, how many tensors are still to be made of a storage.
    uses: BTreeMap<String, usize>,
    limit: usize,
    /// Bytes of tensors that may still be made.
    left: usize,
}

/// An empty vector with room for so many elements, unless memory runs out.
fn room<T>(elements: usize) -> Result<Vec<T>, TorchFileError> {
    let mut all = Vec::new();
    let bytes = elements.saturating_mul(size_of::<T>());
    all.try_reserve_exact(elements).map_err(|_| TorchFileError::Memory(bytes))?;
    Ok(all)
}

/// A storage as the pickle describes it.
struct Storage {
    dtype: TorchDType,
    key: String,
    length: usize,
}

impl<'a, R: Read + Seek> Reader<'a, R> {
    pub fn new(archive: &'a mut Archive<R>, limits: &FileLimits, value: &Value) -> Self {
        let mut uses = BTreeMap::new();
        count(value, &mut uses);
        Self { archive, storages: BTreeMap::new(), uses, limit: limits.tensors, left: limits.tensors }
    }

    pub fn value(&mut self, value: Value) -> Result<TorchValue, TorchFileError> {
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
            Value::Bytes(b) => TorchValue::Bytes(b),
            Value::Set(_) => return Err(TorchFileError::Value("a set")),
            Value::Global(_) => return Err(TorchFileError::Value("a global that is not called")),
            Value::Persistent(_) => return Err(TorchFileError::Value("a storage outside a tensor")),
        })
    }

    fn all(&mut self, values: Vec<Value>) -> Result<Vec<TorchValue>, TorchFileError> {
        let mut all = room(values.len())?;
        for value in values {
            all.push(self.value(value)?);
        }
        Ok(all)
    }

    fn dict(&mut self, entries: Vec<(Value, Value)>) -> Result<TorchValue, TorchFileError> {
        let mut all = room(entries.len())?;
        for (k, v) in entries {
            all.push((self.value(k)?, self.value(v)?));
        }
        Ok(TorchValue::Dict(all))
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
            "Status" => match call.args.into_iter().next() {
                Some(Value::Str(s)) => Ok(TorchValue::Str(s)),
                _ => Err(TorchFileError::Value("a status that is no text")),
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
                name: format!("{}data/{}", self.archive.root, storage.key),
                limit: self.limit,
            });
        };
        self.left -= bytes;
        let data = self.take(&storage)?;
        let length = data.len() / size;
        // Largest element touched: the offset and the last index along each axis.
        let last = shape.iter().zip(&stride).try_fold(offset, |at, (n, s)| {
            n.saturating_sub(1).checked_mul(*s).and_then(|m| at.checked_add(m))
        });
        if elements > 0 && last.is_none_or(|l| l >= length) {
            return Err(TorchFileError::OutOfStorage { shape, stride, offset, length });
        }
        if elements == length && offset == 0 && row_major(&shape, &stride) && !self.wanted(&storage.key) {
            return Ok(TorchTensor { dtype: storage.dtype, shape, data });
        }
        let mut out = room(bytes)?;
        let mut at = vec![0_usize; shape.len()];
        for _ in 0..elements {
            let element = offset + at.iter().zip(&stride).map(|(i, s)| i * s).sum::<usize>();
            out.extend_from_slice(&data[element * size..(element + 1) * size]);
            // The last axis runs fastest.
            for (i, n) in at.iter_mut().zip(&shape).rev() {
                *i += 1;
                if *i < *n {
                    break;
                }
                *i = 0;
            }
        }
        if self.wanted(&storage.key) {
            self.storages.insert(storage.key, data);
        }
        Ok(TorchTensor { dtype: storage.dtype, shape, data: out })
    }

    /// Whether more tensors are to be made of a storage.
    fn wanted(&self, key: &str) -> bool {
        self.uses.get(key).is_some_and(|n| *n > 0)
    }

    /// The bytes of a storage, for one of the tensors that are made of it.
    fn take(&mut self, storage: &Storage) -> Result<Vec<u8>, TorchFileError> {
        if let Some(n) = self.uses.get_mut(&storage.key) {
            *n = n.saturating_sub(1);
        }
        let mut bytes = match self.storages.remove(&storage.key) {
            Some(bytes) => bytes,
            None => {
                let name = format!("{}data/{}", self.archive.root, storage.key);
                self.archive.member(&name, self.limit)?
            }
        };
        match storage.length.checked_mul(storage.dtype.size()) {
            Some(n) if n <= bytes.len() => {
                if !self.wanted(&storage.key) {
                    bytes.truncate(n);
                }
                Ok(bytes)
            }
            _ => Err(TorchFileError::Tensor("a storage shorter than it says")),
        }
    }
}

/// Counts the storages that a value refers to.
fn count(value: &Value, uses: &mut BTreeMap<String, usize>) {
    match value {
        Value::List(v) | Value::Tuple(v) | Value::Set(v) => v.iter().for_each(|v| count(v, uses)),
        Value::Dict(entries) => entries.iter().for_each(|(_, v)| count(v, uses)),
        Value::Call(call) => {
            call.args.iter().chain(&call.appended).for_each(|v| count(v, uses));
            call.items.iter().for_each(|(_, v)| count(v, uses));
        }
        Value::Persistent(id) => {
            if let Value::Tuple(parts) = id.as_ref()
                && let Some(Value::Str(key)) = parts.get(2)
            {
                *uses.entry(key.clone()).or_default() += 1;
            }
        }
        _ => {}
    }
}

/// Whether elements lie one after the other, the last axis running fastest.
fn row_major(shape: &[usize], stride: &[usize]) -> bool {
    let mut expected = 1_usize;
    shape.iter().zip(stride).rev().all(|(n, s)| {
        let fits = *n == 1 || *s == expected;
        expected = expected.saturating_mul(*n);
        fits
    })
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
