//! Keys and values of tokens already seen, a buffer a sequence and block.

use candle_core::{DType, Device, Result, Tensor};

use super::error::{EngineError, backend};
use super::layout::Batch;

/// Keys and values of several sequences.
///
/// Made by [`Model::cache`](super::model::Model::cache) for a number of sequences, which go by 0, 1,
/// and so on. Buffers have room to grow in, so a step copies only what it adds.
#[derive(Debug)]
pub struct Cache {
    width: usize,
    dtype: DType,
    device: Device,
    /// Tokens a sequence has room for beyond its first pass.
    reserve: usize,
    /// By block, by sequence.
    blocks: Vec<Vec<Option<Slot>>>,
}

#[derive(Debug)]
struct Slot {
    /// `[capacity, width]`
    k: Tensor,
    v: Tensor,
    len: usize,
}

impl Cache {
    pub(super) fn new(
        blocks: usize,
        sequences: usize,
        width: usize,
        reserve: usize,
        dtype: DType,
        device: &Device,
    ) -> Self {
        let empty = || (0..sequences).map(|_| None).collect();
        Self { width, dtype, device: device.clone(), reserve, blocks: (0..blocks).map(|_| empty()).collect() }
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

    /// How many sequences there is room for.
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
        slot.map_or(0, |s| s.len)
    }

    /// Where the sequences of a batch go on, checked for the blocks that will run.
    pub(super) fn starts(&self, batch: &Batch, run: usize) -> std::result::Result<Vec<usize>, EngineError> {
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
        if self.width != width {
            return Err(shape("numbers a key", self.width, width));
        }
        Ok(())
    }

    /// Appends keys and values `[tokens, width]` in f32 and returns all of the sequence's,
    /// `[len, width]` in the cache's type.
    pub(super) fn append(
        &mut self,
        block: usize,
        seq: usize,
        k: &Tensor,
        v: &Tensor,
    ) -> std::result::Result<(Tensor, Tensor), EngineError> {
        let what = || format!("the cache of sequence {seq} at block {block}");
        let sequences = self.sequences();
        let Some(slot) = self.blocks.get_mut(block).and_then(|b| b.get_mut(seq)) else {
            return Err(EngineError::CacheShape { what: "sequences", found: sequences, expected: seq + 1 });
        };
        let empty = |tokens| Slot::empty(tokens, self.width, self.dtype, &self.device);
        append(slot, self.reserve, empty, k, v).map_err(backend(what()))
    }
}

impl Slot {
    fn empty(capacity: usize, width: usize, dtype: DType, device: &Device) -> Result<Self> {
        let zeros = || Tensor::zeros((capacity, width), dtype, device);
        Ok(Self { k: zeros()?, v: zeros()?, len: 0 })
    }
}

fn append(
    slot: &mut Option<Slot>,
    reserve: usize,
    empty: impl Fn(usize) -> Result<Slot>,
    k: &Tensor,
    v: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let new = k.dim(0)?;
    let held = match slot {
        Some(held) => held,
        None => slot.insert(empty(new + reserve)?),
    };
    let (len, capacity) = (held.len + new, held.k.dim(0)?);
    if len > capacity {
        let grown = empty(len.max(capacity + capacity / 2))?;
        grown.k.slice_set(&held.k.narrow(0, 0, held.len)?, 0, 0)?;
        grown.v.slice_set(&held.v.narrow(0, 0, held.len)?, 0, 0)?;
        *held = Slot { len: held.len, ..grown };
    }
    held.k.slice_set(&k.to_dtype(held.k.dtype())?.contiguous()?, 0, held.len)?;
    held.v.slice_set(&v.to_dtype(held.v.dtype())?.contiguous()?, 0, held.len)?;
    held.len = len;
    Ok((held.k.narrow(0, 0, len)?, held.v.narrow(0, 0, len)?))
}
