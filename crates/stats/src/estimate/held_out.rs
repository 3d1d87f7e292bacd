//! How well a direction found on some groups separates the others.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::alone::{Alone, Erased, Splits};
use super::estimator::Estimator;
use super::logistic::LogisticParams;
use super::pipeline::{Pipeline, Reduced, fit_projected};
use super::probing::Relabel;
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::math::{Clustered, Interval, MathError, Placement, Seeds, SortedScores, standard_deviation};
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
    /// Ways to deal the units to folds; the numbers are means over them. One where every unit is a fold.
    pub repeats: usize,
    /// Permutations of the null; 0 skips it.
    pub permutations: usize,
    /// Coverage of the intervals.
    pub level: f64,
}

impl HeldOutParams {
    /// Five folds of pairs, dealt 20 times, 200 permutations, 95 % intervals.
    #[must_use]
    pub fn by_pair() -> Self {
        Self { by: SplitBy::Pair, folds: Some(5), repeats: 20, permutations: 200, level: 0.95 }
    }

    /// One axis held out at a time, else as [`HeldOutParams::by_pair`].
    #[must_use]
    pub fn by_axis() -> Self {
        Self { by: SplitBy::Axis, folds: None, ..Self::by_pair() }
    }
}

/// A statistic of held-out rows with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The statistic on all held-out rows, the mean over the splits.
    pub value: f64,
    /// The interval of [`Placement`], its variance `1 + J/(J − 1)` times for `J` folds: directions of different
    /// folds share most of their rows, so the plain interval is too narrow (Nadeau and Bengio 2003,
    /// "Inference for the generalization error"). At an AUROC of 1/2 it holds the truth in 95 to 98 %; where the
    /// direction is strong, in 98 to 100 % (`examples/calibration/RESULTS.md`).
    pub interval: Interval,
    /// Units, the clusters of the interval.
    #[serde(default)]
    pub clusters: usize,
    /// Variance of the clusters over that of independent texts.
    #[serde(default)]
    pub design: f64,
    /// How much the way to split matters; none with one split.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeats: Option<Repeats>,
}

/// The same statistic under several ways to deal units to folds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeats {
    /// How many.
    pub splits: usize,
    /// On the first of them, which the null is of.
    pub first: f64,
    /// Standard deviation over them.
    pub sd: f64,
    /// The least.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Estimate {
    /// As it is reported: what was held out (`of`, in the plural), and the null of labels exchanged in the way
    /// that `relabelled` says.
    #[must_use]
    pub fn number(&self, of: &str, null: Option<(&NullTest, &str)>) -> Number {
        let first =
            self.repeats.map_or_else(String::new, |r| format!(" on the first split ({:.3})", r.first));
        Number {
            value: self.value,
            n: self.clusters,
            interval: Some(self.interval),
            method: format!(
                "score interval over {of} (Newcombe 2006), stretched for shared rows{}",
                self.repeats.map_or_else(String::new, |r| format!("; mean of {}", r.said()))
            ),
            null: null.map(|(null, relabelled)| Null {
                test: Test::HeldOut,
                what: match null.fixed {
                    None => format!("{relabelled}, whole pipeline rerun{first}"),
                    Some(at) => format!(
                        "{relabelled}, whole pipeline rerun at penalty {}, where the AUROC is {:.3} on the first split",
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

    pub(super) fn new(splits: &[Placement], folds: usize, level: f64) -> Result<Self, MathError> {
        let all = Placement::mean(splits).expect("splits share their clusters");
        let shared = folds as f64;
        let Clustered { value, interval, clusters, design } =
            all.estimate(level, 1.0 + shared / (shared - 1.0))?;
        Ok(Self { value, interval, clusters, design, repeats: Repeats::of(splits)? })
    }
}

impl From<Clustered> for Estimate {
    fn from(found: Clustered) -> Self {
        let Clustered { value, interval, clusters, design } = found;
        Self { value, interval, clusters, design, repeats: None }
    }
}

impl Repeats {
    fn of(splits: &[Placement]) -> Result<Option<Self>, MathError> {
        if splits.len() < 2 {
            return Ok(None);
        }
        let values: Vec<f64> = splits.iter().map(Placement::value).collect();
        Ok(Some(Self {
            splits: values.len(),
            first: values[0],
            sd: standard_deviation(&values)?,
            least: values.iter().copied().fold(f64::INFINITY, f64::min),
            most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }))
    }

    /// In words.
    #[must_use]
    pub fn said(&self) -> String {
        format!("{} splits, {:.3} to {:.3}, sd {:.3}", self.splits, self.least, self.most, self.sd)
    }
}

/// The null of no association between label and activation, of one split.
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
    /// Units, the clusters of the intervals.
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
    /// Labels exchanged as often as length has it (Berrett and others 2020), on the first split: what is separated
    /// beyond length. None where lengths are not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub given_length: Option<NullTest>,
    /// What length, sentiment and the words reach alone, on the same splits.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alone: Vec<Alone>,
    /// What could not be held beside, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub not_beside: Vec<(String, String)>,
    /// Whether what was projected out is gone.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub erased: Vec<Erased>,
    /// The penalty chosen in each fold of the first split, for logistic regression.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alphas: Vec<f64>,
    /// Held-out projection of each row on the first split, in the order of the rows, in standard deviations of
    /// the projections the direction was fitted on.
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
        let count = params.folds.unwrap_or(units.max(2));
        let deal = |seeds: &Seeds| group_folds(samples.units(params.by), count, &mut seeds.stream("folds"));
        let folds = deal(&seeds)?;
        // With a unit a fold there is one way to split.
        let repeats = if count == units { 1 } else { params.repeats.max(1) };
        let mut splits = (0..repeats)
            .into_par_iter()
            .map(|i| {
                let (folds, seeds) = if i == 0 {
                    (folds.clone(), seeds.clone())
                } else {
                    let seeds = seeds.child(&format!("repeat {i}"));
                    (deal(&seeds)?, seeds)
                };
                match self.scores(&reduced, &reduced.samples, &folds, params.by, &seeds) {
                    Ok((scores, alphas)) => Ok(Some((folds, scores, alphas))),
                    // A further way to split that leaves a fold without a class is none.
                    Err(EstimateError::OneClass { .. }) if i > 0 => Ok(None),
                    Err(e) => Err(e),
                }
            })
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>, EstimateError>>()?;
        let beside = Splits { pipeline: self, reduced: &reduced, params, each: &splits, seeds: &seeds };
        let (alone, not_beside) = beside.alone()?;
        let erased = beside.erased()?;
        let estimate = |place: &dyn Fn(&[f64]) -> Result<Placement, EstimateError>| {
            let placed = splits.iter().map(|(_, s, _)| place(s)).collect::<Result<Vec<_>, _>>()?;
            Ok::<_, EstimateError>(Estimate::new(&placed, count, params.level)?)
        };
        let clusters = samples.units(params.by);
        let auroc = estimate(&|s| Ok(Placement::auroc(s, &samples.positive, clusters)?))?;
        let paired_accuracy = if samples.paired {
            let pairs = samples.pairs()?;
            let of: Vec<usize> = pairs.iter().map(|(p, _)| clusters[*p]).collect();
            Some(estimate(&|s| Ok(Placement::share(&wins(&pairs, s), &of)?))?)
        } else {
            None
        };
        let (_, scores, alphas) = splits.swap_remove(0);
        let first = auroc.repeats.map_or(auroc.value, |r| r.first);
        Ok(HeldOut {
            by: params.by,
            folds: folds.count(),
            rows: samples.rows(),
            units,
            auroc,
            paired_accuracy,
            null: self.null(&reduced, &folds, params, first, &seeds)?,
            given_length: self.given_length(&reduced, &folds, params, &seeds)?,
            alone,
            not_beside,
            erased,
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
    pub(super) fn at_fixed_penalty(&self) -> Result<(Self, Option<f64>), EstimateError> {
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

    pub(super) fn auroc_of(
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

/// Whether every fold leaves both classes to fit on.
pub(super) fn in_every_fold(folds: &Folds, labels: &[bool]) -> bool {
    (0..folds.count()).all(|fold| {
        let train = folds.train(fold);
        train.iter().any(|i| labels[*i]) && train.iter().any(|i| !labels[*i])
    })
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
pub(super) const TRIES: usize = 1000;

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
            if in_every_fold(folds, &labels) {
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

/// 1 for each pair whose positive row scores higher, 1/2 for a tie.
fn wins(pairs: &[(usize, usize)], scores: &[f64]) -> Vec<f64> {
    let win = |(p, n): &(usize, usize)| match scores[*p].total_cmp(&scores[*n]) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    pairs.iter().map(win).collect()
}
