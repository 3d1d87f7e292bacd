//! Keys and values of tokens already seen, a buffer a sequence and block: packed as attention reads
//! them in host memory, tensors elsewhere.

use candle_core::{DType, Device, Error, Result, Tensor};

use super::error::{EngineError, backend};
use super::kernel::panel::Kv;
use super::layout::TokenBatch;

/// Keys and values of several sequences.
///
/// Made by [`Model::cache`](super::model::Model::cache) for a number of sequences, which go by 0, 1,
/// and so on. Buffers have room to grow in, so a step copies only what it adds.
#[derive(Debug)]
pub struct KvCache {
    place: CacheStorage,
    /// Tokens a sequence has room for beyond its first pass.
    reserve: usize,
    /// By block, by sequence.
    blocks: Vec<Vec<Option<BlockCache>>>,
}

#[derive(Clone, Debug)]
pub(super) enum CacheStorage {
    /// Tensors of so many numbers a token.
    Device(Device, DType, usize),
    /// f32 in host memory, of so many heads of so many numbers.
    Host(usize, usize),
}

impl CacheStorage {
    /// Numbers of a token's keys.
    fn width(&self) -> usize {
        match self {
            Self::Device(_, _, width) => *width,
            Self::Host(heads, dim) => heads * dim,
        }
    }
}

#[derive(Debug)]
enum BlockCache {
    /// `[capacity, width]` each, of which so many rows are there.
    Tensors {
        k: Tensor,
        v: Tensor,
        len: usize,
    },
    Packed(Kv),
}

impl BlockCache {
    fn len(&self) -> usize {
        match self {
            Self::Tensors { len, .. } => *len,
            Self::Packed(kv) => kv.len(),
        }
    }
}

impl KvCache {
    pub(super) fn new(blocks: usize, sequences: usize, place: CacheStorage, reserve: usize) -> Self {
        let empty = || (0..sequences).map(|_| None).collect();
        Self { place, reserve, blocks: (0..blocks).map(|_| empty()).collect() }
    }

    /// Tokens of a sequence that are held; 0 for one that is unknown.
    #[must_use]
    pub fn len(&self, seq: usize) -> usize {
        self.len_at(0, seq)
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.iter().flatten().all(Option::is_none)
    }

    /// Sequences that the cache has room for.
    #[must_use]
    pub fn sequences(&self) -> usize {
        self.blocks.first().map_or(0, Vec::len)
    }

    /// Forgets a sequence and frees its buffers; its number can be used again.
    pub fn forget(&mut self, seq: usize) {
        for slot in self.blocks.iter_mut().filter_map(|b| b.get_mut(seq)) {
            *slot = None;
        }
    }

    fn len_at(&self, block: usize, seq: usize) -> usize {
        let slot = self.blocks.get(block).and_then(|b| b.get(seq)).and_then(Option::as_ref);
        slot.map_or(0, BlockCache::len)
    }

    /// Where the sequences of a batch go on, checked for the blocks that will run.
    pub(super) fn starts(
        &self,
        batch: &TokenBatch,
        run: usize,
    ) -> std::result::Result<Vec<usize>, EngineError> {
        let sequences = self.sequences();
        if let Some((seq, _)) = batch.parts().find(|(seq, _)| *seq >= sequences) {
            return Err(EngineError::CacheShape { what: "sequences", found: sequences, expected: seq + 1 });
        }
        let start = |(seq, _)| {
            let expected = self.len(seq);
            match (0..run).find(|b| self.len_at(*b, seq) != expected) {
                None => Ok(expected),
                Some(block) => {
                    let found = self.len_at(block, seq);
                    Err(EngineError::CacheGap { seq, block, found, expected })
                }
            }
        };
        batch.parts().map(start).collect()
    }

    /// Checks that this cache is of a model of this size.
    pub(super) fn check(&self, blocks: usize, width: usize) -> std::result::Result<(), EngineError> {
        let shape = |what, found, expected| EngineError::CacheShape { what, found, expected };
        if self.blocks.len() != blocks {
            return Err(shape("blocks", self.blocks.len(), blocks));
        }
        if self.place.width() != width {
            return Err(shape("numbers a key", self.place.width(), width));
        }
        Ok(())
    }

    /// Appends keys and values `[tokens, width]` where they are packed.
    pub(super) fn append(
        &mut self,
        block: usize,
        seq: usize,
        k: &[f32],
        v: &[f32],
    ) -> std::result::Result<(), EngineError> {
        let (place, reserve) = (self.place.clone(), self.reserve);
        let slot = self.slot(block, seq)?;
        let failed = backend(format!("the cache of sequence {seq} at block {block}"));
        let CacheStorage::Host(heads, dim) = place else {
            return Err(failed(Error::Msg("slices for a cache of tensors".into())));
        };
        let new = || BlockCache::Packed(Kv::new(heads, dim, k.len() / (heads * dim).max(1) + reserve));
        match slot.get_or_insert_with(new) {
            BlockCache::Packed(kv) => kv.append(k, v).map_err(|e| failed(Error::wrap(e))),
            BlockCache::Tensors { .. } => Err(failed(Error::Msg("slices for a cache of tensors".into()))),
        }
    }

    /// A sequence's packed keys and values.
    pub(super) fn kv(&self, block: usize, seq: usize) -> Option<&Kv> {
        match self.blocks.get(block)?.get(seq)?.as_ref()? {
            BlockCache::Packed(kv) => Some(kv),
            BlockCache::Tensors { .. } => None,
        }
    }

    /// Appends keys and values `[tokens, width]` in f32 and returns all of the sequence's,
    /// `[len, width]` in the cache's type.
    pub(super) fn append_tensors(
        &mut self,
        block: usize,
        seq: usize,
        k: &Tensor,
        v: &Tensor,
    ) -> std::result::Result<(Tensor, Tensor), EngineError> {
        let (place, reserve) = (self.place.clone(), self.reserve);
        let slot = self.slot(block, seq)?;
        append_tensors(slot, &place, reserve, k, v)
            .map_err(backend(format!("the cache of sequence {seq} at block {block}")))
    }

    fn slot(
        &mut self,
        block: usize,
        seq: usize,
    ) -> std::result::Result<&mut Option<BlockCache>, EngineError> {
        let found = self.sequences();
        let slot = self.blocks.get_mut(block).and_then(|b| b.get_mut(seq));
        slot.ok_or(EngineError::CacheShape { what: "sequences", found, expected: seq + 1 })
    }
}

fn append_tensors(
    slot: &mut Option<BlockCache>,
    place: &CacheStorage,
    reserve: usize,
    k: &Tensor,
    v: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let CacheStorage::Device(device, dtype, width) = place else {
        candle_core::bail!("tensors for a cache of slices")
    };
    let empty = |capacity: usize| Tensor::zeros((capacity, *width), *dtype, device);
    let (new, past) = (k.dim(0)?, slot.as_ref().map_or(0, BlockCache::len));
    let len = past + new;
    let (mut all_k, mut all_v) = match slot.take() {
        Some(BlockCache::Tensors { k, v, .. }) => (k, v),
        _ => (empty(new + reserve)?, empty(new + reserve)?),
    };
    let capacity = all_k.dim(0)?;
    if len > capacity {
        let room = len.max(capacity + capacity / 2);
        for all in [&mut all_k, &mut all_v] {
            let grown = empty(room)?;
            grown.slice_set(&all.narrow(0, 0, past)?, 0, 0)?;
            *all = grown;
        }
    }
    all_k.slice_set(&k.to_dtype(*dtype)?.contiguous()?, 0, past)?;
    all_v.slice_set(&v.to_dtype(*dtype)?.contiguous()?, 0, past)?;
    let seen = (all_k.narrow(0, 0, len)?, all_v.narrow(0, 0, len)?);
    *slot = Some(BlockCache::Tensors { k: all_k, v: all_v, len });
    Ok(seen)
}
