//! What a test of so many clusters can find, and how many it would take.

use statrs::distribution::{Binomial, ContinuousCDF, Discrete, Normal};

use super::placement::Placement;

/// The power that effects and numbers of clusters are given for.
pub const POWER: f64 = 0.8;

/// More observations than this nobody collects: an effect that would take more is too small to be found this way.
pub const FEASIBLE: usize = 10_000;

/// How many observations are needed, in words: a number, or that none within [`FEASIBLE`] would do.
#[must_use]
pub fn feasible(needed: Option<usize>) -> String {
    needed.map_or_else(|| "no feasible number (10 000 or fewer)".to_owned(), |n| n.to_string())
}

/// A number of observations, where it is within [`FEASIBLE`].
#[must_use]
pub fn within_reach(needed: f64) -> Option<usize> {
    (needed <= FEASIBLE as f64).then(|| needed.ceil().max(2.0) as usize)
}

/// The least number of trials at which the exact two-sided binomial test at 5 % tells a share from `expected` with
/// [`POWER`], and does so at the next few numbers too: exact power goes up and down with the number. None where more
/// than [`FEASIBLE`] would, or where the two are equal.
#[must_use]
pub fn binomial_needed(share: f64, expected: f64) -> Option<usize> {
    const NEXT: usize = 5;
    let inside = |p: f64| (p > 0.0 && p < 1.0).then_some(p);
    let (expected, gap) = (inside(expected)?, (share - expected).abs());
    let [level, power] = [0.975, POWER].map(z);
    let spread = level * (expected * (1.0 - expected)).sqrt() + power * (share * (1.0 - share)).sqrt();
    // The normal law is near enough to begin from.
    let about = within_reach((spread / gap).powi(2))?;
    let enough = |n: usize| exact_power(n, share, expected) >= POWER;
    let first = (about / 2).max(2);
    let mut run = 0;
    for n in first..=FEASIBLE.min(4 * about + 40) {
        run = if enough(n) { run + 1 } else { 0 };
        if run > NEXT {
            return Some(n - NEXT);
        }
    }
    None
}

/// How likely the exact two-sided binomial test at 5 % alarms if the chance is `share`.
fn exact_power(n: usize, share: f64, expected: f64) -> f64 {
    let (Ok(null), Ok(law)) = (Binomial::new(expected, n as u64), Binomial::new(share, n as u64)) else {
        return 0.0;
    };
    // From both ends inwards, the less likely first, as long as they stay within 5 %.
    let (mut low, mut high, mut left, mut power) = (0, n as u64, 0.05, 0.0);
    while low <= high {
        let (below, above) = (null.pmf(low), null.pmf(high));
        let (least, at) = if below <= above { (below, low) } else { (above, high) };
        if least > left {
            break;
        }
        left -= least;
        power += law.pmf(at);
        if at == low { low += 1 } else { high -= 1 }
    }
    power
}

/// A distance from 1/2 that is itself estimated.
#[derive(Clone, Copy, Debug)]
pub struct EstimatedThreshold {
    /// The distance from 1/2.
    pub at: f64,
    /// Its standard error over other clusters like these.
    pub error: f64,
}

/// A two-sided test that a chance is 1/2, or further from it than some threshold, by clusters.
#[derive(Clone, Copy, Debug)]
pub struct Power<'a> {
    placed: &'a Placement,
    /// Share of false alarms.
    alpha: f64,
    /// Factor on the variance.
    widen: f64,
}

fn z(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

fn below(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

impl<'a> Power<'a> {
    /// Of the clusters of a statistic, at a rate of false alarms.
    #[must_use]
    pub fn of(placed: &'a Placement, alpha: f64) -> Self {
        Self { placed, alpha, widen: 1.0 }
    }

    /// With the variance counted more than once, as the interval of directions fitted in folds has it.
    #[must_use]
    pub fn stretched(self, widen: f64) -> Self {
        Self { widen, ..self }
    }

    fn error_at(&self, t: f64) -> f64 {
        self.widen.sqrt() * self.placed.error_at(t)
    }

    /// The score test's p that the chance is 1/2, two-sided: that of the interval.
    #[must_use]
    pub fn p(&self) -> f64 {
        let far = (self.placed.value() - 0.5).abs() / self.error_at(0.5);
        2.0 * below(-far)
    }

    /// How likely the interval leaves 1/2 out if the chance is `t`; the far side is not counted.
    #[must_use]
    pub fn told_from_half(&self, t: f64) -> f64 {
        let at = z(1.0 - self.alpha / 2.0) * self.error_at(0.5);
        self.beyond(t, EstimatedThreshold { at, error: 0.0 })
    }

    /// How likely the statistic is further from 1/2 than a threshold that does not shrink with the clusters.
    #[must_use]
    pub fn beyond(&self, t: f64, threshold: EstimatedThreshold) -> f64 {
        let (far, error) = ((t - 0.5).abs() - threshold.at, self.error_beyond(t, threshold));
        if error > 0.0 { below(far / error) } else { f64::from(u8::from(far > 0.0)) }
    }

    /// The error of the statistic and of a threshold that is estimated twice: where the power is told, and where it is
    /// used, on other clusters.
    fn error_beyond(&self, t: f64, threshold: EstimatedThreshold) -> f64 {
        (self.error_at(t).powi(2) + 2.0 * threshold.error.powi(2)).sqrt()
    }

    /// The least chance above 1/2 that is told from it with [`POWER`]; none where not even 1 is.
    #[must_use]
    pub fn least_told(&self) -> Option<f64> {
        Self::least(|t| self.told_from_half(t))
    }

    /// The least chance above 1/2 that is beyond a threshold with [`POWER`].
    #[must_use]
    pub fn least_beyond(&self, threshold: EstimatedThreshold) -> Option<f64> {
        Self::least(|t| self.beyond(t, threshold))
    }

    fn least(power: impl Fn(f64) -> f64) -> Option<f64> {
        // Where everything is right nothing varies; just below it does.
        let (mut low, mut high) = (0.5, 1.0 - 1e-9);
        if power(high) < POWER {
            return None;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if power(middle) < POWER { low = middle } else { high = middle }
        }
        Some(high)
    }

    /// How many clusters like these tell a chance of `t` from 1/2 with [`POWER`]; none where more than [`FEASIBLE`] would.
    #[must_use]
    pub fn needed_to_tell(&self, t: f64) -> Option<usize> {
        let spread = z(1.0 - self.alpha / 2.0) * self.error_at(0.5) + z(POWER) * self.error_at(t);
        self.scaled(spread / (t - 0.5).abs())
    }

    /// How many clusters put a chance of `t` beyond a threshold with [`POWER`]; none where it is within it, or more than
    /// [`FEASIBLE`] would.
    #[must_use]
    pub fn needed_beyond(&self, t: f64, threshold: EstimatedThreshold) -> Option<usize> {
        let far = (t - 0.5).abs() - threshold.at;
        if far <= 0.0 {
            return None;
        }
        self.scaled(z(POWER) * self.error_beyond(t, threshold) / far)
    }

    /// How likely the interval lies within `margin` of 1/2 if the chance is 1/2.
    #[must_use]
    pub fn held_within(&self, margin: f64) -> f64 {
        let error = self.error_at(0.5);
        (2.0 * below(margin / error - z(1.0 - self.alpha / 2.0)) - 1.0).max(0.0)
    }

    /// How many clusters do that with [`POWER`].
    #[must_use]
    pub fn needed_within(&self, margin: f64) -> Option<usize> {
        let spread = z(1.0 - self.alpha / 2.0) + z(0.5 + POWER / 2.0);
        self.scaled(spread * self.error_at(0.5) / margin)
    }

    /// Errors shrink with the root of the number of clusters.
    fn scaled(&self, times: f64) -> Option<usize> {
        within_reach(self.placed.clusters() as f64 * times * times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};
    use serde_json::Value;

    use crate::math::Seeds;

    fn exact(at: f64) -> EstimatedThreshold {
        EstimatedThreshold { at, error: 0.0 }
    }

    fn planted(pairs: usize, gap: f64, seed: u64) -> Placement {
        let mut rng = Seeds::new(seed).stream("power");
        let scores: Vec<f64> = (0..2 * pairs)
            .map(|i| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                noise + if i < pairs { gap } else { 0.0 }
            })
            .collect();
        let positive: Vec<bool> = (0..2 * pairs).map(|i| i < pairs).collect();
        let clusters: Vec<usize> = (0..2 * pairs).map(|i| i % pairs).collect();
        Placement::auroc(&scores, &positive, &clusters).unwrap()
    }

    #[test]
    fn power_equals_statsmodels() {
        let all: Value =
            serde_json::from_str(include_str!("../../../../fixtures/statistics/auroc.json")).unwrap();
        for case in all["power"].as_array().unwrap() {
            let of = |name: &str| case[name].as_f64().unwrap();
            let wins: Vec<f64> = (0..50).map(|i| f64::from(u8::from(i < 30))).collect();
            let placed = Placement::share(&wins, &(0..50).collect::<Vec<_>>()).unwrap();
            let power = Power::of(&placed, of("alpha"));
            assert!((power.told_from_half(of("t")) - of("power")).abs() < 1e-6, "{case}");
            assert_eq!(power.needed_to_tell(of("t")), Some(of("needed").ceil() as usize), "{case}");
        }
    }

    #[test]
    fn what_no_feasible_number_finds_has_none() {
        let placed = planted(60, 0.3, 1);
        let power = Power::of(&placed, 0.05);
        let near = power.needed_to_tell(0.5 + 0.02).unwrap();
        assert!(near > 500 && near <= FEASIBLE, "{near}");
        // Ten times nearer, a hundred times as many.
        assert_eq!(power.needed_to_tell(0.5 + 0.002), None);
        assert!(power.needed_beyond(0.601, exact(0.1)).is_none() && power.needed_within(0.001).is_none());
        assert_eq!((feasible(Some(12)), within_reach(1e4)), ("12".into(), Some(10_000)));
        assert!(feasible(None).contains("10 000") && within_reach(f64::NAN).is_none());
    }

    /// Exact powers by scipy 1.16: 49 trials tell 0.7 from one half with 0.81 and 36 with 0.61; 0.6 takes about 199.
    #[test]
    fn numbers_needed_are_those_of_the_exact_test() {
        assert!((exact_power(49, 0.7, 0.5) - 0.81).abs() < 0.01, "{}", exact_power(49, 0.7, 0.5));
        assert!((exact_power(36, 0.7, 0.5) - 0.61).abs() < 0.01, "{}", exact_power(36, 0.7, 0.5));
        let many = binomial_needed(0.6, 0.5).unwrap();
        assert!((190..=210).contains(&many), "{many}");
        assert!((44..=56).contains(&binomial_needed(0.7, 0.5).unwrap()));
        // Five of five have p 0.0625: no test could tell.
        assert!(binomial_needed(1.0, 0.5).unwrap() >= 6);
        assert_eq!((binomial_needed(0.5, 0.5), binomial_needed(0.501, 0.5)), (None, None));
    }

    /// Φ((0.7 - 0.5 - 0.1) / √(error² + 2·0.05²)), and the same error in the number needed.
    #[test]
    fn a_threshold_of_doubt_asks_for_more() {
        let placed = planted(60, 0.3, 1);
        let power = Power::of(&placed, 0.05);
        let (sure, unsure) = (exact(0.1), EstimatedThreshold { at: 0.1, error: 0.05 });
        let error = (0.1 / z(power.beyond(0.7, sure))).powi(2);
        let right = below(0.1 / (error + 2.0 * 0.0025).sqrt());
        assert!((power.beyond(0.7, unsure) - right).abs() < 1e-9);
        assert!(power.least_beyond(unsure).unwrap() > power.least_beyond(sure).unwrap() + 0.01);
        // One in the far distance, so that whole numbers are near what they are rounded from.
        let [sure, unsure] = [sure, unsure].map(|t| power.needed_beyond(0.62, t).unwrap() as f64);
        let variance = power.error_at(0.62).powi(2);
        assert!((unsure / sure / (1.0 + 0.005 / variance) - 1.0).abs() < 0.02, "{unsure} {sure}");
    }

    #[test]
    fn what_is_called_detectable_is_detected_four_times_in_five() {
        for pairs in [25, 60] {
            let least = Power::of(&planted(pairs, 0.3, 1), 0.05).least_told().unwrap();
            let gap = z(least) * 2.0_f64.sqrt();
            let found = (0..400)
                .filter(|seed| !planted(pairs, gap, 100 + seed).interval(0.95, 1.0).unwrap().contains(0.5))
                .count();
            // 0.75 to 0.9, the design being estimated from one set of clusters.
            assert!((290..=370).contains(&found), "{pairs}: {found} of 400 at {least}");
        }
        let few = planted(3, 0.0, 2);
        assert!(Power::of(&few, 0.05).least_told().is_none_or(|t| t > 0.85));
        let power = Power::of(&few, 0.05);
        assert!(power.needed_to_tell(0.5).is_none() && power.needed_beyond(0.6, exact(0.2)).is_none());
        assert!(power.held_within(0.1) < 0.1 && power.needed_within(0.1).unwrap() > 50);
    }
}
