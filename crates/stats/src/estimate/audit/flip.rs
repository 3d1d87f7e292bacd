//! Pairs that differ in the value alone: does the direction rank them right, and how strongly?

use std::collections::BTreeMap;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::AuditError;
use crate::estimate::estimator::differences;
use crate::estimate::pipeline::fit_projected;
use crate::estimate::{EstimateError, Pipeline, Samples, SplitBy};
use crate::math::{
    Alternative, Bootstrap, Proportion, Seeds, Tested, binomial_test, cluster_bootstrap, proportion, unit,
    wilcoxon_signed_rank,
};
use crate::split::group_folds;

/// How many pairs a direction ranks right.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlipRanking {
    /// Pairs (of near copies their mean) whose positive row projects higher, of those that do not tie, with
    /// the exact interval.
    pub right: Proportion,
    /// Pairs whose rows project alike, left out.
    pub ties: usize,
    /// The exact binomial test against one half, two-sided.
    pub binomial: Tested,
    /// Wilcoxon's signed-rank test of the differences, two-sided.
    pub signed_rank: Tested,
    /// Mean difference of projections within pairs.
    pub mean_difference: f64,
    /// The same for held-out pairs of the training contrast, each on the direction of the others.
    pub training_difference: f64,
    /// Their ratio: 1 is as strong as the contrast the direction was made for.
    pub relative_strength: f64,
    /// Interval of the ratio over resampled pairs, the training contrast as it is.
    pub relative_interval: Bootstrap,
}

/// Ranks the pairs of `flips` by a direction, beside what `pipeline` reaches on held-out pairs of the
/// training contrast.
///
/// # Errors
/// When widths differ, either set has no pairs, all pairs tie, or there are too few to hold out.
pub fn flip_ranking(
    pipeline: &Pipeline,
    train: &Samples,
    direction: ArrayView1<'_, f64>,
    flips: &Samples,
    resamples: usize,
    level: f64,
    seeds: &Seeds,
) -> Result<FlipRanking, AuditError> {
    for (set, samples) in [("train", train), ("value flips", flips)] {
        if samples.width() != direction.len() {
            return Err(AuditError::Width {
                set: set.to_owned(),
                expected: samples.width(),
                found: direction.len(),
            });
        }
        if !samples.is_paired() {
            return Err(AuditError::NoPairs { set: set.to_owned() });
        }
    }
    let seeds = seeds.child("value flips");
    let d = unit(direction)?;
    let of_pairs = differences(flips).map_err(AuditError::of("value flips"))?.dot(&d).to_vec();
    let shifts = of_units(flips, &of_pairs).map_err(AuditError::of("value flips"))?;
    let right = shifts.iter().filter(|s| **s > 0.0).count() as u64;
    let ties = shifts.iter().filter(|s| **s == 0.0).count();
    if ties == shifts.len() {
        return Err(AuditError::EqualScores { set: "value flips".into() });
    }
    let trials = (shifts.len() - ties) as u64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let training_difference = held_out_difference(pipeline, train, &seeds)?;
    let mut rng = seeds.stream("strength");
    let relative_interval = cluster_bootstrap(shifts.len(), resamples, level, &mut rng, |counts| {
        let sum: f64 = shifts.iter().zip(counts).map(|(s, c)| s * f64::from(*c)).sum();
        Some(sum / shifts.len() as f64 / training_difference)
    })?;
    Ok(FlipRanking {
        right: proportion(right, trials, level)?,
        ties,
        binomial: binomial_test(right, trials, 0.5, Alternative::TwoSided)?,
        signed_rank: wilcoxon_signed_rank(&shifts, Alternative::TwoSided)?,
        mean_difference: mean(&shifts),
        training_difference,
        relative_strength: mean(&shifts) / training_difference,
        relative_interval,
    })
}

/// The mean shift of every cluster of pairs: near copies are one observation.
fn of_units(flips: &Samples, shifts: &[f64]) -> Result<Vec<f64>, EstimateError> {
    let mut units: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for ((positive, _), shift) in flips.pairs()?.into_iter().zip(shifts) {
        units.entry(flips.units(SplitBy::Pair)[positive]).or_default().push(*shift);
    }
    Ok(units.into_values().map(|s| s.iter().sum::<f64>() / s.len() as f64).collect())
}

/// Mean difference of projections within held-out pairs.
fn held_out_difference(pipeline: &Pipeline, train: &Samples, seeds: &Seeds) -> Result<f64, AuditError> {
    let reduced = pipeline.reduce(train).map_err(AuditError::of("train"))?;
    let samples = &reduced.samples;
    let units = samples.units(SplitBy::Pair);
    let count = samples.unit_count(SplitBy::Pair).min(5);
    let folds = group_folds(units, count, &mut seeds.stream("folds"))?;
    let (mut sum, mut pairs) = (0.0, 0);
    for fold in 0..folds.count() {
        let rest = samples.select(&folds.train(fold));
        let (_, fit) = fit_projected(&pipeline.estimator, &reduced.nuisances, &rest, SplitBy::Pair, seeds)
            .map_err(AuditError::of("train"))?;
        let held_out = samples.select(&folds.test(fold));
        let shifts = differences(&held_out).map_err(AuditError::of("train"))?.dot(&fit.direction);
        sum += shifts.sum();
        pairs += shifts.len();
    }
    let mean = sum / pairs.max(1) as f64;
    if mean == 0.0 { Err(AuditError::EqualScores { set: "train".into() }) } else { Ok(mean) }
}
