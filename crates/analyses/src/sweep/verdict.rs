//! When a direction is said to steer: one rule for the page, the table, the JSON and a study's answer.

use serde::Serialize;

use super::Steering;
use truenorth_reading::stat::{p_said, permutation_p};
use truenorth_stats::math::reaches;

/// The chance of a false claim that is accepted.
pub const ALPHA: f64 = 0.05;
/// Random directions of which none reaching as far has p = 0.05; with fewer no p is printed.
pub const ENOUGH: usize = 19;

/// Whether a direction steers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SteeringVerdict {
    /// The slope's whole interval lies on the expected side of 0, and neither flipped labels nor random
    /// directions drawn like the activations reach as far.
    Steers,
    /// The interval reaches to 0 or past it, or a null reaches as far.
    NotShown,
    /// The interval lies on the expected side of 0, but one of the nulls was not run, or with too few draws.
    Untested,
}

impl SteeringVerdict {
    /// Whether the direction is shown to steer.
    #[must_use]
    pub fn steers(self) -> bool {
        self == Self::Steers
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReasonedVerdict {
    /// Whether the direction is shown to steer.
    pub verdict: SteeringVerdict,
    /// What it rests on, or what is wanting.
    pub because: String,
}

/// The rule. `flips` is the p of the label flips, corrected for the sites where several were tried.
#[must_use]
pub fn judge(steering: &Steering, flips: Option<f64>) -> ReasonedVerdict {
    let say = |verdict, because: String| ReasonedVerdict { verdict, because };
    let sign = if steering.expected < 0 { -1.0 } else { 1.0 };
    let clear = steering.slope.interval.is_some_and(|i| (i.low * sign).min(i.high * sign) > 0.0);
    if !clear {
        return say(
            SteeringVerdict::NotShown,
            "the interval of the slope does not lie on the expected side of 0".into(),
        );
    }
    let controls = steering.against_controls.as_ref().map(|n| n.p);
    let (draws, directions) = (steering.flip_slopes.len(), steering.control_slopes.len());
    let of_flips = |p| format!("p {} of {draws} flips", p_said(p, Some(draws)));
    let of_controls = |p| format!("p {} of {directions} directions", p_said(p, Some(directions)));
    match (flips, controls) {
        (Some(p), _) if p > ALPHA => say(
            SteeringVerdict::NotShown,
            format!("directions of flipped labels move the model as far ({})", of_flips(p)),
        ),
        (_, Some(p)) if p > ALPHA => say(
            SteeringVerdict::NotShown,
            format!("random directions drawn like the activations move it as far ({})", of_controls(p)),
        ),
        (Some(f), Some(c)) => say(
            SteeringVerdict::Steers,
            format!(
                "neither directions of flipped labels ({}) nor random ones drawn like the activations ({}) move it as \
                 far",
                of_flips(f),
                of_controls(c)
            ),
        ),
        (None, _) => say(SteeringVerdict::Untested, "no label flips were steered with (--null-draws)".into()),
        (_, None) => say(
            SteeringVerdict::Untested,
            format!(
                "{directions} random directions were steered with (--random-directions); it takes {ENOUGH}"
            ),
        ),
    }
}

/// The p of each site's slope against the largest of all sites in every label flip (Westfall and Young 1993,
/// algorithm 2.8, single-step): each site's slopes in units of their root mean square, the one seen among them.
/// None where no labels were flipped.
///
/// `sites` are the slope seen and those of the flips, the same flips at every site.
#[must_use]
pub fn over_sites(sites: &[(f64, &[f64])]) -> Vec<Option<f64>> {
    let draws = sites.iter().map(|(_, flips)| flips.len()).min().unwrap_or(0);
    if draws == 0 {
        return vec![None; sites.len()];
    }
    let scale = |(seen, flips): &(f64, &[f64])| {
        let squares = flips[..draws].iter().fold(seen * seen, |s, f| s + f * f);
        let scale = (squares / (draws + 1) as f64).sqrt();
        if scale > 0.0 { scale } else { 1.0 }
    };
    let scales: Vec<f64> = sites.iter().map(scale).collect();
    let largest: Vec<f64> = (0..draws)
        .map(|b| {
            let each = sites.iter().zip(&scales).map(|((_, flips), s)| flips[b] / s);
            each.fold(f64::NEG_INFINITY, f64::max)
        })
        .collect();
    sites
        .iter()
        .zip(&scales)
        .map(|((seen, _), s)| {
            let reached = largest.iter().filter(|l| reaches(**l, seen / s)).count();
            Some(permutation_p(reached, draws))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_site_is_its_own_family_and_more_sites_cost() {
        let flips: Vec<f64> = (0..19).map(|i| f64::from(i) / 10.0).collect();
        assert_eq!(over_sites(&[(1.85, &flips)]), [Some(1.0 / 20.0)]);
        assert_eq!(over_sites(&[(0.95, &flips)]), [Some(10.0 / 20.0)]);
        // Another site whose flips run the other way reaches as far wherever this one's do not.
        let other: Vec<f64> = flips.iter().rev().copied().collect();
        let p = over_sites(&[(1.25, &flips), (0.0, &other)]);
        assert!(p[0].unwrap() > 0.5 && p[1] == Some(1.0), "{p:?}");
        assert_eq!(over_sites(&[(1.0, &[]), (2.0, &flips)]), [None, None]);
    }
}
