//! The engine: a model, its tokenizer, and what it says of itself.

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use serde::Serialize;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::{Answer, ChatTemplates, CheckedGraph, ModelInfo, Site};

use super::config::{Config, Head, Scaling};
use super::error::EngineError;
#[cfg(any(feature = "cuda", feature = "metal"))]
use super::error::backend;
use super::exec;
use super::family::{NormKind, QkNorm};
use super::head;
use super::load::{Kernels, LoadOptions, Source};
use super::model::Model;
use super::model_tokenizer::ModelTokenizer;
use super::outline;
use super::reference::Choices;
use truenorth_protocol::run::{RunError, Runner, Vocabulary, Watch};

/// Precision of weights and products. The residual stream, norms, rotations and softmax are f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit IEEE floats.
    #[default]
    F32,
    /// 16-bit with the range of f32.
    Bf16,
    /// 16-bit IEEE floats.
    F16,
}

impl Precision {
    /// What is computed in where nothing else is asked for: bf16 on a CUDA device, f32 elsewhere.
    ///
    /// # Errors
    /// A device that is there and can't be opened.
    pub fn usual() -> Result<Self, EngineError> {
        Ok(if device()?.is_cuda() { Self::Bf16 } else { Self::F32 })
    }

    fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::F16 => DType::F16,
        }
    }

    /// What helps where a number can't be held.
    pub(super) fn not_finite(self) -> &'static str {
        match self {
            Self::F16 => "f16 holds numbers up to 65504: compute with --dtype bf16 or --dtype f32",
            Self::F32 | Self::Bf16 => {
                "give smaller doses with --alpha if the model is steered; else the weights are damaged: fetch \
                 them again"
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

/// Raised when the same kernels come to give other bits, so that what was stored before is not mixed with
/// what is computed now.
const ARITHMETIC: u32 = 2;

/// The name, precision and kernels that a model is opened with.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Name of the model in results.
    pub name: String,
    /// What identifies its weights; part of every cache key.
    pub revision: String,
    /// Precision of weights and products.
    pub precision: Precision,
    /// Whether quantized matrices stay quantized.
    pub keep_quantized: bool,
    /// Untrained weights from this seed in place of the trained ones.
    pub random_init: Option<u64>,
    /// Which kernels compute with the weights.
    pub kernels: Kernels,
    /// How the files are read where they leave a choice.
    pub choices: Choices,
}

/// A model in this process.
pub struct Engine {
    pub(super) model: Model,
    pub(super) info: ModelInfo,
    pub(super) words: ModelTokenizer,
    stored: String,
    pub(super) precision: Precision,
    notes: Vec<String>,
}

/// What a model is, as `models show` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// `model_type` of the family.
    pub family: String,
    /// Transformer blocks.
    pub layers: u32,
    /// Width of the residual stream.
    pub hidden: u32,
    /// Rows of the embedding.
    pub vocab: u32,
    /// Tokens of the longest sequence.
    pub context: u32,
    /// Attention heads and key-value heads.
    pub heads: [usize; 2],
    /// Element types in the files.
    pub stored: String,
    /// The numeric path: the kernels that compute it on this machine.
    pub path: String,
    /// Precision of weights and products.
    pub dtype: String,
    /// The sites, `L` standing for a block.
    pub sites: Vec<String>,
    /// What differs from a plain Llama, a sentence each.
    pub unusual: Vec<String>,
}

impl Engine {
    /// Opens a folder or a GGUF file.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the architecture is not one that is computed.
    pub fn open(path: &Path, options: &EngineOptions) -> Result<Self, EngineError> {
        let choices = &options.choices;
        let mut source = if path.is_dir() { Source::open_folder(path)? } else { Source::open_gguf(path)? };
        let mut config = Config::parse(source.config(), choices)?;
        let mut notes = [source.notes(), &config.notes].concat();
        if options.random_init.is_none() {
            notes.extend(head::settle(&mut config, &mut source, choices.transformers, &options.name)?);
            notes.extend(head::others(&source));
            if source.file_dtypes().contains_key("F64") {
                notes.push(
                    "weights are stored in F64 and rounded to f32, the widest that is computed in".into(),
                );
            }
        }
        let device = device()?;
        let load = LoadOptions {
            dtype: Some(options.precision.dtype()),
            keep_quantized: options.keep_quantized,
            kernels: options.kernels,
        };
        let source = Arc::new(source);
        let model = match options.random_init {
            Some(seed) => Model::random_init(config, seed, &load, &device)?,
            None => Model::load_as(config, &source, &load, &device)?,
        };
        let c = model.config();
        let kept = if options.keep_quantized { "/quantized" } else { "" };
        let place = if device.is_cpu() { "cpu" } else { "gpu" };
        let path = format!(
            "engine.{ARITHMETIC}/{place}/{}{kept}/{}{}",
            options.precision.name(),
            model.kernels(),
            outline::chosen(c, choices)
        );
        let info = outline::info(c, &options.name, &options.revision, path);
        let tokenizer = source.tokenizer(choices.transformers)?;
        let unread = source.unread(tokenizer.as_ref(), choices.transformers);
        let words =
            ModelTokenizer::new(&options.name, tokenizer, unread, c).generating(source.generation_config());
        notes.extend_from_slice(words.notes());
        Ok(Self { stored: source.identity_note(), precision: options.precision, model, info, words, notes })
    }

    /// Reads all weights now. Without it a block is read when a graph first needs it.
    ///
    /// # Errors
    /// Weights that are not finite, a file that can't be read any more, or no memory.
    pub fn load_all(&self) -> Result<(), EngineError> {
        self.model.ready(if self.model.config().head == Head::Missing {
            Site::FinalNorm
        } else {
            Site::Logits
        })
    }

    /// What a user should know of how the files were read: guesses, and choices between versions of
    /// transformers.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Weights of a block that every token is multiplied by.
    #[must_use]
    pub fn block_weights(&self) -> usize {
        let c = self.model.config();
        let gates = if c.family.names.gate.is_some() { 3 } else { 2 };
        let attention = 2 * c.heads * c.head_dim + 2 * c.kv_width();
        c.hidden * (attention + gates * c.intermediate)
    }

    /// Sizes, sites and precision, for people.
    #[must_use]
    pub fn describe(&self) -> Description {
        describe(self.model.config(), &self.info, &self.stored, self.precision.name())
    }
}

/// What a model is, whether or not its weights are here.
pub(super) fn describe(c: &Config, info: &ModelInfo, stored: &str, dtype: &str) -> Description {
    let of_blocks = ["resid_pre.L", "attn_out.L", "resid_mid.L", "mlp_out.L", "resid_post.L"];
    let mut sites = vec![Site::Embed.to_string()];
    sites.extend(of_blocks.map(String::from));
    sites.extend([Site::FinalNorm.to_string(), Site::Logits.to_string()]);
    Description {
        family: info.family.clone(),
        layers: info.layers,
        hidden: info.hidden,
        vocab: info.vocab,
        context: info.context,
        heads: [c.heads, c.kv_heads],
        stored: stored.to_owned(),
        dtype: dtype.to_owned(),
        path: info.path.clone(),
        sites,
        unusual: unusual(c),
    }
}

impl Runner for Engine {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.words.encode(text, special).map(Some)
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        texts.iter().map(|text| self.words.pieces(text)).collect()
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        self.words.chat()
    }

    fn spell(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        match self.words.speaks() {
            true => tokens.iter().map(|tokens| self.words.spell(tokens).map(Some)).collect(),
            false => Ok(None),
        }
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.words.stop().to_vec()
    }

    fn decodes(&self) -> bool {
        self.words.speaks()
    }

    fn unfollowed(&self) -> Option<String> {
        self.words.unfollowed()
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        head::check(self.model.config(), &self.info, graph)?;
        exec::run(self, graph, watch)
    }
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn device() -> Result<Device, EngineError> {
    Ok(Device::Cpu)
}

#[cfg(feature = "cuda")]
fn device() -> Result<Device, EngineError> {
    Device::cuda_if_available(0).map_err(backend("the first CUDA device"))
}

#[cfg(all(feature = "metal", not(feature = "cuda")))]
fn device() -> Result<Device, EngineError> {
    Device::new_metal(0).map_err(backend("the first Metal device"))
}

/// What a reader who knows Llama would trip over.
fn unusual(c: &Config) -> Vec<String> {
    let mut out = Vec::new();
    let names = &c.family.names;
    if names.attn_norm.is_none() {
        out.push("norms come after attention and MLP, not before".to_owned());
    } else if names.attn_post.is_some() {
        out.push("norms come both before and after attention and MLP".to_owned());
    }
    match c.family.norm {
        NormKind::Layer => out.push("LayerNorm with biases in place of RMSNorm".to_owned()),
        NormKind::RmsPlusOne => out.push("norm weights are stored as w - 1".to_owned()),
        NormKind::Rms => {}
    }
    match c.family.qk_norm {
        QkNorm::None => {}
        QkNorm::Head => out.push("queries and keys are normed head by head".to_owned()),
        QkNorm::Full => out.push("queries and keys are normed over the whole projection".to_owned()),
    }
    let windows = c.blocks.iter().filter_map(|b| b.window).collect::<Vec<_>>();
    if let Some(window) = windows.first() {
        out.push(format!("{} of {} blocks see a window of {window} tokens", windows.len(), c.layers()));
    }
    for rope in &c.ropes {
        match &rope.scaling {
            Scaling::None => {}
            Scaling::Dynamic { factor, original } => {
                out.push(format!("RoPE stretched by dynamic NTK by {factor} beyond {original} tokens"));
            }
            Scaling::Long { original, .. } => {
                out.push(format!("RoPE stretched by LongRoPE, with other factors beyond {original} tokens"));
            }
            Scaling::Linear { factor } => out.push(format!("RoPE stretched linearly by {factor}")),
            Scaling::Llama3 { factor, .. } => out.push(format!("RoPE stretched as in Llama 3 by {factor}")),
            Scaling::Yarn { factor, attention, .. } => {
                out.push(format!("RoPE stretched by YaRN by {factor}, attention factor {attention}"));
            }
        }
    }
    if c.ropes.is_empty() {
        out.push("learned positions in place of RoPE".to_owned());
    }
    if let Some(cap) = c.attn_softcap {
        out.push(format!("attention scores are soft-capped at {cap}"));
    }
    if let Some(cap) = c.logit_softcap {
        out.push(format!("logits are soft-capped at {cap}"));
    }
    if c.family.scaled_embedding {
        out.push(format!("embeddings are multiplied by {}", c.embed_scale));
    }
    if c.parallel {
        out.push("attention and MLP run in parallel; resid_mid is resid_pre + attn_out".to_owned());
    }
    match c.head {
        Head::Tied => out.push("the output matrix is the embedding".to_owned()),
        Head::Missing => out.push("there is no output matrix, so no logits".to_owned()),
        Head::Own => {}
    }
    out.dedup();
    out
}
