//! A folder as the hub lays it out: `config.json` beside one or several safetensors files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use memmap2::MmapOptions;
use safetensors::tensor::{Dtype, Metadata};
use safetensors::{SafeTensorError, SafeTensors};
use serde_json::Value;

use super::decode::Encoding;
use super::disk::DiskFile;
use super::index::{StoredLayout, TensorEntry, TensorIndex};
use super::{LoadError, names};
use truenorth_files::{available, is_lfs_pointer};

const SINGLE: &str = "model.safetensors";
const SHARDS: &str = "model.safetensors.index.json";
/// Bytes of a header and its length at most, as the library has it.
const MOST_HEADER: usize = 100_000_008;
/// Bytes that the parsed header takes for each of its own, at most: a tensor has 60 bytes of text at least.
const PARSED: usize = 16;
/// Element types of safetensors files that are read.
const READABLE: &str = "F64, F32, F16, BF16";

/// Reads and parses a JSON file that holds an object.
pub(super) fn read_json(path: &Path) -> Result<Value, LoadError> {
    let io = |source| LoadError::Io { path: path.to_path_buf(), source };
    let bytes = std::fs::read(path).map_err(io)?;
    if is_lfs_pointer(&bytes) {
        return Err(LoadError::LfsPointer { path: path.to_path_buf() });
    }
    let problem = |problem: String| LoadError::Json { path: path.to_path_buf(), problem };
    available(bytes.len().saturating_mul(PARSED)).map_err(|e| io(e.into()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| problem(e.to_string()))?;
    if !value.is_object() {
        return Err(problem("expected an object at the top".into()));
    }
    Ok(value)
}

/// `generation_config.json` of a folder, where it has one.
///
/// # Errors
/// A file that is damaged.
pub fn generation(path: &Path) -> Result<Option<Value>, LoadError> {
    if path.is_dir() { read_json_if_there(&path.join("generation_config.json")) } else { Ok(None) }
}

/// Reads a JSON file that may be absent.
pub(super) fn read_json_if_there(path: &Path) -> Result<Option<Value>, LoadError> {
    if path.is_file() { read_json(path).map(Some) } else { Ok(None) }
}

/// `config.json` of the folder.
pub(super) fn config(folder: &Path) -> Result<Value, LoadError> {
    let adapter = folder.join("adapter_config.json");
    if adapter.is_file() {
        let base =
            read_json(&adapter)?.get("base_model_name_or_path").and_then(Value::as_str).map(str::to_owned);
        let there = |name: &str| folder.join(name).is_file();
        let whole = there("config.json") && (there(SINGLE) || there(SHARDS));
        return Err(LoadError::Adapter { path: folder.to_path_buf(), base, whole });
    }
    let path = folder.join("config.json");
    if folder.is_dir() && !path.is_file() {
        return Err(LoadError::MissingFile { path, why: "it says what the weights beside it are".into() });
    }
    read_json(&path)
}

/// Maps the weight files and lists their tensors, with what a user should know of the choice between
/// them. As in transformers, a whole file wins over shards, whatever an index beside it says.
pub(super) fn index(folder: &Path) -> Result<(TensorIndex, Vec<String>), LoadError> {
    let mut index = TensorIndex::default();
    let mut notes = Vec::new();
    if folder.join(SINGLE).is_file() {
        add_file(&mut index, &folder.join(SINGLE))?;
        notes.extend(folder.join(SHARDS).is_file().then(|| {
            format!(
                "`{}` holds both `{SINGLE}` and `{SHARDS}`; `{SINGLE}` is read, as transformers does, and the \
                 shards are not",
                folder.display()
            )
        }));
    } else if folder.join(SHARDS).is_file() {
        let shards = shards(folder)?;
        let mut elsewhere = Vec::new();
        for (shard, promised) in shards {
            let listed = add_file(&mut index, &folder.join(&shard))?;
            let absent = promised.into_iter().filter(|name| !listed.contains(name));
            elsewhere.extend(absent.map(|name| (name, shard.clone())));
        }
        // As in transformers a tensor is found in whichever shard holds it, and one that none holds is missed where the
        // model needs it.
        let (elsewhere, absent): (Vec<_>, Vec<_>) =
            elsewhere.into_iter().partition(|(name, _)| index.entries.contains_key(name));
        notes.extend(absent.first().map(|(name, shard)| {
            format!(
                "`{SHARDS}` of `{}` lists tensors that no shard holds, {} in all (`{name}` is not in `{shard}`); they are left \
                 out, as by transformers, and the model is read as long as it needs none of them",
                folder.display(),
                absent.len()
            )
        }));
        index.absent = absent.into_iter().map(|(name, shard)| (name, folder.join(shard))).collect();
        notes.extend(elsewhere.first().map(|(name, shard)| {
            format!(
                "`{SHARDS}` of `{}` places {} of its tensors in the wrong shard (`{name}` is not in `{shard}`); they are \
                 read where they are, as transformers does",
                folder.display(),
                elsewhere.len()
            )
        }));
        index.agree()?;
    } else {
        return Err(no_weights(folder));
    }
    if let Some((tensor, method)) = index.entries.iter().find_map(|(name, entry)| quantizer(name, entry)) {
        return Err(LoadError::Quantized { path: folder.to_path_buf(), method, tensor });
    }
    names::canonical(&mut index)?;
    Ok((index, notes))
}

/// The quantizer whose tensor this is, where it is one that only a quantizer writes.
fn quantizer(name: &str, entry: &TensorEntry) -> Option<(String, &'static str)> {
    const ENDS: [(&str, &str); 10] = [
        (".qweight", "GPTQ or AWQ"),
        (".qzeros", "GPTQ or AWQ"),
        (".weight.absmax", "bitsandbytes"),
        (".weight.quant_map", "bitsandbytes"),
        (".SCB", "bitsandbytes"),
        (".weight_scale_inv", "fp8"),
        (".weight_scale", "fp8 or compressed-tensors"),
        (".weight_packed", "compressed-tensors"),
        (".input_scale", "fp8"),
        (".biases", "MLX"),
    ];
    let by_name = ENDS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, method)| *method);
    let by_type = entry.encoding.as_ref().err().is_some_and(|kind| kind.starts_with("F8")).then_some("fp8");
    by_name.or(by_type).map(|method| (name.to_owned(), method))
}

/// File names of the shards in order, each with the tensors it should hold.
fn shards(folder: &Path) -> Result<BTreeMap<String, Vec<String>>, LoadError> {
    let path = folder.join(SHARDS);
    let listing = read_json(&path)?;
    let problem = |problem: String| LoadError::Json { path: path.clone(), problem };
    let Some(Value::Object(map)) = listing.get("weight_map") else {
        return Err(problem("expected an object `weight_map`".into()));
    };
    let mut shards = BTreeMap::<String, Vec<String>>::new();
    for (tensor, file) in map {
        let file = file.as_str().ok_or_else(|| problem(format!("tensor `{tensor}` has no file name")))?;
        // A shard lies beside its index; a path could reach out of the folder.
        if Path::new(file).file_name().and_then(|f| f.to_str()) != Some(file) {
            return Err(problem(format!("tensor `{tensor}` is in `{file}`, expected a plain file name")));
        }
        shards.entry(file.to_owned()).or_default().push(tensor.clone());
    }
    for file in shards.keys() {
        if !folder.join(file).is_file() {
            return Err(LoadError::MissingFile {
                path: folder.join(file),
                why: format!("`{SHARDS}` lists it"),
            });
        }
    }
    Ok(shards)
}

fn no_weights(folder: &Path) -> LoadError {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    let ours = || names.iter().filter(|name| name.ends_with(".safetensors"));
    let shard = ours().find(|name| name.contains("-of-")).map(|found| (SHARDS, found));
    if let Some((expected, found)) = shard.or_else(|| ours().next().map(|found| (SINGLE, found))) {
        return LoadError::OtherNames { folder: folder.to_path_buf(), expected, found: found.clone() };
    }
    let other = names.into_iter().find(|name| {
        [".bin", ".pt", ".pth", ".h5", ".msgpack", ".gguf"].iter().any(|end| name.ends_with(end))
    });
    match other {
        Some(found) => LoadError::UnsupportedFormat { path: folder.to_path_buf(), found },
        None => LoadError::MissingFile { path: folder.join(SINGLE), why: "the folder has no weights".into() },
    }
}

/// Adds a safetensors file and returns the names it holds.
fn add_file(index: &mut TensorIndex, path: &Path) -> Result<Vec<String>, LoadError> {
    let file = DiskFile::open(path)?;
    let (header, metadata) = header(&file)?;
    let data = header + 8;
    let mut listed = Vec::new();
    let number = index.files.len();
    for (name, info) in metadata.tensors() {
        if let Some(bad) = names::unusable_shape(&info.shape) {
            return Err(LoadError::Header {
                path: path.to_path_buf(),
                format: "safetensors",
                problem: format!("tensor `{name}` {bad}"),
            });
        }
        let encoding = match info.dtype {
            Dtype::F64 => Ok(Encoding::F64),
            Dtype::F32 => Ok(Encoding::F32),
            Dtype::F16 => Ok(Encoding::F16),
            Dtype::BF16 => Ok(Encoding::Bf16),
            other => Err(format!("{other:?}")),
        };
        index.add_last(
            &name,
            path,
            TensorEntry {
                file: number,
                start: data + info.data_offsets.0,
                len: info.data_offsets.1 - info.data_offsets.0,
                shape: info.shape.clone(),
                encoding,
                readable: READABLE,
                layout: StoredLayout::AsStored,
            },
        )?;
        listed.push(name);
    }
    index.files.push(file);
    Ok(listed)
}

/// Reads and checks the header: its length, and what it says.
fn header(file: &DiskFile) -> Result<(usize, Metadata), LoadError> {
    let start = file.bytes(0..file.len().min(8), "the header")?;
    let length = start.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n));
    // The library refuses a longer one.
    let given = usize::try_from(length).map_or(file.len(), |n| file.len().min(n.saturating_add(8)));
    let start = file.bytes(0..if given > MOST_HEADER { start.len() } else { given }, "the header")?;
    // It holds the header against the length of the whole file: it gets addresses for all of it, of which
    // only the header is memory.
    let io = |source| LoadError::Io { path: file.path().to_path_buf(), source };
    let mut whole = MmapOptions::new().len(file.len().max(1)).no_reserve_swap().map_anon().map_err(io)?;
    whole[..start.len()].copy_from_slice(&start);
    // The library makes a table of it that takes a few times its bytes, and can't be refused.
    available(start.len().saturating_mul(PARSED)).map_err(|e| file.no_memory(e))?;
    SafeTensors::read_metadata(&whole[..file.len()]).map_err(|e| header_error(file, &start, &e))
}

fn header_error(file: &DiskFile, start: &[u8], error: &SafeTensorError) -> LoadError {
    let path: PathBuf = file.path().to_path_buf();
    let found = file.len() as u64;
    let header = start.first_chunk::<8>().map_or(8, |n| u64::from_le_bytes(*n).saturating_add(8));
    let truncated =
        |what: &str, needed| LoadError::Truncated { path: path.clone(), what: what.into(), needed, found };
    let problem = match error {
        SafeTensorError::HeaderTooSmall => return truncated("the header", 8),
        SafeTensorError::InvalidHeaderLength => return truncated("the header", header),
        SafeTensorError::MetadataIncompleteBuffer => {
            match declared_end(start, header).filter(|end| *end > found) {
                Some(needed) => return truncated("the data", needed),
                None => "bytes follow the last tensor".into(),
            }
        }
        SafeTensorError::HeaderTooLarge => {
            format!("its first 8 bytes give a header of {} bytes", header - 8)
        }
        SafeTensorError::InvalidHeader(_) => "the header is not UTF-8".into(),
        SafeTensorError::InvalidHeaderDeserialization(e) => format!("the header: {e}"),
        SafeTensorError::InvalidOffset(name) => format!("tensor `{name}` has wrong offsets"),
        SafeTensorError::TensorInvalidInfo => "a tensor's offsets disagree with its shape and type".into(),
        SafeTensorError::ValidationOverflow => "a tensor's size overflows".into(),
        other => other.to_string(),
    };
    LoadError::Header { path, format: "safetensors", problem }
}

/// Where the last tensor ends by the header, for a file whose length disagrees with it.
fn declared_end(bytes: &[u8], header: u64) -> Option<u64> {
    let text = bytes.get(8..usize::try_from(header).ok()?)?;
    let value: Value = serde_json::from_slice(text).ok()?;
    let end =
        value.as_object()?.values().filter_map(|info| info.get("data_offsets")?.get(1)?.as_u64()).max()?;
    header.checked_add(end)
}
