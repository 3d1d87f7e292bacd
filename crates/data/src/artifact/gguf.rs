//! Control vectors of llama.cpp: a GGUF file of architecture `controlvector`.
//!
//! A tensor `direction.N` is added to the output of block `N`, blocks counted from 0, that is to
//! `resid_post.N`; `direction.0` is refused by llama.cpp and never written. The scale is part of
//! the vector: there is no strength of a layer beside it. A direction that was imported goes out with the norm that it came
//! with, one that was found here as a unit vector, which must be given a strength when it is loaded there.
//!
//! The container: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

use std::collections::HashMap;

use half::f16;

use super::Direction;
use super::error::DirectionError;
use super::file::malformed;
use super::foreign::{Array, floats};

/// Prefix of this program's own entries.
const OWN: &str = "truenorth.";
const ALIGNMENT: u64 = 32;
/// Caps far above any control vector.
const ENTRIES: u64 = 1 << 16;

/// The file's vectors and this program's metadata, if it wrote the file.
pub(super) struct ControlVector {
    /// Named `direction.N`.
    pub arrays: Vec<Array>,
    pub metadata: HashMap<String, String>,
    /// The kind of model it was made for, such as `llama`.
    pub hint: Option<String>,
}

fn bad(what: impl Into<String>) -> DirectionError {
    malformed("gguf", what)
}

struct GgufCursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> GgufCursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], DirectionError> {
        let end = self.at.checked_add(n).ok_or_else(|| bad("a length is too large"))?;
        let slice = self.bytes.get(self.at..end).ok_or_else(|| bad("the file is cut short"))?;
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DirectionError> {
        self.take(N)?.try_into().map_err(|_| bad("the file is cut short"))
    }

    fn u32(&mut self) -> Result<u32, DirectionError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, DirectionError> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self, what: &str) -> Result<u64, DirectionError> {
        match self.u64()? {
            n if n <= ENTRIES => Ok(n),
            n => Err(bad(format!("{n} {what}; expected at most {ENTRIES}"))),
        }
    }

    fn text(&mut self) -> Result<&'a str, DirectionError> {
        let n = usize::try_from(self.u64()?).map_err(|_| bad("a length is too large"))?;
        std::str::from_utf8(self.take(n)?).map_err(|_| bad("text that is not UTF-8"))
    }

    /// Bytes of a scalar of this value type.
    fn scalar(kind: u32) -> Option<usize> {
        match kind {
            0 | 1 | 7 => Some(1),
            2 | 3 => Some(2),
            4..=6 => Some(4),
            10..=12 => Some(8),
            _ => None,
        }
    }

    /// A value: text is returned, anything else skipped.
    fn value(&mut self, kind: u32, depth: u32) -> Result<Option<&'a str>, DirectionError> {
        if let Some(size) = Self::scalar(kind) {
            self.take(size)?;
            return Ok(None);
        }
        match kind {
            8 => self.text().map(Some),
            9 if depth < 4 => {
                let inner = self.u32()?;
                let n = self.u64()?;
                if let Some(size) = Self::scalar(inner) {
                    let bytes = usize::try_from(n).ok().and_then(|n| n.checked_mul(size));
                    self.take(bytes.ok_or_else(|| bad("an array is too large"))?)?;
                } else {
                    // Each element takes at least eight bytes, so the file's size bounds the loop.
                    for _ in 0..n {
                        self.value(inner, depth + 1)?;
                    }
                }
                Ok(None)
            }
            kind => Err(bad(format!("value type {kind}"))),
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<ControlVector, DirectionError> {
    let mut c = GgufCursor { bytes, at: 0 };
    if c.take(4)? != b"GGUF" {
        return Err(bad("it does not start with GGUF"));
    }
    let version = c.u32()?;
    if !(2..=3).contains(&version) {
        return Err(bad(format!("version {version}; expected 2 or 3")));
    }
    let (tensors, entries) = (c.count("tensors")?, c.count("metadata entries")?);
    let (mut architecture, mut hint) = (None, None);
    let mut alignment = ALIGNMENT;
    let mut metadata = HashMap::new();
    for _ in 0..entries {
        let key = c.text()?;
        let kind = c.u32()?;
        if key == "general.alignment" && kind == 4 {
            alignment = u64::from(c.u32()?);
            continue;
        }
        let value = c.value(kind, 0)?;
        if key == "general.architecture" {
            architecture = value;
        }
        if key == "controlvector.model_hint" {
            hint = value.map(str::to_owned);
        }
        if let (Some(key), Some(value)) = (key.strip_prefix(OWN), value) {
            metadata.insert(key.to_owned(), value.to_owned());
        }
    }
    if architecture != Some("controlvector") {
        let found = architecture.unwrap_or("none");
        return Err(bad(format!(
            "architecture `{found}`; expected `controlvector`, as a model is no control vector"
        )));
    }
    if alignment == 0 || !alignment.is_power_of_two() || alignment > 1 << 20 {
        return Err(bad(format!("alignment {alignment}")));
    }
    let mut infos = Vec::new();
    for _ in 0..tensors {
        let name = c.text()?.to_owned();
        let dimensions = c.u32()?;
        if dimensions > 4 {
            return Err(bad(format!("tensor `{name}` with {dimensions} dimensions")));
        }
        let shape = (0..dimensions).map(|_| c.u64()).collect::<Result<Vec<_>, _>>()?;
        infos.push((name, shape, c.u32()?, c.u64()?));
    }
    let start = (c.at as u64).next_multiple_of(alignment);
    let mut arrays = Vec::new();
    for (name, shape, kind, offset) in infos {
        let size = match kind {
            0 => 4,
            1 => 2,
            28 => 8,
            other => return Err(DirectionError::DType(format!("ggml type {other} of `{name}`"))),
        };
        let elements = shape.iter().try_fold(1_u64, |n, s| n.checked_mul(*s));
        let range = elements.and_then(|n| {
            let from = start.checked_add(offset)?;
            let to = from.checked_add(n.checked_mul(size)?)?;
            Some(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
        });
        let data = range
            .and_then(|r| bytes.get(r))
            .ok_or_else(|| bad(format!("tensor `{name}` reaches past the end")))?;
        let values = match size {
            8 => floats(data, f64::from_le_bytes)?,
            4 => floats(data, |b| f32::from_le_bytes(b).into())?,
            _ => floats(data, |b| f16::from_le_bytes(b).into())?,
        };
        // The first dimension runs fastest there, the last here.
        let shape = shape.iter().rev().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect();
        arrays.push(Array { name, shape, values });
    }
    Ok(ControlVector { arrays, metadata, hint })
}

/// A direction as a control vector has it: with the norm it was imported with.
#[allow(clippy::cast_possible_truncation, reason = "elements of a file are 32-bit")]
pub(super) fn scaled(direction: &Direction) -> Vec<f32> {
    let norm = direction.metadata().extra.get("imported_norm").and_then(|n| n.parse::<f64>().ok());
    match norm.filter(|n| n.is_finite() && *n > 0.0) {
        Some(norm) => direction.to_f64().iter().map(|v| (v * norm) as f32).collect(),
        None => direction.vector().to_vec(),
    }
}

/// A vector of a file of this program, which may have gone out with another norm than 1, as a unit vector.
pub(super) fn unscaled(mut vector: Vec<f64>) -> Vec<f64> {
    let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    // One that went out as a unit vector comes back as it was, to the bit.
    if norm.is_finite() && norm > 0.0 && (norm - 1.0).abs() > ROUNDED {
        vector.iter_mut().for_each(|v| *v /= norm);
    }
    vector
}

/// How far 32-bit elements leave a norm from 1.
const ROUNDED: f64 = 1e-6;

/// A file with a vector for the output of each of some blocks, at least 1.
pub(super) fn write(
    vectors: &[(u32, Vec<f32>)],
    model_hint: &str,
    metadata: &HashMap<String, String>,
) -> Vec<u8> {
    let mut own: Vec<_> = metadata.iter().collect();
    own.sort();
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend((vectors.len() as u64).to_le_bytes());
    out.extend((3 + own.len() as u64).to_le_bytes());
    let text = |out: &mut Vec<u8>, s: &str| {
        out.extend((s.len() as u64).to_le_bytes());
        out.extend(s.as_bytes());
    };
    let entry = |out: &mut Vec<u8>, key: &str, value: &str| {
        text(out, key);
        out.extend(8_u32.to_le_bytes());
        text(out, value);
    };
    entry(&mut out, "general.architecture", "controlvector");
    entry(&mut out, "controlvector.model_hint", model_hint);
    text(&mut out, "controlvector.layer_count");
    out.extend(4_u32.to_le_bytes());
    out.extend((vectors.len() as u32).to_le_bytes());
    for (key, value) in own {
        entry(&mut out, &format!("{OWN}{key}"), value);
    }
    let padded = |floats: usize| (4 * floats as u64).next_multiple_of(ALIGNMENT);
    let mut offset = 0_u64;
    for (layer, vector) in vectors {
        text(&mut out, &format!("direction.{layer}"));
        out.extend(1_u32.to_le_bytes());
        out.extend((vector.len() as u64).to_le_bytes());
        out.extend(0_u32.to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += padded(vector.len());
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    for (_, vector) in vectors {
        out.extend(vector.iter().flat_map(|v| v.to_le_bytes()));
        out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    }
    out
}
