//! Opening a model and reading its weights.
//!
//! A [`Source`] is a folder of safetensors files or a GGUF file. It speaks the
//! hub's language whatever the file: [`Source::config`] is a Hugging Face `config.json`, tensor
//! names and layouts are those of the hub's safetensors files (with the `model.`, `transformer.`
//! or `gpt_neox.` prefix). What a GGUF converter changed is changed back on reading: the row order
//! of rotated queries and keys, fused projections, transposed matrices, norms with one added.
//!
//! Weights are read piece by piece and decoded in parallel straight into their destination, so the
//! peak is the weights asked for plus a few MiB.
//!
//! All shapes are slowest dimension first, as PyTorch prints them.

mod decode;
mod disk;
mod error;
mod folder;
mod gguf;
mod index;
mod iq4;
mod names;
mod options;
mod outlined;
mod placed;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use serde_json::Value;

pub use error::LoadError;
pub use folder::generation as read_generation;
pub use options::{Kernels, LoadOptions, Weight, WeightStorage};
pub use outlined::read_outline;

use super::Transformers;
use super::gguf::GgufMetadata;
use super::tokenizer::Tokenizer;
use decode::StoredTensor;
use index::{StoredLayout, TensorEntry, TensorIndex};
use outlined::{folder_tokenizer, gguf_tokenizer, unread};
use placed::{backend, blocks, ordered_rows, place};

/// Bytes that the numbers inside of blocks are aligned to at most.
const ALIGNMENT: usize = 4;

/// An opened model.
pub struct Source {
    path: PathBuf,
    config: Value,
    generation: Option<Value>,
    index: TensorIndex,
    format: &'static str,
    /// The tokenizer's part of a GGUF file.
    metadata: Option<GgufMetadata>,
    notes: Vec<String>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a folder with `config.json` and `model.safetensors`, or, where that is not there, the shards
    /// that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// A missing, truncated or malformed file; only headers are read.
    pub fn open_folder(path: &Path) -> Result<Self, LoadError> {
        let config = folder::config(path)?;
        let (index, notes) = folder::index(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            config,
            generation: read_generation(path)?,
            index,
            format: "safetensors",
            metadata: None,
            notes,
        })
    }

    /// Opens a GGUF file of architecture llama (Mistral too), qwen2, qwen3, gemma2, gemma3, olmo2
    /// (OLMo 3 too), gpt2 or gptneox.
    ///
    /// # Errors
    /// A missing, truncated or malformed file, an unknown architecture, a tensor or a metadata key
    /// that the architecture does not have; only headers are read.
    pub fn open_gguf(path: &Path) -> Result<Self, LoadError> {
        let opened = gguf::open(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            config: opened.config,
            generation: None,
            index: opened.index,
            format: "gguf",
            metadata: Some(opened.metadata),
            notes: vec![],
        })
    }

    /// What a user should know of which files are read.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Takes a tensor under another name.
    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(entry) = self.index.entries.remove(from) {
            self.index.entries.insert(to.to_owned(), entry);
        }
    }

    /// Whether two tensors hold the same numbers.
    pub(super) fn equal(&self, one: &str, other: &str) -> Result<bool, LoadError> {
        let missing =
            |name: &str| LoadError::MissingTensor { path: self.path.clone(), name: name.to_owned() };
        let entry = |name: &str| self.index.entries.get(name).ok_or_else(|| missing(name));
        let (a, b) = (entry(one)?, entry(other)?);
        if a.shape != b.shape {
            return Ok(false);
        }
        let (left, right) = (self.index.stored(one, a)?, self.index.stored(other, b)?);
        if left.encoding == right.encoding && a.layout == b.layout {
            let bytes = |s: &StoredTensor<'_>| s.file.bytes(s.start..s.start + s.len, &s.what());
            return Ok(left.len == right.len && bytes(&left)? == bytes(&right)?);
        }
        let values = |s: &StoredTensor<'_>, e: &TensorEntry| {
            place::<f32>(s, e, false)?
                .flatten_all()
                .and_then(|t| t.to_vec1::<f32>())
                .map_err(|e| backend(s.name, e))
        };
        Ok(values(&left, a)? == values(&right, b)?)
    }

    /// The metadata of a GGUF file; none for a folder.
    #[must_use]
    pub fn metadata(&self) -> Option<&GgufMetadata> {
        self.metadata.as_ref()
    }

    /// The configuration, as a Hugging Face `config.json`.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// `generation_config.json`, where the model has one.
    #[must_use]
    pub fn generation_config(&self) -> Option<&Value> {
        self.generation.as_ref()
    }

    /// The folder or file that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The weight files, in the order they were opened.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.index.files.iter().map(disk::DiskFile::path)
    }

    /// Whether there is a tensor of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.index.entries.contains_key(name)
    }

    /// The names of all tensors, sorted. Buffers that are computed rather than learned (masks,
    /// rotary angles) are left out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.entries.keys().map(String::as_str)
    }

    /// Sizes of a tensor's axes, by its name; none where there is no such tensor.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.index.entries.get(name).map(|e| e.shape.as_slice())
    }

    /// A tensor of the shape given, dequantized and cast to `dtype`.
    ///
    /// # Errors
    /// No such tensor, another shape, an element type that is not read, a weight that is NaN or
    /// infinite (also one that overflows `dtype`), or no memory on the device.
    pub fn tensor(
        &self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor, LoadError> {
        let entry = self.entry(name, shape)?;
        self.read(name, entry, dtype, device, false)
    }

    /// A matrix of the shape given; quantized where the file has it so and `options` keep it,
    /// except for matrices stored transposed (GPT-2's), which [`Source::weight_transposed`] keeps.
    ///
    /// # Errors
    /// As [`Source::tensor`].
    pub fn weight(
        &self,
        name: &str,
        shape: &[usize],
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Weight, LoadError> {
        let entry = self.entry(name, shape)?;
        if options.keep_quantized
            && entry.layout != StoredLayout::Transposed
            && let Some(kept) = self.quantized(name, entry, device)?
        {
            return Ok(Weight::Quantized(kept));
        }
        self.read(name, entry, options.dtype(), device, false).map(Weight::Plain)
    }

    /// The transpose of a matrix whose shape in the hub's file is `shape`: `[shape[1], shape[0]]`,
    /// contiguous. For GPT-2, whose matrices are `[in, out]` on the hub and `[out, in]` in GGUF,
    /// so that they can stay quantized.
    ///
    /// # Errors
    /// As [`Source::tensor`].
    pub fn weight_transposed(
        &self,
        name: &str,
        shape: &[usize; 2],
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Weight, LoadError> {
        let entry = self.entry(name, shape)?;
        if options.keep_quantized
            && entry.layout == StoredLayout::Transposed
            && let Some(kept) = self.quantized(name, entry, device)?
        {
            return Ok(Weight::Quantized(kept));
        }
        self.read(name, entry, options.dtype(), device, true).map(Weight::Plain)
    }

    /// What a weight is held as once it is read, of which only the header is looked at.
    ///
    /// # Errors
    /// No such tensor, another shape, or an element type that is not read.
    pub fn held(
        &self,
        name: &str,
        shape: &[usize],
        options: &LoadOptions,
        transposed: bool,
    ) -> Result<WeightStorage, LoadError> {
        let entry = self.entry(name, shape)?;
        let kept = options.keep_quantized && transposed == (entry.layout == StoredLayout::Transposed);
        let stored = self.index.stored(name, entry)?;
        Ok(match blocks(&stored, entry).filter(|_| kept) {
            Some((kind, _)) => WeightStorage::Blocks(kind),
            None => WeightStorage::Plain(options.dtype()),
        })
    }

    /// The tokenizer that comes with the model: `tokenizer.json` of the folder, as `rules` read it, or the metadata of
    /// the GGUF file, or where that has none the files beside it; `None` where there is none. Building one takes a moment, so keep it.
    ///
    /// # Errors
    /// A tokenizer that is there and cannot be used.
    pub fn tokenizer(&self, rules: Transformers) -> Result<Option<Tokenizer>, LoadError> {
        match &self.metadata {
            Some(metadata) => gguf_tokenizer(&self.path, metadata, rules),
            None => folder_tokenizer(&self.path, rules),
        }
    }

    /// Why files of a tokenizer are not read, where it has none and more is known.
    #[must_use]
    pub fn unread(&self, tokenizer: Option<&Tokenizer>, rules: Transformers) -> Option<String> {
        unread(&self.path, tokenizer, rules)
    }

    /// How many tensors are stored in each element type, by its name.
    #[must_use]
    pub fn file_dtypes(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.index.entries.values() {
            let name = entry.encoding.as_ref().map_or_else(Clone::clone, |encoding| encoding.name());
            *counts.entry(name).or_insert(0) += 1;
        }
        counts
    }

    /// One line for people: format, files, bytes and element types.
    #[must_use]
    pub fn identity_note(&self) -> String {
        let mut kinds: Vec<_> = self.file_dtypes().into_iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{kind} ×{count}")).collect();
        let bytes: usize = self.index.files.iter().map(disk::DiskFile::len).sum();
        let files = self.index.files.len();
        format!(
            "{}, {files} file{}, {bytes} bytes, {}",
            self.format,
            if files == 1 { "" } else { "s" },
            kinds.join(", ")
        )
    }

    /// A tensor's name in the file.
    fn own_name(&self, name: &str) -> String {
        self.metadata.as_ref().map_or_else(|| name.to_owned(), |m| gguf::own_name(&self.path, m, name))
    }

    /// The error for a tensor that is not there, with the file that should hold it where one is named.
    fn missing(&self, name: &str) -> LoadError {
        let path = self.index.absent.get(name).unwrap_or(&self.path);
        LoadError::MissingTensor { path: path.clone(), name: self.own_name(name) }
    }

    /// That error, for a tensor that the index places in a shard and none holds.
    pub(super) fn absent(&self, name: &str) -> Option<LoadError> {
        self.index.absent.contains_key(name).then(|| self.missing(name))
    }

    fn entry(&self, name: &str, shape: &[usize]) -> Result<&TensorEntry, LoadError> {
        let entry = self.index.entries.get(name).ok_or_else(|| self.missing(name))?;
        if entry.shape != shape {
            return Err(LoadError::Shape {
                name: name.to_owned(),
                found: entry.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        Ok(entry)
    }

    fn read(
        &self,
        name: &str,
        entry: &TensorEntry,
        dtype: DType,
        device: &Device,
        transpose: bool,
    ) -> Result<Tensor, LoadError> {
        decode::check_target(dtype)?;
        let stored = self.index.stored(name, entry)?;
        let flip = transpose != (entry.layout == StoredLayout::Transposed);
        let tensor = match dtype {
            DType::F16 => place::<f16>(&stored, entry, flip),
            DType::BF16 => place::<bf16>(&stored, entry, flip),
            _ => place::<f32>(&stored, entry, flip),
        }?;
        tensor.to_device(device).map_err(|e| backend(name, e))
    }

    /// The blocks of a matrix as the file has them, with the row order of the hub's file; `None`
    /// where it is not a quantized matrix.
    fn quantized(
        &self,
        name: &str,
        entry: &TensorEntry,
        device: &Device,
    ) -> Result<Option<Arc<QTensor>>, LoadError> {
        let stored = self.index.stored(name, entry)?;
        let Some((kind, shape)) = blocks(&stored, entry) else { return Ok(None) };
        decode::check_finite(&stored)?;
        let bytes = ordered_rows(&stored, entry)?;
        // The blocks hold 2-byte numbers and are copied as such, so they have to lie even; the
        // file's offsets are aligned and allocators align far wider, but neither is a promise
        // of `Vec<u8>`.
        if bytes.as_ptr().align_offset(ALIGNMENT) != 0 {
            return Ok(None);
        }
        let tensor = QStorage::from_data(Cow::Owned(bytes), device, kind)
            .and_then(|storage| QTensor::new(storage, shape))
            .map_err(|e| backend(name, e))?;
        Ok(Some(Arc::new(tensor)))
    }
}
