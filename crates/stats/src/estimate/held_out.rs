//! How well a direction found on some groups separates the others.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::alone::{Alone, Erased, Splits};
use super::clue::wins;
use super::estimated::Estimate;
use super::estimator::Estimator;
use super::logistic::LogisticParams;
use super::pipeline::{Pipeline, PreparedFold, Reduced};
use super::probing::Relabel;
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::math::{MathError, Placement, Seeds, SortedScores, permutation_p, reaches};
use crate::split::{Folds, group_folds};

/// How rows are held out, and what is drawn about the result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOutParams {
    /// What stays together: pairs, or whole axes.
    pub by: SplitBy,
    /// Folds; `None` holds out one unit at a time.
    pub folds: Option<usize>,
    /// Ways to deal the units to folds; the numbers are means over them. One where every unit is a fold.
    pub repeats: usize,
    /// Permutations of the null; 0 skips it. Where whole units are flipped and there are no more ways to, each is made once.
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

/// One way to deal units to folds, with the held-out projection of each row and the penalty of each fold.
pub(super) type DealtFolds = (Folds, Vec<f64>, Vec<f64>);

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
    /// Weight of the L2 penalty.
    pub alpha: f64,
    /// The held-out AUROC with it, which the null is held against.
    pub auroc: f64,
}

/// How well a direction separates rows that it was not fitted on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// What was never split between folds.
    pub by: SplitBy,
    /// Folds that were used.
    pub folds: usize,
    /// Rows of the sample.
    pub rows: usize,
    /// Units, the clusters of the intervals.
    pub units: usize,
    /// Chance that a held-out positive row projects above a held-out negative one.
    pub auroc: Estimate,
    /// Share of held-out pairs whose positive row projects higher, ties half; pairs only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub paired_accuracy: Option<Estimate>,
    /// Labels permuted by the units held out together: flipped within the pairs of a cluster or an axis together, or
    /// dealt to rows, or to whole groups where rows have them, or turned round in whole axes. Groups with unequal numbers
    /// of both labels are shuffled row by row, which alarms too often where rows of one label in them are copies. Where units
    /// are flipped and there are no more ways to than permutations asked for, each is made once, and p is exact.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// Labels exchanged as often as all lengths that stand beside have it (Berrett and others 2020), on the first split:
    /// what is separated beyond them. None where lengths are not known.
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
    /// the projections the direction was fitted on; empty without the rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub scores: Vec<f64>,
}

impl HeldOut {
    /// Without what is said of single rows and folds.
    #[must_use]
    pub fn without_rows(self) -> Self {
        Self { alphas: vec![], scores: vec![], ..self }
    }
}

/// The streams of every holding-out of a run.
pub(super) fn common(seeds: &Seeds) -> Seeds {
    seeds.common().child("held out")
}

/// Those of one way to split.
pub(super) fn of_split(common: &Seeds, split: usize) -> Seeds {
    if split == 0 { common.clone() } else { common.child(&format!("repeat {split}")) }
}

/// Those of what is fitted without one fold.
pub(super) fn of_fold(split: &Seeds, fold: usize) -> Seeds {
    split.child(&format!("fold {fold}"))
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
        let seeds = common(seeds);
        let mut splits = self.dealt(&reduced, params, &seeds)?;
        let folds = splits[0].0.clone();
        let count = folds.count();
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
        Ok(HeldOut {
            by: params.by,
            folds: folds.count(),
            rows: samples.rows(),
            units,
            auroc,
            paired_accuracy,
            null: self.null(&reduced, &folds, params, &seeds)?,
            given_length: self.given_length(&reduced, &folds, params, &seeds)?,
            alone,
            not_beside,
            erased,
            alphas,
            scores,
        })
    }

    /// Every way to deal the units to folds, with the held-out projections and the penalties chosen; the first of them
    /// is there.
    pub(super) fn dealt(
        &self,
        reduced: &Reduced,
        params: &HeldOutParams,
        seeds: &Seeds,
    ) -> Result<Vec<DealtFolds>, EstimateError> {
        let samples = &reduced.samples;
        let units = samples.unit_count(params.by);
        let count = params.folds.unwrap_or(units.max(2));
        // With a unit a fold there is one way to split.
        let repeats = if count == units { 1 } else { params.repeats.max(1) };
        let one = |i: usize| {
            let seeds = of_split(seeds, i);
            let folds = group_folds(samples.units(params.by), count, &mut seeds.stream("folds"))?;
            // Further splits are for their mean and spread alone.
            let of = if i == 0 { self.clone() } else { self.for_ranks() };
            match of.scores(reduced, samples, &folds, params.by, &seeds) {
                Ok((scores, alphas)) => Ok(Some((folds, scores, alphas))),
                // A further way to split that leaves a fold without a class is none.
                Err(EstimateError::OneClass { .. }) if i > 0 => Ok(None),
                Err(e) => Err(e),
            }
        };
        (0..repeats).into_par_iter().map(one).filter_map(Result::transpose).collect()
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
        let ready = self.ready(reduced, samples, folds)?;
        self.scores_on(&ready, samples, folds, by, seeds)
    }

    /// The rows that each fold leaves to fit on, with what is projected out of them.
    fn ready(
        &self,
        reduced: &Reduced,
        samples: &Samples,
        folds: &Folds,
    ) -> Result<Vec<PreparedFold>, EstimateError> {
        (0..folds.count())
            .map(|f| PreparedFold::new(&reduced.nuisances, samples.select(&folds.train(f))))
            .collect()
    }

    fn scores_on(
        &self,
        ready: &[PreparedFold],
        samples: &Samples,
        folds: &Folds,
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<(Vec<f64>, Vec<f64>), EstimateError> {
        let mut scores = vec![0.0; samples.rows()];
        let mut alphas = Vec::new();
        for (fold, ready) in ready.iter().enumerate() {
            let labels: Vec<bool> = folds.train(fold).iter().map(|r| samples.positive[*r]).collect();
            let seeds = of_fold(seeds, fold);
            let fit = ready.fit(&labels, &self.estimator, by, &seeds)?;
            alphas.extend(fit.details.alpha);
            // The direction has no part in the nuisances, so rows need not be projected again.
            let fitted = ready.raw.x.dot(&fit.direction);
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
        seeds: &Seeds,
    ) -> Result<Option<NullTest>, EstimateError> {
        if params.permutations == 0 {
            return Ok(None);
        }
        let exchanged = Exchanged::new(self, reduced, folds, params)?;
        // Draws of a few ways would show a p below the least that all of them allow.
        let every = every_flip(&reduced.samples, folds, params);
        let one = |i: usize| -> Result<f64, EstimateError> {
            let seeds = seeds.child(&format!("permutation {i}"));
            let mut samples = reduced.samples.clone();
            match &every {
                Some(ways) => samples.positive.clone_from(&ways[i]),
                None => permute(&mut samples, folds, params.by, &mut seeds.stream("labels"))?,
            }
            exchanged.auroc(&samples, &seeds)
        };
        let draws = every.as_ref().map_or(params.permutations, Vec::len);
        let null = (0..draws).into_par_iter().map(one).collect::<Result<Vec<f64>, _>>()?;
        let seen = exchanged.auroc(&reduced.samples, seeds)?;
        exchanged.test(null, seen).map(Some)
    }

    /// The same pipeline where only the order of the scores is asked for.
    fn for_ranks(&self) -> Self {
        Self { estimator: self.estimator.for_ranks(), nuisances: self.nuisances.clone() }
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
}

/// The pipeline on one split, again and again with other labels.
pub(super) struct Exchanged<'a> {
    tested: Pipeline,
    /// The penalty that the test is made at, where there are several to choose from.
    fixed: Option<f64>,
    /// The rows of each fold, where the labels have no say in what is projected out.
    ready: Option<Vec<PreparedFold>>,
    reduced: &'a Reduced,
    folds: &'a Folds,
    by: SplitBy,
}

impl<'a> Exchanged<'a> {
    pub fn new(
        pipeline: &Pipeline,
        reduced: &'a Reduced,
        folds: &'a Folds,
        params: &HeldOutParams,
    ) -> Result<Self, EstimateError> {
        let (tested, fixed) = pipeline.at_fixed_penalty()?;
        let tested = tested.for_ranks();
        let ready = if reduced.nuisances.needs_labels() {
            None
        } else {
            Some(tested.ready(reduced, &reduced.samples, folds)?)
        };
        Ok(Self { tested, fixed, ready, reduced, folds, by: params.by })
    }

    /// The held-out AUROC with the labels of these rows.
    pub fn auroc(&self, samples: &Samples, seeds: &Seeds) -> Result<f64, EstimateError> {
        let (scores, _) = match &self.ready {
            Some(ready) => self.tested.scores_on(ready, samples, self.folds, self.by, seeds)?,
            None => self.tested.scores(self.reduced, samples, self.folds, self.by, seeds)?,
        };
        Ok(SortedScores::new(&scores, &samples.positive)?.auroc(None)?)
    }

    pub fn test(&self, null: Vec<f64>, seen: f64) -> Result<NullTest, EstimateError> {
        let fixed = self.fixed.map(|alpha| AtPenalty { alpha, auroc: seen });
        Ok(NullTest { fixed, ..NullTest::greater(null, seen)? })
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
    /// How far a statistic is above this null, in standard deviations of the null (its central 95 % as four of a
    /// normal law's); none where the null has no width. What the best of several sites is chosen by: at an AUROC of 1
    /// sites tie, and the one whose null is narrower is the surer.
    #[must_use]
    pub fn margin(&self, value: f64) -> Option<f64> {
        (self.high > self.low).then(|| (value - self.mean) / ((self.high - self.low) / 3.92))
    }

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

/// Every way to flip the labels of whole units but the one that is seen, where there are no more of them than
/// permutations asked for; none where labels are shuffled within units. The first unit stays as it is: with the others
/// flipped in its place both ends are exchanged, and the AUROC is the same.
fn every_flip(samples: &Samples, folds: &Folds, params: &HeldOutParams) -> Option<Vec<Vec<bool>>> {
    if !samples.paired && params.by == SplitBy::Pair {
        return None;
    }
    let unit = crate::math::dense(samples.units(params.by));
    let others = u32::try_from(samples.unit_count(params.by).checked_sub(1)?).ok()?;
    let ways = 1_usize.checked_shl(others)? - 1;
    if ways > params.permutations {
        return None;
    }
    let flipped = |way: usize| -> Vec<bool> {
        let turns = |unit: usize| unit > 0 && (way >> (unit - 1)) & 1 == 1;
        samples.positive.iter().zip(&unit).map(|(up, unit)| *up != turns(*unit)).collect()
    };
    let found: Vec<Vec<bool>> =
        (1..=ways).map(flipped).filter(|labels| in_every_fold(folds, labels)).collect();
    (!found.is_empty()).then_some(found)
}

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
