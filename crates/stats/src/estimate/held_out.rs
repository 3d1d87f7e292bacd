//! How well a direction found on some groups separates the others.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::estimator::Estimator;
use super::logistic::LogisticParams;
use super::pipeline::{Pipeline, Reduced, fit_projected};
use super::probing::Relabel;
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::math::{Bootstrap, Interval, MathError, Seeds, SortedScores, cluster_bootstrap, dense};
use crate::math::{permutation_p, reaches};
use crate::number::{Null, Number};
use crate::split::{Folds, group_folds};
use crate::test::Test;

/// How to hold out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutParams {
    /// What stays together: pairs, or whole axes.
    pub by: SplitBy,
    /// Folds; `None` holds out one unit at a time.
    pub folds: Option<usize>,
    /// Bootstrap resamples of the units.
    pub resamples: usize,
    /// Permutations of the null; 0 skips it.
    pub permutations: usize,
    /// Coverage of the intervals.
    pub level: f64,
}

impl HeldOutParams {
    /// Five folds of pairs, 2000 resamples, 200 permutations, 95 % intervals.
    #[must_use]
    pub fn by_pair() -> Self {
        Self { by: SplitBy::Pair, folds: Some(5), resamples: 2000, permutations: 200, level: 0.95 }
    }

    /// One axis held out at a time, else as [`HeldOutParams::by_pair`].
    #[must_use]
    pub fn by_axis() -> Self {
        Self { by: SplitBy::Axis, folds: None, ..Self::by_pair() }
    }
}

/// A statistic with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The statistic on all held-out rows.
    pub value: f64,
    /// The bootstrap interval stretched about the value by `√(1 + J/(J − 1))` for `J` folds,
    /// within [0, 1]: directions of different folds share most of their rows, so the plain
    /// interval is too narrow (Nadeau and Bengio 2003, "Inference for the generalization error").
    pub interval: Interval,
    /// The plain percentile bootstrap over units, with the directions held fixed.
    pub bootstrap: Bootstrap,
}

impl Estimate {
    /// As it is reported: what was resampled (`of`, in the plural), and the null of labels exchanged in the way
    /// that `relabelled` says.
    #[must_use]
    pub fn number(&self, of: &str, null: Option<(&NullTest, &str)>) -> Number {
        Number {
            value: self.value,
            n: self.bootstrap.clusters,
            interval: Some(self.interval),
            method: format!(
                "cluster bootstrap over {of}, {} draws, stretched for shared rows",
                self.bootstrap.resamples
            ),
            null: null.map(|(null, relabelled)| Null {
                test: Test::HeldOut,
                what: match null.fixed {
                    None => format!("{relabelled}, whole pipeline rerun"),
                    Some(at) => format!(
                        "{relabelled}, whole pipeline rerun at penalty {}, where the AUROC is {:.3}",
                        at.alpha, at.auroc
                    ),
                },
                expected: null.mean,
                range: Some([null.low, null.high]),
                p: null.p,
                draws: Some(null.permutations),
            }),
        }
    }

    pub(super) fn new(value: f64, bootstrap: Bootstrap, folds: usize) -> Self {
        let folds = folds as f64;
        let stretch = (1.0 + folds / (folds - 1.0)).sqrt();
        let end = |plain: f64| (value + (plain - value) * stretch).clamp(0.0, 1.0);
        let Interval { low, high, level } = bootstrap.interval;
        Self {
            value,
            interval: Interval { low: end(low.min(value)), high: end(high.max(value)), level },
            bootstrap,
        }
    }
}

/// The null of no association between label and activation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NullTest {
    /// Permutations run, each through the whole pipeline.
    pub permutations: usize,
    /// `(1 + #{null AUROC >= observed}) / (1 + permutations)`.
    pub p: f64,
    /// Mean AUROC under the null.
    pub mean: f64,
    /// The 2.5 % point of the AUROC under the null.
    pub low: f64,
    /// The 97.5 % point of the AUROC under the null.
    pub high: f64,
    /// The penalty that the test is made at, where the reported AUROC has one chosen in each fold.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fixed: Option<AtPenalty>,
}

/// A test of logistic regression at one penalty, the middle one of those to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtPenalty {
    /// The penalty.
    pub alpha: f64,
    /// The held-out AUROC with it, which the null is held against.
    pub auroc: f64,
}

/// Held-out separation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// What was kept together.
    pub by: SplitBy,
    /// Folds.
    pub folds: usize,
    /// Rows.
    pub rows: usize,
    /// Units, the clusters of the bootstrap.
    pub units: usize,
    /// Chance that a held-out positive row projects above a held-out negative one.
    pub auroc: Estimate,
    /// Share of held-out pairs whose positive row projects higher, ties half; pairs only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paired_accuracy: Option<Estimate>,
    /// Labels permuted by the units held out together: flipped within the pairs of a cluster or an axis together, or
    /// dealt to rows, or to whole groups where rows have them, or turned round in whole axes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// The penalty chosen in each fold, for logistic regression.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alphas: Vec<f64>,
    /// Held-out projection of each row in the order of the rows, in standard deviations of the
    /// projections the direction was fitted on.
    pub scores: Vec<f64>,
}

impl Pipeline {
    /// Holds out, fits on the rest (nuisances, centre, scale, hyperparameters and direction), and
    /// pools the held-out projections, each in units of its own training rows.
    ///
    /// # Errors
    /// With too few units, a fold without one of the classes, or as [`Pipeline::extract`].
    pub fn held_out(
        &self,
        samples: &Samples,
        params: &HeldOutParams,
        seeds: &Seeds,
    ) -> Result<HeldOut, EstimateError> {
        let reduced = self.reduce(samples)?;
        let units = samples.unit_count(params.by);
        let seeds = seeds.child("held out");
        let folds = group_folds(
            samples.units(params.by),
            params.folds.unwrap_or(units.max(2)),
            &mut seeds.stream("folds"),
        )?;
        let (scores, alphas) = self.scores(&reduced, &reduced.samples, &folds, params.by, &seeds)?;
        let observed = SortedScores::new(&scores, &samples.positive)?;
        let value = observed.auroc(None)?;
        let rows_of_units = dense(samples.units(params.by));
        let mut weights = vec![0; samples.rows()];
        let bootstrap = cluster_bootstrap(
            units,
            params.resamples,
            params.level,
            &mut seeds.stream("bootstrap"),
            |counts| {
                for (w, u) in weights.iter_mut().zip(&rows_of_units) {
                    *w = counts[*u];
                }
                observed.auroc(Some(&weights)).ok()
            },
        )?;
        let paired_accuracy = if samples.paired {
            Some(paired_accuracy(samples, &scores, &rows_of_units, (units, folds.count()), params, &seeds)?)
        } else {
            None
        };
        Ok(HeldOut {
            by: params.by,
            folds: folds.count(),
            rows: samples.rows(),
            units,
            auroc: Estimate::new(value, bootstrap, folds.count()),
            paired_accuracy,
            null: self.null(&reduced, &folds, params, value, &seeds)?,
            alphas,
            scores,
        })
    }

    /// Held-out projections of each row, and the penalties chosen.
    fn scores(
        &self,
        reduced: &Reduced,
        samples: &Samples,
        folds: &Folds,
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<(Vec<f64>, Vec<f64>), EstimateError> {
        let mut scores = vec![0.0; samples.rows()];
        let mut alphas = Vec::new();
        for fold in 0..folds.count() {
            let train = samples.select(&folds.train(fold));
            let seeds = seeds.child(&format!("fold {fold}"));
            let (_, fit) = fit_projected(&self.estimator, &reduced.nuisances, &train, by, &seeds)?;
            alphas.extend(fit.details.alpha);
            // The direction has no part in the nuisances, so rows need not be projected again.
            let fitted = train.x.dot(&fit.direction);
            let centre = fitted.mean().expect("a fold leaves rows to fit on");
            let spread = fitted.std(0.0);
            let spread = if spread > 0.0 { spread } else { 1.0 };
            for row in folds.test(fold) {
                scores[row] = (samples.x.row(row).dot(&fit.direction) - centre) / spread;
            }
        }
        Ok((scores, alphas))
    }

    fn null(
        &self,
        reduced: &Reduced,
        folds: &Folds,
        params: &HeldOutParams,
        observed: f64,
        seeds: &Seeds,
    ) -> Result<Option<NullTest>, EstimateError> {
        if params.permutations == 0 {
            return Ok(None);
        }
        let (tested, fixed) = self.at_fixed_penalty()?;
        let one = |i: usize| -> Result<f64, EstimateError> {
            let seeds = seeds.child(&format!("permutation {i}"));
            let mut samples = reduced.samples.clone();
            permute(&mut samples, folds, params.by, &mut seeds.stream("labels"))?;
            tested.auroc_of(reduced, &samples, folds, params.by, &seeds)
        };
        let null = (0..params.permutations).into_par_iter().map(one).collect::<Result<Vec<f64>, _>>()?;
        let seen = match fixed {
            Some(_) => tested.auroc_of(reduced, &reduced.samples, folds, params.by, seeds)?,
            None => observed,
        };
        let fixed = fixed.map(|alpha| AtPenalty { alpha, auroc: seen });
        Ok(Some(NullTest { fixed, ..NullTest::greater(null, seen)? }))
    }

    /// The pipeline that labels are permuted through, and the penalty that it is held at. A penalty chosen anew in
    /// every fold of every permutation would leave time for a few dozen of them; one that the labels have no say in
    /// keeps the test exact.
    fn at_fixed_penalty(&self) -> Result<(Self, Option<f64>), EstimateError> {
        match self.estimator.params() {
            Estimator::Logistic(params) if params.alphas.len() > 1 => {
                let alpha = params.middle();
                let estimator =
                    Estimator::Logistic(LogisticParams { alphas: vec![alpha], ..params.clone() }).check()?;
                Ok((Self { estimator, nuisances: self.nuisances.clone() }, Some(alpha)))
            }
            _ => Ok((self.clone(), None)),
        }
    }

    fn auroc_of(
        &self,
        reduced: &Reduced,
        samples: &Samples,
        folds: &Folds,
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<f64, EstimateError> {
        let (scores, _) = self.scores(reduced, samples, folds, by, seeds)?;
        Ok(SortedScores::new(&scores, &samples.positive)?.auroc(None)?)
    }
}

impl NullTest {
    /// The test that a statistic is larger than under the null.
    pub(super) fn greater(mut null: Vec<f64>, observed: f64) -> Result<Self, MathError> {
        null.sort_by(f64::total_cmp);
        let reached = null.iter().filter(|v| reaches(**v, observed)).count();
        Ok(Self {
            permutations: null.len(),
            p: permutation_p(reached, null.len()),
            mean: crate::math::mean(&null)?,
            low: crate::math::quantile(&null, 0.025)?,
            high: crate::math::quantile(&null, 0.975)?,
            fixed: None,
        })
    }
}

/// How many draws that leave a fold without a class are thrown away before giving up.
const TRIES: usize = 1000;

/// Exchanges labels by the units that are held out together: within the pairs of a cluster or of an axis, all or
/// none with chance one half; where there are no pairs over rows, over whole groups where rows have them, or all of
/// an axis or none.
fn permute(
    samples: &mut Samples,
    folds: &Folds,
    by: SplitBy,
    rng: &mut impl Rng,
) -> Result<(), EstimateError> {
    if !samples.paired {
        if by == SplitBy::Pair && samples.unit_count(by) == samples.rows() {
            samples.positive.shuffle(rng);
            return Ok(());
        }
        let relabel = Relabel::of(samples, by)?;
        for _ in 0..TRIES {
            let labels = relabel.any(rng);
            let both = (0..folds.count()).all(|fold| {
                let train = folds.train(fold);
                train.iter().any(|i| labels[*i]) && train.iter().any(|i| !labels[*i])
            });
            if both {
                samples.positive = labels;
                return Ok(());
            }
        }
        return Err(EstimateError::FewRelabellings { found: relabel.count() });
    }
    let mut flipped: BTreeMap<usize, bool> = BTreeMap::new();
    for (p, n) in samples.pairs()? {
        if *flipped.entry(samples.units(by)[p]).or_insert_with(|| rng.random::<bool>()) {
            samples.positive.swap(p, n);
        }
    }
    Ok(())
}

fn paired_accuracy(
    samples: &Samples,
    scores: &[f64],
    units: &[usize],
    (unit_count, folds): (usize, usize),
    params: &HeldOutParams,
    seeds: &Seeds,
) -> Result<Estimate, EstimateError> {
    let wins: Vec<(usize, f64)> = samples
        .pairs()?
        .into_iter()
        .map(|(p, n)| {
            let win = match scores[p].total_cmp(&scores[n]) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            (units[p], win)
        })
        .collect();
    let share = |count: &dyn Fn(usize) -> f64| {
        let (total, won) = wins.iter().fold((0.0, 0.0), |(t, s), (u, w)| (t + count(*u), s + count(*u) * w));
        if total > 0.0 { Some(won / total) } else { None }
    };
    let value = share(&|_| 1.0).unwrap_or(f64::NAN);
    let mut rng = seeds.stream("paired bootstrap");
    let bootstrap = cluster_bootstrap(unit_count, params.resamples, params.level, &mut rng, |counts| {
        share(&|u| f64::from(counts[u]))
    })?;
    Ok(Estimate::new(value, bootstrap, folds))
}
