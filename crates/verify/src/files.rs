//! Files as values.

use std::path::Path;
use std::str::Utf8Error;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value, json};
use truenorth_files::sha256_hex;

/// A file that is not what its name says; each text is to follow the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ValuesError {
    /// JSON was expected.
    #[error("is no JSON: {0}")]
    Json(serde_json::Error),
    /// Lines of JSON in UTF-8 were expected.
    #[error("is no text: {0}")]
    Text(Utf8Error),
    /// JSON was expected in a line.
    #[error("is no JSON at line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: serde_json::Error,
    },
    /// Tensors were expected.
    #[error("is no safetensors file: {0}")]
    Tensors(SafeTensorError),
}

/// A file's values by what its name says it is: JSON, JSON lines, tensors with their metadata; of other text its
/// lines, and of all else the hash.
///
/// # Errors
/// When the bytes are not what the name says.
pub fn values(name: &str, bytes: &[u8]) -> Result<Value, ValuesError> {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "json" => serde_json::from_slice(bytes).map_err(ValuesError::Json),
        "jsonl" => lines(bytes),
        "safetensors" => tensors(bytes).map_err(ValuesError::Tensors),
        _ => Ok(match std::str::from_utf8(bytes) {
            Ok(text) => text.lines().map(Value::from).collect(),
            Err(_) => json!({ "sha256": sha256_hex(bytes) }),
        }),
    }
}

fn lines(bytes: &[u8]) -> Result<Value, ValuesError> {
    let text = std::str::from_utf8(bytes).map_err(ValuesError::Text)?;
    let rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let value =
        |(i, line)| serde_json::from_str(line).map_err(|problem| ValuesError::Line { line: i + 1, problem });
    rows.map(value).collect::<Result<Vec<Value>, _>>().map(Value::Array)
}

fn tensors(bytes: &[u8]) -> Result<Value, SafeTensorError> {
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
///
/// # Errors
/// When a folder can't be read.
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
