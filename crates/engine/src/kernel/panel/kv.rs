//! Keys and values as attention reads them.

use std::ops::Range;

use super::kernel::OUTPUTS;
use super::lines::{CacheLine, floats_mut};
use super::product::PanelError;

/// Positions of a block.
pub(super) const KEYS: usize = 64;

/// Keys and values of a stretch of positions, in f32, to which positions are appended in place.
///
/// Positions stand in blocks of 64, counted from the start of the sequence and not of the stretch: so
/// where a sequence is cut into stretches changes nothing that is computed of it. A block has for each
/// head its keys as two panels of 32, and its values as panels of 32 dimensions: to attention both are
/// packed weights. What is appended is written where it stays; growing moves no more than a `Vec` does.
#[derive(Clone, Debug)]
pub struct Kv {
    heads: usize,
    dim: usize,
    start: usize,
    len: usize,
    /// `[blocks][heads][2][dim][32]`
    k: Vec<CacheLine>,
    /// `[blocks][heads][dim / 32][64][32]`
    v: Vec<CacheLine>,
}

impl Kv {
    /// No positions yet, of so many heads of so many numbers; room for `reserve` positions.
    #[must_use]
    pub fn new(heads: usize, dim: usize, reserve: usize) -> Self {
        Self::from(heads, dim, 0, reserve)
    }

    /// The same for a stretch that begins at a position.
    #[must_use]
    pub fn from(heads: usize, dim: usize, start: usize, reserve: usize) -> Self {
        let mut made = Self { heads, dim, start, len: 0, k: Vec::new(), v: Vec::new() };
        let blocks = made.blocks(reserve);
        made.k.reserve_exact(blocks * heads * made.key_lines());
        made.v.reserve_exact(blocks * heads * made.value_lines());
        made
    }

    #[must_use]
    pub fn positions(&self) -> Range<usize> {
        self.start..self.start + self.len
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn heads(&self) -> usize {
        self.heads
    }

    /// Numbers of a head.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Forgets the positions from `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Appends positions: keys and values `[positions, heads · dim]`.
    ///
    /// # Errors
    /// Slices of other sizes.
    pub fn append(&mut self, k: &[f32], v: &[f32]) -> Result<(), PanelError> {
        let width = self.heads * self.dim;
        PanelError::check("the values", v.len(), k.len())?;
        PanelError::check("the last key", k.len() % width.max(1), 0)?;
        let new = k.len() / width.max(1);
        let (blocks, first) = (self.blocks(self.len + new), self.start % KEYS + self.len);
        let (key_lines, value_lines) = (self.key_lines(), self.value_lines());
        // Unwritten keys and values are read, and weighed with zero: they have to be numbers.
        grow(&mut self.k, blocks * self.heads * key_lines);
        grow(&mut self.v, blocks * self.heads * value_lines);
        let (dim, heads) = (self.dim, self.heads);
        let (all_k, all_v) = (floats_mut(&mut self.k), floats_mut(&mut self.v));
        for (i, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
            let (block, at) = ((first + i) / KEYS, (first + i) % KEYS);
            for (h, (k, v)) in k.chunks_exact(dim).zip(v.chunks_exact(dim)).enumerate() {
                let panel = (block * heads + h) * key_lines * 16 + at / OUTPUTS * dim * OUTPUTS;
                all_k[panel + at % OUTPUTS..].iter_mut().step_by(OUTPUTS).zip(k).for_each(|(to, k)| *to = *k);
                let first = (block * heads + h) * value_lines * 16 + at * OUTPUTS;
                for (part, v) in v.chunks(OUTPUTS).enumerate() {
                    let from = first + part * KEYS * OUTPUTS;
                    all_v[from..from + v.len()].copy_from_slice(v);
                }
            }
        }
        self.len += new;
        Ok(())
    }

    /// The keys of a head of a block of the sequence, as two panels.
    pub(super) fn keys(&self, block: usize, head: usize) -> &[CacheLine] {
        self.panels(&self.k, self.key_lines(), block, head)
    }

    /// The values of a head of a block of the sequence, a panel each 32 dimensions.
    pub(super) fn values(&self, block: usize, head: usize) -> &[CacheLine] {
        self.panels(&self.v, self.value_lines(), block, head)
    }

    fn panels<'a>(&self, all: &'a [CacheLine], lines: usize, block: usize, head: usize) -> &'a [CacheLine] {
        // Attention reads them through pointers: what is not there must not look like no lines.
        assert!(
            head < self.heads && block >= self.start / KEYS,
            "head {head} of block {block} of a stretch from {}",
            self.start
        );
        let from = ((block - self.start / KEYS) * self.heads + head) * lines;
        &all[from..from + lines]
    }

    /// Key and value of a position, `[heads · dim]` each.
    #[cfg(test)]
    pub(super) fn position(&self, at: usize) -> Option<(Vec<f32>, Vec<f32>)> {
        use super::lines::floats;
        if at >= self.len {
            return None;
        }
        let (block, at) = ((self.start + at) / KEYS, (self.start + at) % KEYS);
        let key = |(h, d): (usize, usize)| {
            floats(self.keys(block, h)).get((at / OUTPUTS * self.dim + d) * OUTPUTS + at % OUTPUTS).copied()
        };
        let value = |(h, d): (usize, usize)| {
            floats(self.values(block, h)).get((d / OUTPUTS * KEYS + at) * OUTPUTS + d % OUTPUTS).copied()
        };
        let all = || (0..self.heads).flat_map(|h| (0..self.dim).map(move |d| (h, d)));
        Some((all().filter_map(key).collect(), all().filter_map(value).collect()))
    }

    /// Blocks of the first positions.
    fn blocks(&self, positions: usize) -> usize {
        if positions == 0 { 0 } else { (self.start % KEYS + positions).div_ceil(KEYS) }
    }

    fn key_lines(&self) -> usize {
        KEYS * self.dim / 16
    }

    fn value_lines(&self) -> usize {
        self.dim.div_ceil(OUTPUTS) * KEYS * OUTPUTS / 16
    }
}

fn grow(lines: &mut Vec<CacheLine>, to: usize) {
    if lines.len() < to {
        lines.resize(to, CacheLine::default());
    }
}
