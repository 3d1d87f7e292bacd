//! Pairs that differ in the value alone: does the direction rank them right, and how strongly?

use std::collections::BTreeMap;

use ndarray::ArrayView1;
use rand::Rng;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use super::AuditError;
use crate::estimate::estimator::differences;
use crate::estimate::held_out;
use crate::estimate::pipeline::fit_projected;
use crate::estimate::{EstimateError, Pipeline, Samples, SplitBy};
use crate::math::{
    Alternative, Bootstrap, POWER, Proportion, Seeds, TestResult, binomial_needed, binomial_test,
    cluster_bootstrap, proportion, unit, wilcoxon_signed_rank, within_reach,
};
use crate::number::overlap_p;
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
    pub binomial: TestResult,
    /// Pairs of the training contrast ranked right, each on the direction of the others; the mean over 20 splits, rounded.
    pub training_right: Proportion,
    /// Fisher's exact test that both are ranked right as often, two-sided. The training pairs count for as many as their
    /// directions leave independent: `1 + J/(J − 1)` times fewer with `J` folds, as in the interval of a held-out AUROC
    /// (Nadeau and Bengio 2003). With all of them it alarms in 10 % of labels of chance on 30 units of real activations.
    pub against_training: f64,
    /// Those of the training pairs that count as ranked right, and as many as count at all.
    pub training_alone: [u64; 2],
    /// How many flips, beside the training pairs there are, would tell the two shares apart with power 0.8; none
    /// where they are equal, or where no number would.
    pub needed_against_training: Option<usize>,
    /// How many flips would tell the share from one half with power 0.8; none where it is one half.
    pub needed: Option<usize>,
    /// Wilcoxon's signed-rank test of the differences, two-sided.
    pub signed_rank: TestResult,
    /// Mean difference of projections within pairs.
    pub mean_difference: f64,
    /// The same for held-out pairs of the training contrast, each on the direction of the others.
    pub training_difference: f64,
    /// Their ratio: 1 is as strong as the contrast the direction was made for.
    pub relative_strength: f64,
    /// Interval of the ratio, pairs of both resampled.
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
    let trained = trained(pipeline, train, &seeds)?;
    // As many as there are units, of all splits.
    let units = train.unit_count(SplitBy::Pair).min(trained.each.len());
    let mut rng = seeds.stream("strength");
    let mut below = seeds.stream("strength of training pairs");
    let relative_interval = cluster_bootstrap(shifts.len(), resamples, level, &mut rng, |counts| {
        let sum: f64 = shifts.iter().zip(counts).map(|(s, c)| s * f64::from(*c)).sum();
        let drawn: f64 = (0..units).map(|_| trained.each[below.random_range(0..trained.each.len())]).sum();
        (drawn != 0.0).then(|| sum / shifts.len() as f64 / (drawn / units as f64))
    })?;
    // The share is kept, and what does not come out even goes towards one half, so that rounding tells nothing apart.
    let alone_trials = (trained.trials / trained.shared).round().max(1.0);
    let exact = alone_trials * trained.right / trained.trials;
    let alone_right = if 2.0 * exact > alone_trials { exact.floor() } else { exact.ceil() };
    let against_training = overlap_p(
        right as usize,
        right as usize + alone_right as usize,
        trials as usize,
        trials as usize + alone_trials as usize,
    )
    .unwrap_or(1.0);
    let (of_flips, of_training) = (right as f64 / trials as f64, trained.right / trained.trials);
    Ok(FlipRanking {
        right: proportion(right, trials, level)?,
        ties,
        training_right: proportion(trained.right.round() as u64, trained.trials.round() as u64, level)?,
        against_training,
        training_alone: [alone_right as u64, alone_trials as u64],
        needed_against_training: needed_beside(of_flips, of_training, alone_trials),
        needed: binomial_needed(of_flips, 0.5),
        binomial: binomial_test(right, trials, 0.5, Alternative::TwoSided)?,
        signed_rank: wilcoxon_signed_rank(&shifts, Alternative::TwoSided)?,
        mean_difference: mean(&shifts),
        training_difference: trained.difference,
        relative_strength: mean(&shifts) / trained.difference,
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

/// How many trials of one share, beside `trials` of another, tell the two apart with power 0.8, two-sided at 5 %.
fn needed_beside(share: f64, other: f64, trials: f64) -> Option<usize> {
    let [level, power] = [0.975, POWER].map(|p| Normal::standard().inverse_cdf(p));
    let room = ((share - other) / (level + power)).powi(2) - other * (1.0 - other) / trials;
    let needed = share * (1.0 - share) / room;
    if room > 0.0 { within_reach(needed) } else { None }
}

/// What held-out pairs of the training contrast reach, as a mean over [`SPLITS`] splits: one split alone would decide by
/// its seed.
struct Trained {
    /// Mean difference of projections within the pairs.
    difference: f64,
    /// The same of every unit that fell into the splits.
    each: Vec<f64>,
    /// Units ranked right.
    right: f64,
    /// Units that do not tie.
    trials: f64,
    /// How many times fewer of the units are independent, as directions of different folds share most of their rows.
    shared: f64,
}

/// Splits that are averaged.
const SPLITS: usize = 20;

fn trained(pipeline: &Pipeline, train: &Samples, seeds: &Seeds) -> Result<Trained, AuditError> {
    let reduced = pipeline.reduce(train).map_err(AuditError::of("train"))?;
    let samples = &reduced.samples;
    let units = samples.units(SplitBy::Pair);
    let all = samples.unit_count(SplitBy::Pair);
    let count = all.min(5);
    // Where each unit is held out by itself there is one split.
    let splits = if count == all { 1 } else { SPLITS };
    let (mut sum, mut pairs) = (0.0, 0);
    let mut each = Vec::with_capacity(all * splits);
    // The splits of the held-out AUROC.
    let seeds = held_out::common(seeds);
    for split in 0..splits {
        let seeds = held_out::of_split(&seeds, split);
        let folds = group_folds(units, count, &mut seeds.stream("folds"))?;
        for fold in 0..folds.count() {
            let rest = samples.select(&folds.train(fold));
            let (_, fit) = fit_projected(
                &pipeline.estimator,
                &reduced.nuisances,
                &rest,
                SplitBy::Pair,
                &held_out::of_fold(&seeds, fold),
            )
            .map_err(AuditError::of("train"))?;
            let held_out = samples.select(&folds.test(fold));
            let shifts = differences(&held_out).map_err(AuditError::of("train"))?.dot(&fit.direction);
            sum += shifts.sum();
            each.extend(of_units(&held_out, &shifts.to_vec()).map_err(AuditError::of("train"))?);
            pairs += shifts.len();
        }
    }
    let difference = sum / pairs.max(1) as f64;
    if difference == 0.0 || each.iter().all(|s| *s == 0.0) {
        return Err(AuditError::EqualScores { set: "train".into() });
    }
    let a_split = |count: usize| count as f64 / splits as f64;
    let (folds, ties) = (count as f64, each.iter().filter(|s| **s == 0.0).count());
    Ok(Trained {
        difference,
        right: a_split(each.iter().filter(|s| **s > 0.0).count()),
        trials: a_split(each.len() - ties),
        each,
        shared: 1.0 + folds / (folds - 1.0),
    })
}
