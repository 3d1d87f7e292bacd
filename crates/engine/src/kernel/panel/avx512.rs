//! AVX-512: f32 by f32, and f32 by bf16 widened on the way.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::*;

use super::kernel::{Kernel, Tile};
use super::stage;

/// Calls a function that is generic over the rows of a tile.
macro_rules! by_rows {
    ($rows:expr, $f:ident, $tile:expr, $($r:literal)*) => {
        match $rows {
            $($r => $f::<$r>($tile),)*
            _ => {}
        }
    };
}
pub(super) use by_rows;

/// f32 weights. Made only where AVX-512 is.
pub(super) struct F32(());

/// bf16 weights by f32 rows, exact products. Made only where AVX-512 is.
pub(super) struct Wide(());

impl F32 {
    pub(super) fn new() -> Option<Self> {
        super::cpu().avx512.then_some(Self(()))
    }
}

impl Wide {
    pub(super) fn new() -> Option<Self> {
        super::cpu().avx512.then_some(Self(()))
    }
}

impl Kernel for F32 {
    const ROWS: usize = 12;
    const STEPS: usize = 384;
    const INPUTS: usize = 1;
    const STRIDE: usize = 400;

    fn stage(&self, row: usize, x: &[f32], steps: usize, _: usize, out: &mut [u32]) {
        stage::floats(x, steps, &mut out[row * Self::STRIDE..]);
    }

    unsafe fn tile(&self, rows: usize, tile: &Tile) {
        // SAFETY: the CPU has AVX-512, or `new` had made none; the rest is the caller's word.
        unsafe { by_rows!(rows, f32_tile, tile, 1 2 3 4 5 6 7 8 9 10 11 12) }
    }
}

impl Kernel for Wide {
    const ROWS: usize = 12;
    const STEPS: usize = 128;
    const UNIT: usize = 16;
    const INPUTS: usize = 2;
    const STRIDE: usize = 272;

    fn stage(&self, row: usize, x: &[f32], steps: usize, _: usize, out: &mut [u32]) {
        stage::floats(x, 2 * steps, &mut out[row * Self::STRIDE..]);
    }

    unsafe fn tile(&self, rows: usize, tile: &Tile) {
        // SAFETY: as above.
        unsafe { by_rows!(rows, wide_tile, tile, 1 2 3 4 5 6 7 8 9 10 11 12) }
    }
}

#[target_feature(enable = "avx512f")]
pub(super) unsafe fn begin<const R: usize>(t: &Tile) -> [[__m512; 2]; R] {
    let mut acc = [[_mm512_setzero_ps(); 2]; R];
    for r in R..2 * R {
        let y = t.y.wrapping_add(r * t.stride);
        _mm_prefetch::<_MM_HINT_ET0>(y.cast());
        _mm_prefetch::<_MM_HINT_ET0>(y.wrapping_add(16).cast());
    }
    if !t.fresh {
        for (r, acc) in acc.iter_mut().enumerate() {
            // SAFETY: 32 numbers of each row are there.
            unsafe {
                let y = t.y.add(r * t.stride);
                *acc = [_mm512_loadu_ps(y), _mm512_loadu_ps(y.add(16))];
            }
        }
    }
    acc
}

/// Stores a tile's results.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn end<const R: usize>(t: &Tile, acc: &[[__m512; 2]; R]) {
    for (r, acc) in acc.iter().enumerate() {
        // SAFETY: as in `begin`.
        unsafe {
            let y = t.y.add(r * t.stride);
            _mm512_storeu_ps(y, acc[0]);
            _mm512_storeu_ps(y.add(16), acc[1]);
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn f32_tile<const R: usize>(t: &Tile) {
    // SAFETY: `steps` words of R rows and `steps` pairs of lines are there.
    unsafe {
        let mut acc = begin::<R>(t);
        let (mut x, mut w) = (t.x.cast::<f32>(), t.w.cast::<f32>());
        for from in (0..t.steps).step_by(16) {
            ahead(t, R, F32::STRIDE, x.cast(), w.cast());
            let here = 16.min(t.steps - from);
            for _ in 0..here / 4 {
                f32_steps::<R, 4>(&mut acc, &mut x, &mut w);
            }
            for _ in 0..here % 4 {
                f32_steps::<R, 1>(&mut acc, &mut x, &mut w);
            }
        }
        end::<R>(t, &acc);
    }
}

/// Some steps at once, for which a loop takes a twentieth longer.
///
/// # Safety
/// `N` words of R rows and `N` pairs of lines are there.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn f32_steps<const R: usize, const N: usize>(
    acc: &mut [[__m512; 2]; R],
    x: &mut *const f32,
    w: &mut *const f32,
) {
    // SAFETY: the caller's word.
    unsafe {
        for n in 0..N {
            let (w0, w1) = (_mm512_load_ps(w.add(32 * n)), _mm512_load_ps(w.add(32 * n + 16)));
            for (r, acc) in acc.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*x.add(r * F32::STRIDE + n));
                acc[0] = _mm512_fmadd_ps(x, w0, acc[0]);
                acc[1] = _mm512_fmadd_ps(x, w1, acc[1]);
            }
        }
        *x = x.add(N);
        *w = w.add(32 * N);
    }
}

/// Asks for what is read after the next line of each row: the same line of the next tile's rows, and
/// the weights that the first tile of a chunk will be waiting for.
#[inline(always)]
pub(super) fn ahead(t: &Tile, rows: usize, stride: usize, x: *const u32, w: *const u32) {
    /// How far ahead weights are asked for, in words: a chunk of 128 steps.
    const AHEAD: usize = 128 * 32;
    // SAFETY: asking for memory that is not there does nothing.
    unsafe {
        for r in 0..rows {
            _mm_prefetch::<_MM_HINT_T0>(x.wrapping_add((rows + r) * stride).cast());
        }
        if t.lead {
            for line in 0..32 {
                _mm_prefetch::<_MM_HINT_T1>(w.wrapping_add(AHEAD + 16 * line).cast());
            }
        }
    }
}

#[target_feature(enable = "avx512f")]
unsafe fn wide_tile<const R: usize>(t: &Tile) {
    let odd = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    // SAFETY: two words a step of R rows and `steps` pairs of lines are there, 16 steps at a time.
    unsafe {
        let mut acc = begin::<R>(t);
        let (mut x, mut w) = (t.x.cast::<f32>(), t.w.cast::<u32>());
        for _ in 0..t.steps / 16 {
            ahead(t, R, Wide::STRIDE, x.cast(), w);
            ahead(t, R, Wide::STRIDE, x.add(16).cast(), w);
            for _ in 0..16 {
                let (w0, w1) = (_mm512_load_si512(w.cast()), _mm512_load_si512(w.add(16).cast()));
                let first = [w0, w1].map(|w| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(w)));
                let second = [w0, w1].map(|w| _mm512_castsi512_ps(_mm512_and_si512(w, odd)));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x0 = _mm512_set1_ps(*x.add(r * Wide::STRIDE));
                    acc[0] = _mm512_fmadd_ps(x0, first[0], acc[0]);
                    acc[1] = _mm512_fmadd_ps(x0, first[1], acc[1]);
                    let x1 = _mm512_set1_ps(*x.add(r * Wide::STRIDE + 1));
                    acc[0] = _mm512_fmadd_ps(x1, second[0], acc[0]);
                    acc[1] = _mm512_fmadd_ps(x1, second[1], acc[1]);
                }
                x = x.add(2);
                w = w.add(32);
            }
        }
        end::<R>(t, &acc);
    }
}
