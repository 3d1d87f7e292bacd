//! One sample in a few numbers.

use super::MathError;
use super::error::finite;

/// The arithmetic mean.
///
/// # Errors
/// When there are no values or one is not finite.
pub fn mean(values: &[f64]) -> Result<f64, MathError> {
    finite("values", values)?;
    if values.is_empty() {
        return Err(MathError::TooFew { what: "values", least: 1, found: 0 });
    }
    Ok(values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation (divisor `n - 1`).
///
/// # Errors
/// When there are fewer than two values or one is not finite.
pub fn standard_deviation(values: &[f64]) -> Result<f64, MathError> {
    if values.len() < 2 {
        return Err(MathError::TooFew { what: "values", least: 2, found: values.len() });
    }
    let centre = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    Ok((squares / (values.len() - 1) as f64).sqrt())
}

/// The quantile at `q` in [0, 1], linear between order statistics (definition 7 of Hyndman and
/// Fan 1996, the default of NumPy and R).
///
/// # Errors
/// When there are no values, one is not finite, or `q` is outside [0, 1].
pub fn quantile(values: &[f64], q: f64) -> Result<f64, MathError> {
    finite("values", values)?;
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile_sorted(&sorted, q)
}

/// [`quantile`] of values already in ascending order.
pub(crate) fn quantile_sorted(sorted: &[f64], q: f64) -> Result<f64, MathError> {
    if !(0.0..=1.0).contains(&q) {
        return Err(MathError::OutOfRange { what: "quantile", value: q, expected: "a number from 0 to 1" });
    }
    let Some(last) = sorted.len().checked_sub(1) else {
        return Err(MathError::TooFew { what: "values", least: 1, found: 0 });
    };
    let at = q * last as f64;
    let below = at.floor() as usize;
    let low = sorted[below];
    let high = sorted[(below + 1).min(last)];
    Ok(low + (high - low) * (at - below as f64))
}
