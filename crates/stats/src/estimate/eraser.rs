//! Taking one variable out of rows, each by a projection of rank one.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

use super::EstimateError;
use crate::math::{MathError, dot, solve_positive_definite};

/// `x ↦ x − (x·right) left`, with `right·left = 1`; where both are one unit vector it is the orthogonal projection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Eraser {
    pub left: Array1<f64>,
    pub right: Array1<f64>,
}

/// Several, the first applied first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Erasers(Vec<Eraser>);

impl Erasers {
    pub fn push(&mut self, eraser: Eraser) {
        self.0.push(eraser);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rows without the variables, `[n, columns]`.
    pub fn rows(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut x = x.to_owned();
        for e in &self.0 {
            let along = x.dot(&e.right);
            x -= &outer(&along, &e.left);
        }
        x
    }

    /// A direction on erased rows as one on rows as they are: the scalar products are the same.
    pub fn direction(&self, d: ArrayView1<'_, f64>) -> Array1<f64> {
        self.directions(d.insert_axis(Axis(0))).row(0).to_owned()
    }

    /// Several directions, `[directions, columns]`.
    pub fn directions(&self, d: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut d = d.to_owned();
        for e in self.0.iter().rev() {
            let along = d.dot(&e.left);
            d -= &outer(&along, &e.right);
        }
        d
    }

    /// A vector as erased rows have it.
    pub fn vector(&self, v: ArrayView1<'_, f64>) -> Array1<f64> {
        self.rows(v.insert_axis(Axis(0))).row(0).to_owned()
    }
}

fn outer(a: &Array1<f64>, b: &Array1<f64>) -> Array2<f64> {
    a.view().insert_axis(Axis(1)).dot(&b.view().insert_axis(Axis(0)))
}

impl Eraser {
    /// The orthogonal projection along a unit vector.
    pub fn orthogonal(along: Array1<f64>) -> Self {
        Self { left: along.clone(), right: along }
    }

    /// Least-squares concept erasure of one variable (Belrose and others 2023, LEACE): of all projections that
    /// leave no covariance with it, the one that changes the rows least in the metric of their covariance.
    /// For one variable it runs along the covariance with it, and takes away what the best linear prediction of
    /// it from the rows says. The covariance of the rows is shrunk as in the authors' package (Bodnar, Gupta
    /// and Parolya 2014), the weight held within 0 and 1.
    ///
    /// `x` is `[n, columns]` in coordinates of a space of `width`; `z` has a value a row. None where nothing varies
    /// with the variable.
    pub fn leace(
        x: ArrayView2<'_, f64>,
        z: &Array1<f64>,
        width: usize,
    ) -> Result<Option<Self>, EstimateError> {
        let n = x.nrows() as f64;
        let Some(mean) = x.mean_axis(Axis(0)) else { return Ok(None) };
        let x = &x - &mean;
        let z = z - z.mean().unwrap_or(0.0);
        let covariance = x.t().dot(&z) / n;
        if z.dot(&z) <= 1e-20 * n || dot(covariance.view(), covariance.view())? <= 0.0 {
            return Ok(None);
        }
        let mut sigma = x.t().dot(&x) / n;
        let trace = sigma.diag().sum();
        let squares = sigma.iter().map(|v| v * v).sum::<f64>();
        // The identity of the whole width: in the coordinates only a part of it shows.
        let even = trace * trace / width as f64;
        let distance = squares - even;
        let kept = if distance > 0.0 { (1.0 - trace * trace / n / distance).clamp(0.0, 1.0) } else { 0.0 };
        sigma *= kept;
        // A variance of nothing at all would leave the inverse undefined in the directions rounding makes.
        let floor = (1.0 - kept).max(1e-12) * trace / width as f64;
        sigma.diag_mut().mapv_inplace(|v| v + floor);
        let inverse = solve_positive_definite(sigma.view(), covariance.view())?;
        let scale = inverse.dot(&covariance);
        if scale <= 0.0 {
            return Err(MathError::decomposition("concept erasure", "no covariance is left").into());
        }
        Ok(Some(Self { right: inverse / scale, left: covariance }))
    }
}
