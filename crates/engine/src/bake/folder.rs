//! The folder: shards read and written one after the other, all other files copied.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, View};
use serde_json::Value;

use super::matrix::{edited, first_not_finite, write};
use super::{BakeError, BakeSummary, Change, ChangedModel};
use crate::backend::shapes;
use crate::config::Config;
use crate::error::EngineError;
use crate::head;
use crate::load::{LoadOptions, Source};
use crate::reference::Choices;
use crate::weights::FileWeights;

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const CARD: &str = "README.md";

/// A tensor on its way out.
struct OutTensor<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Cow<'a, [u8]>,
}

impl View for &OutTensor<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BakeError> {
    std::fs::read(path).map_err(|source| BakeError::Io { what: "read", path: path.to_path_buf(), source })
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), BakeError> {
    truenorth_files::write_atomic(path, |w| w.write_all(bytes)).map_err(|source| BakeError::Io {
        what: "write",
        path: path.to_path_buf(),
        source,
    })
}

fn json(path: &Path) -> Result<Value, BakeError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|e| BakeError::Damaged { path: path.to_path_buf(), problem: e.to_string() })
}

fn pretty(value: &Value) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("JSON that was read is JSON")
}

pub(super) fn bake(
    from: &Path,
    to: &Path,
    change: &Change,
    about: &str,
    choices: &Choices,
) -> Result<BakeSummary, BakeError> {
    // What the loader refuses, no one could say of whether the change is in it.
    let mut source = Source::open_folder(from).map_err(EngineError::from)?;
    let mut parsed = Config::parse(source.config(), choices).map_err(EngineError::from)?;
    let name = from.display().to_string();
    head::settle(&mut parsed, &mut source, choices.transformers, &name).map_err(EngineError::from)?;
    let mut config = source.config().clone();
    let kind = ChangedModel::of(&config, &parsed, change)?;
    let source = Arc::new(source);
    let options = LoadOptions { dtype: Some(DType::F32), ..LoadOptions::default() };
    let weights = FileWeights { source: source.clone(), options, device: Device::Cpu };
    shapes::check(&parsed, &weights)?;
    let index = from.join(INDEX);
    let single = from.join(SINGLE).is_file();
    let mut shards = if !single && index.is_file() { Some(json(&index)?) } else { None };
    let files = match &shards {
        None if single => vec![SINGLE.to_owned()],
        None => return Err(BakeError::NoWeights(from.display().to_string())),
        Some(index) => files_of(index),
    };
    let io = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| BakeError::Io { what, path, source }
    };
    if to.exists() && std::fs::read_dir(to).map_err(io("read", to))?.next().is_some() {
        return Err(BakeError::NotEmpty(to.display().to_string()));
    }
    checked(&kind, &source, from, &files)?;
    std::fs::create_dir_all(to).map_err(io("write", to))?;
    let mut baked = BakeSummary { changed: vec![], added: vec![], config: vec![], files: files.clone() };
    for file in &files {
        shard(&kind, (&from.join(file), &to.join(file)), shards.as_mut(), file, &mut baked)?;
    }
    // A file lists its tensors in no order.
    baked.changed.sort();
    baked.added.sort();
    settle(&kind, &mut config, &mut baked);
    if let Some(index) = &shards {
        put(&to.join(INDEX), &pretty(index))?;
    }
    put(&to.join(CONFIG), &pretty(&config))?;
    for entry in std::fs::read_dir(from).map_err(io("read", from))? {
        let path = entry.map_err(io("read", from))?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else { continue };
        let ours = [CONFIG, INDEX, SINGLE, CARD].contains(&name) || files.iter().any(|f| f == name);
        // Weights in other forms are not those that were changed.
        let weights = [".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx"]
            .iter()
            .any(|end| name.ends_with(end));
        if path.is_file() && !ours && !weights {
            std::fs::copy(&path, to.join(name)).map_err(io("write", &to.join(name)))?;
        }
    }
    let card = std::fs::read_to_string(from.join(CARD)).unwrap_or_default();
    put(&to.join(CARD), with_card(&card, about, &baked).as_bytes())?;
    Ok(baked)
}

/// Refuses weights that are no numbers, and those in which the change would be half done, before anything is written.
fn checked(
    kind: &ChangedModel<'_>,
    source: &Source,
    folder: &Path,
    files: &[String],
) -> Result<(), BakeError> {
    let mut there: BTreeSet<String> = BTreeSet::new();
    for file in files {
        let path = folder.join(file);
        let bytes = read(&path)?;
        let damaged = |e: safetensors::SafeTensorError| BakeError::Damaged {
            path: path.clone(),
            problem: e.to_string(),
        };
        for (name, view) in SafeTensors::deserialize(&bytes).map_err(damaged)?.iter() {
            let canonical = kind.canonical(name);
            // Masks and other heads may hold infinities, and no one reads them.
            let is_read = source.has(&canonical) && !head::is_other(&canonical);
            if is_read && let Some((index, value)) = first_not_finite(view.dtype(), view.data()) {
                return Err(BakeError::NotFinite { path, name: name.to_owned(), index, value });
            }
            there.insert(canonical);
        }
    }
    let needed = kind.needed();
    let found = needed.iter().filter(|name| there.contains(*name)).count();
    match needed.iter().find(|name| !there.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(BakeError::Unchanged {
            folder: folder.display().to_string(),
            name: name.clone(),
            found,
            expected: needed.len(),
        }),
    }
}

/// The files of an index, each once.
fn files_of(index: &Value) -> Vec<String> {
    let map = index.get("weight_map").and_then(Value::as_object);
    let mut files: Vec<String> =
        map.into_iter().flat_map(|m| m.values().filter_map(Value::as_str).map(str::to_owned)).collect();
    files.sort();
    files.dedup();
    files
}

fn shard(
    kind: &ChangedModel<'_>,
    (from, to): (&Path, &Path),
    index: Option<&mut Value>,
    file: &str,
    baked: &mut BakeSummary,
) -> Result<(), BakeError> {
    let bytes = read(from)?;
    let damaged = |e: safetensors::SafeTensorError| BakeError::Damaged {
        path: from.to_path_buf(),
        problem: e.to_string(),
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let metadata = header.metadata().clone();
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut out: BTreeMap<String, OutTensor<'_>> = BTreeMap::new();
    let mut more: Vec<(String, OutTensor<'_>)> = Vec::new();
    for (name, view) in tensors.iter() {
        let canonical = kind.canonical(name);
        let data = view.data();
        let shape = view.shape().to_vec();
        more.extend(kind.beside(name, &canonical, (view.dtype(), &shape), data)?);
        let bytes = match kind.edit(&canonical) {
            Some(edit) => {
                baked.changed.push(name.to_owned());
                Cow::Owned(edited(name, (view.dtype(), &shape), data, &edit)?)
            }
            None => Cow::Borrowed(data),
        };
        out.insert(name.to_owned(), OutTensor { dtype: view.dtype(), shape, bytes });
    }
    let mut index = index;
    for (name, tensor) in more {
        let sizes = [
            ("total_size", tensor.bytes.len() as u64),
            ("total_parameters", tensor.shape.iter().map(|n| *n as u64).product()),
        ];
        // A matrix that the config did not read takes the place of one that it does now, of the same size.
        let is_new = out.insert(name.clone(), tensor).is_none();
        if let Some(index) = index.as_deref_mut() {
            if let Some(map) = index.get_mut("weight_map").and_then(Value::as_object_mut) {
                map.insert(name.clone(), file.into());
            }
            for (key, size) in sizes.into_iter().filter(|_| is_new) {
                if let Some(total) = index.get_mut("metadata").and_then(|m| m.get_mut(key))
                    && let Some(before) = total.as_u64()
                {
                    *total = (before + size).into();
                }
            }
        }
        if is_new {
            baked.added.push(name);
        }
    }
    let bytes = safetensors::serialize(out.iter(), metadata).map_err(damaged)?;
    put(to, &bytes)
}

impl ChangedModel<'_> {
    /// Tensors that a change needs beside one that is there: the output matrix where the embedding was it too, and the
    /// biases of an MLP.
    fn beside<'a>(
        &self,
        name: &str,
        canonical: &str,
        (dtype, shape): (Dtype, &[usize]),
        data: &'a [u8],
    ) -> Result<Vec<(String, OutTensor<'a>)>, BakeError> {
        let names = &self.family.names;
        if self.tied && self.parts_embedding() && canonical == format!("{}.weight", names.embed) {
            let head = OutTensor { dtype, shape: shape.to_vec(), bytes: Cow::Borrowed(data) };
            // Beside names with more before them, this one has it too.
            let before = name.strip_suffix(canonical).unwrap_or_default();
            return Ok(vec![(format!("{before}{}.weight", names.head), head)]);
        }
        if !self.gains_biases() {
            return Ok(vec![]);
        }
        let Some((layer, part)) = self.in_block(canonical) else { return Ok(vec![]) };
        let parts = [names.gate.unwrap_or(""), names.up, names.down];
        let Some(of) = parts.iter().find(|p| !p.is_empty() && part == format!("{p}.weight")) else {
            return Ok(vec![]);
        };
        let rows = shape.first().copied().unwrap_or(0);
        let own = if *of == names.down { self.added(layer) } else { None };
        let values = own.unwrap_or_else(|| vec![0.0; rows]);
        let bias = name.strip_suffix("weight").unwrap_or(name).to_owned() + "bias";
        let bytes = Cow::Owned(write(&bias, dtype, &values)?);
        Ok(vec![(bias, OutTensor { dtype, shape: vec![rows], bytes })])
    }

    /// Whether the MLP gets biases that it did not have.
    fn gains_biases(&self) -> bool {
        self.adds_at_mlps() && !self.has_biases && self.biases().is_some_and(|key| !key.is_empty())
    }
}

/// The keys that say what the weights are now.
fn settle(kind: &ChangedModel<'_>, config: &mut Value, baked: &mut BakeSummary) {
    let mut set = |key: &str, value: bool| {
        if let Some(config) = config.as_object_mut() {
            config.insert(key.to_owned(), value.into());
            baked.config.push(format!("{key} = {value}"));
        }
    };
    // An output matrix of its own beside a config that ties is one that not every reader takes.
    if (kind.tied || kind.says_tied) && kind.parts_embedding() {
        set("tie_word_embeddings", false);
    }
    if let (true, Some(key)) = (kind.gains_biases(), kind.biases()) {
        set(key, true);
    }
}

/// A card that says what was changed, before what it said; its front matter stays first.
fn with_card(card: &str, about: &str, baked: &BakeSummary) -> String {
    let (front, rest) = match card.strip_prefix("---\n").and_then(|c| c.split_once("\n---\n")) {
        Some((front, rest)) => (format!("---\n{front}\n---\n\n"), rest.trim_start()),
        None => (String::new(), card),
    };
    let list = |title: &str, items: &[String]| match items {
        [] => String::new(),
        items => {
            format!("\n{title}: {}\n", items.iter().map(|i| format!("`{i}`")).collect::<Vec<_>>().join(", "))
        }
    };
    let mut said = format!("{front}# Weights that were changed\n\n{about}\n");
    said.push_str(&list("Tensors changed", &baked.changed));
    said.push_str(&list("Tensors added", &baked.added));
    said.push_str(&list("Config", &baked.config));
    if !rest.is_empty() {
        said.push_str("\nThe card of the original follows.\n\n");
        said.push_str(rest);
    }
    said
}
