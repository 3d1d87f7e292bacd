//! What can go wrong while a model is opened or a weight read.

use std::path::{Path, PathBuf};

use thiserror::Error;

use truenorth_files::LFS_REMEDY;

/// A model could not be opened, or one of its weights not be read.
///
/// [`LoadError::hint`] gives the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file could not be opened, read or mapped.
    #[error("cannot read `{}`", .path.display())]
    Io {
        /// The file that was opened.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// A file of the folder is not there.
    #[error("`{}` is missing, needed because {why}", .path.display())]
    MissingFile {
        /// The file that is not there.
        path: PathBuf,
        /// Why it is needed.
        why: String,
    },
    /// Weights lie there under names that none are looked for by.
    #[error("`{}` has no `{expected}`; there is `{found}`", .folder.display())]
    OtherNames {
        /// The folder that was opened.
        folder: PathBuf,
        /// The name that is looked for.
        expected: &'static str,
        /// The first file of weights that lies there.
        found: String,
    },
    /// A stand-in of Git LFS lies where a file should.
    #[error("`{}` is a Git LFS pointer, not the file it stands for", .path.display())]
    LfsPointer {
        /// The file that is a pointer.
        path: PathBuf,
    },
    /// The folder is an adapter, which is no model by itself.
    #[error(
        "`{}` holds a LoRA adapter (`adapter_config.json`){}{}",
        .path.display(),
        .base.as_ref().map_or_else(String::new, |base| format!(" of the model `{base}`")),
        if *whole {
            " beside the weights of a whole model: transformers puts the one on the other where peft is installed, and \
             leaves the adapter out where it is not; expected one of the two"
        } else {
            "; expected a whole model"
        }
    )]
    Adapter {
        /// The folder of the adapter.
        path: PathBuf,
        /// The model that it changes, as the adapter names it.
        base: Option<String>,
        /// Whether the folder holds the weights of a whole model too.
        whole: bool,
    },
    /// A GGUF file of something else than a model.
    #[error("`{}` holds {kind} (`general.type` is `{stated}`); expected a whole model", .path.display())]
    NoModel {
        /// The file that was opened.
        path: PathBuf,
        /// What it holds, with its article.
        kind: &'static str,
        /// Its `general.type`.
        stated: String,
    },
    /// Weights that are stored as codes of a quantizer.
    #[error("`{}` is quantized by {method} (it holds the tensor `{tensor}`); expected weights in f32, f16 or bf16, or a GGUF file", .path.display())]
    Quantized {
        /// The folder that was opened.
        path: PathBuf,
        /// The quantizer that wrote such tensors.
        method: &'static str,
        /// Name of a tensor that shows it.
        tensor: String,
    },
    /// Weights under the names that a wrapper around the model gives them.
    #[error("`{}` holds `{tensor}`: {by} put `{prefix}` before the names; expected those of the model itself", .path.display())]
    Wrapped {
        /// The file with the tensor.
        path: PathBuf,
        /// Name of the first such tensor.
        tensor: String,
        /// The prefix, such as `_orig_mod.`.
        prefix: &'static str,
        /// What puts that prefix there.
        by: &'static str,
    },
    /// An adapter beside the weights that it changes.
    #[error("`{}` holds the LoRA tensor `{tensor}`, which is not merged into the weights; expected a merged model", .path.display())]
    Unmerged {
        /// The file with the tensor.
        path: PathBuf,
        /// Name of the first such tensor.
        tensor: String,
    },
    /// A part of a GGUF file in parts is not there or is another file's.
    #[error("`{}` {problem}", .path.display())]
    Split {
        /// The part that was looked for.
        path: PathBuf,
        /// What is wrong, to follow the part's name.
        problem: String,
    },
    /// The folder holds weights in a format that is not read.
    #[error("`{}` holds `{found}` but no safetensors file", .path.display())]
    UnsupportedFormat {
        /// The folder that was opened.
        path: PathBuf,
        /// Name of the file of weights that lies there.
        found: String,
    },
    /// A JSON file does not parse or does not have the expected form.
    #[error("`{}` is not the JSON expected: {problem}", .path.display())]
    Json {
        /// The file that was parsed.
        path: PathBuf,
        /// What is wrong with it, for people.
        problem: String,
    },
    /// The header of a weight file is malformed.
    #[error("`{}` is not a sound {format} file: {problem}", .path.display())]
    Header {
        /// The file that was opened.
        path: PathBuf,
        /// `safetensors` or `gguf`.
        format: &'static str,
        /// What is wrong with the header, for people.
        problem: String,
    },
    /// The file ends before the data its header promises.
    #[error("`{}` is truncated: {what} needs {needed} bytes, the file has {found}", .path.display())]
    Truncated {
        /// The file that is too short.
        path: PathBuf,
        /// The part that lies outside of the file.
        what: String,
        /// Bytes the file should have at least.
        needed: u64,
        /// Bytes it has.
        found: u64,
    },
    /// An architecture that the engine does not know.
    #[error("`{}` has the unknown architecture `{found}`, expected one of {expected}", .path.display())]
    UnknownArchitecture {
        /// The file that was opened.
        path: PathBuf,
        /// The architecture that the file names.
        found: String,
        /// What is known, separated by commas.
        expected: String,
    },
    /// A metadata key that has to be there is missing or of the wrong type.
    #[error("`{}`: metadata key `{key}` {problem}", .path.display())]
    Metadata {
        /// The file that was opened.
        path: PathBuf,
        /// The key of the metadata.
        key: String,
        /// What is wrong, to follow the key.
        problem: String,
    },
    /// A tensor name the architecture does not have.
    #[error("`{}` has the tensor `{name}`, which architecture `{arch}` does not have", .path.display())]
    UnknownTensor {
        /// The file with the tensor.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// The architecture that the file names.
        arch: String,
    },
    /// Two tensors of different numbers go by the same name.
    #[error("{}", twice(name, first, path))]
    DuplicateTensor {
        /// The file with the first tensor.
        first: PathBuf,
        /// The file with the second tensor.
        path: PathBuf,
        /// Name of both tensors.
        name: String,
    },
    /// A tensor the model needs is not in the file.
    #[error("tensor `{name}` is missing from `{}`", .path.display())]
    MissingTensor {
        /// The folder or file that was opened.
        path: PathBuf,
        /// Name of the tensor on the hub.
        name: String,
    },
    /// A tensor has another shape than the configuration demands.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the file.
        found: Vec<usize>,
        /// Shape asked for.
        expected: Vec<usize>,
    },
    /// A tensor is stored in an element type that is not read.
    #[error("tensor `{name}` is stored as {found}, which is not read; expected one of {expected}")]
    ElementType {
        /// Name of the tensor.
        name: String,
        /// Element type in the file.
        found: String,
        /// The element types that are read, in words.
        expected: &'static str,
    },
    /// Weights were asked for in a type that weights cannot have.
    #[error("weights cannot be read as {found}, expected f32, f16 or bf16")]
    TargetType {
        /// The type that was asked for.
        found: String,
    },
    /// A tensor holds NaN or an infinity, or a value too large for the type asked for.
    #[error("tensor `{name}` holds {value} at element {index}, expected finite weights in {dtype}")]
    NotFinite {
        /// Name of the tensor.
        name: String,
        /// Row-major index of the first such element, in the order of the file.
        index: usize,
        /// The value, as the file has it.
        value: f32,
        /// The type that was asked for.
        dtype: String,
    },
    /// The backend could not make a tensor.
    #[error("cannot place tensor `{name}` on the device")]
    Backend {
        /// Name of the tensor.
        name: String,
        /// The error of the tensor library.
        source: candle_core::Error,
    },
    /// The tokenizer beside the weights is unusable.
    #[error("the model's tokenizer cannot be used")]
    Tokenizer(#[from] crate::tokenizer::TokenizerError),
}

fn twice(name: &str, first: &Path, second: &Path) -> String {
    if first == second {
        return format!("`{}` holds the tensor `{name}` twice", first.display());
    }
    format!(
        "tensor `{name}` is stored in `{}` and with other numbers in `{}`, which transformers takes in silence",
        first.display(),
        second.display()
    )
}

impl LoadError {
    /// A remedy for people, where there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Io { .. } => "check that the path exists and may be read",
            Self::MissingFile { .. } => "download the model again, with all of its files in one folder",
            Self::OtherNames { expected, .. } if expected.ends_with(".json") => {
                "it is a shard, and the index says which tensors are in which: download the index as well"
            }
            Self::OtherNames { .. } => {
                "if it holds the whole model, give it that name; if not, download the model again"
            }
            Self::LfsPointer { .. } => LFS_REMEDY,
            Self::Wrapped { prefix: "_orig_mod.", .. } => {
                "save the model inside: `model._orig_mod.save_pretrained(folder)`, or take `_orig_mod.` out of the names"
            }
            Self::Wrapped { prefix: "module.", .. } => {
                "save the model inside: `model.module.save_pretrained(folder)`, or take `module.` off the names"
            }
            Self::Wrapped { .. } => {
                "save the model's full state dict in transformers, or take what the wrapper added out of the names"
            }
            Self::Adapter { whole: true, .. } => {
                "for the model without the adapter, move `adapter_config.json` out of the folder; for both, merge them: \
                 `merge_and_unload()` of peft, then `save_pretrained(folder)`"
            }
            Self::Adapter { .. } | Self::Unmerged { .. } => {
                "merge it into its model first: `merge_and_unload()` of peft, then `save_pretrained(folder)`"
            }
            Self::NoModel { stated, .. } if stated == "adapter" => {
                "merge it into its model first (llama-export-lora of llama.cpp), or name the model's own GGUF file"
            }
            Self::NoModel { .. } => {
                "name the GGUF file of the language model, which lies beside it as a rule"
            }
            Self::Quantized { .. } => "use the model it was made from, or its GGUF file",
            Self::Split { .. } => "put all parts of one download into one folder and name the first",
            Self::UnsupportedFormat { found, .. } if found.ends_with(".gguf") => {
                "name the GGUF file itself in place of the folder"
            }
            Self::UnsupportedFormat { .. } => {
                "convert it: `model.save_pretrained(folder, safe_serialization=True)` of transformers writes safetensors"
            }
            Self::DuplicateTensor { first, path, .. } if first != path => {
                "the folder mixes the files of two downloads: fetch the model anew into an empty folder"
            }
            Self::Json { .. } | Self::Header { .. } | Self::DuplicateTensor { .. } => {
                "the file is damaged or of another kind; download it again and compare its sha256"
            }
            Self::Truncated { .. } => "the download was cut short; fetch the file again",
            Self::UnknownArchitecture { .. } => "use a model of one of these architectures",
            Self::UnknownTensor { .. } => {
                "the model is a variant that would be computed wrongly; use the original model"
            }
            Self::Metadata { .. } => "convert the model again with a current converter",
            Self::MissingTensor { path, .. } if path.extension().is_some_and(|e| e == "gguf") => {
                "the file lacks a tensor of its architecture: fetch it again and compare its sha256, or convert the model \
                 again"
            }
            Self::MissingTensor { .. } | Self::Shape { .. } => {
                "config and weights do not belong together; download both from the same revision"
            }
            Self::ElementType { .. } => "convert the model to one of the types named",
            Self::TargetType { .. } => "pass `--dtype f32`, `f16` or `bf16`",
            Self::NotFinite { .. } => {
                "f16 holds numbers up to 65504: compute with --dtype bf16 or f32; if the value itself is no number, the \
                 weights are damaged: fetch them again"
            }
            Self::Backend { .. } => {
                "free memory on the device; CUDA_VISIBLE_DEVICES= (empty) computes on the CPU"
            }
            Self::Tokenizer(error) => return error.hint(),
        })
    }
}
