//! Values out of the pickle and the storages beside it.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::archive::Archive;
use super::numpy;
use super::{FileLimits, TorchDType, TorchFileError, TorchTensor, TorchValue, bare};
use crate::pickle::{Call, PickleValue};

/// Whether a file may name a Python global.
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

/// Which globals a file of a person may name besides: arrays of NumPy, storages inside a plain pickle, and the classes in
/// which packages of the field keep directions, of which the fields are read.
pub(super) fn allowed_in_files(module: &str, name: &str) -> bool {
    allowed(module, name)
        || numpy::allowed(module, name)
        || (module, name) == ("torch.storage", "_load_from_bytes")
        || is_record(module, name)
}

/// Whether a global is a class of plain fields.
fn is_record(module: &str, name: &str) -> bool {
    matches!(
        (module, name),
        ("steering_vectors.steering_vector", "SteeringVector") | ("repeng.extract", "ControlVector")
    )
}

pub(super) enum StorageSource<'a, R> {
    /// In the zip archive around the pickle.
    Archive(&'a mut Archive<R>),
    /// Behind the pickle, by key.
    Memory(BTreeMap<String, Vec<u8>>),
}

impl<R: Read + Seek> StorageSource<'_, R> {
    fn name(&self, key: &str) -> String {
        match self {
            Self::Archive(archive) => format!("{}data/{key}", archive.root),
            Self::Memory(_) => format!("storage {key}"),
        }
    }

    fn bytes(&mut self, key: &str, limit: usize) -> Result<Vec<u8>, TorchFileError> {
        let name = self.name(key);
        match self {
            Self::Archive(archive) => archive.member(&name, limit),
            Self::Memory(all) => {
                all.remove(key).ok_or(TorchFileError::Tensor("a storage that the file does not have"))
            }
        }
    }
}

/// Makes values of what the pickle describes.
pub(super) struct TorchReader<'a, R> {
    source: StorageSource<'a, R>,
    /// Storages that more than one tensor, or a part of one, was made of.
    storages: BTreeMap<String, Vec<u8>>,
    /// By key, how many tensors are still to be made of a storage.
    uses: BTreeMap<String, usize>,
    limit: usize,
    /// Bytes of tensors that may still be made.
    left: usize,
    /// Storages that came as a file inside of the pickle.
    inner: usize,
}

/// An empty vector with room for so many elements, unless memory runs out.
pub(super) fn room<T>(elements: usize) -> Result<Vec<T>, TorchFileError> {
    let mut all = Vec::new();
    let bytes = elements.saturating_mul(size_of::<T>());
    all.try_reserve_exact(elements).map_err(|_| TorchFileError::Memory(bytes))?;
    Ok(all)
}

/// A storage as the pickle describes it.
pub(super) struct Storage {
    pub dtype: TorchDType,
    pub key: String,
    pub length: usize,
}

impl<'a, R: Read + Seek> TorchReader<'a, R> {
    pub fn new(source: StorageSource<'a, R>, limits: &FileLimits, value: &PickleValue) -> Self {
        let mut uses = BTreeMap::new();
        persistent(value, &mut |id| {
            if let PickleValue::Tuple(parts) = id
                && let Some(PickleValue::Str(key)) = parts.get(2)
            {
                *uses.entry(key.clone()).or_default() += 1;
            }
        });
        Self {
            source,
            storages: BTreeMap::new(),
            uses,
            limit: limits.tensors,
            left: limits.tensors,
            inner: 0,
        }
    }

    pub fn value(&mut self, value: PickleValue) -> Result<TorchValue, TorchFileError> {
        Ok(match value {
            PickleValue::None => TorchValue::None,
            PickleValue::Bool(b) => TorchValue::Bool(b),
            PickleValue::Int(i) => TorchValue::Int(i),
            PickleValue::Float(f) => TorchValue::Float(f),
            PickleValue::Str(s) => TorchValue::Str(s),
            PickleValue::List(v) => TorchValue::List(self.all(v)?),
            PickleValue::Tuple(v) => TorchValue::Tuple(self.all(v)?),
            PickleValue::Dict(entries) => self.dict(entries)?,
            PickleValue::Call(call) => self.call(*call)?,
            PickleValue::Bytes(b) => TorchValue::Bytes(b),
            PickleValue::Set(_) => return Err(TorchFileError::Value("a set")),
            PickleValue::Global(_) => return Err(TorchFileError::Value("a global that is not called")),
            PickleValue::Persistent(_) => return Err(TorchFileError::Value("a storage outside a tensor")),
        })
    }

    fn all(&mut self, values: Vec<PickleValue>) -> Result<Vec<TorchValue>, TorchFileError> {
        let mut all = room(values.len())?;
        for value in values {
            all.push(self.value(value)?);
        }
        Ok(all)
    }

    fn dict(&mut self, entries: Vec<(PickleValue, PickleValue)>) -> Result<TorchValue, TorchFileError> {
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
        let Call { global, .. } = &call;
        if is_record(&global.module, &global.name) {
            return match call.state {
                Some(PickleValue::Dict(fields)) => self.dict(fields),
                _ => Err(TorchFileError::Value("an object without fields")),
            };
        }
        if numpy::allowed(&global.module, &global.name) {
            let made = numpy::value(call)?;
            if let TorchValue::Tensor(t) = &made {
                self.left = self.left.checked_sub(t.data.len()).ok_or_else(|| self.large("a NumPy array"))?;
            }
            return Ok(made);
        }
        match call.global.name.as_str() {
            // State of an ordered dictionary holds attributes of modules (`_metadata`), not data.
            "OrderedDict" if call.args.is_empty() => self.dict(call.items),
            "OrderedDict" => Err(TorchFileError::Value("an ordered dictionary with arguments")),
            "_rebuild_tensor_v2" => self.signed(call.args).map(TorchValue::Tensor),
            "_rebuild_parameter" => match call.args.into_iter().next() {
                Some(PickleValue::Call(inner)) if inner.global.name == "_rebuild_tensor_v2" => {
                    self.signed(inner.args).map(TorchValue::Tensor)
                }
                _ => Err(TorchFileError::Tensor("a parameter without a tensor")),
            },
            "Status" => match call.args.into_iter().next() {
                Some(PickleValue::Str(s)) => Ok(TorchValue::Str(s)),
                _ => Err(TorchFileError::Value("a status that is no text")),
            },
            _ => Err(TorchFileError::Value("a call of a storage class")),
        }
    }

    /// A tensor as its user sees it. Behind whether it takes a gradient, and its hooks, stands what PyTorch has not
    /// done to the stored numbers yet: with `neg` they are to be negated, as those of `z.conj().imag` are.
    fn signed(&mut self, mut args: Vec<PickleValue>) -> Result<TorchTensor, TorchFileError> {
        let set = |value: &PickleValue| !matches!(value, PickleValue::None | PickleValue::Bool(false));
        let mut negate = false;
        match args.drain(args.len().min(4)..).nth(2) {
            Some(PickleValue::Dict(marks)) => {
                for (mark, _) in marks.into_iter().filter(|(_, value)| set(value)) {
                    match mark {
                        PickleValue::Str(mark) if mark == "neg" => negate = true,
                        PickleValue::Str(mark) => return Err(TorchFileError::Marked(mark)),
                        _ => return Err(TorchFileError::Tensor("a mark that is no text")),
                    }
                }
            }
            None | Some(PickleValue::None) => {}
            Some(_) => return Err(TorchFileError::Tensor("marks that are no dictionary")),
        }
        let mut tensor = self.tensor(args)?;
        if negate {
            tensor.negate()?;
        }
        Ok(tensor)
    }

    fn tensor(&mut self, args: Vec<PickleValue>) -> Result<TorchTensor, TorchFileError> {
        let mut args = args.into_iter();
        let (Some(of), Some(offset), Some(shape), Some(stride)) =
            (args.next(), args.next(), args.next(), args.next())
        else {
            return Err(TorchFileError::Tensor("expected storage, offset, shape and strides"));
        };
        let storage = match of {
            PickleValue::Persistent(id) => storage(*id)?,
            // A plain pickle has a whole small file in place of each storage.
            PickleValue::Call(call) if call.global.name == "_load_from_bytes" => match call.args.as_slice() {
                [PickleValue::Bytes(bytes)] => self.inner(bytes)?,
                _ => return Err(TorchFileError::Tensor("a storage that is no bytes")),
            },
            _ => return Err(TorchFileError::Tensor("expected storage, offset, shape and strides")),
        };
        let offset = index(&offset)?;
        let (shape, stride) = (indices(&shape)?, indices(&stride)?);
        if shape.len() != stride.len() || shape.len() > 16 {
            return Err(TorchFileError::Tensor("shape and strides of different or excessive length"));
        }
        let size = storage.dtype.size();
        let elements = shape.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
        let bytes = elements.and_then(|n| n.checked_mul(size)).filter(|b| *b <= self.left);
        let (Some(elements), Some(bytes)) = (elements, bytes) else {
            return Err(self.large(&self.source.name(&storage.key)));
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

    fn large(&self, name: &str) -> TorchFileError {
        TorchFileError::TooLarge { name: name.to_owned(), limit: self.limit }
    }

    /// Takes in the storage that a file inside of the pickle is.
    fn inner(&mut self, bytes: &[u8]) -> Result<Storage, TorchFileError> {
        let (storage, data) = bare::storage(bytes, self.limit)?;
        let key = format!("inner{}", self.inner);
        self.inner += 1;
        self.storages.insert(key.clone(), data);
        Ok(Storage { key, ..storage })
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
            None => self.source.bytes(&storage.key, self.limit)?,
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

/// Tells of every persistent identifier in a value.
pub(super) fn persistent(value: &PickleValue, tell: &mut impl FnMut(&PickleValue)) {
    match value {
        PickleValue::List(v) | PickleValue::Tuple(v) | PickleValue::Set(v) => {
            v.iter().for_each(|v| persistent(v, tell))
        }
        PickleValue::Dict(entries) => entries.iter().for_each(|(_, v)| persistent(v, tell)),
        PickleValue::Call(call) => {
            call.args.iter().chain(&call.appended).chain(&call.state).for_each(|v| persistent(v, tell));
            call.items.iter().for_each(|(_, v)| persistent(v, tell));
        }
        PickleValue::Persistent(id) => tell(id),
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

/// `('storage', class, key, device, length)`, in the old form with `None` behind them.
pub(super) fn storage(id: PickleValue) -> Result<Storage, TorchFileError> {
    let PickleValue::Tuple(mut parts) = id else {
        return Err(TorchFileError::Tensor("a storage identifier that is no tuple"));
    };
    if parts.len() == 6 && parts[5] == PickleValue::None {
        parts.pop();
    }
    match <[PickleValue; 5]>::try_from(parts) {
        Ok([PickleValue::Str(kind), PickleValue::Global(class), PickleValue::Str(key), _, length])
            if kind == "storage" =>
        {
            let dtype = TorchDType::of_storage(&class.name).ok_or(TorchFileError::Storage(class.name))?;
            if key.is_empty() || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                return Err(TorchFileError::Tensor("a storage key that is no plain name"));
            }
            Ok(Storage { dtype, key, length: index(&length)? })
        }
        _ => Err(TorchFileError::Tensor("a storage identifier of an unknown form")),
    }
}

pub(super) fn index(value: &PickleValue) -> Result<usize, TorchFileError> {
    match value {
        PickleValue::Int(i) => {
            usize::try_from(*i).map_err(|_| TorchFileError::Tensor("a negative size, stride or offset"))
        }
        _ => Err(TorchFileError::Tensor("a size, stride or offset that is no integer")),
    }
}

pub(super) fn indices(value: &PickleValue) -> Result<Vec<usize>, TorchFileError> {
    match value {
        PickleValue::Tuple(v) | PickleValue::List(v) => v.iter().map(index).collect(),
        _ => Err(TorchFileError::Tensor("a shape that is no tuple")),
    }
}
