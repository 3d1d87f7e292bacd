//! The true-positive rate at a small rate of false positives, with an interval that knows how unsure the threshold is.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, Discrete as _};

use super::dense::{dense, dense_count};
use super::interval::check_level;
use super::{MathError, Placement};

/// A true-positive rate at a rate of false positives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TruePositives {
    /// Share of the positive rows above the threshold.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Share of the negative rows above the threshold: at most the rate asked for.
    pub false_positives: f64,
    /// Clusters with negative rows.
    pub negatives: usize,
    /// The fewest for which the interval's lower end can be above 0.
    pub needed: usize,
}

impl TruePositives {
    /// Whether the negatives bound their own centile from above, without which nothing bounds the rate from below.
    #[must_use]
    pub fn enough(&self) -> bool {
        self.negatives >= self.needed
    }
}

/// The share of positive rows above the lowest score that at most `rate` of the negative rows exceed.
///
/// Unsure are the place of the negatives' quantile and the share of positives above it. The quantile's interval is made
/// of order statistics of the negatives (binomial law, clusters taken for independent texts); the share above each
/// end gives one arm, [`Placement::share`]'s interval at the threshold the other, and their squares are added (as Zou and Donner 2008 put
/// intervals together). Where no negative bounds the quantile from above, the lower end is 0.
///
/// Coverage of 95 % intervals at 1 %, 25 to 2000 texts a class, AUROC 0.8 to 0.995, normal and heavy-tailed scores:
/// 95 to 100 %, by `fixtures/make/true_positive_rate.py --coverage`; the percentile bootstrap has 27 to 95 %.
///
/// # Errors
/// When lengths differ, a score is not finite, a class is missing or has fewer than two clusters, or `rate` or `level` lies outside
/// (0, 1).
pub fn true_positives_at(
    scores: &[f64],
    positive: &[bool],
    clusters: &[usize],
    rate: f64,
    level: f64,
) -> Result<TruePositives, MathError> {
    // Checks what both have in common.
    Placement::auroc(scores, positive, clusters)?;
    check_level(level)?;
    if !(rate > 0.0 && rate < 1.0) {
        return Err(MathError::OutOfRange {
            what: "rate of false positives",
            value: rate,
            expected: "a number between 0 and 1",
        });
    }
    let of = |class: bool| positive.iter().enumerate().filter(move |(_, p)| **p == class).map(|(i, _)| i);
    let mut down: Vec<f64> = of(false).map(|i| scores[i]).collect();
    down.sort_by(|a, b| b.total_cmp(a));
    let independent = dense_count(&dense(&of(false).map(|i| clusters[i]).collect::<Vec<_>>()));
    // Never above the length: a whole number of rows is allowed above the threshold.
    let at = |position: f64| down.get((position + 1e-9).floor() as usize).copied();
    let threshold = at(rate * down.len() as f64).unwrap_or(f64::NEG_INFINITY);
    let (from, to) = bounds(independent, rate, level)?;
    let rows = down.len() as f64 / independent as f64;
    let above = |threshold: f64| -> Vec<f64> {
        of(true).map(|i| f64::from(u8::from(scores[i] > threshold))).collect()
    };
    let mean = |wins: &[f64]| wins.iter().sum::<f64>() / wins.len().max(1) as f64;
    let wins = above(threshold);
    let own: Vec<usize> = of(true).map(|i| clusters[i]).collect();
    let share = Placement::share(&wins, &own)?.interval(level, 1.0)?;
    let value = mean(&wins);
    let least = from.and_then(|j| at(j as f64 * rows)).map_or(0.0, |t| mean(&above(t)));
    // A cluster's rows stand together at worst: its last one counts.
    let most = to.and_then(|j| at((j + 1) as f64 * rows - 1.0)).map_or(1.0, |t| mean(&above(t)));
    let arm = |a: f64, b: f64| a.hypot(b);
    let low = if from.is_some() { (value - arm(value - least, value - share.low)).max(0.0) } else { 0.0 };
    let high = (value + arm(most - value, share.high - value)).min(1.0);
    Ok(TruePositives {
        value,
        low,
        high,
        false_positives: down.iter().filter(|d| **d > threshold).count() as f64 / down.len() as f64,
        negatives: independent,
        needed: negatives_needed(rate, level),
    })
}

/// The fewest independent negatives of which the highest lies above the quantile in all but the lower tail.
#[must_use]
pub fn negatives_needed(rate: f64, level: f64) -> usize {
    let tail = (1.0 - level) / 2.0;
    (tail.ln() / (1.0 - rate).ln()).ceil() as usize
}

/// Numbers, from the top, of the order statistics that bound the quantile from above and from below; none where none
/// does.
fn bounds(n: usize, rate: f64, level: f64) -> Result<(Option<usize>, Option<usize>), MathError> {
    let tail = (1.0 - level) / 2.0;
    let law =
        Binomial::new(rate, n as u64).map_err(|e| MathError::decomposition("binomial distribution", e))?;
    let (mut above, mut below, mut sum) = (None, None, 0.0);
    for j in 0..n {
        sum += law.pmf(j as u64);
        // More than j negatives exceed the quantile but in the tail: the j-th lies above it.
        if sum <= tail {
            above = Some(j);
        }
        // At most j exceed it but in the tail: the j-th lies at or below it.
        if below.is_none() && sum >= 1.0 - tail {
            below = Some(j);
            break;
        }
    }
    Ok((above, below))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        rate: f64,
        level: f64,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        up: Vec<f64>,
        down: Vec<f64>,
        value: f64,
        low: f64,
        high: f64,
    }

    #[test]
    fn rates_and_their_intervals_are_those_of_scipy_and_statsmodels() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/statistics/true_positive_rate.json");
        let golden: Golden = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for (i, case) in golden.cases.iter().enumerate() {
            let scores = [&case.up[..], &case.down].concat();
            let positive: Vec<bool> = (0..scores.len()).map(|i| i < case.up.len()).collect();
            let each: Vec<usize> = (0..scores.len()).collect();
            let found = true_positives_at(&scores, &positive, &each, golden.rate, golden.level).unwrap();
            for (a, b) in [(found.value, case.value), (found.low, case.low), (found.high, case.high)] {
                assert!(
                    (a - b).abs() < 1e-6,
                    "case {i}: {found:?}, expected {} [{}, {}]",
                    case.value,
                    case.low,
                    case.high
                );
            }
            assert!(found.false_positives <= golden.rate && found.negatives == case.down.len());
            assert_eq!(found.needed, 368);
            assert_eq!(found.enough(), case.down.len() >= 368);
        }
    }

    #[test]
    fn copies_are_no_further_texts() {
        let up: Vec<f64> = (0..40).map(|i| f64::from(i) / 10.0).collect();
        let down: Vec<f64> = (0..400).map(|i| f64::from(i) / 200.0).collect();
        let of = |times: usize| {
            let all: Vec<f64> = up.iter().chain(&down).copied().collect();
            let scores: Vec<f64> = all.iter().flat_map(|v| std::iter::repeat_n(*v, times)).collect();
            let positive: Vec<bool> = (0..440).flat_map(|i| std::iter::repeat_n(i < 40, times)).collect();
            let clusters: Vec<usize> = (0..440).flat_map(|i| std::iter::repeat_n(i, times)).collect();
            true_positives_at(&scores, &positive, &clusters, 0.01, 0.95).unwrap()
        };
        let (one, three) = (of(1), of(3));
        assert!((one.value - three.value).abs() < 1e-12 && one.negatives == three.negatives);
        assert!(
            (one.low - three.low).abs() < 1e-9 && (one.high - three.high).abs() < 1e-9,
            "{one:?} {three:?}"
        );
    }

    #[test]
    fn what_has_no_rate_is_refused() {
        let at = |rate: f64| {
            true_positives_at(&[1.0, 0.0, 2.0, 0.5], &[true, false, true, false], &[0, 1, 2, 3], rate, 0.95)
        };
        assert!(at(0.0).is_err() && at(1.0).is_err() && at(f64::NAN).is_err());
        let few = at(0.01).unwrap();
        assert!(few.value == 1.0 && few.low == 0.0 && few.high == 1.0 && !few.enough(), "{few:?}");
    }
}
