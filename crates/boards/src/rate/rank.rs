//! The signed-rank test, exact also with ties.

use truenorth_stats::math;
use truenorth_stats::math::MathError;

/// Two-sided p of Wilcoxon's signed-rank test (1945) that values lie evenly about 0.
///
/// Zeros are left out, ties share their mean rank, and the law is that of all turns of the signs, counted
/// exactly on doubled ranks. None where every value is 0.
///
/// # Errors
/// When a value is not finite.
pub fn signed_rank_p(values: &[f64]) -> Result<Option<f64>, MathError> {
    math::mean(values).map(|_| ()).or_else(|e| if values.is_empty() { Ok(()) } else { Err(e) })?;
    let moved: Vec<f64> = values.iter().copied().filter(|v| *v != 0.0).collect();
    if moved.is_empty() {
        return Ok(None);
    }
    let ranks = math::ranks(&moved.iter().map(|v| v.abs()).collect::<Vec<_>>())?;
    // Mean ranks are halves at most, so doubled they are whole.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let doubled: Vec<usize> = ranks.iter().map(|r| (2.0 * r).round() as usize).collect();
    let total: usize = doubled.iter().sum();
    // The chance of each sum of the ranks with a positive sign.
    let mut law = vec![0.0; total + 1];
    law[0] = 1.0;
    let mut reach = 0;
    for r in &doubled {
        reach += r;
        for sum in (0..=reach).rev() {
            let with = if sum >= *r { law[sum - r] } else { 0.0 };
            law[sum] = f64::midpoint(law[sum], with);
        }
    }
    let seen: usize = doubled.iter().zip(&moved).filter(|(_, v)| **v > 0.0).map(|(r, _)| r).sum();
    // The law is even about half the total.
    let low = seen.min(total - seen);
    let tail: f64 = law[..=low].iter().sum();
    Ok(Some((2.0 * tail).min(1.0)))
}
