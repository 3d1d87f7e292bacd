//! `vpdpbusd`: four int8 by four int8 with int32 sums, and a scale a group.

use std::arch::x86_64::*;

use super::avx512::{begin, end};
use super::int8::{CORRECTIONS, OFFSETS, SCALES, STEPS, STRIDE, stage};
use super::kernel::{Kernel, Tile};

/// int8 weights by rows in `X` parts of int8; groups of `G` steps, with an offset each where `MIN`.
/// Made only where VNNI is.
pub(super) struct Vnni<const X: usize, const G: usize, const MIN: bool>(());

impl<const X: usize, const G: usize, const MIN: bool> Vnni<X, G, MIN> {
    pub(super) fn new() -> Option<Self> {
        super::cpu().vnni.then_some(Self(()))
    }
}

impl<const X: usize, const G: usize, const MIN: bool> Kernel for Vnni<X, G, MIN> {
    const ROWS: usize = 6;
    const STEPS: usize = STEPS;
    const UNIT: usize = 8;
    const INPUTS: usize = 4;
    const STRIDE: usize = STRIDE;
    const X_PARTS: usize = X;
    const SIDE: usize = 8 / G * if MIN { 4 } else { 2 };

    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]) {
        stage::<X, G>(row, x, steps, part, out);
    }

    unsafe fn tile(&self, rows: usize, tile: &Tile) {
        /// Names the constants, for the macro.
        macro_rules! of {
            ($($r:literal)*) => {
                match rows {
                    $($r => int8::<$r, G, MIN>(tile),)*
                    _ => {}
                }
            };
        }
        // SAFETY: the CPU has VNNI, or `new` had made none; the rest is the caller's word.
        unsafe { of!(1 2 3 4 5 6) }
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
unsafe fn int8<const R: usize, const G: usize, const MIN: bool>(t: &Tile) {
    // SAFETY: `steps` words of R rows with what stands beside them, `steps` pairs of lines and two
    // lines of scales and offsets a group are there.
    unsafe {
        let mut acc = begin::<R>(t);
        let (mut x, mut w, mut side) = (t.x.cast::<i32>(), t.w.cast::<u32>(), t.side.cast::<f32>());
        for group in 0..t.steps / G {
            let beside = t.x.add(group);
            let mut sums = [[_mm512_setzero_si512(); 2]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                *sums = [_mm512_set1_epi32((*beside.add(r * STRIDE + CORRECTIONS)).cast_signed()); 2];
            }
            for step in 0..G {
                let w0 = _mm512_load_si512(w.add(step * 32).cast());
                let w1 = _mm512_load_si512(w.add(step * 32 + 16).cast());
                if t.lead {
                    _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(step * 32 + 4096).cast());
                    _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(step * 32 + 4096 + 16).cast());
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_epi32(*x.add(r * STRIDE + step));
                    sums[0] = _mm512_dpbusd_epi32(sums[0], w0, x);
                    sums[1] = _mm512_dpbusd_epi32(sums[1], w1, x);
                }
            }
            let scales = [_mm512_load_ps(side), _mm512_load_ps(side.add(16))];
            for (r, (acc, sums)) in acc.iter_mut().zip(sums).enumerate() {
                let scale = _mm512_set1_ps(f32::from_bits(*beside.add(r * STRIDE + SCALES)));
                for ((acc, sum), s) in acc.iter_mut().zip(sums).zip(scales) {
                    *acc = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(s, scale), *acc);
                }
            }
            if MIN {
                let offsets = [_mm512_load_ps(side.add(32)), _mm512_load_ps(side.add(48))];
                for (r, acc) in acc.iter_mut().enumerate() {
                    let sum = _mm512_set1_ps(f32::from_bits(*beside.add(r * STRIDE + OFFSETS)));
                    acc[0] = _mm512_fmadd_ps(offsets[0], sum, acc[0]);
                    acc[1] = _mm512_fmadd_ps(offsets[1], sum, acc[1]);
                }
            }
            x = x.add(G);
            w = w.add(32 * G);
            side = side.add(if MIN { 64 } else { 32 });
        }
        end::<R>(t, &acc);
    }
}
