//! Vectors: length, angle, projection.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::MathError;
use super::error::finite;

/// How much of a unit vector must be new for it to widen a span; below, rounding decides.
const LEAST_NEW: f64 = 1e-6;

/// The scalar product; vectors must have one length.
///
/// # Errors
/// When the lengths differ.
pub fn dot(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Result<f64, MathError> {
    if a.len() != b.len() {
        return Err(MathError::Length { what: "second vector", expected: a.len(), found: b.len() });
    }
    Ok(a.dot(&b))
}

/// The Euclidean norm, without overflow for large entries.
#[must_use]
pub fn norm(v: ArrayView1<'_, f64>) -> f64 {
    let largest = v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * v.iter().map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

/// `v / ‖v‖`.
///
/// # Errors
/// When `v` is zero or not finite.
pub fn unit(v: ArrayView1<'_, f64>) -> Result<Array1<f64>, MathError> {
    finite("vector", v)?;
    let length = norm(v);
    if length == 0.0 {
        return Err(MathError::ZeroVector { what: "vector" });
    }
    // Two divisions: `1 / length` would overflow for a denormal length.
    Ok(v.mapv(|x| x / length))
}

/// The cosine of the angle between two vectors, in [-1, 1].
///
/// # Errors
/// When the lengths differ or either vector is zero or not finite.
pub fn cosine(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> Result<f64, MathError> {
    if a.len() != b.len() {
        return Err(MathError::Length { what: "second vector", expected: a.len(), found: b.len() });
    }
    Ok(unit(a)?.dot(&unit(b)?).clamp(-1.0, 1.0))
}

/// An orthonormal set of directions, to be projected out.
#[derive(Clone, Debug, PartialEq)]
pub struct Orthonormal {
    /// `[directions, width]`, rows orthonormal.
    rows: Array2<f64>,
}

impl Orthonormal {
    /// The empty set in a space of this width.
    #[must_use]
    pub fn empty(width: usize) -> Self {
        Self { rows: Array2::zeros((0, width)) }
    }

    /// Orthonormalises directions in the order given (Gram-Schmidt, done twice for accuracy).
    ///
    /// # Errors
    /// When lengths differ, a direction is zero or not finite, or one lies within 1e-6 of the
    /// span of those before it: projecting "both" out would then remove noise.
    pub fn new<'a>(
        width: usize,
        directions: impl IntoIterator<Item = ArrayView1<'a, f64>>,
    ) -> Result<Self, MathError> {
        let mut set = Self::empty(width);
        for direction in directions {
            set.push(direction)?;
        }
        Ok(set)
    }

    /// Adds what is new in a direction.
    ///
    /// # Errors
    /// As [`Orthonormal::new`]; the set is then unchanged.
    pub fn push(&mut self, direction: ArrayView1<'_, f64>) -> Result<(), MathError> {
        if direction.len() != self.rows.ncols() {
            return Err(MathError::Length {
                what: "direction",
                expected: self.rows.ncols(),
                found: direction.len(),
            });
        }
        let first = self.rest_of(unit(direction)?.view());
        let rest = norm(first.view());
        if rest < LEAST_NEW {
            return Err(MathError::Dependent { index: self.len(), rest, least: LEAST_NEW });
        }
        let second = unit(self.rest_of(unit(first.view())?.view()).view())?;
        self.rows.push_row(second.view()).map_err(|e| MathError::decomposition("orthonormalisation", e))
    }

    /// Directions that it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.nrows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.nrows() == 0
    }

    /// The directions, `[directions, width]`.
    #[must_use]
    pub fn rows(&self) -> ArrayView2<'_, f64> {
        self.rows.view()
    }

    /// `v` without its part in the set. The caller has checked the width.
    fn rest_of(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        &v - &self.rows.t().dot(&self.rows.dot(&v))
    }

    /// A vector less its part in the set.
    ///
    /// # Errors
    /// When the width differs.
    pub fn project_out(&self, v: ArrayView1<'_, f64>) -> Result<Array1<f64>, MathError> {
        if v.len() != self.rows.ncols() {
            return Err(MathError::Length { what: "vector", expected: self.rows.ncols(), found: v.len() });
        }
        Ok(self.rest_of(v))
    }

    /// Every row of `[n, width]` less its part in the set.
    ///
    /// # Errors
    /// When the width differs.
    pub fn project_out_rows(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
        if x.ncols() != self.rows.ncols() {
            return Err(MathError::Length { what: "rows", expected: self.rows.ncols(), found: x.ncols() });
        }
        if self.is_empty() {
            return Ok(x.to_owned());
        }
        Ok(&x - &x.dot(&self.rows.t()).dot(&self.rows))
    }
}

/// The mean row; `None` without rows.
pub(crate) fn mean_row(x: ArrayView2<'_, f64>) -> Option<Array1<f64>> {
    x.mean_axis(Axis(0))
}
