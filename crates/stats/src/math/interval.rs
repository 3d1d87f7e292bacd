//! Intervals for a share of successes.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ContinuousCDF, Normal};

use super::MathError;

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end, in the units of the estimate.
    pub low: f64,
    /// Upper end, in the units of the estimate.
    pub high: f64,
    /// Nominal coverage, such as 0.95.
    pub level: f64,
}

impl Interval {
    /// Whether the value lies inside, ends included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

fn check(successes: u64, trials: u64, level: f64) -> Result<(), MathError> {
    if trials == 0 {
        return Err(MathError::TooFew { what: "trials", least: 1, found: 0 });
    }
    if successes > trials {
        return Err(MathError::OutOfRange {
            what: "successes",
            value: successes as f64,
            expected: "at most the number of trials",
        });
    }
    check_level(level)
}

pub(crate) fn check_level(level: f64) -> Result<(), MathError> {
    if level > 0.0 && level < 1.0 {
        return Ok(());
    }
    Err(MathError::OutOfRange {
        what: "confidence level",
        value: level,
        expected: "a number between 0 and 1",
    })
}

/// Wilson's score interval (Wilson 1927), which keeps close to its nominal coverage in small
/// samples and near 0 and 1.
///
/// # Errors
/// Without trials, with more successes than trials, or a level outside (0, 1).
pub fn wilson(successes: u64, trials: u64, level: f64) -> Result<Interval, MathError> {
    check(successes, trials, level)?;
    let z = Normal::standard().inverse_cdf(0.5 + level / 2.0);
    let (n, p) = (trials as f64, successes as f64 / trials as f64);
    let shrink = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    // At the ends the algebra gives 0 and 1 exactly; rounding should not.
    let low = if successes == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if successes == trials { 1.0 } else { (centre + half).min(1.0) };
    Ok(Interval { low, high, level })
}

/// The exact interval of Clopper and Pearson (1934), never below its nominal coverage.
///
/// # Errors
/// As [`wilson`].
pub fn clopper_pearson(successes: u64, trials: u64, level: f64) -> Result<Interval, MathError> {
    check(successes, trials, level)?;
    let tail = (1.0 - level) / 2.0;
    let (k, n) = (successes as f64, trials as f64);
    let beta = |a: f64, b: f64, p: f64| -> Result<f64, MathError> {
        let law = Beta::new(a, b).map_err(|e| MathError::decomposition("beta distribution", e))?;
        Ok(bisect(|x| law.cdf(x) - p))
    };
    let low = if successes == 0 { 0.0 } else { beta(k, n - k + 1.0, tail)? };
    let high = if successes == trials { 1.0 } else { beta(k + 1.0, n - k, 1.0 - tail)? };
    Ok(Interval { low, high, level })
}

/// The root in [0, 1] of a function that grows from below zero to above.
fn bisect(f: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // 60 halvings reach the spacing of doubles.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if f(middle) < 0.0 { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}
