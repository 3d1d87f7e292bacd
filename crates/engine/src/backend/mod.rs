//! What computes a model: panels of host memory, or candle's tensors.
//!
//! [`Net`] is a model's weights as a backend holds them, [`ResidualStream`] the steps of a pass over them.
//! [`pass`](super::pass) calls the steps in order, whatever they are computed by.

pub(super) mod candle;
pub(super) mod host;
pub(super) mod shapes;

use std::fmt::Debug;
use std::sync::{Mutex, OnceLock, PoisonError};

use candle_core::{Result, Tensor};

use super::block::{TransformerBlock, load_norm};
use super::cache::KvCache;
use super::config::{Config, Head};
use super::error::{EngineError, backend};
use super::family::Positions;
use super::hooks::SiteValue;
use super::layout::ActivationRows;
use super::load::Weight;
use super::pass::Fork;
use super::split::split_rows;
use super::weights::Weights;

/// A backend: what weights become, and what computes with them.
pub(super) trait Backend: Debug {
    /// `x Wᵀ + b`
    type Linear: Debug;
    /// A norm of stretches of a row.
    type Norm: Debug;
    /// Rows by number.
    type Embedding: Debug;

    /// A matrix `[out, in]` and a bias `[out]` in f32.
    fn linear(weight: Weight, bias: Option<Tensor>) -> Result<Self::Linear>;

    /// Rows of a matrix.
    fn embedding(weight: Weight) -> Result<Self::Embedding>;

    /// The product by the rows of an embedding, which share its memory.
    fn tied(embedding: &Self::Embedding) -> Self::Linear;

    /// Factor and, where the mean is taken out first, offset, `[width]` in f32; and what is added to
    /// variances.
    fn norm(weight: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<Self::Norm>;

    /// The rows of a matrix, or the numbers of a vector, in parts: the first has those that the first list names.
    fn split(weight: &Weight, parts: &[Vec<usize>]) -> Result<Vec<Weight>> {
        split_rows(weight, parts)
    }
}

/// The weights of a model. Blocks and output matrix are there once a pass has needed them, so that a model that is
/// read at an early block never holds the later ones.
#[derive(Debug)]
pub(super) struct Net<B: Backend> {
    pub(super) embedding: B::Embedding,
    pub(super) positions: Option<B::Embedding>,
    blocks: Vec<OnceLock<TransformerBlock<B>>>,
    pub(super) norm: B::Norm,
    /// None where the model is stored without one.
    head: OnceLock<Option<B::Linear>>,
    /// Held by whoever loads, so that nothing is loaded twice.
    loading: Mutex<()>,
}

impl<B: Backend> Net<B> {
    /// Loads what every pass needs; blocks are loaded when they are first run.
    pub(super) fn open(config: &Config, weights: &dyn Weights) -> std::result::Result<Self, EngineError> {
        let names = &config.family.names;
        let embedding = |name: &str, rows| {
            B::embedding(matrix(config, weights, name, rows)?)
                .map_err(backend(format!("the embedding `{name}`")))
        };
        let positions = match config.family.positions {
            Positions::Learned => Some(embedding(names.positions, config.context)?),
            Positions::Rotary { .. } => None,
        };
        Ok(Self {
            embedding: embedding(names.embed, config.vocab)?,
            positions,
            blocks: (0..config.layers()).map(|_| OnceLock::new()).collect(),
            norm: load_norm::<B>(config, weights, names.norm, config.hidden)?,
            head: OnceLock::new(),
            loading: Mutex::new(()),
        })
    }

    /// Loads what of the first blocks, and of the output matrix, is not there yet.
    pub(super) fn load(
        &self,
        config: &Config,
        weights: &dyn Weights,
        blocks: usize,
        head: bool,
    ) -> std::result::Result<(), EngineError> {
        let blocks = &self.blocks[..blocks.min(self.blocks.len())];
        let whole = || blocks.iter().all(|b| b.get().is_some()) && !(head && self.head.get().is_none());
        if whole() {
            return Ok(());
        }
        // A load that panicked left nothing half done: what is set is whole.
        let _turn = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        for (layer, place) in blocks.iter().enumerate().filter(|(_, place)| place.get().is_none()) {
            let block = TransformerBlock::load(config, weights, layer)?;
            place.get_or_init(|| block);
        }
        if head && self.head.get().is_none() {
            let own = match config.head {
                Head::Tied => Some(B::tied(&self.embedding)),
                Head::Own => {
                    let own = matrix(config, weights, config.family.names.head, config.vocab)?;
                    Some(B::linear(own, None).map_err(backend("the output matrix"))?)
                }
                Head::Missing => None,
            };
            self.head.get_or_init(|| own);
        }
        Ok(())
    }

    /// A block that a pass has loaded.
    pub(super) fn block(&self, layer: usize) -> Result<&TransformerBlock<B>> {
        let there = self.blocks.get(layer).and_then(OnceLock::get);
        there.ok_or_else(|| candle_core::Error::Msg(format!("block {layer} is not loaded")))
    }

    /// The blocks that passes have loaded.
    #[cfg(test)]
    pub(super) fn loaded(&self) -> impl Iterator<Item = &TransformerBlock<B>> {
        self.blocks.iter().filter_map(OnceLock::get)
    }

    /// The output matrix, which a pass has loaded.
    pub(super) fn head(&self) -> Result<&B::Linear> {
        self.head.get().and_then(Option::as_ref).ok_or_else(no_head)
    }
}

/// A matrix `[rows, hidden]` outside of the blocks.
fn matrix(
    config: &Config,
    weights: &dyn Weights,
    name: &str,
    rows: usize,
) -> std::result::Result<Weight, EngineError> {
    weights.matrix(&format!("{name}.weight"), [rows, config.hidden], false)
}

/// The error of a model without an output matrix that is asked for logits; graphs that ask are refused
/// before they run.
fn no_head() -> candle_core::Error {
    candle_core::Error::Msg("the model is stored without an output matrix".into())
}

/// Values that hooks see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookSlot {
    /// The residual stream, `[rows, hidden]`.
    Stream,
    /// What attention or MLP adds to it, `[rows, hidden]`.
    Added,
    /// `[rows, vocab]`
    Logits,
}

/// The residual stream of a pass, and what is computed beside it. Made at the embedding.
pub(super) trait ResidualStream {
    /// Takes the positions of the rows.
    fn place(&mut self, rows: &ActivationRows) -> Result<()>;

    /// Norms the stream for attention, and holds the keys and values of every row. With `queries`,
    /// all of these rows will be asked for as queries too.
    fn keys_values(
        &mut self,
        layer: usize,
        rows: &ActivationRows,
        queries: bool,
        cache: Option<&mut KvCache>,
    ) -> std::result::Result<(), EngineError>;

    /// Hands the keys and values held last, those of shared rows, to every sequence's cache.
    fn hand_out(
        &mut self,
        layer: usize,
        fork: &Fork<'_>,
        cache: &mut KvCache,
    ) -> std::result::Result<(), EngineError>;

    /// Gives each sequence rows of its own, at the end of a block.
    fn part(&mut self, fork: &Fork<'_>) -> Result<()>;

    /// Keeps only rows of these ascending numbers, which are now `rows`.
    fn keep(&mut self, kept: &[usize], rows: &ActivationRows) -> Result<()>;

    /// Computes what attention adds.
    fn attention(&mut self, layer: usize, rows: &ActivationRows, cache: Option<&KvCache>) -> Result<()>;

    /// Computes what the MLP adds.
    fn mlp(&mut self, layer: usize) -> Result<()>;

    /// Adds what was computed last. Where the MLP is parallel it still reads what `keys_values` read.
    fn add(&mut self) -> Result<()>;

    /// The norm after the last block.
    fn final_norm(&mut self) -> Result<()>;

    /// The vocabulary's scores of the rows after it.
    fn logits(&mut self) -> Result<()>;

    /// Hands a value out. It has to be put back, or another of its shape.
    fn take(&mut self, slot: HookSlot) -> Result<SiteValue>;

    /// Puts a value back.
    fn put(&mut self, slot: HookSlot, value: SiteValue) -> Result<()>;
}
