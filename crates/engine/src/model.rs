//! A model: its configuration, its weights, and the pass through them.

use std::sync::Arc;

use candle_core::{DType, Device, Error, Tensor};
use truenorth_protocol::Site;
use truenorth_protocol::prompt::PromptRoom;

use super::backend::Net;
use super::backend::candle::{Candle, CandleStream};
use super::backend::host::{self, HostBackend, HostStream};
use super::backend::shapes;
use super::cache::{CacheStorage, KvCache};
use super::config::Config;
use super::error::{EngineError, backend};
use super::hooks::Hooks;
use super::kernel::{ComputedBy, with_slice};
use super::layout::{ActivationRows, Need, TokenBatch, last_block};
use super::load::{Kernels, LoadOptions, Source};
use super::pass::{Fork, PassState};
use super::reference::Choices;
use super::rope::Frequencies;
use super::weights::{FileWeights, Untrained, Weights};

/// A model ready to run. Its blocks are read when a pass first needs them.
#[derive(Debug)]
pub struct Model {
    pub(super) config: Config,
    device: Device,
    dtype: DType,
    body: BackendNet,
    frequencies: Vec<Frequencies>,
    weights: Box<dyn Weights>,
    kernels: String,
}

/// The weights, and what multiplies by them.
#[derive(Debug)]
enum BackendNet {
    Host(Net<HostBackend>),
    Candle(Net<Candle>, ComputedBy),
}

/// Logits of a pass, at the rows that were needed.
#[derive(Clone, Debug)]
pub struct Logits {
    /// `[rows, vocab]` in f32.
    pub tensor: Tensor,
    /// What each row stands for.
    pub rows: ActivationRows,
}

impl Logits {
    /// Calls `f` with all numbers, row by row; without copying them where they are in host memory.
    ///
    /// # Errors
    /// The device can't be read.
    pub fn with<R>(&self, f: impl FnOnce(&[f32]) -> R) -> Result<R, EngineError> {
        let host = self.tensor.to_device(&Device::Cpu).and_then(|t| t.contiguous());
        host.and_then(|t| with_slice(&t, f).ok_or_else(|| Error::Msg("logits are not f32".into())))
            .map_err(backend("a copy of the logits"))
    }
}

impl Model {
    /// Loads a model as its config describes it, where nothing has to be chosen.
    ///
    /// # Errors
    /// A config that is refused, and as [`Model::load_as`].
    pub fn load(source: &Arc<Source>, options: &LoadOptions, device: &Device) -> Result<Self, EngineError> {
        Self::load_as(Config::parse(source.config(), &Choices::default())?, source, options, device)
    }

    /// Opens a model of this architecture. Names, shapes and types of all tensors are looked at; numbers are read
    /// of what every pass needs.
    ///
    /// # Errors
    /// A tensor that is missing or misshapen, or one that the configuration has no use for; one of those read
    /// that is not finite.
    pub fn load_as(
        config: Config,
        source: &Arc<Source>,
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let files = FileWeights { source: source.clone(), options: *options, device: device.clone() };
        Self::build(config, Box::new(files), options, device)
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
        let weights =
            Untrained { seed, std: config.init_std, dtype: options.dtype(), device: device.clone() };
        Self::build(config, Box::new(weights), options, device)
    }

    fn build(
        config: Config,
        weights: Box<dyn Weights>,
        options: &LoadOptions,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let matrices = shapes::check(&config, &*weights)?;
        let body = match options.kernels {
            Kernels::Best if device.is_cpu() && host::usable() => {
                BackendNet::Host(Net::open(&config, &*weights)?)
            }
            Kernels::Best | Kernels::Slices if device.is_cpu() => {
                BackendNet::Candle(Net::open(&config, &*weights)?, ComputedBy::Slices)
            }
            _ => BackendNet::Candle(Net::open(&config, &*weights)?, ComputedBy::Candle),
        };
        let kernels = match &body {
            BackendNet::Host(_) => host::path(&matrices),
            BackendNet::Candle(_, ComputedBy::Candle) => "candle".into(),
            BackendNet::Candle(_, ComputedBy::Slices) => "candle+slices".into(),
        };
        let frequencies = config.ropes.iter().map(|r| Frequencies::new(r, config.head_dim)).collect();
        let (device, dtype) = (device.clone(), options.dtype());
        Ok(Self { device, dtype, body, frequencies, weights, kernels, config })
    }

    /// Reads what a pass up to this site needs and is not there yet.
    ///
    /// # Errors
    /// Weights that are not finite, a file that can't be read any more, or no memory.
    pub fn ready(&self, last: Site) -> Result<(), EngineError> {
        let blocks = last_block(last, self.config.layers()).map_or(0, |b| b + 1);
        let (config, weights, head) = (&self.config, &*self.weights, last == Site::Logits);
        match &self.body {
            BackendNet::Host(net) => net.load(config, weights, blocks, head),
            BackendNet::Candle(net, _) => net.load(config, weights, blocks, head),
        }
    }

    /// The architecture that is computed.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device that it is computed on.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type of plain weights, keys and values.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The names of the kernels that compute it, for a record of how a result was made.
    #[must_use]
    pub fn kernels(&self) -> &str {
        &self.kernels
    }

    /// A cache for this many sequences, each with room for `reserve` tokens beyond its first pass.
    #[must_use]
    pub fn cache(&self, sequences: usize, reserve: usize) -> KvCache {
        let c = &self.config;
        let place = match &self.body {
            BackendNet::Host(_) => CacheStorage::Host(c.kv_heads, c.head_dim),
            BackendNet::Candle(..) => CacheStorage::Device(self.device.clone(), self.dtype, c.kv_width()),
        };
        KvCache::new(c.layers(), sequences, place, reserve)
    }

    /// Runs a batch.
    ///
    /// With a cache, each sequence goes on where it stopped, and its new keys and values are kept
    /// in the blocks that run. Returns the logits of the rows needed, or `None` where the pass ends
    /// before them: by `need`, or because a hook stops it.
    ///
    /// # Errors
    /// As [`Model::ready`]; tokens that don't fit the model, rows or sites it does not have, a cache of another model or
    /// with a gap, what a hook reports, or a failure of the backend.
    pub fn forward(
        &self,
        batch: &TokenBatch,
        cache: Option<&mut KvCache>,
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
        let rows = ActivationRows::of(batch, &starts);
        self.check_batch(batch, &rows)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let kept = need.kept(batch)?;
        self.ready(need.last)?;
        // A pass that goes on from a cache shares nothing, nor one that ends before its prompts part.
        let shared = batch.shared().filter(|s| {
            starts.iter().all(|start| *start == 0) && last_block.is_some_and(|last| s.blocks <= last)
        });
        let (tokens, rows, fork) = match shared {
            None => (batch.tokens(), rows, None),
            Some(shared) => {
                let tree = ActivationRows::of(&shared.tree, &shared.tree.starts());
                (shared.tree.tokens(), tree, Some(Fork { shared, rows }))
            }
        };
        match &self.body {
            BackendNet::Candle(net, by) => {
                let (config, on) = (&self.config, (&self.device, *by));
                let stream = CandleStream::embed(net, config, &self.frequencies, on, tokens, &rows)
                    .map_err(backend("the embedding"))?;
                PassState { config, rows, stream, cache, need, kept, last_block, fork, hooks }.run()
            }
            // Called from outside the pool, each of some hundred products would wake its threads.
            BackendNet::Host(net) => rayon::scope(|_| {
                let config = &self.config;
                let stream = HostStream::embed(net, config, &self.frequencies, tokens, &rows);
                PassState { config, rows, stream, cache, need, kept, last_block, fork, hooks }.run()
            }),
        }
    }

    fn check_batch(&self, batch: &TokenBatch, rows: &ActivationRows) -> Result<(), EngineError> {
        let most = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let room = PromptRoom { context: most(self.config.context), vocab: most(self.config.vocab) };
        for (seq, range) in batch.parts() {
            let end = rows.all()[range.clone()].last().map_or(0, |r| r.position + 1);
            room.length(end, 0)
                .and_then(|()| room.tokens(&batch.tokens()[range], 0))
                .map_err(|problem| EngineError::Prompt { seq, problem })?;
        }
        Ok(())
    }

    /// Whether the tokens that prompts begin with depend on how long the prompts are, so that equal
    /// beginnings are not equal work. `longest` is the longest of them.
    pub(super) fn by_length(&self, longest: usize) -> bool {
        self.frequencies.iter().any(|f| f.by_length(longest))
    }

    /// Whether the model has this site.
    #[must_use]
    pub fn has(&self, site: Site) -> bool {
        site.layer().is_none_or(|l| (l as usize) < self.config.layers())
    }

    /// How many blocks have been read, and whether the output matrix has.
    #[cfg(test)]
    pub(super) fn loaded(&self) -> (usize, bool) {
        match &self.body {
            BackendNet::Host(net) => (net.loaded().count(), net.head().is_ok()),
            BackendNet::Candle(net, _) => (net.loaded().count(), net.head().is_ok()),
        }
    }

    /// The kernels of what has been read.
    #[cfg(test)]
    pub(super) fn kernels_of_loaded(&self) -> String {
        match &self.body {
            BackendNet::Host(net) => host::path_of(net),
            BackendNet::Candle(..) => self.kernels.clone(),
        }
    }
}
