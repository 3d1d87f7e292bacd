//! AMX: tiles of bf16 by bf16 with f32 sums, 16 rows by 16 outputs by 32 inputs an instruction.

mod bf16;
mod f32;

use std::arch::asm;

pub(super) use bf16::Amx;
pub(super) use f32::Split;

/// Rows of two tiles, which a call computes.
const ROWS: usize = 32;

/// Readies this thread's tiles: 0 to 3 for results, first the two of 16 rows, then those of the next
/// 16; 4 and 5 for rows; 6 and 7 for weights.
fn configure(rows: usize) {
    /// The palette, the row to start at, bytes a row and rows of each tile.
    #[repr(C, align(64))]
    struct Config([u8; 64]);
    let mut config = Config([0; 64]);
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
