//! Products of large matrices, with the widest instructions the processor has.
//!
//! `ndarray`'s own product is fine for the small ones; these carry the Gram matrices and the
//! permutations, where nearly all of the time goes.

use gemm::Parallelism;
use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::MathError;
use super::gram::solve_positive_definite;

/// Rows of a Gram matrix computed at once; only blocks on and below the diagonal are.
const BLOCK: usize = 128;
/// Up to this size an inverse is had by Cholesky decomposition, beyond by halves.
const SMALL: usize = 48;

/// `out = factor · a · b`, or `out += …`.
fn accumulate(out: &mut Array2<f64>, add: bool, factor: f64, a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) {
    let (m, k) = a.dim();
    let n = b.ncols();
    debug_assert!(b.nrows() == k && out.dim() == (m, n));
    if b.nrows() != k || out.dim() != (m, n) {
        return;
    }
    let stride = |s: &[isize]| (s[1], s[0]);
    let (out_cs, out_rs) = stride(out.strides());
    let (a_cs, a_rs) = stride(a.strides());
    let (b_cs, b_rs) = stride(b.strides());
    // SAFETY: pointers and strides are those of live arrays whose shapes were compared above, and
    // `out` is borrowed mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            out_cs,
            out_rs,
            add,
            a.as_ptr(),
            a_cs,
            a_rs,
            b.as_ptr(),
            b_cs,
            b_rs,
            1.0,
            factor,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn inner(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Result<(), MathError> {
    if a.ncols() == b.nrows() {
        return Ok(());
    }
    Err(MathError::Length { what: "rows of the second factor", expected: a.ncols(), found: b.nrows() })
}

/// `a · b` for `[m, k]` and `[k, n]`, on the calling thread.
///
/// # Errors
/// When the inner lengths differ.
pub(crate) fn product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
    inner(a, b)?;
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    accumulate(&mut out, false, 1.0, a, b);
    Ok(out)
}

/// `a · bᵀ` for `[m, k]` and `[n, k]`, in parallel over blocks of rows of `a`.
///
/// # Errors
/// When the widths differ.
pub(crate) fn cross_gram(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
    inner(a, b.t())?;
    let blocks: Vec<Array2<f64>> = a
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|rows| product(rows, b.t()))
        .collect::<Result<_, _>>()?;
    let mut out = Array2::zeros((a.nrows(), b.nrows()));
    for (mut to, block) in out.axis_chunks_iter_mut(Axis(0), BLOCK).zip(&blocks) {
        to.assign(block);
    }
    Ok(out)
}

/// `x · xᵀ`, symmetric to the bit, in parallel over blocks.
pub(crate) fn gram_matrix(x: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
    let n = x.nrows();
    let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
    let tasks: Vec<(usize, usize)> =
        starts.iter().flat_map(|&i| starts.iter().filter(move |j| **j <= i).map(move |&j| (i, j))).collect();
    let blocks: Vec<Array2<f64>> = tasks
        .par_iter()
        .map(|&(i, j)| {
            let rows = |at: usize| x.slice(s![at..(at + BLOCK).min(n), ..]);
            product(rows(i), rows(j).t())
        })
        .collect::<Result<_, _>>()?;
    let mut out = Array2::zeros((n, n));
    for (&(i, j), block) in tasks.iter().zip(&blocks) {
        for ((a, b), value) in block.indexed_iter() {
            // On the diagonal blocks both halves are there; the lower one is kept.
            if i + a >= j + b {
                out[[i + a, j + b]] = *value;
                out[[j + b, i + a]] = *value;
            }
        }
    }
    Ok(out)
}

/// The inverse of a symmetric positive definite matrix, by halves: products do the work.
///
/// # Errors
/// When the matrix is not square, not finite, or not positive definite.
pub(crate) fn inverse_positive_definite(a: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
    let n = a.nrows();
    if n <= SMALL {
        let mut out = Array2::zeros((n, n));
        for (i, mut column) in out.columns_mut().into_iter().enumerate() {
            let mut e = ndarray::Array1::zeros(n);
            e[i] = 1.0;
            column.assign(&solve_positive_definite(a, e.view())?);
        }
        return Ok(out);
    }
    // With A = [P Qᵀ; Q R], M = P⁻¹ and S = R − Q M Qᵀ (positive definite again):
    // A⁻¹ = [M + M Qᵀ S⁻¹ Q M, −M Qᵀ S⁻¹; −S⁻¹ Q M, S⁻¹].
    let half = n / 2;
    let q = a.slice(s![half.., ..half]);
    let m = inverse_positive_definite(a.slice(s![..half, ..half]))?;
    let qm = product(q, m.view())?;
    let mut schur = a.slice(s![half.., half..]).to_owned();
    accumulate(&mut schur, true, -1.0, qm.view(), q.t());
    let schur = inverse_positive_definite(schur.view())?;
    let corner = product(schur.view(), qm.view())?;
    let mut first = m;
    accumulate(&mut first, true, 1.0, qm.t(), corner.view());
    let mut out = Array2::zeros((n, n));
    out.slice_mut(s![..half, ..half]).assign(&first);
    out.slice_mut(s![half.., half..]).assign(&schur);
    out.slice_mut(s![half.., ..half]).assign(&corner.mapv(|v| -v));
    out.slice_mut(s![..half, half..]).assign(&corner.t().mapv(|v| -v));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::math::Seeds;

    fn gaussian(rows: usize, columns: usize) -> Array2<f64> {
        let mut rng = Seeds::new(columns as u64).stream("products");
        Array2::from_shape_simple_fn((rows, columns), || StandardNormal.sample(&mut rng))
    }

    fn close(a: &Array2<f64>, b: &Array2<f64>) {
        let worst = a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
        assert!(a.dim() == b.dim() && worst < 1e-10, "{worst}");
    }

    #[test]
    fn products_are_products() {
        for (m, k, n) in [(1, 1, 1), (5, 300, 7), (270, 40, 131), (3, 2, 200)] {
            let (a, b) = (gaussian(m, k), gaussian(n, k));
            close(&product(a.view(), b.t()).unwrap(), &a.dot(&b.t()));
            close(&cross_gram(a.view(), b.view()).unwrap(), &a.dot(&b.t()));
            close(&gram_matrix(a.view()).unwrap(), &a.dot(&a.t()));
        }
        assert!(product(gaussian(2, 3).view(), gaussian(2, 3).view()).is_err());
    }

    #[test]
    fn an_inverse_times_its_matrix_is_the_identity() {
        for n in [1, 7, 48, 49, 130, 301] {
            let x = gaussian(n, n + 20);
            let a = gram_matrix(x.view()).unwrap() / n as f64;
            let found = inverse_positive_definite(a.view()).unwrap();
            close(&found.dot(&a), &Array2::eye(n));
        }
        assert!(inverse_positive_definite((-Array2::<f64>::eye(60)).view()).is_err());
    }
}
