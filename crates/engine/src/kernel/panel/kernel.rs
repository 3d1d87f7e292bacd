//! What a kernel of products is.
//!
//! Weights and rows are both read in *steps* along the input: a step of a panel is 32 outputs of one
//! 32-bit word each (one f32, two bf16 or four int8), two cache lines. Rows are first *staged*:
//! copied a chunk of steps at a time into rows a fixed stride apart, in the type the kernel reads.
//! So the chunk of a panel stays in the first cache while tiles of rows go by it, and no power of
//! two between rows makes them fight for the same lines.

use super::lines::CacheLine;

/// Outputs of a panel.
pub(super) const OUTPUTS: usize = 32;

/// Words of staged rows and panels that make a tile of results.
pub(super) struct Tile<'a> {
    /// The first staged row, at its chunk.
    pub(super) x: *const u32,
    /// The chunk of the panel, `steps · 2` lines, or what it was unfolded to; null where the only tile
    /// that reads it unfolds it by itself.
    pub(super) w: *const CacheLine,
    /// As much of the chunk as is held.
    pub(super) held: &'a [CacheLine],
    /// Scales and the like that stand beside the chunk of the panel, as many as the kernel says.
    pub(super) side: *const CacheLine,
    /// Steps of the chunk.
    pub(super) steps: usize,
    /// Words from a part of the staged rows to the next.
    pub(super) part: usize,
    /// Where the results go: 32 of each row, and of as many rows as fill a tile.
    pub(super) y: *mut f32,
    /// Numbers from a row of results to the next.
    pub(super) stride: usize,
    /// Whether this is the first tile that reads the chunk of the panel.
    pub(super) lead: bool,
    /// Whether to start from zero rather than from what is in `y`.
    pub(super) fresh: bool,
}

/// A way to multiply.
pub(super) trait Kernel: Sync {
    /// Most rows of a tile.
    const ROWS: usize;
    /// Whether rows are best shared out evenly among tiles, rather than in full tiles and a rest.
    const EVEN: bool = true;
    /// Most steps of a chunk.
    const STEPS: usize;
    /// Steps of a chunk are a multiple of this.
    const UNIT: usize = 1;
    /// Inputs of a step.
    const INPUTS: usize;
    /// Words that a staged row takes up of a chunk.
    const STRIDE: usize;
    /// Parts whose sum a staged row is, the largest first.
    const X_PARTS: usize = 1;
    /// Times that tiles are called for a chunk: once for every part, the last first, or once for all.
    const PASSES: usize = Self::X_PARTS;
    /// Rows that are worth reading all weights for, if so few have their inputs staged in several turns.
    const LEAST: usize = Self::ROWS;
    /// Lines that a step of a panel is unfolded to before tiles read it; 0 where they read it as it is.
    const W_LINES: usize = 0;
    /// Lines beside 8 steps of a panel.
    const SIDE: usize = 0;

    /// Stages a chunk of row `row`: `x` holds the inputs there are, the rest up to `steps` is zeros.
    /// `out` holds all rows of the chunk, each part of them after `part` words.
    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]);

    /// Unfolds a chunk of a panel: `w` holds the steps there are, the rest up to `steps` is zeros.
    fn unfold(&self, _w: &[CacheLine], _steps: usize, _out: &mut [CacheLine]) {}

    /// Readies a thread for tiles: so many rows alone, or full tiles and a rest.
    fn enter(&self, _rows: usize) {}

    /// Ends what `enter` began.
    fn leave(&self) {}

    /// Computes `rows` rows by 32 outputs of one chunk.
    ///
    /// # Safety
    /// `1 <= rows <= ROWS`; the tile's pointers are to as much as its fields say, staged by `stage`
    /// and, for `x`, followed by what `ROWS` rows take up; `y` is not written by another thread;
    /// between `enter` and `leave`.
    unsafe fn tile(&self, rows: usize, tile: &Tile<'_>);
}
