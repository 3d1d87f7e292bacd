//! bf16 weights by rows rounded to bf16.

use std::arch::asm;

use super::super::dpbf16::stage_parts;
use super::super::kernel::{Kernel, Tile};
use super::{ROWS, configure, release};

/// bf16 by bf16. Made only where AMX is.
pub(in super::super) struct Amx(());

impl Amx {
    pub(in super::super) fn new() -> Option<Self> {
        super::super::cpu().amx.then_some(Self(()))
    }
}

/// Words of a row of a chunk. Sixteen rows stand together, tile after tile: a row's words of a tile
/// are one line, the next row's the next line.
const STRIDE: usize = 288;

impl Kernel for Amx {
    const ROWS: usize = ROWS;
    const EVEN: bool = false;
    const STEPS: usize = STRIDE;
    const UNIT: usize = 16;
    const INPUTS: usize = 2;
    const STRIDE: usize = STRIDE;

    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]) {
        // SAFETY: `cpu` finds AMX only where it finds bf16 conversions.
        unsafe { stage_parts::<1>(x, steps, part, row / 16 * 16 * STRIDE + row % 16 * 16, 256, out) }
    }

    fn enter(&self, rows: usize) {
        configure(rows);
    }

    fn leave(&self) {
        release();
    }

    unsafe fn tile(&self, rows: usize, t: &Tile) {
        // SAFETY: the caller's word.
        unsafe { tiles(rows, t) }
    }
}

/// # Safety
/// As [`Kernel::tile`].
unsafe fn tiles(rows: usize, t: &Tile) {
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
                y = in(reg) t.y,
                z = in(reg) t.y.add(16 * t.stride),
                ys = in(reg) t.stride * 4,
                x = inout(reg) t.x => _,
                v = inout(reg) t.x.add(16 * STRIDE) => _,
                xs = in(reg) 64_usize,
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
                y = in(reg) t.y,
                ys = in(reg) t.stride * 4,
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
