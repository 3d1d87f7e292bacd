//! bf16 weights by rows rounded to bf16.

use std::arch::asm;

use super::super::dpbf16::stage_parts;
use super::super::kernel::{Kernel, Tile};
use super::super::lines::Line;
use super::{ROWS, begin, configure, end, release};

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
        // SAFETY: 16 or 32 staged rows of `steps` words, 16 steps at a time, and `steps` pairs of lines
        // are there.
        unsafe {
            begin(rows, t);
            for k in 0..t.steps / 16 {
                step(rows, t.x.add(256 * k), t.w.add(32 * k));
            }
            end(rows, t);
        }
    }
}

/// Adds the products of 32 inputs.
///
/// # Safety
/// As [`Kernel::tile`].
#[inline]
unsafe fn step(rows: usize, x: *const u32, w: *const Line) {
    // SAFETY: the caller's word; asking for memory that is not there does nothing.
    unsafe {
        if rows > 16 {
            asm!(
                "tileloadd tmm4, [{x} + {xs}]",
                "tileloadd tmm6, [{w} + {ws}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{x} + {xs} + {down}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                x = in(reg) x,
                xs = in(reg) 64_usize,
                down = const 16 * STRIDE * 4,
                w = in(reg) w,
                ws = in(reg) 128_usize,
                options(nostack, readonly),
            );
        } else {
            asm!(
                "tileloadd tmm4, [{x} + {xs}]",
                "tileloadd tmm6, [{w} + {ws}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                // Few rows wait for memory: ask for the lines of eight such steps on.
                ".irp i, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31",
                "prefetcht1 [{w} + 16384 + 64*\\i]",
                ".endr",
                x = in(reg) x,
                xs = in(reg) 64_usize,
                w = in(reg) w,
                ws = in(reg) 128_usize,
                options(nostack, readonly),
            );
        }
    }
}
