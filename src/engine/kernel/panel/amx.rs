//! AMX: tiles of bf16 by bf16 with f32 sums, 16 rows by 16 outputs by 32 inputs an instruction.
//!
//! A row with more bits than bf16 is a sum of several bf16, and its product the sum of theirs
//! (Henry, Tang & Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for
//! higher-precision computations"): two parts have 16 bits.

use std::arch::asm;

use super::dpbf16::stage_parts;
use super::kernel::{Kernel, Tile};

/// bf16 weights by rows in `X` parts. Made only where AMX is.
pub(super) struct Amx<const X: usize>(());

impl<const X: usize> Amx<X> {
    pub(super) fn new() -> Option<Self> {
        super::cpu().amx.then_some(Self(()))
    }
}

/// Words of a row of a chunk. Sixteen rows stand together, tile after tile: a row's words of a tile
/// are one line, the next row's the next line.
const STRIDE: usize = 288;

impl<const X: usize> Kernel for Amx<X> {
    const ROWS: usize = 32;
    const EVEN: bool = false;
    const STEPS: usize = STRIDE;
    const UNIT: usize = 16;
    const INPUTS: usize = 2;
    const STRIDE: usize = STRIDE;
    const X_PARTS: usize = X;

    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]) {
        // SAFETY: `cpu` finds AMX only where it finds bf16 conversions.
        unsafe { stage_parts::<X>(x, steps, part, row / 16 * 16 * STRIDE + row % 16 * 16, 256, out) }
    }

    fn enter(&self, rows: usize) {
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
        if rows <= Self::ROWS {
            #[allow(clippy::cast_possible_truncation)]
            let (first, second) = (rows.min(16) as u8, rows.saturating_sub(16).max(1) as u8);
            for (tile, rows) in [(0, first), (1, first), (4, first), (2, second), (3, second), (5, second)] {
                config.0[48 + tile] = rows;
            }
        }
        // SAFETY: the tiles are there; nothing else in this program uses them.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly)) }
    }

    fn leave(&self) {
        // SAFETY: as above.
        unsafe { asm!("tilerelease", options(nostack, nomem)) }
    }

    unsafe fn tile(&self, rows: usize, t: &Tile) {
        /// Results that do not fill their tiles.
        #[repr(C, align(64))]
        struct Aside([[f32; 32]; 32]);
        let whole = (t.alone || rows.is_multiple_of(16)) && t.cols == 32;
        // SAFETY: the caller's word; what the tiles write beyond `rows` and `cols` goes aside.
        unsafe {
            if whole {
                return tiles(rows, t, t.y, t.stride);
            }
            let mut aside = Aside([[0.0; 32]; 32]);
            if !t.fresh {
                for (r, row) in aside.0.iter_mut().take(rows).enumerate() {
                    let y = std::slice::from_raw_parts(t.y.add(r * t.stride), t.cols);
                    row[..t.cols].copy_from_slice(y);
                }
            }
            tiles(rows, t, aside.0.as_mut_ptr().cast(), 32);
            for (r, row) in aside.0.iter().take(rows).enumerate() {
                let y = std::slice::from_raw_parts_mut(t.y.add(r * t.stride), t.cols);
                y.copy_from_slice(&row[..t.cols]);
            }
        }
    }
}

/// # Safety
/// As many rows of 32 results as the tiles are configured for are at `y`; otherwise as [`Kernel::tile`].
unsafe fn tiles(rows: usize, t: &Tile, y: *mut f32, stride: usize) {
    // SAFETY: 16 or 32 staged rows of `steps` words, 16 steps at a time, and `steps` pairs of lines
    // are there; the tiles are configured.
    unsafe {
        if rows > 16 {
            asm!(
                "test {fresh}, {fresh}",
                "jnz 3f",
                "tileloadd tmm0, [{y} + {ys}]",
                "tileloadd tmm1, [{y} + {ys} + 64]",
                "tileloadd tmm2, [{z} + {ys}]",
                "tileloadd tmm3, [{z} + {ys} + 64]",
                "jmp 2f",
                "3:",
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{x} + {xs}]",
                "tileloadd tmm6, [{w} + {ws}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{v} + {xs}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                // The rows of the next tile.
                ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                "prefetcht0 [{x} + {ahead} + 64*\\i]",
                "prefetcht0 [{v} + {ahead} + 64*\\i]",
                ".endr",
                "add {x}, 1024",
                "add {v}, 1024",
                "add {w}, 2048",
                "dec {n}",
                "jnz 2b",
                "tilestored [{y} + {ys}], tmm0",
                "tilestored [{y} + {ys} + 64], tmm1",
                "tilestored [{z} + {ys}], tmm2",
                "tilestored [{z} + {ys} + 64], tmm3",
                fresh = in(reg) usize::from(t.fresh),
                y = in(reg) y,
                z = in(reg) y.add(16 * stride),
                ys = in(reg) stride * 4,
                x = inout(reg) t.x => _,
                v = inout(reg) t.x.add(16 * STRIDE) => _,
                xs = in(reg) 64_usize,
                ahead = const 32 * STRIDE * 4,
                w = inout(reg) t.w => _,
                ws = in(reg) 128_usize,
                n = inout(reg) t.steps / 16 => _,
                options(nostack),
            );
        } else {
            asm!(
                "test {fresh}, {fresh}",
                "jnz 3f",
                "tileloadd tmm0, [{y} + {ys}]",
                "tileloadd tmm1, [{y} + {ys} + 64]",
                "jmp 2f",
                "3:",
                "tilezero tmm0",
                "tilezero tmm1",
                "2:",
                "tileloadd tmm4, [{x} + {xs}]",
                "tileloadd tmm6, [{w} + {ws}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                // Few rows wait for memory: ask for the lines of two chunks on.
                ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "prefetcht1 [{w} + 16384 + 64*\\i]",
                ".endr",
                "add {x}, 1024",
                "add {w}, 2048",
                "dec {n}",
                "jnz 2b",
                "tilestored [{y} + {ys}], tmm0",
                "tilestored [{y} + {ys} + 64], tmm1",
                fresh = in(reg) usize::from(t.fresh),
                y = in(reg) y,
                ys = in(reg) stride * 4,
                x = inout(reg) t.x => _,
                xs = in(reg) 64_usize,
                w = inout(reg) t.w => _,
                ws = in(reg) 128_usize,
                n = inout(reg) t.steps / 16 => _,
                options(nostack),
            );
        }
    }
}
