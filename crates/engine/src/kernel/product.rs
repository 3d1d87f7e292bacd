//! `x Wᵀ` for a few rows, as decoding has them: dot products that read each weight once, as it is
//! stored. A blocked product first copies the weights into panels, which a few rows don't repay.

use candle_core::{Device, Result, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::host::with_slice;

/// Rows up to which dot products win over candle's blocked product.
const ROWS: usize = 16;
/// Outputs a thread takes at a time.
const OUTPUTS: usize = 64;

/// `[rows, in]` times `[out, in]` transposed; `None` where the tensors are not f32 in host memory,
/// or there are too many rows for this to pay.
pub(super) fn product(x: &Tensor, w: &Tensor) -> Result<Option<Tensor>> {
    let ((rows, width), (outputs, same)) = (x.dims2()?, w.dims2()?);
    if rows == 0 || rows > ROWS || width != same || width == 0 {
        return Ok(None);
    }
    let run = |x: &[f32]| with_slice(w, |w| columns(x, w, width, rows, outputs));
    let Some(columns) = with_slice(x, run).flatten() else { return Ok(None) };
    // A row an output; the caller wants a row an input.
    let y = Tensor::from_vec(columns, (outputs, rows), &Device::Cpu)?;
    if rows == 1 { y.reshape((1, outputs)).map(Some) } else { y.t()?.contiguous().map(Some) }
}

/// Dot products of every weight row with every input row, `[outputs, rows]`.
fn columns(x: &[f32], w: &[f32], width: usize, rows: usize, outputs: usize) -> Vec<f32> {
    let arch = Arch::new();
    let mut out = vec![0.0; outputs * rows];
    out.par_chunks_mut(OUTPUTS * rows).zip(w.par_chunks(OUTPUTS * width)).for_each(|(out, w)| {
        arch.dispatch(Dots { x, w, width, out });
    });
    out
}

/// The dot products of some weight rows with all input rows.
struct Dots<'a> {
    x: &'a [f32],
    w: &'a [f32],
    width: usize,
    out: &'a mut [f32],
}

impl WithSimd for Dots<'_> {
    type Output = ();

    /// Four weight rows by up to four input rows at a time, so that each number loaded is used
    /// four times. Every dot product sums in the same order whatever stands beside it: what else is
    /// in a batch changes nothing.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, width, out } = self;
        let rows = x.len() / width;
        for (w, out) in w.chunks(4 * width).zip(out.chunks_mut(4 * rows)) {
            for (r, x) in x.chunks(4 * width).enumerate() {
                let put = &mut |o: usize, i: usize, v: f32| out[o * rows + r * 4 + i] = v;
                match (w.len() / width, x.len() / width) {
                    (4, 4) => tile::<S, 4, 4>(simd, w, x, width, put),
                    (4, 3) => tile::<S, 4, 3>(simd, w, x, width, put),
                    (4, 2) => tile::<S, 4, 2>(simd, w, x, width, put),
                    (4, 1) => tile::<S, 4, 1>(simd, w, x, width, put),
                    _ => {
                        for (o, w) in w.chunks(width).enumerate() {
                            for (i, x) in x.chunks(width).enumerate() {
                                tile::<S, 1, 1>(simd, w, x, width, &mut |_, _, v| put(o, i, v));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn tile<S: Simd, const O: usize, const R: usize>(
    simd: S,
    w: &[f32],
    x: &[f32],
    width: usize,
    put: &mut impl FnMut(usize, usize, f32),
) {
    let w: [&[f32]; O] = std::array::from_fn(|o| &w[o * width..(o + 1) * width]);
    let x: [&[f32]; R] = std::array::from_fn(|r| &x[r * width..(r + 1) * width]);
    let w = w.map(|row| S::as_simd_f32s(row));
    let x = x.map(|row| S::as_simd_f32s(row));
    let steps = width / S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); R]; O];
    for k in 0..steps {
        let xs: [S::f32s; R] = std::array::from_fn(|r| x[r].0[k]);
        for o in 0..O {
            let ws = w[o].0[k];
            for r in 0..R {
                sums[o][r] = simd.mul_add_e_f32s(ws, xs[r], sums[o][r]);
            }
        }
    }
    if !width.is_multiple_of(S::F32_LANES) {
        let xs: [S::f32s; R] = std::array::from_fn(|r| simd.partial_load_f32s(x[r].1));
        for o in 0..O {
            let ws = simd.partial_load_f32s(w[o].1);
            for r in 0..R {
                sums[o][r] = simd.mul_add_e_f32s(ws, xs[r], sums[o][r]);
            }
        }
    }
    for (o, sums) in sums.iter().enumerate() {
        for (r, sum) in sums.iter().enumerate() {
            put(o, r, simd.reduce_sum_f32s(*sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matrix(rows: usize, width: usize, salt: usize) -> Tensor {
        let value = |i: usize| (((i * 31 + salt * 17) % 101) as f32 - 50.0) / 50.0;
        Tensor::from_vec((0..rows * width).map(value).collect(), (rows, width), &Device::Cpu).unwrap()
    }

    proptest! {
        #[test]
        fn a_few_rows_are_what_candle_makes_of_them(rows in 1..=ROWS, outputs in 1..150_usize, width in 1..300_usize) {
            let (x, w) = (matrix(rows, width, 1), matrix(outputs, width, 2));
            let got = product(&x, &w).unwrap().unwrap();
            let want = x.matmul(&w.t().unwrap()).unwrap();
            prop_assert_eq!(got.dims(), want.dims());
            let off = (got - want).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
            prop_assert!(off.to_scalar::<f32>().unwrap() <= 1e-5 * width as f32);
        }

        #[test]
        fn a_row_is_the_same_whatever_stands_beside_it(rows in 2..=ROWS, width in 1..300_usize) {
            let (x, w) = (matrix(rows, width, 3), matrix(37, width, 4));
            let all = product(&x, &w).unwrap().unwrap().to_vec2::<f32>().unwrap();
            for (i, row) in all.iter().enumerate() {
                let alone = product(&x.narrow(0, i, 1).unwrap(), &w).unwrap().unwrap();
                prop_assert_eq!(row, &alone.to_vec2::<f32>().unwrap()[0]);
            }
        }
    }

    #[test]
    fn many_rows_and_other_types_are_left_to_candle() {
        let w = matrix(8, 16, 5);
        assert!(product(&matrix(ROWS + 1, 16, 6), &w).unwrap().is_none());
        let half = w.to_dtype(candle_core::DType::F16).unwrap();
        assert!(product(&matrix(1, 16, 6), &half).unwrap().is_none());
    }
}
