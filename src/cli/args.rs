//! Flags that several verbs share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where a model runs and what is kept.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// The model: a folder with config.json and safetensors, a .gguf file,
    /// hf:org/name[@revision], a name of `models list`, or random-init:MODEL#SEED.
    #[arg(long, value_name = "M")]
    pub model: String,
    /// Where the model runs; `local` is this process.
    #[arg(long, value_name = "W", default_value = "local", value_parser = ["local"])]
    pub on: String,
    /// Seeds whatever is random in a verb: splits, resampling, permutations, draws of tokens.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub numerics: Numerics,
}

/// Precision and threads.
#[derive(Args, Clone, Debug)]
pub struct Numerics {
    /// Precision of weights and products; the residual stream, norms and softmax stay f32.
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    pub dtype: Precision,
    /// Keeps quantized GGUF weights quantized: less memory, other rounding.
    #[arg(long)]
    pub keep_quantized: bool,
    /// Threads for the model; default one a core.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

/// Precision of weights and products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 32-bit.
    F32,
    /// 16-bit, range of f32.
    Bf16,
    /// 16-bit, IEEE.
    F16,
}

/// Cache, network and talk.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Folder for models and activations; default the user's cache folder.
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Computes anew and keeps nothing.
    #[arg(long)]
    pub no_cache: bool,
    /// Uses only what is on this machine.
    #[arg(long)]
    pub offline: bool,
    /// Shows no progress.
    #[arg(long)]
    pub quiet: bool,
}

/// A file of prompts.
#[derive(Args, Clone, Debug)]
pub struct InputArgs {
    /// Prompts: JSONL with `id` and `text` or `tokens`, or plain text, a prompt a line; `-` is stdin.
    #[arg(long, value_name = "F")]
    pub input: PathBuf,
}
