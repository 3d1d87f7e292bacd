//! `vdpbf16ps`: pairs of bf16 by pairs of bf16 with f32 sums.

use std::arch::x86_64::*;

use super::avx512::{ahead, begin, by_rows, end};
use super::kernel::{Kernel, Tile};

/// bf16 weights by rows rounded to bf16. Made only where the instruction is.
pub(super) struct Bf16Pairs(());

impl Bf16Pairs {
    pub(super) fn new() -> Option<Self> {
        super::cpu().dpbf16.then_some(Self(()))
    }

    /// Wherever the instruction is, also where other paths are faster.
    #[cfg(test)]
    pub(super) fn anyhow() -> Option<Self> {
        (super::cpu().avx512 && std::arch::is_x86_feature_detected!("avx512bf16")).then_some(Self(()))
    }
}

impl Kernel for Bf16Pairs {
    const ROWS: usize = 12;
    const STEPS: usize = 256;
    const UNIT: usize = 16;
    const INPUTS: usize = 2;
    const STRIDE: usize = 272;

    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]) {
        // SAFETY: the instructions are there, or `new` had made none.
        unsafe { stage_parts::<1>(x, steps, part, row * Self::STRIDE, 16, out) }
    }

    unsafe fn tile(&self, rows: usize, tile: &Tile) {
        // SAFETY: as above; the rest is the caller's word.
        unsafe { by_rows!(rows, pairs, tile, 1 2 3 4 5 6 7 8 9 10 11 12) }
    }
}

/// Writes numbers as sums of `P` bf16, each what rounding left of the ones before, then zeros up to
/// `steps` pairs, a multiple of 16. Sixteen words of two numbers each are at `out[at..]`, the next
/// `stride` words on; those of part `p` `p · part` words on.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn stage_parts<const P: usize>(
    x: &[f32],
    steps: usize,
    part: usize,
    at: usize,
    stride: usize,
    out: &mut [u32],
) {
    assert!(x.len() <= 2 * steps, "{} numbers do not fit {steps} pairs", x.len());
    for line in 0..steps / 16 {
        let left = &x[x.len().min(32 * line)..];
        let bits = if left.len() >= 32 { u32::MAX } else { (1 << left.len()) - 1 };
        #[allow(clippy::cast_possible_truncation)]
        let [low, high] = [bits as __mmask16, (bits >> 16) as __mmask16];
        // SAFETY: only numbers that are there are read.
        let (mut a, mut b) = unsafe {
            let p = left.as_ptr();
            (_mm512_maskz_loadu_ps(low, p), _mm512_maskz_loadu_ps(high, p.wrapping_add(16)))
        };
        for p in 0..P {
            // SAFETY: bf16 are plain numbers of as many bytes.
            let bits: __m512i = unsafe { std::mem::transmute(_mm512_cvtne2ps_pbh(b, a)) };
            if p + 1 < P {
                let wide = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
                a = _mm512_sub_ps(a, wide(_mm512_castsi512_si256(bits)));
                b = _mm512_sub_ps(b, wide(_mm512_extracti64x4_epi64::<1>(bits)));
            }
            let to = at + p * part + line * stride;
            let out = &mut out[to..to + 16];
            // SAFETY: a vector is 16 words.
            unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), bits) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn pairs<const R: usize>(t: &Tile) {
    let words = |v: __m512i| unsafe {
        // SAFETY: both are 64 bytes of plain numbers.
        std::mem::transmute::<__m512i, __m512bh>(v)
    };
    // SAFETY: `steps` words of R rows and `steps` pairs of lines are there.
    unsafe {
        let mut acc = begin::<R>(t);
        let (mut x, mut w) = (t.x, t.w.cast::<u32>());
        for _ in 0..t.steps / 16 {
            ahead(t, R, Bf16Pairs::STRIDE, x, w);
            for _ in 0..16 {
                let w0 = words(_mm512_load_si512(w.cast()));
                let w1 = words(_mm512_load_si512(w.add(16).cast()));
                for (r, acc) in acc.iter_mut().enumerate() {
                    let x = words(_mm512_set1_epi32((*x.add(r * Bf16Pairs::STRIDE)).cast_signed()));
                    acc[0] = _mm512_dpbf16_ps(acc[0], x, w0);
                    acc[1] = _mm512_dpbf16_ps(acc[1], x, w1);
                }
                x = x.add(1);
                w = w.add(32);
            }
        }
        end::<R>(t, &acc);
    }
}
