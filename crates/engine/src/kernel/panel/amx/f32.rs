//! f32 weights by f32 rows, each as a sum of three bf16.
//!
//! A product of two such sums is nine products, of which the six largest are computed (Henry, Tang &
//! Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
//! computations"): what is left out is less than rounding each product to f32 takes away. Sums are
//! f32, and fewer of them are rounded than where every product is added by itself.

use std::arch::x86_64::*;
use std::mem::MaybeUninit;

use super::super::dpbf16::stage_parts;
use super::super::kernel::{Kernel, Tile};
use super::super::lines::CacheLine;
use super::{ROWS, begin, configure, end, load_rows, load_weights, multiply, release};

/// f32 by f32. Made only where AMX is.
pub(in super::super) struct SplitF32(());

impl SplitF32 {
    pub(in super::super) fn new() -> Option<Self> {
        super::super::cpu().amx.then_some(Self(()))
    }
}

/// Inputs of a chunk.
const STEPS: usize = 96;
/// Words of a part of a row of a chunk, which stand as for bf16.
const STRIDE: usize = STEPS / 2;
/// Lines of a part of the weights of 32 inputs: pairs of 32 outputs each.
const PART: usize = 32;

impl Kernel for SplitF32 {
    const ROWS: usize = ROWS;
    const EVEN: bool = false;
    const LEAST: usize = 512;
    const STEPS: usize = STEPS;
    const UNIT: usize = 32;
    const INPUTS: usize = 1;
    const STRIDE: usize = STRIDE;
    const X_PARTS: usize = 3;
    const PASSES: usize = 1;
    const W_LINES: usize = 3;

    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]) {
        // SAFETY: `cpu` finds AMX only where it finds bf16 conversions.
        unsafe { stage_parts::<3>(x, steps / 2, part, row / 16 * 16 * STRIDE + row % 16 * 16, 256, out) }
    }

    fn unfold(&self, w: &[CacheLine], steps: usize, out: &mut [CacheLine]) {
        for (k, out) in out.as_chunks_mut::<{ 3 * PART }>().0.iter_mut().take(steps / 32).enumerate() {
            // SAFETY: `cpu` finds AMX only where it finds AVX-512, and `out` is of that many lines.
            (0..16).for_each(|pair| unsafe { unfold(w, k, pair, out.as_mut_ptr()) });
        }
    }

    fn enter(&self, rows: usize) {
        configure(rows);
    }

    fn leave(&self) {
        release();
    }

    unsafe fn tile(&self, rows: usize, t: &Tile) {
        /// Two of them, so that one is not waited for to be read before the other is written.
        type Unfolded = [[CacheLine; 3 * PART]; 2];
        // SAFETY: the caller's word; `cpu` finds AMX only where it finds AVX-512.
        unsafe {
            begin(rows, t);
            let chunks = t.steps / 32;
            if t.w.is_null() {
                // Zeroing it would take as many stores as the weights take loads.
                let mut here = MaybeUninit::<Unfolded>::uninit();
                let room = here.as_mut_ptr().cast::<CacheLine>();
                let part = |k: usize| room.wrapping_add(3 * PART * (k % 2));
                (0..16).for_each(|pair| unfold(t.held, 0, pair, part(0)));
                for k in 0..chunks {
                    step(rows, t.x.add(256 * k), t.part, part(k), |turn| {
                        // A product is waited for longer than it takes.
                        if k + 1 < chunks {
                            let pairs = 3 * turn..16.min(3 * turn + 3);
                            pairs.for_each(|pair| unfold(t.held, k + 1, pair, part(k + 1)));
                        }
                    });
                    ask(t.held, 64 * k + 32, 32);
                }
            } else {
                if t.lead {
                    ask(t.held, STEPS, STEPS);
                }
                for k in 0..chunks {
                    step(rows, t.x.add(256 * k), t.part, t.w.add(3 * PART * k), |_| ());
                }
            }
            end(rows, t);
        }
    }
}

/// Splits the weights of two inputs, the `pair`-th of the `k`-th 32, as far as they are among `w`: three
/// parts of 32 outputs each. 16 such pairs are what products are made with.
///
/// # Safety
/// There is room for `3 * PART` lines at `out`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
unsafe fn unfold(w: &[CacheLine], k: usize, pair: usize, out: *mut CacheLine) {
    let at = 64 * k + 4 * pair;
    // Two inputs of 32 outputs, or the last one alone.
    let mut last = [CacheLine([0; 16]); 4];
    let lines = match w.get(at..at + 4).and_then(<[CacheLine]>::first_chunk) {
        Some(lines) => lines,
        None => {
            // Behind the last input are zeros.
            last.iter_mut().zip(&w[at.min(w.len())..]).for_each(|(l, w)| *l = *w);
            &last
        }
    };
    ask(w, 64 * k + 2 * pair, 2);
    for half in 0..2 {
        // SAFETY: a line is a vector.
        let load = |line: &CacheLine| unsafe { _mm512_load_si512(line.0.as_ptr().cast()) };
        let (mut a, mut b) = (load(&lines[half]), load(&lines[2 + half]));
        for part in 0..3 {
            // What is above a bf16's last bit is the part; the rest is left for the next.
            let pairs = _mm512_mask_blend_epi16(0xaaaa_aaaa, _mm512_srli_epi32::<16>(a), b);
            // SAFETY: a line is a vector, and there is room for it.
            unsafe { _mm512_store_si512(out.add(part * PART + 2 * pair + half).cast(), pairs) };
            if part < 2 {
                (a, b) = (rest(a), rest(b));
            }
        }
    }
}

/// Asks for lines of the chunk after the one given: half of them while that is unfolded, half while it is
/// multiplied by, since few can be on their way at a time.
#[inline]
fn ask(chunk: &[CacheLine], from: usize, count: usize) {
    for line in from..from + count {
        // SAFETY: asking for memory that is not there does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(chunk.as_ptr().wrapping_add(2 * STEPS + line).cast()) };
    }
}

/// What cutting an f32 off after a bf16's bits leaves of it.
#[inline]
#[target_feature(enable = "avx512f")]
fn rest(x: __m512i) -> __m512i {
    let cut = _mm512_and_si512(x, _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
    _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(cut)))
}

/// Adds the products of 32 inputs: first parts of rows by third parts of weights, and so on up to first
/// by first, each part loaded as seldom as eight tiles allow. `meanwhile` is called after each of the six.
///
/// # Safety
/// As [`Kernel::tile`], of three parts of the staged rows `part` words apart; `w` is what `unfold` made.
#[inline]
unsafe fn step(
    rows: usize,
    x: *const u32,
    part: usize,
    w: *const CacheLine,
    mut meanwhile: impl FnMut(usize),
) {
    let turns = [
        (Some(0), Some(2)),
        (None, Some(1)),
        (Some(1), None),
        (None, Some(0)),
        (Some(2), None),
        (Some(0), None),
    ];
    // SAFETY: the caller's word.
    unsafe {
        for (turn, (row, weight)) in turns.into_iter().enumerate() {
            if let Some(of) = row {
                load_rows::<STRIDE>(rows, x.add(of * part));
            }
            if let Some(of) = weight {
                load_weights(w.add(of * PART));
            }
            multiply(rows);
            meanwhile(turn);
        }
    }
}
