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
use super::{ROWS, configure, release};

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
        // SAFETY: `cpu` finds AMX only where it finds AVX-512.
        unsafe { unfold(w, steps, out) }
    }

    fn enter(&self, rows: usize) {
        configure(rows);
    }

    fn leave(&self) {
        release();
    }

    unsafe fn tile(&self, rows: usize, t: &Tile) {
        if t.lead {
            ask(t.held, STEPS, STEPS);
        }
        // SAFETY: the caller's word.
        unsafe { tiles(rows, t) }
    }
}

/// Splits the weights of `steps` inputs, a multiple of 32, of which as many are there as `w` has.
/// Each 32 inputs are three parts of 16 pairs of inputs, of 32 outputs each.
#[target_feature(enable = "avx512f,avx512bw")]
fn unfold(w: &[Line], steps: usize, out: &mut [Line]) {
    let zero = [Line::default(); 2];
    let step = |k: usize| w.get(2 * k..2 * k + 2).unwrap_or(&zero);
    let load = |line: &Line| {
        // SAFETY: a line is a vector.
        unsafe { _mm512_load_si512(line.0.as_ptr().cast()) }
    };
    for (tile, parts) in out.chunks_exact_mut(3 * PART).take(steps / 32).enumerate() {
        for pair in 0..16 {
            let (a, b) = (step(32 * tile + 2 * pair), step(32 * tile + 2 * pair + 1));
            ask(w.as_ptr(), 32 * tile + 2 * pair, 2);
            for half in 0..2 {
                let (Some(a), Some(b)) = (a.get(half), b.get(half)) else { continue };
                let (mut a, mut b) = (load(a), load(b));
                for part in 0..3 {
                    // What is above a bf16's last bit is the part; the rest is left for the next.
                    let pairs = _mm512_mask_blend_epi16(0xaaaa_aaaa, _mm512_srli_epi32::<16>(a), b);
                    if let Some(line) = parts.get_mut(part * PART + 2 * pair + half) {
                        // SAFETY: as above.
                        unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), pairs) };
                    }
                    if part < 2 {
                        (a, b) = (rest(a), rest(b));
                    }
                }
            }
        }
    }
}

/// Asks for lines of the chunk after the one that begins here: half of them while this one is unfolded,
/// half while it is multiplied by, since few can be on their way at a time.
#[inline]
fn ask(chunk: *const Line, from: usize, count: usize) {
    for line in from..from + count {
        // SAFETY: asking for memory that is not there does nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(chunk.wrapping_add(2 * STEPS + line).cast()) };
    }
}

/// What cutting an f32 off after a bf16's bits leaves of it.
#[inline]
#[target_feature(enable = "avx512f")]
fn rest(x: __m512i) -> __m512i {
    let cut = _mm512_and_si512(x, _mm512_set1_epi32(0xffff_0000_u32.cast_signed()));
    _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(cut)))
}

/// # Safety
/// As [`Kernel::tile`].
unsafe fn tiles(rows: usize, t: &Tile) {
    // SAFETY: three parts of 16 or 32 staged rows of `steps` inputs, 32 at a time, and as many of the
    // weights are there; the tiles are configured.
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
                // First parts of rows by third parts of weights, and so on up to first by first,
                // each part loaded as seldom as eight tiles allow.
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
                // The rows of the next tile.
                "add {x0}, 1024",
                "add {x1}, 1024",
                "add {x2}, 1024",
                "add {w}, 6144",
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
                x0 = inout(reg) t.x => _,
                x1 = inout(reg) t.x.add(t.part) => _,
                x2 = inout(reg) t.x.add(2 * t.part) => _,
                xs = in(reg) 64_usize,
                down = const 16 * STRIDE * 4,
                w = inout(reg) t.w => _,
                ws = in(reg) 128_usize,
                n = inout(reg) t.steps / 32 => _,
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
                "add {x0}, 1024",
                "add {x1}, 1024",
                "add {x2}, 1024",
                "add {w}, 6144",
                "dec {n}",
                "jnz 2b",
                "tilestored [{y} + {ys}], tmm0",
                "tilestored [{y} + {ys} + 64], tmm1",
                fresh = in(reg) usize::from(t.fresh),
                y = in(reg) t.y,
                ys = in(reg) t.stride * 4,
                x0 = inout(reg) t.x => _,
                x1 = inout(reg) t.x.add(t.part) => _,
                x2 = inout(reg) t.x.add(2 * t.part) => _,
                xs = in(reg) 64_usize,
                w = inout(reg) t.w => _,
                ws = in(reg) 128_usize,
                n = inout(reg) t.steps / 32 => _,
                options(nostack),
            );
        }
    }
}
