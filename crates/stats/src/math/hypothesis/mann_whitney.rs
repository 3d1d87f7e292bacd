//! Two independent samples.

use super::super::MathError;
use super::super::rank::ranks;
use super::{Alternative, Method, TestResult, discrete_p, normal_p, over_ties};

/// Up to these sizes of the smaller and the larger sample the law is counted out.
const EXACT: (usize, usize) = (8, 500);

/// The test of Mann and Whitney (1947) that neither sample tends to be larger; the statistic is U
/// of the first: in how many pairs its value is the larger, ties half.
///
/// Exact where no values tie and the smaller sample has at most 8 values (the larger at most 500);
/// else normal, with corrections for ties and continuity.
///
/// # Errors
/// When a sample is empty, a value is not finite, or all values are equal.
pub fn mann_whitney(
    first: &[f64],
    second: &[f64],
    alternative: Alternative,
) -> Result<TestResult, MathError> {
    for (what, sample) in [("values of the first sample", first), ("values of the second sample", second)] {
        if sample.is_empty() {
            return Err(MathError::TooFew { what, least: 1, found: 0 });
        }
    }
    let all = [first, second].concat();
    let ranks = ranks(&all)?;
    let (a, b) = (first.len() as f64, second.len() as f64);
    let n = a + b;
    let u = ranks[..first.len()].iter().sum::<f64>() - a * (a + 1.0) / 2.0;
    let ties = over_ties(&all, |t| t.powi(3) - t);
    let (smaller, larger) = (first.len().min(second.len()), first.len().max(second.len()));
    let exact = ties == 0.0 && smaller <= EXACT.0 && larger <= EXACT.1;
    let p = if exact {
        discrete_p(&law(smaller, larger), u.round() as usize, alternative)
    } else {
        let variance = a * b / 12.0 * ((n + 1.0) - ties / (n * (n - 1.0)));
        if variance <= 0.0 {
            return Err(MathError::Constant { what: "both samples", value: first[0] });
        }
        let distance = u - a * b / 2.0;
        // Half a step towards the middle, for the steps of U.
        let z = match alternative {
            Alternative::TwoSided => (distance.abs() - 0.5) / variance.sqrt(),
            Alternative::Greater => (distance - 0.5) / variance.sqrt(),
            Alternative::Less => (distance + 0.5) / variance.sqrt(),
        };
        match alternative {
            Alternative::TwoSided => (2.0 * normal_p(z, Alternative::Greater)).min(1.0),
            other => normal_p(z, other),
        }
    };
    let method = if exact { Method::Exact } else { Method::Asymptotic };
    Ok(TestResult { statistic: u, p, n: all.len(), method, alternative })
}

/// The chance of each U for samples of `a` and `b` values without ties: the largest value is of
/// the first sample with chance `a/(a + b)`, and then beats all `b` of the second.
fn law(a: usize, b: usize) -> Vec<f64> {
    // Row `j` is the law for (i, j) values; `i` grows.
    let mut rows: Vec<Vec<f64>> = vec![vec![1.0]; b + 1];
    for i in 1..=a {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for j in 1..=b {
            let mut law = vec![0.0; i * j + 1];
            let share = i as f64 / (i + j) as f64;
            for (u, p) in rows[j].iter().enumerate() {
                law[u + j] += share * p;
            }
            for (u, p) in next[j - 1].iter().enumerate() {
                law[u] += (1.0 - share) * p;
            }
            next.push(law);
        }
        rows = next;
    }
    rows.pop().expect("the law of no ranks is there from the start")
}
