//! Named arrays out of any file that may hold a direction.

use std::io::{Cursor, Read};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};
use truenorth_protocol::pickle::PickleError;
use truenorth_protocol::torch_file::{self, TorchFileError, TorchValue};

use super::error::DirectionError;
use super::file::malformed;
use super::npy;
use truenorth_files::{available, room};

/// The most bytes that an npz archive may unpack to.
const UNPACKED_BYTES: u64 = 1 << 30;

/// How `torch.save` began a file before PyTorch 1.6, and does still with `_use_new_zipfile_serialization=False`: a
/// pickle of its magic number.
const OLD_TORCH: [u8; 14] =
    [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// An array with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Name, empty where the file is one array.
    pub name: String,
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f64>,
}

/// The array of this name, or the only one.
pub(super) fn choose(mut arrays: Vec<Array>, name: Option<&str>) -> Result<Array, DirectionError> {
    let names = || {
        let all: Vec<&str> = arrays.iter().map(|a| a.name.as_str()).collect();
        if all.is_empty() { "no arrays".to_owned() } else { all.join(", ") }
    };
    let at = match name {
        Some(name) => arrays
            .iter()
            .position(|a| a.name == name)
            .ok_or_else(|| DirectionError::NoSuchArray { name: name.to_owned(), names: names() })?,
        None if arrays.len() == 1 => 0,
        // What this program and many scripts call it.
        None => arrays
            .iter()
            .position(|a| a.name == "direction")
            .ok_or_else(|| DirectionError::Ambiguous { names: names() })?,
    };
    Ok(arrays.swap_remove(at))
}

/// The vector in an array of one axis longer than 1, or one row of a stack.
pub(super) fn vector(array: Array, row: Option<usize>) -> Result<Vec<f64>, DirectionError> {
    let Array { shape, values, .. } = array;
    let longer = shape.iter().filter(|n| **n > 1).count();
    match (row, shape.as_slice()) {
        (None, _) if longer <= 1 && !values.is_empty() => Ok(values),
        (Some(row), &[rows, width]) if width > 0 => match values.chunks_exact(width).nth(row) {
            Some(chosen) => {
                let mut row = room(width)?;
                row.extend_from_slice(chosen);
                Ok(row)
            }
            None => Err(DirectionError::NoSuchRow { row, rows }),
        },
        _ => Err(DirectionError::Shape { found: shape }),
    }
}

/// Numbers of so many bytes each.
pub(super) fn floats<const N: usize>(
    bytes: &[u8],
    f: impl Fn([u8; N]) -> f64,
) -> Result<Vec<f64>, DirectionError> {
    let mut all = room(bytes.len() / N)?;
    all.extend(bytes.as_chunks::<N>().0.iter().map(|c| f(*c)));
    Ok(all)
}

/// Refuses a safetensors file whose parsed header has no memory: the library makes a table of it that takes a
/// few times its bytes, and can't be refused.
fn parsed(bytes: &[u8]) -> Result<(), DirectionError> {
    let header = bytes.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n));
    let header = usize::try_from(header).map_or(bytes.len(), |n| n.min(bytes.len()));
    Ok(available(header.saturating_mul(16))?)
}

/// Arrays of floats; integers and truth values beside them are passed over, as in the other formats.
pub(super) fn safetensors(bytes: &[u8]) -> Result<Vec<Array>, DirectionError> {
    parsed(bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(DirectionError::Safetensors)?;
    let mut others = Vec::new();
    let mut read = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let values = match view.dtype() {
            Dtype::F64 => floats(view.data(), f64::from_le_bytes)?,
            Dtype::F32 => floats(view.data(), |b| f32::from_le_bytes(b).into())?,
            Dtype::F16 => floats(view.data(), |b| f16::from_le_bytes(b).into())?,
            Dtype::BF16 => floats(view.data(), |b| bf16::from_le_bytes(b).into())?,
            // Scales of fewer bits are floats too, and may be what is meant.
            other if format!("{other:?}").starts_with('F') => {
                return Err(DirectionError::DType(format!("{other:?}")));
            }
            integers => {
                others.push(other(&name, &format!("{integers:?}")));
                return Ok(None);
            }
        };
        Ok(Some(Array { name, shape: view.shape().to_vec(), values }))
    };
    let arrays = file.tensors().into_iter().filter_map(|tensor| read(tensor).transpose());
    let arrays: Vec<Array> = arrays.collect::<Result<_, _>>()?;
    some(arrays, &others)
}

/// Arrays of an npz archive, and its `metadata.json` if this program put one there.
pub(super) fn npz(bytes: &[u8]) -> Result<(Vec<Array>, Option<String>), DirectionError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(DirectionError::Zip)?;
    let (mut arrays, mut others) = (Vec::new(), Vec::new());
    let mut metadata = None;
    let mut left = UNPACKED_BYTES;
    for i in 0..archive.len() {
        let file = archive.by_index(i).map_err(DirectionError::Zip)?;
        let name = file.name().map_err(DirectionError::Zip)?.into_owned();
        let mut content = Vec::new();
        // The size in the directory may lie, so the bytes themselves are counted.
        file.take(left + 1).read_to_end(&mut content).map_err(|e| DirectionError::Zip(e.into()))?;
        left = left.checked_sub(content.len() as u64).ok_or_else(|| {
            malformed("npz", format!("with `{name}` it unpacks to more than {UNPACKED_BYTES} bytes"))
        })?;
        if let Some(stem) = name.strip_suffix(".npy") {
            // Arrays of text or objects beside the direction are no reason to refuse the file.
            match npy::read(&content) {
                Ok((shape, values)) => arrays.push(Array { name: stem.to_owned(), shape, values }),
                Err(DirectionError::DType(dtype)) => others.push(other(stem, &dtype)),
                Err(e) => return Err(e),
            }
        } else if name == "metadata.json" {
            metadata = String::from_utf8(content).ok();
        }
    }
    Ok((some(arrays, &others)?, metadata))
}

pub(super) fn torch(bytes: &[u8]) -> Result<Vec<Array>, DirectionError> {
    let (mut arrays, mut others) = (Vec::new(), Vec::new());
    if bytes.starts_with(&OLD_TORCH) {
        return Err(DirectionError::OldTorch);
    }
    if !bytes.starts_with(b"PK") && bytes.starts_with(&[0x80]) {
        return Err(DirectionError::Pickle);
    }
    collect(torch_file::read(bytes).map_err(refused)?, String::new(), &mut arrays, &mut others)?;
    some(arrays, &others)
}

/// Why a file of torch.save is not read.
fn refused(error: TorchFileError) -> DirectionError {
    match error {
        TorchFileError::Pickle(PickleError::Global { module, name })
            if module == "numpy" || module.starts_with("numpy.") =>
        {
            DirectionError::NumpyInTorch(format!("{module}.{name}"))
        }
        other => DirectionError::Torch(other),
    }
}

/// The arrays of floats, or what there is instead.
fn some(arrays: Vec<Array>, others: &[String]) -> Result<Vec<Array>, DirectionError> {
    match (arrays.is_empty(), others.is_empty()) {
        (false, _) => Ok(arrays),
        (true, true) => Err(DirectionError::NoArrays),
        (true, false) => Err(DirectionError::NoFloats { found: others.join(", ") }),
    }
}

/// An array that is not read, as an error shows it.
fn other(name: &str, dtype: &str) -> String {
    let dtype = dtype.trim_start_matches(['<', '>', '|', '=']).to_lowercase();
    let kind = if dtype.contains("int") || dtype.starts_with(['i', 'u']) { "integers, " } else { "" };
    let name = if name.is_empty() { "an array".to_owned() } else { format!("`{name}`") };
    format!("{name} ({kind}{dtype})")
}

/// Tensors of floats by their path, keys and indices joined by dots.
fn collect(
    value: TorchValue,
    path: String,
    arrays: &mut Vec<Array>,
    others: &mut Vec<String>,
) -> Result<(), DirectionError> {
    let join = |key: String| if path.is_empty() { key } else { format!("{path}.{key}") };
    match value {
        TorchValue::Tensor(t) if t.dtype.is_float() => {
            available(t.data.len() / t.dtype.size() * size_of::<f64>())?;
            arrays.push(Array { name: path, values: t.to_f64(), shape: t.shape });
        }
        TorchValue::Tensor(t) => others.push(other(&path, &format!("{:?}", t.dtype))),
        TorchValue::List(values) | TorchValue::Tuple(values) => {
            for (i, v) in values.into_iter().enumerate() {
                collect(v, join(i.to_string()), arrays, others)?;
            }
        }
        TorchValue::Dict(entries) => {
            for (k, v) in entries {
                let key = match k {
                    TorchValue::Str(s) => s,
                    TorchValue::Int(i) => i.to_string(),
                    _ => continue,
                };
                collect(v, join(key), arrays, others)?;
            }
        }
        _ => {}
    }
    Ok(())
}
