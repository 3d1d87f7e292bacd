//! How a model is opened, where the defaults do not do.

use std::path::PathBuf;

use truenorth_engine::{EngineOptions, Precision};

use super::Model;
use crate::analyses::{ChatChoice, Speech};
use crate::error::Error;

/// How a model is opened. `Options::new()` is what [`Model::open`] takes.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) cache: Option<PathBuf>,
    pub(super) keep: bool,
    pub(super) offline: bool,
    pub(super) engine: EngineOptions,
    pub(super) speech: Speech,
    pub(super) key: Option<String>,
    pub(super) host: Option<String>,
    pub(super) config: Option<String>,
    pub(super) seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// The user's cache folder, f32, texts as they are, seed 0.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cache: None,
            keep: true,
            offline: false,
            engine: EngineOptions::default(),
            speech: Speech::default(),
            key: None,
            host: None,
            config: None,
            seed: 0,
        }
    }

    /// Keeps models, activations and jobs in this folder; without it in that of `TRUENORTH_CACHE`, else in the user's cache
    /// folder.
    #[must_use]
    pub fn cache(self, folder: impl Into<PathBuf>) -> Self {
        Self { cache: Some(folder.into()), ..self }
    }

    /// Keeps no activations: what is read twice is computed twice in two processes, and once in one.
    #[must_use]
    pub fn without_store(self) -> Self {
        Self { keep: false, ..self }
    }

    /// Uses what is on this disk, and asks no network.
    #[must_use]
    pub fn offline(self) -> Self {
        Self { offline: true, ..self }
    }

    /// Precision of weights and products of a model in this process; f32 is the reference.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.engine.precision = precision;
        self
    }

    /// Keeps quantized GGUF weights quantized: less memory, other rounding.
    #[must_use]
    pub fn keep_quantized(mut self) -> Self {
        self.engine.keep_quantized = true;
        self
    }

    /// Texts go in as conversations, by the model's own chat template.
    #[must_use]
    pub fn chat(mut self) -> Self {
        self.speech.chat = ChatChoice::Own(true);
        self
    }

    /// A system turn before conversations that have none.
    #[must_use]
    pub fn system(mut self, text: impl Into<String>) -> Self {
        self.speech.system = Some(text.into());
        self
    }

    /// The key of a service; without it `TRUENORTH_API_KEY` of a truenorth server, `NDIF_API_KEY` of NDIF.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The address of NDIF; without it `NDIF_HOST`, else <https://api.ndif.us>.
    #[must_use]
    pub fn ndif_host(self, url: impl Into<String>) -> Self {
        Self { host: Some(url.into()), ..self }
    }

    /// Where architecture and tokenizer of a model on NDIF are read, in any form that [`Model::open`] takes for a local
    /// one; without it from the Hugging Face hub.
    #[must_use]
    pub fn config(self, model: impl Into<String>) -> Self {
        Self { config: Some(model.into()), ..self }
    }

    /// Seeds whatever is random: splits, permutations, draws of tokens.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Opens a model by these options.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open(self, model: &str) -> Result<Model, Error> {
        Model::with(model, &self)
    }
}
