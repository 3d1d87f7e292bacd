//! AMX: tiles of bf16 by bf16 with f32 sums, 16 rows by 16 outputs by 32 inputs an instruction.

mod bf16;
mod f32;

use std::arch::asm;

use super::kernel::Tile;
use super::lines::CacheLine;

pub(super) use bf16::Amx;
pub(super) use f32::SplitF32;

/// Rows of two tiles, which a call computes.
const ROWS: usize = 32;

/// Readies this thread's tiles: 0 to 3 for results, first the two of 16 rows, then those of the next
/// 16; 4 and 5 for rows; 6 and 7 for weights.
fn configure(rows: usize) {
    /// The palette, the row to start at, bytes a row and rows of each tile.
    #[repr(C, align(64))]
    struct TileConfig([u8; 64]);
    let mut config = TileConfig([0; 64]);
    config.0[0] = 1;
    for tile in 0..8 {
        config.0[16 + 2 * tile] = 64;
        config.0[48 + tile] = 16;
    }
    // Tiles of no more rows than there are take less time, and write nothing beyond them.
    if rows <= ROWS {
        #[allow(clippy::cast_possible_truncation)]
        let (first, second) = (rows.min(16) as u8, rows.saturating_sub(16).max(1) as u8);
        for (tile, rows) in [(0, first), (1, first), (4, first), (2, second), (3, second), (5, second)] {
            config.0[48 + tile] = rows;
        }
    }
    // SAFETY: kernels are made only where the tiles are; nothing else in this program uses them.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly)) }
}

/// Gives them back.
fn release() {
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
}

/// Calls an instruction for the two tiles of results of 16 rows, whose first is at `$y`.
macro_rules! results {
    ($first:literal, $second:literal, $y:expr, $t:expr) => {
        asm!(
            $first,
            $second,
            y = in(reg) $y,
            stride = in(reg) $t.stride * 4,
            options(nostack),
        )
    };
}

/// Readies the sums of up to 32 rows.
///
/// # Safety
/// As [`Kernel::tile`](super::kernel::Kernel::tile).
#[inline]
unsafe fn begin(rows: usize, t: &Tile) {
    // SAFETY: the tiles are configured; as many rows of 32 numbers are at `y`.
    unsafe {
        if t.fresh {
            asm!("tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3", options(nostack));
            return;
        }
        results!("tileloadd tmm0, [{y} + {stride}]", "tileloadd tmm1, [{y} + {stride} + 64]", t.y, t);
        if rows > 16 {
            let y = t.y.add(16 * t.stride);
            results!("tileloadd tmm2, [{y} + {stride}]", "tileloadd tmm3, [{y} + {stride} + 64]", y, t);
        }
    }
}

/// Writes the sums.
///
/// # Safety
/// As [`Kernel::tile`](super::kernel::Kernel::tile).
#[inline]
unsafe fn end(rows: usize, t: &Tile) {
    // SAFETY: as in `begin`.
    unsafe {
        results!("tilestored [{y} + {stride}], tmm0", "tilestored [{y} + {stride} + 64], tmm1", t.y, t);
        if rows > 16 {
            let y = t.y.add(16 * t.stride);
            results!("tilestored [{y} + {stride}], tmm2", "tilestored [{y} + {stride} + 64], tmm3", y, t);
        }
    }
}

/// Loads 32 inputs of 16 rows, or of up to 32, that were staged `STRIDE` words apart.
///
/// # Safety
/// They are at `x`, and the tiles are configured.
#[inline(always)]
unsafe fn load_rows<const STRIDE: usize>(rows: usize, x: *const u32) {
    // SAFETY: the caller's word.
    unsafe {
        asm!("tileloadd tmm4, [{x} + {s}]", x = in(reg) x, s = in(reg) 64_usize, options(nostack, readonly));
        if rows > 16 {
            let x = x.add(16 * STRIDE);
            asm!("tileloadd tmm5, [{x} + {s}]", x = in(reg) x, s = in(reg) 64_usize, options(nostack, readonly));
        }
    }
}

/// Loads the weights of 32 inputs, 16 outputs a tile.
///
/// # Safety
/// 16 pairs of lines are at `w`, and the tiles are configured.
#[inline(always)]
unsafe fn load_weights(w: *const CacheLine) {
    // SAFETY: the caller's word.
    unsafe {
        asm!(
            "tileloadd tmm6, [{w} + {s}]",
            "tileloadd tmm7, [{w} + {s} + 64]",
            w = in(reg) w,
            s = in(reg) 128_usize,
            options(nostack, readonly),
        );
    }
}

/// Adds the products of what is loaded.
///
/// # Safety
/// The tiles are configured.
#[inline(always)]
unsafe fn multiply(rows: usize) {
    // SAFETY: the caller's word.
    unsafe {
        asm!("tdpbf16ps tmm0, tmm4, tmm6", "tdpbf16ps tmm1, tmm4, tmm7", options(nostack, nomem));
        if rows > 16 {
            asm!("tdpbf16ps tmm2, tmm5, tmm6", "tdpbf16ps tmm3, tmm5, tmm7", options(nostack, nomem));
        }
    }
}
