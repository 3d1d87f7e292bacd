//! Products with a tall matrix and with its transpose, a row at a time, so that each is read once.

use std::slice::ChunksExact;

use ndarray::{Array1, ArrayView2};

use super::vectors::{VectorLoop, vectors};

/// Sums that run side by side.
const LANES: usize = 32;

/// `x · v`
#[inline(always)]
fn dot(x: &[f64], v: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let ((x, x_rest), (v, v_rest)) = (x.as_chunks::<LANES>(), v.as_chunks::<LANES>());
    for (x, v) in x.iter().zip(v) {
        for ((s, x), v) in sums.iter_mut().zip(x).zip(v) {
            *s += x * v;
        }
    }
    let rest: f64 = x_rest.iter().zip(v_rest).map(|(x, v)| x * v).sum();
    sums.iter().sum::<f64>() + rest
}

/// The rows of a matrix in one stretch of memory.
#[allow(clippy::expect_used, reason = "a matrix that lies otherwise would give sums of no rows")]
fn rows<'a>(x: ArrayView2<'a, f64>) -> ChunksExact<'a, f64> {
    let all = x.to_slice().expect("the rows of a matrix that is passed over lie one after the other");
    all.chunks_exact(x.ncols().max(1))
}

/// The numbers of a vector that was made here, which lie one after the other.
#[allow(clippy::expect_used, reason = "an empty stand-in would give sums of no numbers")]
pub(crate) fn stretch(x: &Array1<f64>) -> &[f64] {
    x.as_slice().expect("a vector of its own lies in one stretch")
}

#[allow(clippy::expect_used, reason = "an empty stand-in would take what is written and lose it")]
pub(crate) fn stretch_mut(x: &mut Array1<f64>) -> &mut [f64] {
    x.as_slice_mut().expect("a vector of its own lies in one stretch")
}

/// `f(i, xᵢ · v)` of every row.
pub(crate) fn each_row(x: ArrayView2<'_, f64>, v: &[f64], f: impl FnMut(usize, f64)) {
    debug_assert!(v.len() == x.ncols());
    vectors(EachRow { rows: rows(x), v, f });
}

struct EachRow<'a, F> {
    rows: ChunksExact<'a, f64>,
    v: &'a [f64],
    f: F,
}

impl<F: FnMut(usize, f64)> VectorLoop for EachRow<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        self.rows.enumerate().for_each(|(i, row)| (self.f)(i, dot(row, self.v)));
    }
}

/// `Xᵀ g` into `out`, where `gᵢ = f(i, xᵢ · v)`.
pub(crate) fn there_and_back(
    x: ArrayView2<'_, f64>,
    v: &[f64],
    out: &mut [f64],
    f: impl FnMut(usize, f64) -> f64,
) {
    debug_assert!(v.len() == x.ncols() && out.len() == v.len());
    vectors(ThereAndBack { rows: rows(x), v, out, f });
}

struct ThereAndBack<'a, F> {
    rows: ChunksExact<'a, f64>,
    v: &'a [f64],
    out: &'a mut [f64],
    f: F,
}

impl<F: FnMut(usize, f64) -> f64> VectorLoop for ThereAndBack<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run(mut self) {
        self.out.fill(0.0);
        for (i, row) in self.rows.enumerate() {
            let g = (self.f)(i, dot(row, self.v));
            self.out.iter_mut().zip(row).for_each(|(o, x)| *o += g * x);
        }
    }
}

/// `Σ cᵢ xᵢ²` of every column.
pub(crate) fn weighted_squares(x: ArrayView2<'_, f64>, c: &[f64]) -> Vec<f64> {
    debug_assert!(c.len() == x.nrows());
    let mut out = vec![0.0; x.ncols()];
    vectors(WeightedSquares { rows: rows(x), c, out: &mut out });
    out
}

struct WeightedSquares<'a> {
    rows: ChunksExact<'a, f64>,
    c: &'a [f64],
    out: &'a mut [f64],
}

impl VectorLoop for WeightedSquares<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (row, c) in self.rows.zip(self.c) {
            self.out.iter_mut().zip(row).for_each(|(o, x)| *o += c * x * x);
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Axis};

    use super::*;

    #[test]
    fn passes_are_the_products_they_stand_for() {
        for (n, d) in [(0, 3), (3, 0), (5, 1), (7, 33), (40, 100)] {
            let x = Array2::from_shape_fn((n, d), |(i, j)| ((i * 31 + j * 17) % 23) as f64 - 11.0);
            let v = Array1::from_shape_fn(d, |j| (j % 5) as f64 - 1.5);
            let c = Array1::from_shape_fn(n, |i| 0.5 + (i % 3) as f64);
            let mut there = vec![f64::NAN; n];
            each_row(x.view(), v.as_slice().unwrap(), |i, t| there[i] = t);
            let near = |a: &[f64], b: Array1<f64>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9);
            if d > 0 {
                assert!(near(&there, x.dot(&v)));
            }
            let mut back = vec![f64::NAN; d];
            there_and_back(x.view(), v.as_slice().unwrap(), &mut back, |i, t| c[i] * (t + 2.0));
            assert!(near(&back, x.t().dot(&((x.dot(&v) + 2.0) * &c))), "{n} {d}");
            let weighted = &x.mapv(|x| x * x) * &c.view().insert_axis(Axis(1));
            assert!(near(&weighted_squares(x.view(), c.as_slice().unwrap()), weighted.sum_axis(Axis(0))));
        }
    }
}
