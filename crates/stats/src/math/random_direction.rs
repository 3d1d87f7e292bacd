//! Directions drawn at random.

use ndarray::Array1;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use statrs::function::beta::checked_beta_reg;

use super::MathError;
use super::linear::unit;

/// The share of uniformly random unit vectors in `width` dimensions whose cosine with a fixed
/// direction is at least `cosine` in absolute value.
///
/// The squared cosine has a Beta(1/2, (width - 1)/2) law, so the share is the regularised
/// incomplete beta function `I_{1 - c²}((width - 1)/2, 1/2)` (see Fang, Kotz and Ng 1990,
/// theorem 3.3 on the uniform law of the sphere's marginals).
///
/// # Errors
/// When `width` is 0 or `cosine` is not in [-1, 1] (up to rounding).
pub fn share_with_cosine(cosine: f64, width: usize) -> Result<f64, MathError> {
    let c = cosine.abs();
    if c.is_nan() || c > 1.0 + 1e-9 {
        return Err(MathError::OutOfRange {
            what: "cosine",
            value: cosine,
            expected: "a number from -1 to 1",
        });
    }
    match width {
        0 => return Err(MathError::TooFew { what: "dimensions", least: 1, found: 0 }),
        1 => return Ok(1.0),
        _ => {}
    }
    if c >= 1.0 {
        return Ok(0.0);
    }
    // `(1 - c)(1 + c)` keeps the digits that `1 - c²` loses near 1.
    checked_beta_reg((width as f64 - 1.0) / 2.0, 0.5, (1.0 - c) * (1.0 + c))
        .map_err(|e| MathError::decomposition("incomplete beta function", e))
}

/// A unit vector drawn uniformly from the sphere.
///
/// # Errors
/// When `width` is 0.
pub fn random_unit(width: usize, rng: &mut impl Rng) -> Result<Array1<f64>, MathError> {
    if width == 0 {
        return Err(MathError::TooFew { what: "dimensions", least: 1, found: 0 });
    }
    let v: Array1<f64> = (0..width).map(|_| StandardNormal.sample(rng)).collect();
    unit(v.view())
}
