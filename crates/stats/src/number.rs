//! The one type of a reported number: with its n, its interval or why there is none, and its null.

use rand::Rng;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Discrete, Hypergeometric, Normal, StudentsT};

use crate::math::{
    Alternative, Deal, Interval, MathError, POWER, Placement, RatioOfSums, Seeds, binomial_needed,
    binomial_test, cluster_bootstrap, feasible, permutation_p, ratio_of_sums, reaches, wilson, within_reach,
};
use crate::test::{Sides, Test};

/// Coverage of the intervals of the analyses.
pub const LEVEL: f64 = 0.95;
/// The least number of observations that is ever named as needed.
pub const LEAST_NEEDED: usize = 10;
/// Resamples behind a bootstrap interval.
pub const RESAMPLES: usize = 2000;

/// A number with its n, its interval and what it would be if there were nothing to find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Number {
    /// The estimate.
    pub value: f64,
    /// Observations behind it.
    pub n: usize,
    /// Its interval, none where it has none.
    pub interval: Option<Interval>,
    /// How the interval was made, or why there is none.
    pub method: String,
    /// The null it is held against, none where nothing is tested.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<Null>,
}

/// What a number would be if there were nothing to find.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Null {
    /// The test, whose [`TestCard`](crate::test::TestCard) says what it asks.
    pub test: Test,
    /// What is true under it, in words.
    pub what: String,
    /// The estimate's mean under it.
    pub expected: f64,
    /// Central 95 % under it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub range: Option<[f64; 2]>,
    /// Two-sided p value, in (0, 1].
    pub p: f64,
    /// Draws behind p; none where p is exact.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub draws: Option<usize>,
}

impl Null {
    /// That of a cosine: the other direction, of this width, drawn at random. The cosine of a random
    /// direction has variance 1 / width.
    ///
    /// # Errors
    /// When `cosine` is none, or the width is too small.
    pub fn random_direction(cosine: f64, width: usize) -> Result<Self, MathError> {
        let reach = 1.96 / (width as f64).sqrt();
        Ok(Self {
            test: Test::UniformCosine,
            what: "a direction drawn at random; p exact, the range by the normal law".into(),
            expected: 0.0,
            range: Some([-reach, reach]),
            p: crate::math::share_with_cosine(cosine, width)?,
            draws: None,
        })
    }
}

impl Number {
    /// A number without an interval, and why.
    #[must_use]
    pub fn bare(value: f64, n: usize, why: &str) -> Self {
        Self { value, n, interval: None, method: why.to_owned(), null: None }
    }

    /// Sets the null that the number is held against.
    #[must_use]
    pub fn against(mut self, null: Null) -> Self {
        self.null = Some(null);
        self
    }

    /// Whether the whole interval lies beyond the null's range; none where either is not known.
    #[must_use]
    pub fn beyond_null(&self) -> Option<bool> {
        let (interval, range) = (self.interval?, self.null.as_ref()?.range?);
        Some(interval.low > range[1] || interval.high < range[0])
    }

    /// About how many observations tell a value this far from what the null expects with power 0.8 at 5 %: of counts
    /// held against an exact binomial law by that law, of rank correlations by Fisher's z with the variance of Bonett
    /// and Wright (2000), else by the normal law, its error under the null being the larger of that of the null's range
    /// and that of the interval. At least [`LEAST_NEEDED`], as with fewer hardly a test reaches 5 %. None where there
    /// is no null or no interval, where the value lies on the side that is not claimed, or where more than
    /// [`FEASIBLE`](crate::math::FEASIBLE) would.
    #[must_use]
    pub fn needed(&self) -> Option<usize> {
        let (interval, null) = (self.interval?, self.null.as_ref()?);
        if self.against_claim() {
            return None;
        }
        let z = |p: f64| Normal::standard().inverse_cdf(p);
        let needed = if null.test.is_binomial() {
            binomial_needed(self.value, null.expected)?
        } else if null.test == Test::RankCorrelation {
            let far = self.value.clamp(-0.999, 0.999).atanh() - null.expected.clamp(-0.999, 0.999).atanh();
            let spread = (z(0.975) + z(POWER)) * (1.0 + self.value.powi(2) / 2.0).sqrt();
            within_reach((spread / far).powi(2) + 3.0)?
        } else {
            let here = (interval.high - interval.low) / (2.0 * z(0.5 + interval.level / 2.0));
            let under = null.range.map_or(0.0, |[low, high]| (high - low) / (2.0 * z(0.975)));
            // Chance is held fixed in the interval of κ, which makes it wide where one verdict is rare.
            let here = if null.test == Test::JudgeAgreement && under > 0.0 { under } else { here };
            let reach = z(0.975) * under.max(here) + z(POWER) * here;
            let times = reach / (self.value - null.expected).abs();
            within_reach(self.n as f64 * times * times)?
        };
        Some(needed.max(LEAST_NEEDED))
    }

    /// Whether the value lies on the side of the null that its test does not ask about.
    #[must_use]
    pub fn against_claim(&self) -> bool {
        let claims_more = |n: &Null| n.test.card().sides == Sides::One || n.test.claims_more();
        self.null.as_ref().is_some_and(|n| claims_more(n) && self.value <= n.expected)
    }

    /// What [`Number::needed`] says, in words; none where there is nothing to tell the number from, or no interval.
    #[must_use]
    pub fn power(&self) -> Option<String> {
        self.interval.and(self.null.as_ref())?;
        if self.against_claim() {
            return None;
        }
        Some(match self.needed() {
            Some(n) => format!("about {n} would give 80 % power"),
            None => format!("{} would give 80 % power", feasible(None)),
        })
    }

    /// Whether the whole interval lies above a value.
    #[must_use]
    pub fn above(&self, value: f64) -> bool {
        self.interval.is_some_and(|i| i.low > value)
    }
}

/// A share with Wilson's interval.
///
/// # Errors
/// Without trials.
pub fn share(count: usize, n: usize) -> Result<Number, MathError> {
    let interval = wilson(count as u64, n as u64, LEVEL)?;
    Ok(Number {
        value: count as f64 / n as f64,
        n,
        interval: Some(interval),
        method: "Wilson score".into(),
        null: None,
    })
}

/// A mean with its interval over its values (see [`ratio_of_sums`]); with one value, the value alone.
///
/// # Errors
/// Without values, or when one is not finite.
pub fn mean(values: &[f64], rng: &mut impl Rng) -> Result<Number, MathError> {
    mean_over(values, "observations", rng)
}

/// As [`mean`], of values that have a name.
///
/// # Errors
/// As [`mean`].
pub fn mean_over(values: &[f64], what: &str, rng: &mut impl Rng) -> Result<Number, MathError> {
    let value = crate::math::mean(values)?;
    if values.len() < 2 {
        return Ok(Number::bare(value, values.len(), "none: one observation has no spread"));
    }
    let found = ratio_of_sums(values, &vec![1.0; values.len()], RESAMPLES, LEVEL, rng)?;
    Ok(Number { value, ..studentised(&found, values.len(), what) })
}

/// A ratio of sums as a number of `n` observations, resampled by `what`.
#[must_use]
pub fn studentised(found: &RatioOfSums, n: usize, what: &str) -> Number {
    let method = match found.resampled {
        true => format!("bootstrap-t over {what}, {RESAMPLES} resamples"),
        false => format!("Student's t over {what}"),
    };
    Number { value: found.value, n, interval: Some(found.interval), method, null: None }
}

/// The percentile interval of a statistic of resampled units.
pub fn resampled(
    units: usize,
    rng: &mut impl Rng,
    statistic: impl FnMut(&[u32]) -> Option<f64>,
) -> Result<Interval, MathError> {
    Ok(cluster_bootstrap(units, RESAMPLES, LEVEL, rng, statistic)?.interval)
}

/// The method that [`resampled`] uses, for [`Number::method`].
pub fn bootstrap_over(units: &str) -> String {
    format!("percentile bootstrap over {units}, {RESAMPLES} resamples")
}

/// The delete-a-fold jackknife (Efron 1982): with `J` folds the variance is `(J - 1)/J · Σ(θⱼ - θ̄)²`,
/// the interval Student's with `J - 1` degrees of freedom, cut to the range.
#[must_use]
pub fn jackknife(value: f64, folds: &[f64], [least, most]: [f64; 2]) -> Number {
    let n = folds.len() as f64;
    let law = StudentsT::new(0.0, 1.0, n - 1.0);
    let (Ok(law), true) = (law, folds.len() > 1) else {
        return Number::bare(value, 1, "none: a direction without its texts has no interval");
    };
    let mean = folds.iter().sum::<f64>() / n;
    let error = ((n - 1.0) / n * folds.iter().map(|f| (f - mean).powi(2)).sum::<f64>()).sqrt();
    let reach = law.inverse_cdf(0.5 + LEVEL / 2.0) * error;
    let (low, high) = ((value - reach).max(least), (value + reach).min(most));
    Number {
        value,
        n: folds.len(),
        interval: Some(Interval { low, high, level: LEVEL }),
        method: "delete-a-fold jackknife; n counts folds".into(),
        null: None,
    }
}

/// The mean of values, each counted so often.
#[must_use]
pub fn weighted_mean(values: &[f64], counts: &[u32]) -> f64 {
    let (sum, n) = values
        .iter()
        .zip(counts)
        .fold((0.0, 0.0), |(s, n), (v, c)| (s + v * f64::from(*c), n + f64::from(*c)));
    sum / n
}

/// A two-sided null from draws: how many lie at least as far from `centre` as the value.
pub fn drawn_null(
    (test, what): (Test, &str),
    value: f64,
    centre: f64,
    draws: &[f64],
) -> Result<Null, MathError> {
    let far = |v: f64| (v - centre).abs();
    let reached = draws.iter().filter(|v| reaches(far(**v), far(value))).count();
    Ok(Null {
        test,
        what: what.to_owned(),
        expected: crate::math::mean(draws)?,
        range: Some([crate::math::quantile(draws, 0.025)?, crate::math::quantile(draws, 0.975)?]),
        p: permutation_p(reached, draws.len()),
        draws: Some(draws.len()),
    })
}

/// The total of the probabilities that are no larger than the one at `seen`.
pub fn no_likelier(law: &[f64], seen: usize) -> f64 {
    let at = law[seen] * (1.0 + 1e-7);
    law.iter().filter(|p| **p <= at).sum::<f64>().min(1.0)
}

/// A share with the score interval over clusters (see [`Placement`]), for observations that are not independent within
/// them. `counts` marks the observations that count.
///
/// # Errors
/// With fewer than two clusters.
pub fn share_in_clusters(counts: &[bool], clusters: &[usize], of: &str) -> Result<Number, MathError> {
    let values: Vec<f64> = counts.iter().map(|c| f64::from(u8::from(*c))).collect();
    let found = Placement::share(&values, clusters)?.estimate(LEVEL, 1.0)?;
    let method = format!("score interval over {of} (Wilson's, for what clusters have in common)");
    Ok(Number { value: found.value, n: counts.len(), interval: Some(found.interval), method, null: None })
}

/// A mean with its interval over clusters (see [`ratio_of_sums`]).
///
/// # Errors
/// With a value that is not finite.
pub fn mean_in_clusters(
    values: &[f64],
    clusters: &[usize],
    of: &str,
    rng: &mut impl Rng,
) -> Result<Number, MathError> {
    let value = crate::math::mean(values)?;
    let count = crate::math::dense_count(clusters);
    if count < 2 {
        return Ok(Number::bare(value, values.len(), "none: one cluster has no spread"));
    }
    let (mut sums, mut sizes) = (vec![0.0; count], vec![0.0; count]);
    for (v, c) in values.iter().zip(clusters) {
        sums[*c] += v;
        sizes[*c] += 1.0;
    }
    let found = ratio_of_sums(&sums, &sizes, RESAMPLES, LEVEL, rng)?;
    Ok(Number { value, ..studentised(&found, values.len(), of) })
}

/// Pearson's correlation of two lists, its interval from resampled clusters. It has no null here: ranks are what is tested.
///
/// # Errors
/// With lists that are all equal, or too few clusters to resample.
pub fn pearson(a: &[f64], b: &[f64], clusters: &[usize], seeds: &Seeds) -> Result<Number, MathError> {
    let value = crate::math::pearson(a, b)?;
    let (interval, units) = correlated(a, b, clusters, &mut seeds.stream("pearson"), crate::math::pearson)?;
    Ok(Number { value, n: a.len(), interval: Some(interval), method: bootstrap_over(units), null: None })
}

/// The interval of a correlation from resampled clusters, and what these are.
fn correlated(
    a: &[f64],
    b: &[f64],
    clusters: &[usize],
    rng: &mut impl Rng,
    correlation: fn(&[f64], &[f64]) -> Result<f64, MathError>,
) -> Result<(Interval, &'static str), MathError> {
    let count = crate::math::dense_count(clusters);
    let interval = resampled(count, rng, |drawn| {
        let (mut x, mut y) = (Vec::with_capacity(a.len()), Vec::with_capacity(a.len()));
        for (i, cluster) in clusters.iter().enumerate() {
            for _ in 0..drawn[*cluster] {
                x.push(a[i]);
                y.push(b[i]);
            }
        }
        correlation(&x, &y).ok()
    })?;
    Ok((interval, if count == a.len() { "sequences" } else { "clusters of sequences" }))
}

/// Spearman's correlation of two lists, its interval from resampled clusters, its null from one list
/// shuffled in the same clusters; none where no two of them have one size. `clusters` gives the cluster of each place, from 0 without gaps.
pub fn rank_correlation(
    a: &[f64],
    b: &[f64],
    clusters: &[usize],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Number, MathError> {
    let value = crate::math::spearman(a, b)?;
    let count = crate::math::dense_count(clusters);
    let (interval, units) = correlated(a, b, clusters, &mut seeds.stream("spearman"), crate::math::spearman)?;
    let mut shuffled = b.to_vec();
    let mut rng = seeds.stream("spearman null");
    let mut draws = Vec::with_capacity(permutations);
    let deal = Deal::new(clusters);
    for _ in 0..if deal.exchanges() { permutations } else { 0 } {
        if count == a.len() {
            shuffled.shuffle(&mut rng);
        } else {
            shuffled = deal.draw(&mut rng).into_iter().map(|i| b[i]).collect();
        }
        draws.push(crate::math::spearman(a, &shuffled)?);
    }
    let found =
        Number { value, n: a.len(), interval: Some(interval), method: bootstrap_over(units), null: None };
    if draws.is_empty() {
        return Ok(found);
    }
    let what = if count == a.len() {
        "one of the two lists shuffled"
    } else {
        "one of the two lists shuffled in whole clusters, among those of one size"
    };
    Ok(found.against(drawn_null((Test::RankCorrelation, what), value, 0.0, &draws)?))
}

/// A share against the exact binomial law: p sums every count no likelier than the one seen.
pub fn share_against(
    count: usize,
    n: usize,
    expected: f64,
    (test, what): (Test, &str),
) -> Result<Number, MathError> {
    let p = binomial_p(count, n, expected)?;
    let found = share(count, n)?;
    Ok(found.against(Null { test, what: what.to_owned(), expected, range: None, p, draws: None }))
}

/// The two-sided exact binomial test; where only one count is possible, whether it is that one.
pub fn binomial_p(count: usize, n: usize, expected: f64) -> Result<f64, MathError> {
    if expected == 0.0 || expected == 1.0 {
        let only = if expected == 0.0 { 0 } else { n };
        return Ok(if count == only { 1.0 } else { 0.0 });
    }
    let found = binomial_test(count as u64, n as u64, expected, Alternative::TwoSided);
    Ok(found?.p)
}

/// The two-sided exact hypergeometric test of how many of `drawn` are among `marked` of `all`; none where more are
/// marked or drawn than there are.
pub fn overlap_p(count: usize, marked: usize, drawn: usize, all: usize) -> Option<f64> {
    let law = Hypergeometric::new(all as u64, marked as u64, drawn as u64).ok()?;
    Some(no_likelier(&(0..=drawn.min(marked)).map(|k| law.pmf(k as u64)).collect::<Vec<_>>(), count))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn exact_tests_are_those_of_the_textbook() {
        // scipy.stats.binomtest(7, 10, 0.5).pvalue, (2, 12, 0.3); hypergeom(20, 7, 12).
        assert!((binomial_p(7, 10, 0.5).unwrap() - 0.34375).abs() < 1e-12);
        assert!((binomial_p(0, 5, 0.5).unwrap() - 0.0625).abs() < 1e-12);
        assert!((binomial_p(5, 10, 0.5).unwrap() - 1.0).abs() < 1e-9);
        // All 3 of 3 drawn among 3 of 6 marked: 1/20, and 0 of 3 is as likely.
        assert!((overlap_p(3, 3, 3, 6).unwrap() - 0.1).abs() < 1e-12);
        assert!(binomial_p(1, 2, 1.5).is_err());
    }

    #[test]
    fn a_mean_has_an_interval_when_it_can() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let m = mean(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut rng).unwrap();
        assert!(m.interval.unwrap().contains(3.5) && m.n == 6);
        assert!(mean(&[1.0], &mut rng).unwrap().interval.is_none());
        assert!(mean(&[], &mut rng).is_err());
        assert!(mean(&[f64::NAN, 1.0], &mut rng).is_err());
    }

    #[test]
    fn a_null_counts_ties_against_the_claim() {
        let null = drawn_null((Test::BoardEnds, "x"), 1.0, 0.0, &[1.0, -1.0, 0.5, 0.0]).unwrap();
        assert!((null.p - 3.0 / 5.0).abs() < 1e-12);
    }
}
