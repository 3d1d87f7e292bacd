//! Flags that several verbs share.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use truenorth::analyses::{ChatChoice, SpecialTokens, Speech};
use truenorth::engine::{Choices, Transformers};

/// Where a model runs and what is kept.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// The model: a folder with config.json and safetensors, a .gguf file,
    /// hf:org/name[@revision], a name of `models list`, or random-init:MODEL#SEED.
    /// With `--on ndif`, org/name[@revision] as the service has it.
    #[arg(long, value_name = "M")]
    pub model: String,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Seeds whatever is random in a verb: splits, resampling, permutations, draws of tokens.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub speech: SpeechArgs,
    #[command(flatten)]
    pub common: Common,
    #[command(flatten)]
    pub numerics: NumericsArgs,
}

/// How texts are put before a model.
#[derive(Args, Clone, Debug, Default)]
pub struct SpeechArgs {
    /// Texts go in as conversations, by the model's own chat template: a text is the user's turn, a pair's response the
    /// model's. `--chat=NAME` takes a template of that name, or one of the markups chatml, llama3, gemma, tulu, mistral.
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub chat: Option<ChatChoice>,
    /// A system turn before conversations that have none.
    #[arg(long, value_name = "TEXT", requires = "chat")]
    pub system: Option<String>,
    /// The tokens around a text: auto (those that the tokenizer adds; with a chat template none, as that has its own)
    /// or none.
    #[arg(long, value_name = "T", value_enum, default_value_t = SpecialTokens::Auto)]
    pub special_tokens: SpecialTokens,
    /// A study says how texts go in, and not the flags.
    #[arg(skip)]
    pub of_study: bool,
}

impl SpeechArgs {
    pub fn speech(&self) -> Speech {
        Speech {
            chat: self.chat.clone().unwrap_or_default(),
            system: self.system.clone(),
            special_tokens: self.special_tokens,
        }
    }
}

/// Where a model runs, and how a service is spoken to.
#[derive(Args, Clone, Debug)]
pub struct PlaceArgs {
    /// Where the model runs: `local` (this process), `ndif`, or the URL of a truenorth server.
    #[arg(long, value_name = "W", default_value = "local")]
    pub on: On,
    #[command(flatten)]
    pub service: ServiceArgs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    Local,
    /// An NDIF service.
    Ndif,
    /// A truenorth server.
    Url(String),
}

impl FromStr for On {
    type Err = Infallible;

    fn from_str(s: &str) -> Result<Self, Infallible> {
        Ok(match s {
            "local" => Self::Local,
            "ndif" => Self::Ndif,
            url => Self::Url(url.to_owned()),
        })
    }
}

/// Jobs that may wait or run at once, unless told otherwise.
pub const JOBS_AT_ONCE: usize = 4;

/// How a service is spoken to.
#[derive(Args, Clone, Debug, Default)]
pub struct ServiceArgs {
    /// NDIF's address; else NDIF_HOST, else nnsight's settings, else https://api.ndif.us.
    #[arg(long, value_name = "URL")]
    pub host: Option<String>,
    /// A file that holds the API key; else NDIF_API_KEY or nnsight's settings for NDIF, and
    /// TRUENORTH_API_KEY for a truenorth server.
    #[arg(long, value_name = "F")]
    pub api_key_file: Option<PathBuf>,
    /// Where architecture and tokenizer of a model on NDIF come from, in any form that --model takes
    /// (its weights are not read); else the Hugging Face hub.
    #[arg(long, value_name = "M")]
    pub config: Option<String>,
    /// What NDIF narrows numbers to before it sends them.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    pub reply_dtype: PrecisionArg,
    /// How many jobs may wait or run at once.
    #[arg(long, value_name = "N", default_value_t = JOBS_AT_ONCE)]
    pub jobs_at_once: usize,
    /// Refuses a model that is not up on NDIF, naming the nearest that are; else its queue is asked to
    /// bring the model up and waited for.
    #[arg(long)]
    pub no_deploy: bool,
    /// Where the work is done if NDIF can't take it now, decided before anything is sent and for all of
    /// it: `local:MODEL` runs MODEL in this process, `local` the named model that is the same. Every
    /// result says so.
    #[arg(long, value_name = "local[:M]")]
    pub fallback: Option<Fallback>,
}

/// What runs in this process in place of a hosted model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback(pub Option<String>);

impl FromStr for Fallback {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.split_once(':') {
            None if s == "local" => Ok(Self(None)),
            Some(("local", model)) if !model.is_empty() => Ok(Self(Some(model.to_owned()))),
            _ => Err("give local, or local:MODEL with a model as --model takes it".into()),
        }
    }
}

/// How a model's files are read where they leave a choice.
#[derive(Args, Clone, Debug, Default)]
pub struct ReadingArgs {
    /// The version of transformers that is followed where versions read a model's files differently
    /// (beginning and end tokens, tied output matrices): 5.23 or 4.57.
    #[arg(long, value_name = "V", default_value_t = Transformers::default())]
    pub transformers: Transformers,
    /// A key of config.json that is not known and is taken to change nothing; may be given several times.
    /// Every result records it.
    #[arg(long, value_name = "KEY")]
    pub accept_config_key: Vec<String>,
}

impl ReadingArgs {
    pub fn choices(&self) -> Choices {
        Choices { transformers: self.transformers, accept_config_keys: self.accept_config_key.clone() }
    }
}

/// Precision, threads, and how files are read.
#[derive(Args, Clone, Debug)]
pub struct NumericsArgs {
    /// Precision of weights and products, f32 by default (bf16 on a CUDA device); the residual stream, norms
    /// and softmax stay f32.
    #[arg(long, value_enum)]
    pub dtype: Option<PrecisionArg>,
    /// Keeps quantized GGUF weights quantized: less memory, other rounding.
    #[arg(long)]
    pub keep_quantized: bool,
    /// Threads for the model; default one per core.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// Precision of weights and products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionArg {
    /// 32-bit.
    #[default]
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
    /// Says what would be asked of a model (prompts, tokens, jobs, bytes, frames, seconds) and asks nothing;
    /// `--dry-run=json` says it for machines.
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub dry_run: Option<DryRun>,
    /// Notes which weights are fetched from the hub, to be deleted once they are read.
    #[arg(skip)]
    pub once: bool,
}

/// How a dry run tells what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// A table.
    Text,
    /// JSON.
    Json,
}

/// A file of prompts.
#[derive(Args, Clone, Debug)]
pub struct InputArgs {
    /// Prompts: plain text, one prompt per line; or JSONL, a JSON list or CSV of rows with `text` (or `prompt`),
    /// `tokens` or, for --chat, `messages`, and `id`; `-` is stdin.
    #[arg(long, value_name = "F")]
    pub input: PathBuf,
}

/// A time such as `90s`, `30m`, `24h` or `7d`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; expected a number with s, m, h or d, such as 24h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => return Err(wrong()),
    };
    let count: u64 = text.strip_suffix(unit).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    count.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        let seconds = |t: &str| duration(t).map(|d| d.as_secs());
        assert_eq!([seconds("90s"), seconds("2m"), seconds("24h")], [Ok(90), Ok(120), Ok(86400)]);
        for wrong in ["", "5", "h", "-1s", "1w", "1.5h", "99999999999999999999d", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
