//! A change of level in a series whose points need not be independent.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use super::super::MathError;
use crate::math::{permutation_p, quantile, reaches};

/// The likeliest change of level, and whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfNormalised {
    /// Index of the first point of the new level.
    pub at: usize,
    /// The largest of `‖T(k)‖² / V(k)` over the splits, as [`self_normalised`] defines them.
    pub statistic: f64,
    /// Share of simulated series of independent numbers with at least this statistic, the one seen among them.
    pub p: f64,
    /// Series that were simulated.
    pub draws: usize,
    /// 95 % of them stay below this.
    pub level_95: f64,
}

/// The self-normalised test of Shao and Zhang (2010, "Testing for change points in time series"), for points given by
/// their inner products `gram[i][j] = xᵢ·xⱼ`, over the splits that leave two points on each side.
///
/// With `S` sums of consecutive points, `T(k) = (S(1,k) - k/n S(1,n)) / √n` and
/// `V(k) = (Σ_{t≤k} ‖S(1,t) - t/k S(1,k)‖² + Σ_{t>k} ‖S(t,n) - (n-t+1)/(n-k) S(k+1,n)‖²) / n²`: what normalises is made
/// of the same sums, so that no bandwidth for the dependence is chosen. The critical values are those of series of
/// independent normal numbers of the same length, simulated; of points with many coordinates, where both sums run over
/// all of them, the test is conservative.
///
/// # Errors
/// With fewer than four points, a table of inner products that is not square or not finite, points that are all equal,
/// or no draws.
pub fn self_normalised(
    gram: &[Vec<f64>],
    draws: usize,
    rng: &mut impl Rng,
) -> Result<SelfNormalised, MathError> {
    let n = gram.len();
    if n < 4 {
        return Err(MathError::TooFew { what: "values of the series", least: 4, found: n });
    }
    if let Some(row) = gram.iter().find(|r| r.len() != n) {
        return Err(MathError::Length { what: "inner products", expected: n, found: row.len() });
    }
    crate::math::mean(&gram.concat())?;
    if draws == 0 {
        return Err(MathError::TooFew { what: "simulated series", least: 1, found: 0 });
    }
    let Some((at, statistic)) = largest(gram) else {
        return Err(MathError::Constant { what: "series", value: gram[0][0] });
    };
    let null: Vec<f64> = (0..draws)
        .filter_map(|_| {
            let x: Vec<f64> = (0..n).map(|_| StandardNormal.sample(rng)).collect();
            let gram: Vec<Vec<f64>> = x.iter().map(|a| x.iter().map(|b| a * b).collect()).collect();
            largest(&gram).map(|(_, statistic)| statistic)
        })
        .collect();
    let reached = null.iter().filter(|v| reaches(**v, statistic)).count();
    Ok(SelfNormalised {
        at,
        statistic,
        p: permutation_p(reached, null.len()),
        draws: null.len(),
        level_95: quantile(&null, 0.95)?,
    })
}

/// The split with the largest statistic; none where the points are all equal.
fn largest(gram: &[Vec<f64>]) -> Option<(usize, f64)> {
    let n = gram.len();
    let size = n as f64;
    // `sums[a][b]` is the inner product of the sums of the first `a` and of the first `b` points.
    let mut sums = vec![vec![0.0; n + 1]; n + 1];
    for a in 0..n {
        for b in 0..n {
            sums[a + 1][b + 1] = gram[a][b] + sums[a][b + 1] + sums[a + 1][b] - sums[a][b];
        }
    }
    // Squared norm of the first `a` less `w` times those of the first `b`.
    let gap = |a: usize, w: f64, b: usize| (sums[a][a] - 2.0 * w * sums[a][b] + w * w * sums[b][b]).max(0.0);
    let between = |a: usize, b: usize, c: usize, d: usize| sums[b][d] - sums[a][d] - sums[b][c] + sums[a][c];
    let spread = sums.iter().enumerate().map(|(i, r)| r[i]).fold(0.0, f64::max);
    let mut best = None;
    for k in 2..=n - 2 {
        let before: f64 = (1..=k).map(|t| gap(t, t as f64 / k as f64, k)).sum();
        let after: f64 = (k..n)
            .map(|t| {
                let w = (n - t) as f64 / (n - k) as f64;
                let own = between(t, n, t, n) - 2.0 * w * between(t, n, k, n);
                (own + w * w * between(k, n, k, n)).max(0.0)
            })
            .sum();
        let v = (before + after) / (size * size);
        let t = gap(k, k as f64 / size, n) / size;
        if t <= 1e-13 * spread {
            continue;
        }
        // Both parts flat to the last digit are as clear a change as there can be.
        let g = t / v.max(1e-13 * spread);
        if best.is_none_or(|(_, most)| g > most) {
            best = Some((k, g));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::math::Seeds;

    fn golden() -> Value {
        serde_json::from_str(include_str!("../../../../../fixtures/change_points/self_normalised.json"))
            .unwrap()
    }

    #[test]
    fn the_statistic_is_that_of_the_formula_and_its_law_that_of_simulated_noise() {
        let golden = golden();
        for case in golden["cases"].as_array().unwrap() {
            let x: Vec<Vec<f64>> = serde_json::from_value(case["series"].clone()).unwrap();
            let dot = |a: &Vec<f64>, b: &Vec<f64>| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let gram: Vec<Vec<f64>> = x.iter().map(|a| x.iter().map(|b| dot(a, b)).collect()).collect();
            let (at, statistic) = largest(&gram).unwrap();
            let wanted = case["statistic"].as_f64().unwrap();
            assert!((statistic - wanted).abs() < 1e-6 * (1.0 + wanted), "{statistic} {wanted}");
            assert_eq!(at as u64, case["at"].as_u64().unwrap());
        }
        for row in golden["quantiles"].as_array().unwrap().iter().take(2) {
            let n = row["n"].as_u64().unwrap() as usize;
            let x: Vec<f64> = (0..n).map(|i| ((i * 7) % n) as f64).collect();
            let gram: Vec<Vec<f64>> = x.iter().map(|a| x.iter().map(|b| a * b).collect()).collect();
            let found = self_normalised(&gram, 4000, &mut Seeds::new(1).stream("law")).unwrap();
            let wanted = row["q95"].as_f64().unwrap();
            // Four standard errors of a quantile of 4000 draws.
            assert!((found.level_95 / wanted - 1.0).abs() < 0.2, "{n}: {} {wanted}", found.level_95);
        }
    }

    #[test]
    fn what_has_no_change_to_look_for_is_refused() {
        let rng = &mut Seeds::new(1).stream("refused");
        assert!(self_normalised(&vec![vec![1.0; 3]; 3], 9, rng).is_err());
        assert!(matches!(self_normalised(&vec![vec![1.0; 6]; 6], 9, rng), Err(MathError::Constant { .. })));
        assert!(self_normalised(&vec![vec![f64::NAN; 6]; 6], 9, rng).is_err());
    }
}
