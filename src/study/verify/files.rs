//! The files of a run as values.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};
use truenorth_files::sha256_hex;

/// A file's values by what its name says it is: JSON, JSON lines, tensors with their metadata; of other text its
/// lines, and of all else the hash.
pub fn values(name: &str, bytes: &[u8]) -> Result<Value, String> {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "json" => serde_json::from_slice(bytes).map_err(|e| format!("is no JSON: {e}")),
        "jsonl" => lines(bytes),
        "safetensors" => tensors(bytes).map_err(|e| format!("is no safetensors file: {e}")),
        _ => Ok(match std::str::from_utf8(bytes) {
            Ok(text) => text.lines().map(Value::from).collect(),
            Err(_) => json!({ "sha256": sha256_hex(bytes) }),
        }),
    }
}

fn lines(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| format!("is no text: {e}"))?;
    let rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    rows.map(|(i, line)| serde_json::from_str(line).map_err(|e| format!("is no JSON at line {}: {e}", i + 1)))
        .collect::<Result<Vec<Value>, _>>()
        .map(Value::Array)
}

fn tensors(bytes: &[u8]) -> Result<Value, safetensors::SafeTensorError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = Map::new();
    for (name, tensor) in file.iter() {
        let data = tensor.data();
        let values: Value = match tensor.dtype() {
            Dtype::F32 => data.as_chunks().0.iter().map(|b| number(f32::from_le_bytes(*b).into())).collect(),
            Dtype::F64 => data.as_chunks().0.iter().map(|b| number(f64::from_le_bytes(*b))).collect(),
            // A study writes none of these.
            _ => sha256_hex(data).into(),
        };
        let shape = tensor.shape();
        tensors.insert(
            name.to_owned(),
            json!({ "dtype": format!("{:?}", tensor.dtype()), "shape": shape, "values": values }),
        );
    }
    let metadata: Map<String, Value> =
        header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
    Ok(json!({ "metadata": metadata, "tensors": tensors }))
}

/// What is not finite has no number in JSON and is a word.
fn number(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

/// Every file below a folder, none where there is no folder, by its path from there, parts joined by `/`, in order.
pub fn below(folder: &Path) -> std::io::Result<Vec<String>> {
    fn walk(folder: &Path, before: &str, all: &mut Vec<String>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = format!("{before}{}", entry.file_name().to_string_lossy());
            match entry.file_type()?.is_dir() {
                true => walk(&entry.path(), &format!("{name}/"), all)?,
                false => all.push(name),
            }
        }
        Ok(())
    }
    let mut all = Vec::new();
    if folder.is_dir() {
        walk(folder, "", &mut all)?;
    }
    all.sort();
    Ok(all)
}
