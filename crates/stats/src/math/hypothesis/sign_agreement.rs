//! Whether two scores agree in sign more often than the bias of each would make them.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use statrs::distribution::{DiscreteCDF, Hypergeometric};

use super::super::MathError;
use super::super::error::finite;
use super::super::interval::{Interval, wilson};
use super::Method;
use crate::math::permutation_p;

/// Agreement in sign, beside what chance would give.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignAgreement {
    /// Pairs in which neither score is zero.
    pub n: usize,
    /// Pairs left out because a score is zero.
    pub zeros: usize,
    /// Pairs of one sign.
    pub agreeing: usize,
    /// Share of the pairs that agree, in [0, 1].
    pub agreement: f64,
    /// Wilson's interval of the share.
    pub interval: Interval,
    /// The share that each side's own rate of positive signs gives under independence,
    /// `a b + (1 - a)(1 - b)`.
    pub expected: f64,
    /// Share of positive signs on the first side.
    pub first_positive: f64,
    /// Share of positive signs on the second side.
    pub second_positive: f64,
    /// Chance of at least this agreement when the second side's signs are dealt out at random.
    pub p: f64,
    /// How p was computed.
    pub method: Method,
}

/// Sign agreement of two lists of scores with its null.
///
/// Without clusters p is exact: given how many signs are positive on each side, the number of
/// pairs positive on both is hypergeometric (Fisher's exact test, one-sided). With
/// `(clusters, permutations)` the second side is permuted in whole clusters, among clusters of the
/// same number of pairs, with the +1 correction.
///
/// # Errors
/// When lengths differ, a score is not finite, every pair has a zero, or, with clusters, no two
/// clusters have the same size.
pub fn sign_agreement(
    first: &[f64],
    second: &[f64],
    clusters: Option<(&[usize], usize)>,
    level: f64,
    rng: &mut impl Rng,
) -> Result<SignAgreement, MathError> {
    if first.len() != second.len() {
        return Err(MathError::Length { what: "second list", expected: first.len(), found: second.len() });
    }
    finite("first list", first)?;
    finite("second list", second)?;
    let kept: Vec<usize> = (0..first.len()).filter(|i| first[*i] != 0.0 && second[*i] != 0.0).collect();
    if kept.is_empty() {
        return Err(MathError::TooFew { what: "pairs without a zero", least: 1, found: 0 });
    }
    let a: Vec<bool> = kept.iter().map(|i| first[*i] > 0.0).collect();
    let b: Vec<bool> = kept.iter().map(|i| second[*i] > 0.0).collect();
    let count = |v: &[bool]| v.iter().filter(|p| **p).count();
    let agree = |b: &[bool]| a.iter().zip(b).filter(|(x, y)| x == y).count();
    let (n, agreeing) = (kept.len(), agree(&b));
    let (pa, pb) = (count(&a) as f64 / n as f64, count(&b) as f64 / n as f64);
    let (p, method) = match clusters {
        None => {
            let both = a.iter().zip(&b).filter(|(x, y)| **x && **y).count() as u64;
            let law = Hypergeometric::new(n as u64, count(&a) as u64, count(&b) as u64)
                .map_err(|e| MathError::decomposition("hypergeometric distribution", e))?;
            (if both == 0 { 1.0 } else { law.sf(both - 1).min(1.0) }, Method::Exact)
        }
        Some((names, permutations)) => {
            if names.len() != first.len() {
                return Err(MathError::Length {
                    what: "clusters",
                    expected: first.len(),
                    found: names.len(),
                });
            }
            let of_kept: Vec<usize> = kept.iter().map(|i| names[*i]).collect();
            let blocks = blocks(&of_kept);
            if permutations == 0 || blocks.iter().all(|b| b.len() < 2) {
                return Err(MathError::TooFew {
                    what: "clusters of one size",
                    least: 2,
                    found: blocks.iter().map(Vec::len).max().unwrap_or(0),
                });
            }
            let reached = (0..permutations).filter(|_| agree(&dealt(&b, &blocks, rng)) >= agreeing).count();
            (permutation_p(reached, permutations), Method::Permutation)
        }
    };
    Ok(SignAgreement {
        n,
        zeros: first.len() - n,
        agreeing,
        agreement: agreeing as f64 / n as f64,
        interval: wilson(agreeing as u64, n as u64, level)?,
        expected: pa * pb + (1.0 - pa) * (1.0 - pb),
        first_positive: pa,
        second_positive: pb,
        p,
        method,
    })
}

/// Clusters as lists of rows, those of one size together.
fn blocks(names: &[usize]) -> Vec<Vec<Vec<usize>>> {
    let mut clusters: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for (row, name) in names.iter().enumerate() {
        clusters.entry(*name).or_default().push(row);
    }
    let mut by_size: std::collections::BTreeMap<usize, Vec<Vec<usize>>> = std::collections::BTreeMap::new();
    for rows in clusters.into_values() {
        by_size.entry(rows.len()).or_default().push(rows);
    }
    by_size.into_values().collect()
}

/// The signs with whole clusters exchanged among those of their size.
fn dealt(signs: &[bool], blocks: &[Vec<Vec<usize>>], rng: &mut impl Rng) -> Vec<bool> {
    let mut out = signs.to_vec();
    for block in blocks {
        let mut order: Vec<usize> = (0..block.len()).collect();
        order.shuffle(rng);
        for (to, from) in block.iter().zip(order) {
            for (t, f) in to.iter().zip(&block[from]) {
                out[*t] = signs[*f];
            }
        }
    }
    out
}
