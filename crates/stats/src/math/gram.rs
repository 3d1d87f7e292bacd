//! Many columns, few rows: work in the span of the rows.
//!
//! An estimator that only sees scalar products (mean difference, ridge-penalised logistic
//! regression, linear discriminants shrunk towards a multiple of the identity, principal
//! components) finds its direction in the span of the rows. Rotating that span onto the first
//! axes changes nothing but the cost: `[n, width]` becomes `[n, rank]` with `rank <= n`.

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::MathError;
use super::error::finite;

/// Eigenvalues (largest first) and eigenvectors (columns, same order) of a symmetric matrix.
///
/// # Errors
/// When the matrix is not square or not finite, or the iteration does not converge.
pub fn symmetric_eigen(matrix: ArrayView2<'_, f64>) -> Result<(Array1<f64>, Array2<f64>), MathError> {
    let (n, columns) = matrix.dim();
    if n != columns {
        return Err(MathError::Length { what: "columns of a square matrix", expected: n, found: columns });
    }
    finite("matrix", matrix)?;
    // Symmetric, so the order of the axes does not matter. Steps an eigenvalue are a handful in
    // practice; the cap is there to fail instead of hanging.
    let copy = DMatrix::from_iterator(n, n, matrix.iter().copied());
    let found = SymmetricEigen::try_new(copy, f64::EPSILON, 1000 * n.max(1))
        .ok_or_else(|| MathError::decomposition("eigendecomposition", "no convergence"))?;
    let vectors = Array2::from_shape_fn((n, n), |at| found.eigenvectors[at]);
    // The library can exchange the values of two vectors when both are tiny beside the largest
    // (its last 2 × 2 step skips the turn but not the exchange), so each vector gets its own
    // Rayleigh quotient.
    let values = (&matrix.dot(&vectors) * &vectors).sum_axis(Axis(0));
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    Ok((values.select(Axis(0), &order), vectors.select(Axis(1), &order)))
}

/// The solution `w` of `matrix · w = right` for a symmetric positive definite matrix.
///
/// # Errors
/// When shapes differ or the matrix is not positive definite.
pub fn solve_positive_definite(
    matrix: ArrayView2<'_, f64>,
    right: ArrayView1<'_, f64>,
) -> Result<Array1<f64>, MathError> {
    let n = right.len();
    if matrix.dim() != (n, n) {
        return Err(MathError::Length {
            what: "rows of a square matrix",
            expected: n,
            found: matrix.nrows(),
        });
    }
    finite("matrix", matrix)?;
    let cholesky = DMatrix::from_iterator(n, n, matrix.iter().copied()).cholesky().ok_or_else(|| {
        MathError::decomposition("Cholesky decomposition", "the matrix is not positive definite")
    })?;
    let solved = cholesky.solve(&nalgebra::DVector::from_iterator(n, right.iter().copied()));
    Ok(solved.iter().copied().collect())
}

/// An isometry between the span of some rows and a space of no more axes than needed.
#[derive(Clone, Debug)]
pub enum RowSpace {
    /// There are at least as many rows as columns: coordinates are the columns themselves.
    Whole {
        /// Columns of the rows.
        width: usize,
    },
    /// An orthonormal basis of the span.
    Basis {
        /// `[width, rank]`, columns orthonormal.
        basis: Array2<f64>,
    },
}

impl RowSpace {
    /// The span of the rows of `x` (`[n, width]`), found through the `n × n` Gram matrix.
    ///
    /// Parts of the rows smaller than about 1e-7 of the largest singular value are dropped; the
    /// basis itself is orthonormal to rounding because it is orthonormalised a second time.
    ///
    /// # Errors
    /// When `x` is empty, not finite, or zero.
    pub fn of(x: ArrayView2<'_, f64>) -> Result<Self, MathError> {
        finite("rows", x)?;
        let (n, width) = x.dim();
        if n == 0 || width == 0 {
            return Err(MathError::TooFew { what: "rows", least: 1, found: 0 });
        }
        if n >= width {
            return Ok(Self::Whole { width });
        }
        let (values, vectors) = symmetric_eigen(x.dot(&x.t()).view())?;
        let largest = values[0];
        if largest <= 0.0 {
            return Err(MathError::ZeroVector { what: "every row" });
        }
        let least = largest * 64.0 * f64::EPSILON;
        let rank = values.iter().take_while(|v| **v > least).count();
        let scaled = &vectors.slice(s![.., ..rank]) / &values.slice(s![..rank]).mapv(f64::sqrt);
        let rough = x.t().dot(&scaled);
        // The Gram matrix squares the condition number, so the rough basis of small parts is
        // skew; its own Gram matrix is near the identity and mends that.
        let (again, turn) = symmetric_eigen(rough.t().dot(&rough).view())?;
        let kept = again.iter().take_while(|v| **v > 0.25).count();
        let mend = &turn.slice(s![.., ..kept]) / &again.slice(s![..kept]).mapv(f64::sqrt);
        // Turned back where nothing is dropped, so that coordinates follow the principal axes.
        let mend = if kept == rank { mend.dot(&turn.t()) } else { mend };
        Ok(Self::Basis { basis: rough.dot(&mend) })
    }

    /// Coordinates that a row has in the space: the width, or the columns of the basis.
    #[must_use]
    pub fn rank(&self) -> usize {
        match self {
            Self::Whole { width } => *width,
            Self::Basis { basis } => basis.ncols(),
        }
    }

    /// The width of the space the rows live in.
    #[must_use]
    pub fn width(&self) -> usize {
        match self {
            Self::Whole { width } => *width,
            Self::Basis { basis } => basis.nrows(),
        }
    }

    /// `[n, width]` to coordinates `[n, rank]`.
    ///
    /// # Errors
    /// When the width differs.
    pub fn coordinates(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
        if x.ncols() != self.width() {
            return Err(MathError::Length { what: "rows", expected: self.width(), found: x.ncols() });
        }
        Ok(match self {
            Self::Whole { .. } => x.to_owned(),
            Self::Basis { basis } => x.dot(basis),
        })
    }

    /// A direction in coordinates back to the full width.
    ///
    /// # Errors
    /// When the vector does not have [`RowSpace::rank`] entries.
    pub fn lift(&self, w: ArrayView1<'_, f64>) -> Result<Array1<f64>, MathError> {
        if w.len() != self.rank() {
            return Err(MathError::Length { what: "coordinates", expected: self.rank(), found: w.len() });
        }
        Ok(match self {
            Self::Whole { .. } => w.to_owned(),
            Self::Basis { basis } => basis.dot(&w),
        })
    }
}
