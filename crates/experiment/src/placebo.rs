//! An edit's effect among those of stand-ins for its direction.

use truenorth_reading::stat::{Null, Test, permutation_p};
use truenorth_stats::math::{self, reaches};

use super::found::{Effect, Placebo};
use super::weigh::ExperimentMeasurements;

/// Places the effects of edits among those of their stand-ins. `stands` are `[arm][draw][unit]`; draws of one number are
/// the same combination of the same texts for all arms, so the largest over the arms is one of each draw.
///
/// Each arm's effects, its own and those of its stand-ins, are put in standard deviations about their mean; under the
/// null its own is one like the others, whatever any edit of this size does. p counts the draws whose largest over all
/// arms reaches the arm's own: so it holds for all arms together, and is 1/20 at the least with 19.
pub(super) fn among(
    effects: &mut [Effect],
    sheet: &ExperimentMeasurements,
    stands: &[Vec<Vec<Option<f64>>>],
    (test, what): (Test, &str),
    put: impl Fn(&mut Effect, Placebo),
) {
    let of = |effect: &Effect| -> Vec<f64> {
        let arm = sheet.arms.iter().position(|a| a.name == effect.arm);
        let draws = arm.and_then(|a| stands.get(a.wrapping_sub(1)));
        // A stand-in that wrote nothing that could be measured did nothing.
        let mean = |draw: &Vec<Option<f64>>| {
            let there: Vec<f64> = draw.iter().flatten().copied().collect();
            math::mean(&there).unwrap_or(0.0)
        };
        draws.map_or_else(Vec::new, |d| d.iter().map(mean).collect())
    };
    let all: Vec<Vec<f64>> = effects.iter().map(of).collect();
    let Some(draws) = all.iter().map(Vec::len).filter(|n| *n > 0).min() else { return };
    // The arm's own first.
    let scaled: Vec<Vec<f64>> = effects
        .iter()
        .zip(&all)
        .map(|(effect, stands)| match stands.len() {
            0 => vec![],
            _ => {
                standardised(std::iter::once(effect.difference.value).chain(stands[..draws].iter().copied()))
            }
        })
        .collect();
    let largest: Vec<f64> = (1..=draws)
        .map(|d| scaled.iter().filter_map(|z| z.get(d)).map(|z| z.abs()).fold(0.0, f64::max))
        .collect();
    for ((effect, stands), z) in effects.iter_mut().zip(&all).zip(&scaled) {
        let Some(own) = z.first() else { continue };
        let reached = largest.iter().filter(|m| reaches(**m, own.abs())).count();
        let mean = math::mean(stands).unwrap_or(0.0);
        let up = effect.difference.value >= mean;
        let value = effect.difference.value;
        let beyond = stands.iter().filter(|s| if up { **s < value } else { **s > value }).count();
        let ends = [0.025, 0.975].map(|q| math::quantile(stands, q).unwrap_or(mean));
        let null = Null {
            test,
            what: what.to_owned(),
            expected: mean,
            range: Some(ends),
            p: permutation_p(reached, draws),
            draws: Some(draws),
        };
        put(effect, Placebo { differences: stands.clone(), beyond, null });
    }
}

/// Values about their mean in standard deviations; zeros where they are all the same.
fn standardised(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mean = math::mean(&values).unwrap_or(0.0);
    let sd = math::standard_deviation(&values).unwrap_or(0.0);
    values.iter().map(|v| if sd > 0.0 { (v - mean) / sd } else { 0.0 }).collect()
}
