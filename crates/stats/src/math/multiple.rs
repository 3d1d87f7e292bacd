//! Corrections for asking many questions at once.

use super::MathError;

/// Which p values stand after Holm's step-down correction at a level (Holm 1979), in their order.
///
/// Holds the family-wise error at `level` under any dependence. Values that are NaN never stand.
#[must_use]
pub fn holm(p: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p.len()).filter(|i| !p[*i].is_nan()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut stands = vec![false; p.len()];
    for (done, i) in order.iter().enumerate() {
        if p[*i] * (p.len() - done) as f64 > level {
            break;
        }
        stands[*i] = true;
    }
    stands
}

/// Holm's adjusted p values, in their order: `holm(p, level)` is which of them are at most `level`.
///
/// # Errors
/// When a value is outside [0, 1].
pub fn holm_adjusted(p: &[f64]) -> Result<Vec<f64>, MathError> {
    let order = ascending(p)?;
    let mut out = vec![0.0; p.len()];
    let mut largest = 0.0_f64;
    for (done, i) in order.iter().enumerate() {
        largest = largest.max(p[*i] * (p.len() - done) as f64).min(1.0);
        out[*i] = largest;
    }
    Ok(out)
}

/// The adjusted p values of Benjamini and Hochberg (1995), in their order: those at most `q` have
/// a false discovery rate of `q` if the tests are independent or positively dependent.
///
/// # Errors
/// When a value is outside [0, 1].
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>, MathError> {
    let order = ascending(p)?;
    let mut out = vec![0.0; p.len()];
    let mut least = 1.0_f64;
    for (place, i) in order.iter().enumerate().rev() {
        least = least.min(p[*i] * p.len() as f64 / (place + 1) as f64);
        out[*i] = least;
    }
    Ok(out)
}

fn ascending(p: &[f64]) -> Result<Vec<usize>, MathError> {
    if let Some(&value) = p.iter().find(|v| !(0.0..=1.0).contains(*v)) {
        return Err(MathError::OutOfRange { what: "p value", value, expected: "a number from 0 to 1" });
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn the_first_that_fails_takes_all_larger_ones_with_it() {
        // 0.01·4 and 0.016·3 stand, 0.03·2 does not, and so 0.04 may not either.
        assert_eq!(holm(&[0.04, 0.01, 0.03, 0.016], 0.05), [false, true, false, true]);
        assert_eq!(holm(&[0.2, f64::NAN], 0.05), [false, false]);
        assert!(holm(&[], 0.05).is_empty());
    }
}
