//! The exact binomial test, and a share with its interval.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, Discrete, DiscreteCDF};

use super::super::MathError;
use super::super::interval::{Interval, clopper_pearson, wilson};
use super::{Alternative, Method, TestResult};

/// Successes among trials, with the intervals of both kinds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proportion {
    /// Trials that succeeded.
    pub successes: u64,
    /// All trials.
    pub trials: u64,
    /// `successes / trials`.
    pub value: f64,
    /// Wilson's score interval.
    pub wilson: Interval,
    /// The exact interval of Clopper and Pearson.
    pub exact: Interval,
}

/// A share of successes, such as an accuracy.
///
/// # Errors
/// Without trials, with more successes than trials, or a level outside (0, 1).
pub fn proportion(successes: u64, trials: u64, level: f64) -> Result<Proportion, MathError> {
    Ok(Proportion {
        successes,
        trials,
        value: successes as f64 / trials as f64,
        wilson: wilson(successes, trials, level)?,
        exact: clopper_pearson(successes, trials, level)?,
    })
}

/// The exact test that successes come with chance `rate`; the statistic is their share.
///
/// Two-sided p is the chance of all counts that are no likelier than the one seen (the method of
/// small p values), with a relative slack of 1e-7 for rounding, as scipy has it.
///
/// # Errors
/// Without trials, with more successes than trials, or a rate outside (0, 1).
pub fn binomial_test(
    successes: u64,
    trials: u64,
    rate: f64,
    alternative: Alternative,
) -> Result<TestResult, MathError> {
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
    if !(rate > 0.0 && rate < 1.0) {
        return Err(MathError::OutOfRange {
            what: "rate",
            value: rate,
            expected: "a number between 0 and 1",
        });
    }
    let law =
        Binomial::new(rate, trials).map_err(|e| MathError::decomposition("binomial distribution", e))?;
    // Chance of at least, and of at most, a count.
    let upper = |k: u64| if k == 0 { 1.0 } else { law.sf(k - 1) };
    let p = match alternative {
        Alternative::Greater => upper(successes),
        Alternative::Less => law.cdf(successes),
        Alternative::TwoSided => two_sided(&law, successes, trials, rate),
    };
    Ok(TestResult {
        statistic: successes as f64 / trials as f64,
        p: p.min(1.0),
        n: usize::try_from(trials).unwrap_or(usize::MAX),
        method: Method::Exact,
        alternative,
    })
}

fn two_sided(law: &Binomial, k: u64, n: u64, rate: f64) -> f64 {
    let limit = law.pmf(k) * (1.0 + 1e-7);
    let mean = rate * n as f64;
    let upper = |from: u64| if from == 0 { 1.0 } else { law.sf(from - 1) };
    if (k as f64) < mean {
        // Beyond the mean the chances fall, so the far tail starts at one place.
        let (mut low, mut high) = (mean.ceil() as u64, n + 1);
        while low < high {
            let middle = u64::midpoint(low, high);
            if law.pmf(middle) <= limit { high = middle } else { low = middle + 1 }
        }
        law.cdf(k) + if low > n { 0.0 } else { upper(low) }
    } else if (k as f64) > mean {
        let (mut low, mut high) = (0, mean.floor() as u64 + 1);
        // `low` ends as how many counts of the lower tail are no likelier.
        while low < high {
            let middle = u64::midpoint(low, high);
            if law.pmf(middle) <= limit { low = middle + 1 } else { high = middle }
        }
        upper(k) + if low == 0 { 0.0 } else { law.cdf(low - 1) }
    } else {
        1.0
    }
}
