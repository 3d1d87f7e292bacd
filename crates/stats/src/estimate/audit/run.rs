//! The audit of one direction.

use std::collections::HashSet;
use std::time::Duration;

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s};
use serde::{Deserialize, Serialize};

use super::AuditError;
use super::nulls::{NullDraws, TrainingRows, distance, relative_error};
use super::result::{AuditRow, ConfoundAudit, ConfoundVerdict, Detectable, Needed, Separation};
use crate::estimate::{EstimateError, HeldOutParams, Nuisances, Pipeline, Samples, SplitBy};
use crate::math::{
    EstimatedThreshold, MathError, Placement, Power, Seeds, SortedScores, cosine, holm_adjusted, unit,
};

/// Fewer groups than this can't be held out in folds.
const LEAST_GROUPS: usize = 4;

/// The random draws, intervals and thresholds of an audit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditParams {
    /// What stays together in the training rows where penalties are chosen.
    pub by: SplitBy,
    /// Bootstrap resamples of pairs, for the strength of value flips.
    pub resamples: usize,
    /// Coverage of the intervals.
    pub level: f64,
    /// Random directions: of contrasts with the covariance of the training rows within their classes, as
    /// discriminants where the estimator is one.
    pub random_directions: usize,
    /// Permutations of the training labels, each through the whole pipeline; 0 skips them.
    pub permutations: usize,
    /// When to stop permuting; at least one block is always done.
    pub budget: Option<Duration>,
    /// Family-wise error of the verdicts.
    pub alpha: f64,
    /// An AUROC within this of 1/2 does not matter.
    pub margin: f64,
    /// Sets with fewer groups get no verdict.
    pub least_groups: usize,
}

impl Default for AuditParams {
    fn default() -> Self {
        Self {
            by: SplitBy::Pair,
            resamples: 2000,
            level: 0.95,
            random_directions: 10_000,
            permutations: 1000,
            budget: None,
            alpha: 0.05,
            margin: 0.1,
            least_groups: 10,
        }
    }
}

/// Rows that vary in a confound: pairs, or two classes.
#[derive(Clone, Copy, Debug)]
pub struct ConfoundSet<'a> {
    /// Name of the set in results and errors, such as `formality`.
    pub name: &'a str,
    /// The rows, at the direction's site.
    pub samples: &'a Samples,
    /// Whether these very rows were used to project the confound out of the direction.
    pub projected_out: bool,
}

/// Audits a direction, or what the pipeline finds where none is given.
///
/// # Errors
/// An [`AuditError`] that names what no honest number can be made of.
pub fn audit(
    pipeline: &Pipeline,
    train: &Samples,
    direction: Option<ArrayView1<'_, f64>>,
    sets: &[ConfoundSet<'_>],
    params: &AuditParams,
    seeds: &Seeds,
) -> Result<ConfoundAudit, AuditError> {
    check(params)?;
    let seeds = seeds.child("audit");
    let fitted = pipeline.extract(train, params.by, &seeds).map_err(AuditError::of("train"))?;
    let d = match direction {
        Some(d) if d.len() != train.width() => {
            return Err(AuditError::Width { set: "train".into(), expected: train.width(), found: d.len() });
        }
        Some(d) => unit(d)?,
        None => fitted.fit.direction.clone(),
    };
    let plain = Pipeline { estimator: pipeline.estimator.clone(), nuisances: Nuisances::none() };
    let mut owns = Vec::with_capacity(sets.len());
    for set in sets {
        owns.push(own(&plain, set, d.len(), params, &seeds)?);
    }
    let reduced = pipeline.reduce(train).map_err(AuditError::of("train"))?;
    let rows = concatenate(Axis(0), &sets.iter().map(|s| s.samples.activations()).collect::<Vec<_>>())
        .unwrap_or_else(|_| Array2::zeros((0, d.len())));
    let rows = reduced.space.coordinates(rows.view())?;
    let directions = owns
        .iter()
        .map(|o| Ok(reduced.space.coordinates(o.direction.view().insert_axis(Axis(0)))?.row(0).to_owned()))
        .collect::<Result<Vec<Array1<f64>>, MathError>>()?;
    let directions = Array2::from_shape_fn((sets.len(), reduced.space.rank()), |(i, j)| directions[i][j]);
    let training_rows = TrainingRows {
        pipeline,
        reduced: &reduced,
        by: params.by,
        rows: rows.view(),
        directions: directions.view(),
    };
    let random = training_rows.random(params.random_directions, &seeds)?;
    let shuffled = if params.permutations > 0 {
        Some(training_rows.shuffled(params.permutations, params.budget, &seeds)?)
    } else {
        None
    };
    let known: HashSet<Vec<u64>> = train.activations().outer_iter().map(bits).collect();
    let mut out = Vec::with_capacity(sets.len());
    let mut start = 0;
    let strictest = params.alpha / sets.len().max(1) as f64;
    for (i, (set, own)) in sets.iter().zip(&owns).enumerate() {
        let at = start..start + set.samples.rows();
        start = at.end;
        let scores = set.samples.activations().dot(&d).to_vec();
        if scores.iter().all(|s| *s == scores[0]) {
            return Err(AuditError::EqualScores { set: set.name.to_owned() });
        }
        let placed = Placement::auroc(&scores, set.samples.positive(), set.samples.units(SplitBy::Pair))?;
        let here: Separation = placed.estimate(params.level, 1.0)?.into();
        let far = (here.auroc - 0.5).abs();
        let null = |draws: &NullDraws| -> Result<_, MathError> {
            let areas = draws
                .scores
                .slice(s![.., at.clone()])
                .outer_iter()
                .map(|scores| Ok((area(&scores.to_vec(), set.samples)? - 0.5).abs()))
                .collect::<Result<Vec<f64>, MathError>>()?;
            distance(areas, far, strictest)
        };
        let doubt = relative_error(&random, at.clone(), set.samples)?;
        let random = null(&random)?;
        let threshold = EstimatedThreshold { at: random.critical, error: random.critical * doubt };
        let power = Power::of(&placed, params.alpha);
        let cosine_here = cosine(d.view(), own.direction.view())?;
        let on_train = train.activations().dot(&own.direction).to_vec();
        let recovery = separation(&on_train, train, params.by, params)?;
        out.push(AuditRow {
            name: set.name.to_owned(),
            rows: set.samples.rows(),
            groups: set.samples.unit_count(SplitBy::Pair),
            cosine: cosine_here,
            cosine_unprojected: cosine(fitted.unprojected.direction.view(), own.direction.view())?,
            cosine_shuffled: shuffled
                .as_ref()
                .map(|d| {
                    distance(
                        d.cosines.column(i).iter().map(|c| c.abs()).collect(),
                        cosine_here.abs(),
                        strictest,
                    )
                })
                .transpose()?,
            separation: here,
            separates: !here.interval.contains(0.5),
            p_separates: power.p(),
            detectable: Detectable {
                separates: power.least_told(),
                matched: power.least_beyond(threshold),
                power_to_rule_out: power.held_within(params.margin),
            },
            needed: Needed {
                separates: power.needed_to_tell(here.auroc),
                matched: power.needed_beyond(here.auroc, threshold),
                rule_out: power.needed_within(params.margin),
            },
            random,
            shuffled: shuffled.as_ref().map(null).transpose()?,
            recovery,
            own: own.auroc,
            own_low: own.low,
            p_adjusted: None,
            shared_rows: set.samples.activations().outer_iter().filter(|r| known.contains(&bits(*r))).count(),
            verdict: ConfoundVerdict::NotRuledOut,
            own_direction: own.direction.clone(),
        });
    }
    let family = judge(&mut out, sets, params)?;
    Ok(ConfoundAudit {
        rows: out,
        family,
        alpha: params.alpha,
        margin: params.margin,
        random_directions: params.random_directions,
        permutations_asked: params.permutations,
        permutations: shuffled.as_ref().map_or(0, |d| d.scores.nrows()),
        cosine_to_pipeline: cosine(d.view(), fitted.fit.direction.view())?,
        projected_out: fitted.projected_out,
        absent: fitted.absent,
        direction: d,
    })
}

fn check(params: &AuditParams) -> Result<(), AuditError> {
    let between = |what, value: f64| {
        if value > 0.0 && value < 1.0 {
            Ok(())
        } else {
            Err(AuditError::Parameter { what, value, expected: "a number between 0 and 1" })
        }
    };
    between("alpha", params.alpha)?;
    between("margin", params.margin)?;
    // With the +1 correction fewer draws can't reach alpha.
    if ((1 + params.random_directions) as f64) * params.alpha < 1.0 {
        return Err(AuditError::Parameter {
            what: "number of random directions",
            value: params.random_directions as f64,
            expected: "enough for a p value of alpha",
        });
    }
    Ok(())
}

/// A confound's own direction, and how far it holds on rows of its set that it has not seen.
struct FittedConfound {
    direction: Array1<f64>,
    auroc: f64,
    low: f64,
}

fn own(
    plain: &Pipeline,
    set: &ConfoundSet<'_>,
    width: usize,
    params: &AuditParams,
    seeds: &Seeds,
) -> Result<FittedConfound, AuditError> {
    let samples = set.samples;
    if samples.width() != width {
        return Err(AuditError::Width { set: set.name.to_owned(), expected: samples.width(), found: width });
    }
    let groups = samples.unit_count(SplitBy::Pair);
    if groups < LEAST_GROUPS {
        return Err(AuditError::TooFew { set: set.name.to_owned(), least: LEAST_GROUPS, found: groups });
    }
    let fit = plain.extract(samples, SplitBy::Pair, seeds).map_err(AuditError::of(set.name))?;
    let held_out = HeldOutParams {
        folds: Some(groups.clamp(2, 5)),
        permutations: 0,
        level: params.level,
        ..HeldOutParams::by_pair()
    };
    let found = plain.held_out(samples, &held_out, seeds).map_err(AuditError::of(set.name))?;
    Ok(FittedConfound {
        direction: fit.fit.direction,
        auroc: found.auroc.value,
        low: found.auroc.interval.low,
    })
}

fn bits(row: ArrayView1<'_, f64>) -> Vec<u64> {
    row.iter().map(|v| v.to_bits()).collect()
}

fn area(scores: &[f64], samples: &Samples) -> Result<f64, MathError> {
    SortedScores::new(scores, samples.positive())?.auroc(None)
}

fn separation(
    scores: &[f64],
    samples: &Samples,
    by: SplitBy,
    params: &AuditParams,
) -> Result<Separation, AuditError> {
    let placed = Placement::auroc(scores, samples.positive(), samples.units(by))?;
    Ok(placed.estimate(params.level, 1.0)?.into())
}

/// Fills in adjusted p values and verdicts; the size of the family.
fn judge(rows: &mut [AuditRow], sets: &[ConfoundSet<'_>], params: &AuditParams) -> Result<usize, MathError> {
    let mut family = Vec::new();
    for (i, (row, set)) in rows.iter_mut().zip(sets).enumerate() {
        if set.projected_out || row.shared_rows > 0 {
            row.verdict = ConfoundVerdict::Circular;
        } else if row.groups < params.least_groups || row.own_low <= 0.5 {
            row.verdict = ConfoundVerdict::TooLittleData;
        } else {
            family.push(i);
        }
    }
    let adjusted = holm_adjusted(&family.iter().map(|i| rows[*i].random.p).collect::<Vec<_>>())?;
    for (i, p) in family.iter().zip(adjusted) {
        let row = &mut rows[*i];
        row.p_adjusted = Some(p);
        let interval = row.separation.interval;
        let within = interval.low >= 0.5 - params.margin && interval.high <= 0.5 + params.margin;
        row.verdict = if p <= params.alpha {
            ConfoundVerdict::Confounded
        } else if within {
            ConfoundVerdict::RuledOut
        } else {
            ConfoundVerdict::NotRuledOut
        };
    }
    Ok(family.len())
}

impl From<EstimateError> for AuditError {
    fn from(source: EstimateError) -> Self {
        Self::Set { set: "train".into(), source }
    }
}
