//! bf16 weights by rows rounded to bf16.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use super::super::dpbf16::stage_parts;
use super::super::kernel::{Kernel, Tile};
use super::{ROWS, begin, configure, end, load_rows, load_weights, multiply, release};

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
                let w = t.w.add(32 * k);
                load_rows::<STRIDE>(rows, t.x.add(256 * k));
                load_weights(w);
                multiply(rows);
                if rows <= 16 {
                    // Few rows wait for memory: ask for the lines of eight such steps on. Asking for memory
                    // that is not there does nothing.
                    (256..288).for_each(|line| _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(line).cast()));
                }
            }
            end(rows, t);
        }
    }
}
