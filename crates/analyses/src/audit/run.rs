//! The run: texts read at the direction's site, then the numbers.

use std::collections::HashSet;

use ndarray::ArrayView1;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_stats::estimate::audit as numbers;
use truenorth_stats::estimate::audit::{
    AuditError, AuditParams, AuditRow, ConfoundSet, ConfoundVerdict, flip_ranking,
};
use truenorth_stats::estimate::{EstimateError, HeldOutParams, Pipeline, Samples};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

use super::{
    AuditData, AuditTestFamily, Audited, Confound, ConfoundRow, EstimatorHeldOut, FlipRow, Params, Without,
    agreement, ahead, circular, words,
};
use truenorth_reading::extract;
use truenorth_reading::{AnalysisContext, AnalysisError};

/// Reads all texts at a site and audits the direction.
///
/// # Errors
/// When a reading fails or is interrupted, a set has too few groups, one class, equal rows or another
/// width than the direction; the set is named.
pub(super) fn audit(
    data: &AuditData<'_>,
    params: &Params,
    asked: &AnalysisContext<'_>,
) -> Result<Audited, AnalysisError> {
    let AnalysisContext { reader, seeds, watch } = *asked;
    let recipe = data.recipe;
    check(data)?;
    ahead::check(data, params, seeds)?;
    let (site, at) = (recipe.site, recipe.at);
    watch.say("reading the training texts");
    let train = data.train.samples(&reader, site, at, watch)?;
    let nuisances = extract::nuisances(
        &reader,
        (&recipe.project_out, recipe.project_method),
        data.sentiment,
        site,
        at,
        watch,
    )?;
    let read = |sets: &[Confound]| -> Result<Vec<Samples>, AnalysisError> {
        sets.iter()
            .map(|c| {
                watch.say(&format!("reading {}", c.name));
                c.question.samples(&reader, site, at, watch)
            })
            .collect()
    };
    let (confounds, flips) = (read(data.confounds)?, read(data.flips)?);
    let circular = circular::reasons(data);
    let pipeline = Pipeline { estimator: recipe.estimator.clone(), nuisances };
    let numbers = params.numbers();
    let part =
        AuditContext { pipeline: &pipeline, train: &train, data, params, numbers: &numbers, seeds, watch };
    part.run(&confounds, &flips, &circular)
}

fn check(data: &AuditData<'_>) -> Result<(), AnalysisError> {
    if data.confounds.is_empty() {
        return Err(AnalysisError::Input("no confound to audit against; name at least one set".into()));
    }
    let mut seen = HashSet::new();
    match data.confounds.iter().chain(data.flips).find(|c| !seen.insert(&c.name)) {
        Some(twice) => Err(AnalysisError::Input(format!("two confound sets are called `{}`", twice.name))),
        None => Ok(()),
    }
}

/// The numbers, once everything is read.
struct AuditContext<'a, 'd> {
    pipeline: &'a Pipeline,
    train: &'a Samples,
    data: &'a AuditData<'d>,
    params: &'a Params,
    numbers: &'a AuditParams,
    seeds: &'a Seeds,
    watch: &'a dyn Watch,
}

impl AuditContext<'_, '_> {
    fn say(&self, what: &str) -> Result<(), AnalysisError> {
        self.watch.say(what);
        if self.watch.interrupted() { Err(RunError::Interrupted.into()) } else { Ok(()) }
    }

    fn run(
        &self,
        confounds: &[Samples],
        flips: &[Samples],
        circular: &[Option<String>],
    ) -> Result<Audited, AnalysisError> {
        let (params, data) = (self.params, self.data);
        let recipe = data.recipe;
        self.say("fitting the direction")?;
        let train = |source| AuditError::Set { set: "train".into(), source };
        let held_out = self.pipeline.held_out(self.train, &recipe.held_out, self.seeds).map_err(train)?;
        self.say("drawing random directions and permuting labels")?;
        let sets: Vec<ConfoundSet<'_>> = data
            .confounds
            .iter()
            .zip(confounds)
            .zip(circular)
            .map(|((c, samples), why)| ConfoundSet { name: &c.name, samples, projected_out: why.is_some() })
            .collect();
        let found =
            numbers::audit(self.pipeline, self.train, data.direction, &sets, self.numbers, self.seeds)?;
        let direction = found.direction.view();
        let family: Vec<f64> =
            found.rows.iter().filter(|r| r.p_adjusted.is_some()).map(|r| r.random.p).collect();
        let mut bh = math::benjamini_hochberg(&family).map_err(EstimateError::from)?.into_iter();
        let mut rows = Vec::with_capacity(found.rows.len());
        for (row, (confound, why)) in found.rows.iter().zip(data.confounds.iter().zip(circular)) {
            self.say(&format!("projecting {} out", row.name))?;
            let without = match self.without(row, direction) {
                // A set of the training texts themselves: its direction is the contrast, and nothing is left of that.
                Err(AnalysisError::Estimate(EstimateError::NoDifference { .. }))
                    if row.verdict == ConfoundVerdict::Circular =>
                {
                    None
                }
                Err(AnalysisError::Estimate(source)) => {
                    return Err(AuditError::Set { set: row.name.clone(), source }.into());
                }
                found => Some(found?),
            };
            rows.push(ConfoundRow {
                positive_end: confound.question.positive_end.clone(),
                data_sha256: confound.question.data_sha256.clone(),
                p: row.random.p,
                null_interval: [0.5 - row.random.high, 0.5 + row.random.high],
                p_bh: row.p_adjusted.and_then(|_| bh.next()),
                says: words::verdict(
                    row,
                    &found,
                    self.numbers,
                    why.as_deref(),
                    without.as_ref(),
                    &held_out.auroc,
                ),
                without,
                row: row.clone(),
            });
        }
        let flips = data
            .flips
            .iter()
            .zip(flips)
            .map(|(set, samples)| self.flip(set, samples, direction))
            .collect::<Result<_, _>>()?;
        let agreement = if params.no_agreement {
            None
        } else {
            Some(agreement::agreement(
                self.pipeline,
                self.train,
                (direction.view(), data.direction.is_some()),
                recipe,
                self.seeds,
                self.watch,
            )?)
        };
        Ok(Audited {
            site: recipe.site.to_string(),
            positions: recipe.at.to_string(),
            estimator: recipe.estimator.params().name().to_owned(),
            given: data.direction.is_some(),
            cosine_to_pipeline: found.cosine_to_pipeline,
            projected_out: found.projected_out,
            absent: found.absent,
            held_out: EstimatorHeldOut::new(recipe.estimator.params().name(), held_out),
            examples: data.train.examples(),
            rows,
            family: AuditTestFamily {
                name:
                    "separation of each confound set against matched random directions, over the sets that \
                       are neither circular nor too small"
                        .into(),
                size: found.family,
                alpha: found.alpha,
            },
            margin: found.margin,
            random_directions: found.random_directions,
            permutations_asked: found.permutations_asked,
            permutations: found.permutations,
            flips,
            agreement,
            not_shown: words::not_shown(),
        })
    }

    /// The training contrast with a confound's own direction projected out of every text.
    fn without(&self, row: &AuditRow, d: ArrayView1<'_, f64>) -> Result<Without, AnalysisError> {
        let nuisances =
            self.pipeline.nuisances.clone().with_direction(&row.name, row.own_direction.view())?;
        let pipeline = Pipeline { estimator: self.pipeline.estimator.clone(), nuisances };
        let fit = pipeline.extract(self.train, self.numbers.by, self.seeds)?.fit;
        let params = HeldOutParams { permutations: 0, ..self.data.recipe.held_out.clone() };
        Ok(Without {
            auroc: pipeline.held_out(self.train, &params, self.seeds)?.auroc,
            cosine: math::cosine(fit.direction.view(), d).map_err(EstimateError::from)?,
        })
    }

    fn flip(
        &self,
        set: &Confound,
        samples: &Samples,
        d: ArrayView1<'_, f64>,
    ) -> Result<FlipRow, AnalysisError> {
        self.say(&format!("ranking {}", set.name))?;
        if !set.question.is_paired() {
            return Err(AnalysisError::Input(format!("`{}` needs pairs to rank, not classes", set.name)));
        }
        let level = self.numbers.level;
        let resamples = self.numbers.resamples;
        let ranking = flip_ranking(self.pipeline, self.train, d, samples, resamples, level, self.seeds)?;
        // Rows are all chosen texts, then all rejected ones, in the order of the prompts.
        let scores = samples.activations().dot(&d);
        let n = samples.rows() / 2;
        let scale = ranking.training_difference;
        let pairs = (0..n)
            .map(|i| {
                let id = set.question.prompts[i].id.trim_end_matches("/chosen").to_owned();
                (id, (scores[i] - scores[n + i]) / scale)
            })
            .collect();
        Ok(FlipRow {
            name: set.name.clone(),
            data_sha256: set.question.data_sha256.clone(),
            apart: set.question.apart.clone(),
            says: words::flips(&ranking, n),
            ranking,
            pairs,
        })
    }
}
