//! Slopes by least squares.

use super::MathError;
use super::error::finite;

/// The least-squares slope of each unit on `x`, of which `y[k][u]` is unit `u` at `x[k]`: a unit each.
///
/// What never changes has slope 0 and not a rounding.
///
/// # Errors
/// With fewer than two different `x`, rows of several lengths, or a value that is not finite.
pub fn slopes(x: &[f64], y: &[Vec<f64>]) -> Result<Vec<f64>, MathError> {
    if y.len() != x.len() {
        return Err(MathError::Length { what: "rows", expected: x.len(), found: y.len() });
    }
    finite("x", x)?;
    let Some(first) = y.first() else {
        return Err(MathError::TooFew { what: "different x", least: 2, found: 0 });
    };
    for row in y {
        if row.len() != first.len() {
            return Err(MathError::Length { what: "units", expected: first.len(), found: row.len() });
        }
        finite("y", row)?;
    }
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let square: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    if square == 0.0 {
        return Err(MathError::TooFew { what: "different x", least: 2, found: 1 });
    }
    let one = |u: usize| {
        // Taken from the first row, so that what never changes is 0.
        let terms = x.iter().zip(y).map(|(x, row)| (x - mean) * (row[u] - first[u]));
        terms.sum::<f64>() / square
    };
    Ok((0..first.len()).map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_the_slope_of_its_line() {
        let x = [-2.0, 0.0, 1.0];
        let y: Vec<Vec<f64>> = x.iter().map(|x| vec![3.0 * x + 1.0, 0.1 + 0.2, -x]).collect();
        let found = slopes(&x, &y).unwrap();
        assert!((found[0] - 3.0).abs() < 1e-12 && (found[2] + 1.0).abs() < 1e-12, "{found:?}");
        assert_eq!(found[1], 0.0);
        // scipy.stats.linregress([0, 1, 2, 5], [1, 0, 4, 3]).slope
        let y: Vec<Vec<f64>> = [1.0, 0.0, 4.0, 3.0].map(|v| vec![v]).to_vec();
        let found = slopes(&[0.0, 1.0, 2.0, 5.0], &y).unwrap();
        assert!((found[0] - 0.5).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn what_has_no_slope_is_refused() {
        assert!(matches!(slopes(&[1.0, 1.0], &[vec![0.0], vec![1.0]]), Err(MathError::TooFew { .. })));
        assert!(matches!(slopes(&[], &[]), Err(MathError::TooFew { .. })));
        assert!(matches!(slopes(&[1.0, 2.0], &[vec![0.0]]), Err(MathError::Length { .. })));
        assert!(matches!(slopes(&[1.0, 2.0], &[vec![0.0], vec![]]), Err(MathError::Length { .. })));
        assert!(slopes(&[1.0, 2.0], &[vec![0.0], vec![f64::NAN]]).is_err());
    }
}
