//! The score of a sequence along a direction, and whether another direction would have done.

use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::MathError;
use super::error::finite;
use super::linear::{cosine, mean_row, norm, unit};
use super::random_direction::share_with_cosine;

/// How far a sequence moves the probes along a direction.
///
/// With `Δ` the shifts (`[probes, width]`), `δ̄` their mean and `d` the unit direction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Specificity {
    /// `δ̄·d`, the mean shift along the direction.
    pub score: f64,
    /// `score / (‖Δ‖_F / √(probes·width))`, equal to `√width · cos(δ̄, d) · coherence`.
    pub z: f64,
    /// `√probes ‖δ̄‖ / ‖Δ‖_F`, in [0, 1]: 1 when every probe moves alike.
    pub coherence: f64,
    /// `‖δ̄‖`, in units of the residual stream.
    pub shift_norm: f64,
    /// `√width`, which `|z|` cannot exceed.
    pub z_bound: f64,
    /// `cos(δ̄, d)`; 0 when `δ̄` is zero.
    pub cosine: f64,
    /// The share of uniformly random directions with at least this `|z|`, exact: `Δ` fixes the
    /// coherence, so `|z|` grows with `|cos(δ̄, d)|` alone.
    pub p_random: f64,
}

/// Shifts of unit-normalised residuals: row `i` is `r(s ⊕ pᵢ) − r(pᵢ)`.
///
/// `joined` and `alone` are raw residuals, `[probes, width]`.
///
/// # Errors
/// When the shapes differ, or a residual is zero or not finite.
pub fn shifts(joined: ArrayView2<'_, f64>, alone: ArrayView2<'_, f64>) -> Result<Array2<f64>, MathError> {
    if joined.nrows() != alone.nrows() {
        return Err(MathError::Length {
            what: "joined probes",
            expected: alone.nrows(),
            found: joined.nrows(),
        });
    }
    if joined.ncols() != alone.ncols() {
        return Err(MathError::Length {
            what: "joined residuals",
            expected: alone.ncols(),
            found: joined.ncols(),
        });
    }
    let mut out = Array2::zeros(joined.raw_dim());
    for ((mut row, j), a) in out.outer_iter_mut().zip(joined.outer_iter()).zip(alone.outer_iter()) {
        row.assign(&(unit(j)? - unit(a)?));
    }
    Ok(out)
}

/// Score and specificity of shifts along a direction, which need not have unit norm.
///
/// # Errors
/// Without probes, when widths differ, when a number is not finite, when the direction is zero,
/// or when no probe moved at all (`z` is then 0/0).
pub fn specificity(
    delta: ArrayView2<'_, f64>,
    direction: ArrayView1<'_, f64>,
) -> Result<Specificity, MathError> {
    let (probes, width) = delta.dim();
    if direction.len() != width {
        return Err(MathError::Length { what: "direction", expected: width, found: direction.len() });
    }
    finite("shifts", delta)?;
    let d = unit(direction)?;
    let mean = mean_row(delta).ok_or(MathError::TooFew { what: "probes", least: 1, found: 0 })?;
    let frobenius = delta.outer_iter().map(norm).fold(0.0_f64, f64::hypot);
    if frobenius == 0.0 {
        return Err(MathError::ZeroVector { what: "every shift" });
    }
    let shift_norm = norm(mean.view());
    let score = mean.dot(&d);
    let cosine = if shift_norm == 0.0 { 0.0 } else { cosine(mean.view(), d.view())? };
    Ok(Specificity {
        score,
        z: score / (frobenius / ((probes * width) as f64).sqrt()),
        coherence: ((probes as f64).sqrt() * shift_norm / frobenius).min(1.0),
        shift_norm,
        z_bound: (width as f64).sqrt(),
        cosine,
        p_random: share_with_cosine(cosine, width)?,
    })
}
