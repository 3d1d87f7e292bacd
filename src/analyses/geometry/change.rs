//! Where a course breaks: a change-point test, and the largest single step.

use rand::seq::SliceRandom;
use serde::Serialize;

use super::super::stat;
use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

/// The fewest points in which a break is looked for.
pub const LEAST: usize = 6;

/// The split of a course that parts it best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangePoint {
    /// The last checkpoint before the break.
    pub before: String,
    /// The first one after it.
    pub after: String,
    /// `k(n - k)/n · ‖mean before - mean after‖²` over the course's total variance, the largest of all
    /// splits that leave two points on each side; in [0, n].
    pub statistic: f64,
    /// Points of the course.
    pub n: usize,
    /// Share of shuffled courses whose largest statistic is at least this one.
    pub p: f64,
    /// Shuffles behind p.
    pub permutations: usize,
    /// 95 % of shuffled courses stay below this.
    pub null_95: f64,
}

/// The largest step of a course beside its other steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jump {
    /// The checkpoint before the step.
    pub before: String,
    /// The checkpoint after it.
    pub after: String,
    /// Its size.
    pub size: f64,
    /// The median step.
    pub median: f64,
    /// `(size - median) / (1.4826 · median absolute deviation)`; none where that deviation is 0.
    pub robust_z: Option<f64>,
    /// Steps.
    pub n: usize,
}

/// Looks for one break in a course given by its inner products, `gram[i][j] = xᵢ·xⱼ`.
///
/// This is the largest standardised distance of two means over all splits, with the order of the points
/// shuffled for its null (for the kernel form see Harchaoui and Cappé 2007). None with fewer than six
/// points, or where all are equal. A course that drifts evenly is also split in two by this: the null is
/// that order does not matter at all.
///
/// # Errors
/// When an inner product is not finite.
pub fn change_point(
    names: &[String],
    gram: &[Vec<f64>],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Option<ChangePoint>, MathError> {
    let n = names.len();
    if n < LEAST || gram.len() != n || gram.iter().any(|r| r.len() != n) {
        return Ok(None);
    }
    math::mean(&gram.concat())?;
    let total = (0..n).map(|i| gram[i][i]).sum::<f64>() - gram.iter().flatten().sum::<f64>() / n as f64;
    if total <= 1e-12 * (0..n).map(|i| gram[i][i]).sum::<f64>().abs() {
        return Ok(None);
    }
    let mut order: Vec<usize> = (0..n).collect();
    let (at, seen) = scan(gram, &order);
    let mut rng = seeds.stream("change point");
    let mut draws = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        order.shuffle(&mut rng);
        draws.push(scan(gram, &order).1);
    }
    if draws.is_empty() {
        return Ok(None);
    }
    let scale = n as f64 / total;
    let reached = draws.iter().filter(|d| math::reaches(**d, seen)).count();
    Ok(Some(ChangePoint {
        before: names[at - 1].clone(),
        after: names[at].clone(),
        statistic: seen * scale,
        n,
        p: stat::permutation_p(reached, permutations),
        permutations,
        null_95: math::quantile(&draws, 0.95)? * scale,
    }))
}

/// The best split of the points in this order: where the second part starts, and its statistic.
fn scan(gram: &[Vec<f64>], order: &[usize]) -> (usize, f64) {
    let n = order.len();
    let all: f64 = gram.iter().flatten().sum();
    // Sums of inner products within the part before, and between the two parts.
    let (mut within, mut between) = (0.0, 0.0);
    let mut best = (2, f64::NEG_INFINITY);
    for (k, i) in order.iter().enumerate() {
        let to_before: f64 = order[..k].iter().map(|j| gram[*i][*j]).sum();
        let to_all: f64 = gram[*i].iter().sum();
        within += 2.0 * to_before + gram[*i][*i];
        between += to_all - 2.0 * to_before - gram[*i][*i];
        let k = k + 1;
        if k < 2 || n - k < 2 {
            continue;
        }
        let (a, b) = (k as f64, (n - k) as f64);
        let after = all - within - 2.0 * between;
        let distance = within / (a * a) + after / (b * b) - 2.0 * between / (a * b);
        let value = a * b / n as f64 * distance;
        if value > best.1 {
            best = (k, value);
        }
    }
    best
}

/// The inner products of numbers.
pub(super) fn gram_of(values: &[f64]) -> Vec<Vec<f64>> {
    // Centred: the statistic does not change, and rounding is less.
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let c: Vec<f64> = values.iter().map(|v| v - mean).collect();
    c.iter().map(|a| c.iter().map(|b| a * b).collect()).collect()
}

/// The largest of the steps between checkpoints; none with fewer than three steps.
///
/// # Errors
/// When a step is not finite.
pub fn jump(names: &[String], steps: &[f64]) -> Result<Option<Jump>, MathError> {
    if steps.len() < 3 || names.len() != steps.len() + 1 {
        return Ok(None);
    }
    let median = math::quantile(steps, 0.5)?;
    let far: Vec<f64> = steps.iter().map(|s| (s - median).abs()).collect();
    let deviation = 1.4826 * math::quantile(&far, 0.5)?;
    let Some((at, size)) = steps.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Ok(None);
    };
    Ok(Some(Jump {
        before: names[at].clone(),
        after: names[at + 1].clone(),
        size,
        median,
        robust_z: (deviation > 0.0).then(|| (size - median) / deviation),
        n: steps.len(),
    }))
}
