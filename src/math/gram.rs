//! Many columns, few rows: work in the span of the rows.
//!
//! An estimator that only sees scalar products (mean difference, ridge-penalised logistic
//! regression, linear discriminants shrunk towards a multiple of the identity, principal
//! components) finds its direction in the span of the rows. Rotating that span onto the first
//! axes changes nothing but the cost: `[n, width]` becomes `[n, rank]` with `rank <= n`.

use linfa_linalg::eigh::{EigSort, EighInto};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

use super::MathError;
use super::error::finite;

/// Eigenvalues (largest first) and eigenvectors (columns, same order) of a symmetric matrix.
///
/// # Errors
/// When the matrix is not square or not finite.
pub fn symmetric_eigen(matrix: Array2<f64>) -> Result<(Array1<f64>, Array2<f64>), MathError> {
    finite("matrix", &matrix)?;
    matrix
        .eigh_into()
        .map(EigSort::sort_eig_desc)
        .map_err(|e| MathError::decomposition("eigendecomposition", e))
}

/// An isometry between the span of some rows and a space of no more axes than needed.
#[derive(Clone, Debug)]
pub enum RowSpace {
    /// There are at least as many rows as columns: coordinates are the columns themselves.
    Whole {
        /// The width.
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
        let (values, vectors) = symmetric_eigen(x.dot(&x.t()))?;
        let largest = values.first().copied().unwrap_or(0.0);
        if largest <= 0.0 {
            return Err(MathError::ZeroVector { what: "every row" });
        }
        let least = largest * 64.0 * f64::EPSILON;
        let rank = values.iter().take_while(|v| **v > least).count();
        let scaled = &vectors.slice(s![.., ..rank]) / &values.slice(s![..rank]).mapv(f64::sqrt);
        let rough = x.t().dot(&scaled);
        // The Gram matrix squares the condition number, so the rough basis of small parts is
        // skew; its own Gram matrix is near the identity and mends that.
        let (again, turn) = symmetric_eigen(rough.t().dot(&rough))?;
        let rank = again.iter().take_while(|v| **v > 0.25).count();
        let mend = &turn.slice(s![.., ..rank]) / &again.slice(s![..rank]).mapv(f64::sqrt);
        Ok(Self::Basis { basis: rough.dot(&mend) })
    }

    /// How many coordinates.
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

/// Rows less their mean, and the mean.
pub(crate) fn centred(x: ArrayView2<'_, f64>) -> (Array2<f64>, Array1<f64>) {
    let mean = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
    (&x - &mean, mean)
}
