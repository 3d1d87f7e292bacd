//! The kernels in plain Rust, which the compiler turns into what vectors there are.

use super::kernel::{Kernel, OUTPUTS, Tile};
use super::stage;

/// f32 weights, with AVX2 or anywhere.
pub(super) struct PlainF32 {
    avx2: bool,
}

/// bf16 weights by f32 rows, with AVX2 or anywhere.
pub(super) struct PlainWide {
    avx2: bool,
}

impl PlainF32 {
    pub(super) fn new(avx2: bool) -> Self {
        Self { avx2: avx2 && super::cpu().avx2 }
    }
}

impl PlainWide {
    pub(super) fn new(avx2: bool) -> Self {
        Self { avx2: avx2 && super::cpu().avx2 }
    }
}

impl Kernel for PlainF32 {
    const ROWS: usize = 3;
    const STEPS: usize = 256;
    const INPUTS: usize = 1;
    const STRIDE: usize = STRIDE;

    fn stage(&self, row: usize, x: &[f32], steps: usize, _: usize, out: &mut [u32]) {
        stage::floats(x, steps, &mut out[row * Self::STRIDE..]);
    }

    unsafe fn tile(&self, rows: usize, tile: &Tile) {
        // SAFETY: AVX2 is there where `avx2` is set; the rest is the caller's word.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.avx2 {
                return match rows {
                    1 => avx2::<1, false>(tile),
                    2 => avx2::<2, false>(tile),
                    _ => avx2::<3, false>(tile),
                };
            }
            match rows {
                1 => lanes::<1, false, false>(tile),
                2 => lanes::<2, false, false>(tile),
                _ => lanes::<3, false, false>(tile),
            }
        }
    }
}

impl Kernel for PlainWide {
    const ROWS: usize = 3;
    const STEPS: usize = 128;
    const UNIT: usize = 16;
    const INPUTS: usize = 2;
    const STRIDE: usize = STRIDE;

    fn stage(&self, row: usize, x: &[f32], steps: usize, _: usize, out: &mut [u32]) {
        stage::floats(x, 2 * steps, &mut out[row * Self::STRIDE..]);
    }

    unsafe fn tile(&self, rows: usize, tile: &Tile) {
        // SAFETY: as above.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            if self.avx2 {
                return match rows {
                    1 => avx2::<1, true>(tile),
                    2 => avx2::<2, true>(tile),
                    _ => avx2::<3, true>(tile),
                };
            }
            match rows {
                1 => lanes::<1, false, true>(tile),
                2 => lanes::<2, false, true>(tile),
                _ => lanes::<3, false, true>(tile),
            }
        }
    }
}

const STRIDE: usize = 272;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const R: usize, const WIDE: bool>(t: &Tile) {
    // SAFETY: the caller's word.
    unsafe { lanes::<R, true, WIDE>(t) }
}

/// A tile of R rows. `FMA` where one instruction multiplies and adds; `WIDE` for pairs of bf16.
#[inline(always)]
unsafe fn lanes<const R: usize, const FMA: bool, const WIDE: bool>(t: &Tile) {
    const HALF: usize = OUTPUTS / 2;
    let add = |s: f32, x: f32, w: f32| if FMA { x.mul_add(w, s) } else { s + x * w };
    // Half the outputs at a time: what 16 vectors of 8 hold.
    for from in [0, HALF] {
        let mut acc = [[0.0_f32; HALF]; R];
        // SAFETY: 16 numbers of each row of results, and `steps` of rows and lines are there.
        unsafe {
            let y = t.y.add(from);
            if !t.fresh {
                for (r, acc) in acc.iter_mut().enumerate() {
                    *acc = *y.add(r * t.stride).cast();
                }
            }
            let (x, w) = (t.x.cast::<f32>(), t.w.cast::<u32>().add(from));
            for k in 0..t.steps {
                let w: &[u32; HALF] = &*w.add(k * OUTPUTS).cast();
                if WIDE {
                    let first = w.map(|w| f32::from_bits(w << 16));
                    let second = w.map(|w| f32::from_bits(w & 0xffff_0000));
                    for (r, acc) in acc.iter_mut().enumerate() {
                        let (x0, x1) = (*x.add(r * STRIDE + 2 * k), *x.add(r * STRIDE + 2 * k + 1));
                        for ((a, w0), w1) in acc.iter_mut().zip(&first).zip(&second) {
                            *a = add(add(*a, x0, *w0), x1, *w1);
                        }
                    }
                } else {
                    for (r, acc) in acc.iter_mut().enumerate() {
                        let x = *x.add(r * STRIDE + k);
                        for (a, w) in acc.iter_mut().zip(w) {
                            *a = add(*a, x, f32::from_bits(*w));
                        }
                    }
                }
            }
            for (r, acc) in acc.iter().enumerate() {
                *y.add(r * t.stride).cast() = *acc;
            }
        }
    }
}
