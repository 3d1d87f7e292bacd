//! The signed-rank test, exact also with ties, and signs turned in clusters.

use std::collections::BTreeMap;

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
    signed_rank_in(values, &(0..values.len()).collect::<Vec<_>>())
}

/// The same where values of one cluster turn their signs together; none where every value is 0.
pub(super) fn signed_rank_in(values: &[f64], clusters: &[usize]) -> Result<Option<f64>, MathError> {
    let moved: Vec<(f64, usize)> =
        values.iter().copied().zip(clusters.iter().copied()).filter(|(v, _)| *v != 0.0).collect();
    if moved.is_empty() {
        return Ok(None);
    }
    let ranks = math::ranks(&moved.iter().map(|(v, _)| v.abs()).collect::<Vec<_>>())?;
    // Mean ranks are halves at most, so doubled they are whole.
    #[allow(clippy::cast_possible_truncation)]
    let doubled = ranks.iter().zip(&moved).map(|(r, (v, c))| (((2.0 * r).round() * v.signum()) as i64, *c));
    Ok(Some(turned_p(doubled)))
}

/// Two-sided p of a sum, exact, under all turns of the signs of clusters: how often it is as far from 0. Each whole
/// number stands with its cluster.
pub(super) fn turned_p(values: impl Iterator<Item = (i64, usize)>) -> f64 {
    let mut sums: BTreeMap<usize, i64> = BTreeMap::new();
    values.for_each(|(value, cluster)| *sums.entry(cluster).or_default() += value);
    let seen = sums.values().sum::<i64>().unsigned_abs();
    // Turned or not, a cluster counts by its size: the chance of each sum of those that count for the one side.
    let sizes: Vec<u64> = sums.values().map(|s| s.unsigned_abs()).filter(|s| *s > 0).collect();
    let total: u64 = sizes.iter().sum();
    #[allow(clippy::cast_possible_truncation)]
    let at = |sum: u64| sum as usize;
    let mut law = vec![0.0; at(total) + 1];
    law[0] = 1.0;
    let mut reach = 0;
    for size in sizes.into_iter().map(at) {
        reach += size;
        for sum in (0..=reach).rev() {
            let with = if sum >= size { law[sum - size] } else { 0.0 };
            law[sum] = f64::midpoint(law[sum], with);
        }
    }
    // The law is even about half the total; the sum seen is the total less twice what counts for the other side.
    let tail: f64 = law[..=at((total - seen) / 2)].iter().sum();
    (2.0 * tail).min(1.0)
}
