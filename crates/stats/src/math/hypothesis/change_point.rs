//! Whether, and where, the level of a series changes.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::super::MathError;
use super::super::describe::mean;
use super::{Method, next_permutation};
use crate::math::{permutation_p, reaches};

/// Up to this long every order of a series is counted.
const EXACT: usize = 8;

/// The likeliest change of level, and whether there is one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangePoint {
    /// The new level starts here; values before it are of the old.
    pub at: usize,
    /// `max_k |Σ_{i<k} (x_i - x̄)| / (s √n)`, with `s` the standard deviation (divisor n).
    pub statistic: f64,
    /// The share of orders of the series with at least this statistic.
    pub p: f64,
    /// Whether all orders were counted or a random draw of them.
    pub method: Method,
    /// Orders looked at.
    pub orders: usize,
    /// Mean before the change.
    pub before: f64,
    /// Mean from the change on.
    pub after: f64,
    /// Length of the series.
    pub n: usize,
}

/// The largest cumulative sum of deviations (Page 1955), with the null that the order of the
/// series is arbitrary: all orders for at most 8 values, `permutations` seeded ones with the +1
/// correction for more.
///
/// # Errors
/// With fewer than four values, a value that is not finite, a constant series, or no permutations
/// where they are needed.
pub fn change_point(
    series: &[f64],
    permutations: usize,
    rng: &mut impl Rng,
) -> Result<ChangePoint, MathError> {
    let n = series.len();
    if n < 4 {
        return Err(MathError::TooFew { what: "values of the series", least: 4, found: n });
    }
    let centre = mean(series)?;
    let deviations: Vec<f64> = series.iter().map(|v| v - centre).collect();
    let scale = deviations.iter().map(|d| d * d).sum::<f64>().sqrt();
    if scale <= 1e-14 * centre.abs() * (n as f64).sqrt() || scale == 0.0 {
        return Err(MathError::Constant { what: "series", value: series[0] });
    }
    let (at, statistic) = largest(&deviations, scale);
    let reached_by = |order: &[f64]| reaches(largest(order, scale).1, statistic);
    let (p, method, orders) = if n <= EXACT {
        let mut order: Vec<usize> = (0..n).collect();
        let (mut reached, mut orders) = (0_usize, 0_usize);
        loop {
            let turned: Vec<f64> = order.iter().map(|i| deviations[*i]).collect();
            reached += usize::from(reached_by(&turned));
            orders += 1;
            if !next_permutation(&mut order) {
                break;
            }
        }
        (reached as f64 / orders as f64, Method::Exact, orders)
    } else {
        if permutations == 0 {
            return Err(MathError::TooFew { what: "permutations", least: 1, found: 0 });
        }
        let mut turned = deviations.clone();
        let reached = (0..permutations)
            .filter(|_| {
                turned.shuffle(rng);
                reached_by(&turned)
            })
            .count();
        (permutation_p(reached, permutations), Method::Permutation, permutations)
    };
    let (before, after) = series.split_at(at);
    Ok(ChangePoint { at, statistic, p, method, orders, before: mean(before)?, after: mean(after)?, n })
}

/// Where the cumulative sum is largest, and how large.
fn largest(deviations: &[f64], scale: f64) -> (usize, f64) {
    let mut sum = 0.0;
    let mut best = (1, 0.0);
    for (i, d) in deviations.iter().take(deviations.len() - 1).enumerate() {
        sum += d;
        if f64::abs(sum) > best.1 {
            best = (i + 1, f64::abs(sum));
        }
    }
    (best.0, best.1 / scale)
}
