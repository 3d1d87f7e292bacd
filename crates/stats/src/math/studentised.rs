//! An interval of a mean, also of few and of skewed values.

use rand::Rng;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::MathError;
use super::describe::quantile_sorted;
use super::error::finite;
use super::interval::{Interval, check_level};

/// With fewer clusters than this resamples say too little of the tails.
const FEW: usize = 5;

/// A ratio of sums over clusters, such as a mean of rows, with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatioOfSums {
    /// `Σ sums / Σ sizes`.
    pub value: f64,
    /// Its confidence interval over clusters.
    pub interval: Interval,
    /// Whether the bootstrap made it; Student's t otherwise.
    pub resampled: bool,
}

/// The mean of rows in clusters, of which `sums` and `sizes` are given: the bootstrap-t over clusters (Efron 1982;
/// Davison and Hinkley 1997, section 5.2), with the linearised standard error of a ratio. With fewer than five
/// clusters, or where more resamples than a tail holds have clusters of one value alone, Student's t.
///
/// The percentile bootstrap is too narrow with few clusters: at 95 % it holds the mean of 8 normal numbers in 89 %, of
/// 40 exponential ones in 90 %; this one in 95 and 96 %.
///
/// # Errors
/// With fewer than two clusters, a value that is not finite, sizes that are not positive, or a level outside (0, 1).
pub fn ratio_of_sums(
    sums: &[f64],
    sizes: &[f64],
    resamples: usize,
    level: f64,
    rng: &mut impl Rng,
) -> Result<RatioOfSums, MathError> {
    check_level(level)?;
    let n = sums.len();
    if sizes.len() != n {
        return Err(MathError::Length { what: "sizes", expected: n, found: sizes.len() });
    }
    if n < 2 {
        return Err(MathError::TooFew { what: "clusters", least: 2, found: n });
    }
    finite("sums", sums)?;
    if let Some(&value) = sizes.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
        return Err(MathError::OutOfRange {
            what: "size of a cluster",
            value,
            expected: "a positive number",
        });
    }
    let (value, error) = of(sums, sizes, |_| 1.0);
    let tail = (1.0 - level) / 2.0;
    let mut t = Vec::with_capacity(resamples);
    if n >= FEW && error > 0.0 {
        let mut counts = vec![0.0; n];
        // Clusters of one value alone, up to rounding.
        let least = error * 1e-9;
        for _ in 0..resamples {
            counts.fill(0.0);
            for _ in 0..n {
                counts[rng.random_range(0..n)] += 1.0;
            }
            let (drawn, spread) = of(sums, sizes, |i| counts[i]);
            if spread > least {
                t.push((drawn - value) / spread);
            }
        }
    }
    let enough = t.len() as f64 > (1.0 - tail) * resamples as f64;
    let [low, high] = if enough {
        t.sort_by(f64::total_cmp);
        [value - quantile_sorted(&t, 1.0 - tail)? * error, value - quantile_sorted(&t, tail)? * error]
    } else {
        let law = StudentsT::new(0.0, 1.0, (n - 1) as f64).map_err(|e| MathError::decomposition("t", e))?;
        let reach = law.inverse_cdf(1.0 - tail) * error;
        [value - reach, value + reach]
    };
    Ok(RatioOfSums { value, interval: Interval { low, high, level }, resampled: enough })
}

/// The ratio and its linearised standard error, each cluster counted so often.
fn of(sums: &[f64], sizes: &[f64], count: impl Fn(usize) -> f64) -> (f64, f64) {
    let n = sums.len() as f64;
    let total = |of: &[f64]| of.iter().enumerate().map(|(i, v)| v * count(i)).sum::<f64>();
    let size = total(sizes);
    let ratio = total(sums) / size;
    let squares: f64 = (0..sums.len()).map(|i| count(i) * (sums[i] - ratio * sizes[i]).powi(2)).sum();
    (ratio, (squares * n / (n - 1.0)).sqrt() / size)
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, Exp1, StandardNormal};

    use super::*;
    use crate::math::Seeds;

    fn found(values: &[f64]) -> RatioOfSums {
        let ones = vec![1.0; values.len()];
        ratio_of_sums(values, &ones, 999, 0.95, &mut Seeds::new(1).stream("t")).unwrap()
    }

    #[test]
    fn few_values_have_the_interval_of_the_textbook() {
        // scipy.stats.t.interval(0.95, 2, loc=2, scale=1/sqrt(3)).
        let few = found(&[1.0, 2.0, 3.0]);
        assert!((few.interval.low + 0.484_137_711_85).abs() < 1e-6 && !few.resampled, "{few:?}");
        // All alike: no width, and nothing to divide by.
        let alike = found(&[0.5; 9]);
        assert_eq!((alike.interval.low, alike.interval.high), (0.5, 0.5));
        // All but one alike: most resamples say nothing.
        let one = found(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert!(!one.resampled && one.interval.contains(1.0 / 7.0));
    }

    #[test]
    fn it_covers_with_few_and_with_skewed_values() {
        let held = |n: usize, skewed: bool| {
            let run = |seed: u64| {
                let mut rng = Seeds::new(seed).stream("values");
                let draw = |rng: &mut rand_chacha::ChaCha8Rng| -> f64 {
                    if skewed { Exp1.sample(rng) } else { StandardNormal.sample(rng) }
                };
                let values: Vec<f64> = (0..n).map(|_| draw(&mut rng)).collect();
                let ones = vec![1.0; n];
                let truth = f64::from(u8::from(skewed));
                ratio_of_sums(&values, &ones, 399, 0.95, &mut rng).unwrap().interval.contains(truth)
            };
            (0..400).filter(|seed| run(*seed)).count()
        };
        for (n, skewed) in [(4, false), (8, false), (16, false), (16, true), (40, true)] {
            let held = held(n, skewed);
            // 0.93 to 0.97, and what 400 runs can stray.
            assert!((362..=394).contains(&held), "{n} {skewed}: {held} of 400");
        }
    }

    #[test]
    fn what_is_no_sample_is_refused() {
        let mut rng = Seeds::new(1).stream("t");
        assert!(ratio_of_sums(&[1.0], &[1.0], 99, 0.95, &mut rng).is_err());
        assert!(ratio_of_sums(&[1.0, f64::NAN], &[1.0, 1.0], 99, 0.95, &mut rng).is_err());
        assert!(ratio_of_sums(&[1.0, 2.0], &[1.0, 0.0], 99, 0.95, &mut rng).is_err());
        assert!(ratio_of_sums(&[1.0, 2.0], &[1.0], 99, 0.95, &mut rng).is_err());
    }
}
