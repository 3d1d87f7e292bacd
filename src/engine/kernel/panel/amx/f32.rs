//! f32 weights by f32 rows, each as a sum of three bf16.
//!
//! A product of two such sums is nine products, of which the six largest are computed (Henry, Tang &
//! Heinecke 2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision
//! computations"): what is left out is less than rounding each product to f32 takes away. Sums are
//! f32, and fewer of them are rounded than where every product is added by itself.

use std::arch::asm;
use std::arch::x86_64::*;

use super::super::dpbf16::stage_parts;
use super::super::kernel::{Kernel, Tile};
use super::super::lines::Line;
use super::{ROWS, begin, configure, end, release};

/// f32 by f32. Made only where AMX is.
pub(in super::super) struct Split(());

impl Split {
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

impl Kernel for Split {
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

    fn unfold(&self, w: &[Line], steps: usize, out: &mut [Line]) {
        for (k, out) in out.as_chunks_mut().0.iter_mut().take(steps / 32).enumerate() {
            // SAFETY: `cpu` finds AMX only where it finds AVX-512.
            unsafe { unfold(w, k, out) }
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
        #[repr(C, align(64))]
        struct Unfolded([[Line; 3 * PART]; 2]);
        // SAFETY: the caller's word; `cpu` finds AMX only where it finds AVX-512.
        unsafe {
            begin(rows, t);
            if t.w.is_null() {
                let mut here = Unfolded([[Line([0; 16]); 3 * PART]; 2]);
                for k in 0..t.steps / 32 {
                    let part = &mut here.0[k % 2];
                    unfold(t.held, k, part);
                    ask(t.held, 64 * k + 32, 32);
                    step(rows, t.x.add(256 * k), t.part, part.as_ptr());
                }
            } else {
                if t.lead {
                    ask(t.held, STEPS, STEPS);
                }
                for k in 0..t.steps / 32 {
                    step(rows, t.x.add(256 * k), t.part, t.w.add(3 * PART * k));
                }
            }
            end(rows, t);
        }
    }
}

/// Splits the weights of 32 inputs, the `k`-th such, of which as many are there as `w` has: three parts
/// of 16 pairs of inputs, of 32 outputs each.
#[target_feature(enable = "avx512f,avx512bw")]
fn unfold(w: &[Line], k: usize, out: &mut [Line; 3 * PART]) {
    let zero = [Line([0; 16]); 4];
    for pair in 0..16 {
        let at = 64 * k + 4 * pair;
        // Two inputs of 32 outputs, or the last one alone.
        let mut last = zero;
        let lines = match w.get(at..at + 4).and_then(<[Line]>::first_chunk) {
            Some(lines) => lines,
            None => {
                last.iter_mut().zip(w.get(at..).unwrap_or(&[])).for_each(|(l, w)| *l = *w);
                &last
            }
        };
        ask(w, 64 * k + 2 * pair, 2);
        for half in 0..2 {
            // SAFETY: a line is a vector.
            let load = |line: &Line| unsafe { _mm512_load_si512(line.0.as_ptr().cast()) };
            let (mut a, mut b) = (load(&lines[half]), load(&lines[2 + half]));
            for part in 0..3 {
                // What is above a bf16's last bit is the part; the rest is left for the next.
                let pairs = _mm512_mask_blend_epi16(0xaaaa_aaaa, _mm512_srli_epi32::<16>(a), b);
                let line = &mut out[part * PART + 2 * pair + half];
                // SAFETY: as above.
                unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), pairs) };
                if part < 2 {
                    (a, b) = (rest(a), rest(b));
                }
            }
        }
    }
}

/// Asks for lines of the chunk after the one given: half of them while that is unfolded, half while it is
/// multiplied by, since few can be on their way at a time.
#[inline]
fn ask(chunk: &[Line], from: usize, count: usize) {
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
/// by first, each part loaded as seldom as eight tiles allow.
///
/// # Safety
/// As [`Kernel::tile`], of three parts of the staged rows `part` words apart; `w` is what `unfold` made.
#[inline]
unsafe fn step(rows: usize, x: *const u32, part: usize, w: *const Line) {
    // SAFETY: the caller's word.
    unsafe {
        if rows > 16 {
            asm!(
                "tileloadd tmm4, [{x0} + {xs}]",
                "tileloadd tmm6, [{w} + {ws} + 4096]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 4160]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{x0} + {xs} + {down}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{w} + {ws} + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 2112]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{x1} + {xs}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{x1} + {xs} + {down}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{w} + {ws}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{x2} + {xs}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{x2} + {xs} + {down}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm4, [{x0} + {xs}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{x0} + {xs} + {down}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                x0 = in(reg) x,
                x1 = in(reg) x.add(part),
                x2 = in(reg) x.add(2 * part),
                xs = in(reg) 64_usize,
                down = const 16 * STRIDE * 4,
                w = in(reg) w,
                ws = in(reg) 128_usize,
                options(nostack, readonly),
            );
        } else {
            asm!(
                "tileloadd tmm4, [{x0} + {xs}]",
                "tileloadd tmm6, [{w} + {ws} + 4096]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 4160]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm6, [{w} + {ws} + 2048]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 2112]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm4, [{x1} + {xs}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm6, [{w} + {ws}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{w} + {ws} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm4, [{x2} + {xs}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm4, [{x0} + {xs}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                x0 = in(reg) x,
                x1 = in(reg) x.add(part),
                x2 = in(reg) x.add(2 * part),
                xs = in(reg) 64_usize,
                w = in(reg) w,
                ws = in(reg) 128_usize,
                options(nostack, readonly),
            );
        }
    }
}
