//! A model: its configuration, its weights, and the pass through them.

use candle_core::{DType, Device, Tensor};
use truenorth_protocol::Site;

use super::block::{Block, load_norm};
use super::cache::Cache;
use super::config::Config;
use super::error::{EngineError, backend};
use super::family::Positions;
use super::hooks::Hooks;
use super::kernel::Norm;
use super::layout::{Batch, Need, Rows};
use super::linear::{Embedding, Linear};
use super::load::{LoadOptions, Source, Weight};
use super::pass::Pass;
use super::rope::Frequencies;
use super::weights::{Files, Untrained, Weights};

/// A model ready to run.
#[derive(Debug)]
pub struct Model {
    pub(super) config: Config,
    pub(super) device: Device,
    dtype: DType,
    pub(super) embedding: Embedding,
    pub(super) positions: Option<Embedding>,
    pub(super) blocks: Vec<Block>,
    pub(super) norm: Norm,
    pub(super) head: Linear,
    pub(super) frequencies: Vec<Frequencies>,
}

/// The logits of a pass.
#[derive(Clone, Debug)]
pub struct Logits {
    /// `[rows, vocab]` in f32.
    pub tensor: Tensor,
    /// What the rows are.
    pub rows: Rows,
}

impl Model {
    /// Loads a model, tensor by tensor.
    ///
    /// # Errors
    /// A config that is refused, a tensor that is missing, misshapen or not finite, or one that
    /// the configuration has no use for.
    pub fn load(source: &Source, options: &LoadOptions, device: &Device) -> Result<Self, EngineError> {
        let config = Config::parse(source.config())?;
        Self::build(config, &Files::new(source, options, device), options.dtype(), device)
    }

    /// The same architecture untrained.
    ///
    /// Matrices and embeddings are normal with mean 0 and standard deviation
    /// [`Config::init_std`] (`initializer_range`, 0.02 where the config has none), norms are one and
    /// biases zero. GPT-2's smaller start of the projections into the stream is not applied. Each
    /// tensor depends on the seed and its name alone.
    ///
    /// # Errors
    /// Out of memory.
    pub fn random_init(
        config: Config,
        seed: u64,
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let dtype = options.dtype();
        let weights = Untrained::new(seed, config.init_std, dtype, device);
        Self::build(config, &weights, dtype, device)
    }

    fn build(
        config: Config,
        weights: &dyn Weights,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let names = &config.family.names;
        let matrix =
            |name: &str, rows| weights.matrix(&format!("{name}.weight"), [rows, config.hidden], false);
        let embedding: Weight = matrix(names.embed, config.vocab)?;
        let positions = match config.family.positions {
            Positions::Learned => Some(Embedding::new(matrix(names.positions, config.context)?)),
            Positions::Rotary { .. } => None,
        };
        let blocks = (0..config.layers())
            .map(|layer| Block::load(&config, weights, layer))
            .collect::<Result<_, _>>()?;
        let norm = load_norm(&config, weights, names.norm, config.hidden)?;
        let head = if config.tied { embedding.clone() } else { matrix(names.head, config.vocab)? };
        let tied_head = format!("{}.weight", names.head);
        weights.finish(config.family.name, config.tied.then_some(tied_head.as_str()))?;
        let frequencies = config.ropes.iter().map(|r| Frequencies::new(r, config.head_dim)).collect();
        Ok(Self {
            device: device.clone(),
            dtype,
            embedding: Embedding::new(embedding),
            positions,
            blocks,
            norm,
            head: Linear::new(head, None),
            frequencies,
            config,
        })
    }

    /// What is computed.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where it is computed.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type of plain weights, keys and values.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// A cache for this many sequences, each with room for `reserve` tokens beyond its first pass.
    #[must_use]
    pub fn cache(&self, sequences: usize, reserve: usize) -> Cache {
        let c = &self.config;
        Cache::new(c.layers(), sequences, c.kv_width(), reserve, self.dtype, &self.device)
    }

    /// Checks a prompt that will get `new_tokens` more.
    ///
    /// # Errors
    /// No tokens, too many for the context, or one that is not in the vocabulary.
    pub fn check_prompt(&self, id: &str, tokens: &[u32], new_tokens: usize) -> Result<(), EngineError> {
        let (limit, vocab) = (self.config.context, self.config.vocab);
        if tokens.is_empty() {
            return Err(EngineError::EmptyPrompt { id: id.to_owned() });
        }
        // The last token generated is never an input.
        let length = tokens.len() + new_tokens.saturating_sub(1);
        if length > limit {
            return Err(EngineError::TooLong { id: id.to_owned(), length, limit });
        }
        match tokens.iter().position(|t| *t as usize >= vocab) {
            None => Ok(()),
            Some(position) => Err(EngineError::UnknownToken {
                id: id.to_owned(),
                position,
                token: tokens.get(position).copied().unwrap_or_default(),
                vocab,
            }),
        }
    }

    /// Runs a batch.
    ///
    /// With a cache, each sequence goes on where it stopped, and its new keys and values are kept
    /// in the blocks that run. Returns the logits of the rows needed, or `None` where the pass ends
    /// before them: by `need`, or because a hook stops it.
    ///
    /// # Errors
    /// Tokens that don't fit the model, rows or sites it does not have, a cache of another model or
    /// with a gap, what a hook reports, or a failure of the backend.
    pub fn forward(
        &self,
        batch: &Batch,
        cache: Option<&mut Cache>,
        need: &Need,
        hooks: &mut dyn Hooks,
    ) -> Result<Option<Logits>, EngineError> {
        let layers = self.config.layers();
        for site in [Some(need.last), need.full].into_iter().flatten() {
            if site.layer().is_some_and(|l| l as usize >= layers) {
                return Err(EngineError::UnknownSite { site, layers });
            }
        }
        let last_block = need.last_block(layers);
        let starts = match &cache {
            None => batch.starts(),
            Some(_) if batch.is_tree() => return Err(EngineError::TreeWithCache),
            Some(cache) => {
                cache.check(layers, self.config.kv_width())?;
                cache.starts(batch, last_block.map_or(0, |b| b + 1))?
            }
        };
        let rows = Rows::of(batch, &starts);
        self.check_batch(batch, &rows)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let stream = self.embed(batch, &rows).map_err(backend("the embedding"))?;
        Pass::new(self, rows, stream, cache, need, need.kept(batch)?, last_block, hooks).run()
    }

    fn check_batch(&self, batch: &Batch, rows: &Rows) -> Result<(), EngineError> {
        for (seq, range) in batch.parts() {
            let id = || format!("#{seq}");
            let tokens = batch.tokens().get(range.clone()).unwrap_or(&[]);
            let end = rows.all().get(range).and_then(<[_]>::last).map_or(0, |r| r.position + 1);
            if end > self.config.context {
                return Err(EngineError::TooLong { id: id(), length: end, limit: self.config.context });
            }
            self.check_prompt(&id(), tokens, 0)?;
        }
        Ok(())
    }

    fn embed(&self, batch: &Batch, rows: &Rows) -> candle_core::Result<Tensor> {
        let ids = |v: Vec<u32>| Tensor::from_vec(v, rows.len(), &self.device);
        let mut x = self.embedding.forward(&ids(batch.tokens().to_vec())?)?;
        if self.config.family.scaled_embedding {
            // transformers rounds the factor to the weights' type, f32 here.
            #[allow(clippy::cast_possible_truncation)]
            let factor = f64::from(self.config.embed_scale as f32);
            x = (x * factor)?;
        }
        if let Some(positions) = &self.positions {
            #[allow(clippy::cast_possible_truncation)]
            let at = rows.all().iter().map(|r| r.position as u32).collect();
            x = (x + positions.forward(&ids(at)?)?)?;
        }
        Ok(x)
    }

    /// The vocabulary's scores of the rows after the final norm.
    pub(super) fn logits(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        let logits = self.head.forward(x)?;
        match self.config.logit_softcap {
            Some(c) => super::kernel::softcap(&logits, c),
            None => Ok(logits),
        }
    }

    /// Whether the model has this site.
    #[must_use]
    pub fn has(&self, site: Site) -> bool {
        site.layer().is_none_or(|l| (l as usize) < self.config.layers())
    }
}
