//! Paired differences.

use super::super::MathError;
use super::super::error::finite;
use super::super::rank::ranks;
use super::{Alternative, Method, TestResult, discrete_p, normal_p, over_ties};

/// Up to this many differences the law is counted out.
const EXACT: usize = 50;

/// The signed-rank test of Wilcoxon (1945) that differences are symmetric about zero; the
/// statistic is the sum of the ranks of the positive ones, and `n` counts those that are not zero.
///
/// Zero differences are left out. Exact for at most 50 differences of different sizes, else
/// normal with a correction for ties and none for continuity, as scipy does.
///
/// # Errors
/// When a difference is not finite, or all are zero.
pub fn wilcoxon_signed_rank(differences: &[f64], alternative: Alternative) -> Result<TestResult, MathError> {
    finite("differences", differences)?;
    let kept: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    if kept.is_empty() {
        return Err(MathError::TooFew { what: "differences other than zero", least: 1, found: 0 });
    }
    let sizes: Vec<f64> = kept.iter().map(|d| d.abs()).collect();
    let ranks = ranks(&sizes)?;
    let sum: f64 = ranks.iter().zip(&kept).filter(|(_, d)| **d > 0.0).map(|(r, _)| r).sum();
    let ties = over_ties(&sizes, |t| t.powi(3) - t);
    let n = kept.len() as f64;
    let exact = ties == 0.0 && kept.len() <= EXACT;
    let p = if exact {
        discrete_p(&law(kept.len()), sum.round() as usize, alternative)
    } else {
        let variance = (n * (n + 1.0) * (2.0 * n + 1.0) - ties / 2.0) / 24.0;
        normal_p((sum - n * (n + 1.0) / 4.0) / variance.sqrt(), alternative)
    };
    let method = if exact { Method::Exact } else { Method::Asymptotic };
    Ok(TestResult { statistic: sum, p, n: kept.len(), method, alternative })
}

/// The chance of each sum of ranks: every rank is in or out with chance one half.
fn law(n: usize) -> Vec<f64> {
    let mut law = vec![1.0];
    for rank in 1..=n {
        let mut next = vec![0.0; law.len() + rank];
        for (sum, p) in law.iter().enumerate() {
            next[sum] += p / 2.0;
            next[sum + rank] += p / 2.0;
        }
        law = next;
    }
    law
}
