//! Rank correlation with its p value and interval.

use rand::Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::super::MathError;
use super::super::bootstrap::{Bootstrap, cluster_bootstrap};
use super::super::dense::{dense, dense_count};
use super::super::rank::spearman;
use super::{Alternative, Method, TestResult, next_permutation};
use crate::math::reaches;

/// Up to this many pairs every order is counted.
const EXACT: usize = 8;

/// Spearman's rank correlation and the test that the two lists are unrelated.
///
/// With at most 8 pairs p counts all orders of the second list; with more it is that of Student's
/// t with `n - 2` degrees of freedom, but never below the `2/n!` (one-sided `1/n!`) that the
/// orders allow.
///
/// # Errors
/// When lengths differ, there are fewer than three pairs, a value is not finite, or a list is
/// constant.
pub fn spearman_test(a: &[f64], b: &[f64], alternative: Alternative) -> Result<TestResult, MathError> {
    let statistic = spearman(a, b)?;
    let n = a.len();
    if n < 3 {
        return Err(MathError::TooFew { what: "pairs", least: 3, found: n });
    }
    let (p, method) = if n <= EXACT {
        (exact(a, b, statistic, alternative)?, Method::Exact)
    } else {
        (student(statistic, n, alternative)?, Method::Asymptotic)
    };
    Ok(TestResult { statistic, p, n, method, alternative })
}

fn student(r: f64, n: usize, alternative: Alternative) -> Result<f64, MathError> {
    let freedom = (n - 2) as f64;
    let law = StudentsT::new(0.0, 1.0, freedom).map_err(|e| MathError::decomposition("Student's law", e))?;
    let t = r * (freedom / ((1.0 - r) * (1.0 + r)).max(f64::MIN_POSITIVE)).sqrt();
    let orders = (1..=n).map(|k| k as f64).product::<f64>();
    Ok(match alternative {
        Alternative::TwoSided => (2.0 * law.sf(t.abs())).clamp(2.0 / orders, 1.0),
        Alternative::Greater => law.sf(t).max(1.0 / orders),
        Alternative::Less => law.cdf(t).max(1.0 / orders),
    })
}

fn exact(a: &[f64], b: &[f64], seen: f64, alternative: Alternative) -> Result<f64, MathError> {
    let mut order: Vec<usize> = (0..b.len()).collect();
    let (mut reached, mut orders) = (0_u32, 0_u32);
    loop {
        let turned: Vec<f64> = order.iter().map(|i| b[*i]).collect();
        let r = spearman(a, &turned)?;
        reached += u32::from(match alternative {
            Alternative::TwoSided => reaches(r.abs(), seen.abs()),
            Alternative::Greater => reaches(r, seen),
            Alternative::Less => reaches(-r, -seen),
        });
        orders += 1;
        if !next_permutation(&mut order) {
            return Ok(f64::from(reached) / f64::from(orders));
        }
    }
}

/// The percentile interval of Spearman's correlation over resampled clusters of pairs.
///
/// `clusters[i]` names the cluster of pair `i`; with a cluster a pair this is the plain bootstrap.
/// Resamples in which a list is constant are left out and counted.
///
/// # Errors
/// As [`spearman_test`] and [`cluster_bootstrap`].
pub fn spearman_bootstrap(
    a: &[f64],
    b: &[f64],
    clusters: &[usize],
    resamples: usize,
    level: f64,
    rng: &mut impl Rng,
) -> Result<Bootstrap, MathError> {
    spearman(a, b)?;
    if clusters.len() != a.len() {
        return Err(MathError::Length { what: "clusters", expected: a.len(), found: clusters.len() });
    }
    let dense = dense(clusters);
    let count = dense_count(&dense);
    let (mut x, mut y) = (Vec::with_capacity(a.len()), Vec::with_capacity(a.len()));
    cluster_bootstrap(count, resamples, level, rng, |counts| {
        x.clear();
        y.clear();
        for (i, cluster) in dense.iter().enumerate() {
            for _ in 0..counts[*cluster] {
                x.push(a[i]);
                y.push(b[i]);
            }
        }
        spearman(&x, &y).ok()
    })
}
