//! Named arrays out of any file that may hold a direction.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors};
use truenorth_protocol::Site;
use truenorth_protocol::pickle::PickleError;
use truenorth_protocol::torch_file::{self, TorchFileError, TorchValue};

use super::error::DirectionError;
use super::file::malformed;
use super::metadata::DirectionMetadata;
use super::npy;
use super::pick::{ALayer, ArrayLayers, ListedLayers};
use super::says::Says;
use truenorth_files::{available, room};

/// The most bytes that an npz archive may unpack to.
const UNPACKED_BYTES: u64 = 1 << 30;

/// An array with its place in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    /// Name, empty where the file is one array.
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
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

/// The layers that an array of integers of a safetensors file lists.
pub(super) fn safetensors_layers(bytes: &[u8]) -> Result<ListedLayers, DirectionError> {
    fn each<const N: usize>(data: &[u8], f: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        data.as_chunks::<N>().0.iter().map(|b| f(*b)).collect()
    }
    parsed(bytes)?;
    let file = SafeTensors::deserialize(bytes).map_err(DirectionError::Safetensors)?;
    for name in BAND {
        let Ok(view) = file.tensor(name) else { continue };
        if view.shape().len() != 1 || view.data().len() > LISTED_BYTES {
            continue;
        }
        let listed = match view.dtype() {
            Dtype::I64 | Dtype::U64 => each(view.data(), i64::from_le_bytes),
            Dtype::I32 => each(view.data(), |b| i32::from_le_bytes(b).into()),
            Dtype::U32 => each(view.data(), |b| u32::from_le_bytes(b).into()),
            Dtype::I16 => each(view.data(), |b| i16::from_le_bytes(b).into()),
            Dtype::U16 => each(view.data(), |b| u16::from_le_bytes(b).into()),
            Dtype::I8 => each(view.data(), |b: [u8; 1]| i8::from_le_bytes(b).into()),
            Dtype::U8 => each(view.data(), |b: [u8; 1]| b[0].into()),
            _ => continue,
        };
        return Ok(ListedLayers { name: name.to_owned(), listed, unread: None });
    }
    Ok(ListedLayers::default())
}

#[derive(Debug, Default)]
pub(super) struct Npz {
    pub arrays: Vec<Array>,
    /// Its `metadata.json`, if this program put one there.
    pub own: HashMap<String, String>,
    /// What JSON called `meta`, `metadata` or `info` says, in an array of text or a file of its own, and what texts say that
    /// are called as entries are.
    pub says: Says,
    /// The layers of the rows of a stack, where an array of integers called `band` or `layers` lists them.
    pub layers: ArrayLayers,
}

/// Names of arrays of text that hold JSON.
const META: [&str; 3] = ["meta", "metadata", "info"];
/// Names of arrays of integers that list layers.
const BAND: [&str; 3] = ["band", "layers", "layer_ids"];
/// More than any model's layers take: a longer array of such a name is something else.
const LISTED_BYTES: usize = 1 << 16;

pub(super) fn npz(bytes: &[u8]) -> Result<Npz, DirectionError> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(DirectionError::Zip)?;
    let (mut found, mut others, mut texts) = (Npz::default(), Vec::new(), serde_json::Map::new());
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
        let key = |stem: &str| META.contains(&stem.strip_suffix(".json").unwrap_or(stem));
        if let Some(stem) = name.strip_suffix(".npy") {
            // Arrays of text or objects beside the direction are no reason to refuse the file.
            match npy::read(&content) {
                Ok((shape, values)) => found.arrays.push(Array { name: stem.to_owned(), shape, values }),
                Err(DirectionError::DType(dtype)) => {
                    let text = npy::text(&content);
                    if let (true, Some(text)) = (key(stem), &text) {
                        found.says = Says::of_json(text).unwrap_or_default();
                        found.says.note("imported_meta", text.clone());
                    } else if key(stem) {
                        found.says.unsure = Some(format!(
                            "its `{stem}` is an array of Python objects, which are not read; save it as \
                             numpy.array(json.dumps({stem}))"
                        ));
                    } else if BAND.contains(&stem) {
                        let listed = npy::integers(&content);
                        found.layers.rows = ListedLayers {
                            name: stem.to_owned(),
                            unread: listed.is_none().then(|| dtype.clone()),
                            listed: listed.unwrap_or_default(),
                        };
                    } else if let Some(text) = text {
                        texts.insert(stem.to_owned(), text.into());
                    }
                    others.push(other(stem, &dtype));
                }
                Err(e) => return Err(e),
            }
        } else if name.ends_with(".json") && key(&name) {
            let Ok(text) = String::from_utf8(content) else { continue };
            // Metadata of this program, or another's.
            match serde_json::from_str::<HashMap<String, String>>(&text) {
                Ok(own) if DirectionMetadata::is_own(&own) => found.own = own,
                _ => {
                    found.says = Says::of_json(&text).unwrap_or_default();
                    found.says.note("imported_meta", text);
                }
            }
        }
    }
    found.says.fill(Says::of(&texts));
    found.arrays = some(found.arrays, &others)?;
    if let Some(floats) = found.arrays.iter().find(|a| is_band(a)) {
        #[allow(clippy::cast_possible_truncation)]
        let listed = floats.values.iter().map(|v| *v as i64).collect();
        found.layers.rows = ListedLayers { name: floats.name.clone(), listed, unread: None };
    }
    Ok(found)
}

/// Whether an array of floats lists layers. One of other numbers is a vector itself, such as the mean of a band.
fn is_band(array: &Array) -> bool {
    let whole = |v: &f64| v.fract() == 0.0 && v.abs() < 1e6;
    BAND.contains(&array.name.as_str())
        && array.shape.len() <= 1
        && !array.values.is_empty()
        && array.values.iter().all(whole)
}

/// A file of torch.save or a plain pickle: its arrays, what it says, and how its layers are called.
pub(super) fn torch(bytes: &[u8]) -> Result<(Vec<Array>, Says, ArrayLayers), DirectionError> {
    let value = torch_file::read(bytes).map_err(refused)?;
    let (says, layers) = described(&value);
    let (mut arrays, mut others) = (Vec::new(), Vec::new());
    collect(value, String::new(), &mut arrays, &mut others)?;
    Ok((some(arrays, &others)?, says, layers))
}

/// What the texts beside tensors say. Objects of steering-vectors and repeng have a vector a layer.
fn described(value: &TorchValue) -> (Says, ArrayLayers) {
    let TorchValue::Dict(entries) = value else { return (Says::default(), ArrayLayers::default()) };
    let text = |key: &TorchValue| if let TorchValue::Str(k) = key { Some(k.clone()) } else { None };
    let map: serde_json::Map<String, serde_json::Value> = entries
        .iter()
        .filter_map(|(k, v)| match v {
            TorchValue::Str(v) => Some((text(k)?, v.as_str().into())),
            TorchValue::Int(v) => Some((text(k)?, (*v).into())),
            _ => None,
        })
        .collect();
    let has = |name: &str| entries.iter().any(|(k, _)| matches!(k, TorchValue::Str(k) if k == name));
    let kind = |name: &str| map.get(name).and_then(|v| v.as_str());
    let mut says = Says::of(&map);
    let named: Option<ALayer> =
        match (has("layer_activations"), kind("layer_type"), has("directions"), kind("model_type")) {
            (true, Some("decoder_block"), ..) => Some(("layer_activations", Site::ResidPost)),
            (true, Some("self_attn"), ..) => Some(("layer_activations", Site::AttnOut)),
            (true, Some("mlp"), ..) => Some(("layer_activations", Site::MlpOut)),
            (_, _, true, Some(hint)) => {
                says.note("imported_model_hint", hint);
                Some(("directions", Site::ResidPost))
            }
            _ => None,
        };
    let rows = entries.iter().find_map(|(key, value)| {
        let name = text(key).filter(|name| BAND.contains(&name.as_str()))?;
        Some(ListedLayers { name, listed: whole(value)?, unread: None })
    });
    (says, ArrayLayers { named, rows: rows.unwrap_or_default(), usual: None })
}

/// The numbers of a tensor or of a list of integers; none where it is of another kind.
fn whole(value: &TorchValue) -> Option<Vec<i64>> {
    match value {
        TorchValue::List(values) | TorchValue::Tuple(values) => {
            let int = |v: &TorchValue| if let TorchValue::Int(i) = v { Some(*i) } else { None };
            values.iter().map(int).collect()
        }
        #[allow(clippy::cast_possible_truncation)]
        TorchValue::Tensor(t)
            if !t.dtype.is_float() && t.shape.len() == 1 && t.data.len() <= LISTED_BYTES =>
        {
            Some(t.to_f64().iter().map(|v| *v as i64).collect())
        }
        _ => None,
    }
}

/// Why a file of torch.save is not read.
fn refused(error: TorchFileError) -> DirectionError {
    match error {
        TorchFileError::Value(what) if what.contains("NumPy") => DirectionError::NumpyInTorch(what),
        TorchFileError::Pickle(PickleError::Global { module, .. })
            if module == "numpy" || module.starts_with("numpy.") =>
        {
            DirectionError::NumpyInTorch("an object of another class of NumPy")
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

#[cfg(test)]
mod tests {
    use truenorth_protocol::torch_file::{TorchDType, TorchTensor};

    use super::*;

    #[test]
    fn a_torch_file_lists_the_layers_of_its_rows() {
        let listed = |value: TorchValue| {
            let entries = vec![(TorchValue::Str("layers".into()), value)];
            described(&TorchValue::Dict(entries)).1.rows.listed
        };
        let ints = || vec![TorchValue::Int(4), TorchValue::Int(8)];
        assert_eq!(listed(TorchValue::List(ints())), [4, 8]);
        assert_eq!(listed(TorchValue::Tuple(ints())), [4, 8]);
        let tensor = |dtype, data: Vec<u8>| TorchValue::Tensor(TorchTensor { dtype, shape: vec![2], data });
        assert_eq!(listed(tensor(TorchDType::I16, vec![4, 0, 8, 0])), [4, 8]);
        // Vectors under that name are no list of layers.
        assert!(listed(tensor(TorchDType::F16, vec![0; 4])).is_empty());
        assert!(listed(TorchValue::List(vec![TorchValue::Float(1.0)])).is_empty());
        assert!(listed(TorchValue::Int(12)).is_empty());
    }
}
