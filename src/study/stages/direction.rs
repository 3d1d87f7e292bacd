//! The directions: read, estimate, hold out, keep as files.

use crate::analyses::extract::{self, LabelledTexts};
use crate::analyses::stat::Number;
use crate::analyses::{Cosine, CosineNulls, Spoken, Unrelated, default_permutations, steer};
use crate::direction::{ExtractionContext, artifact, estimator};
use crate::error::{Error, ErrorContext as _};
use crate::study::file::StudyFile;
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};
use truenorth_protocol::Site;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_stats::estimate::{
    Estimator, Extraction, FitDetails, HeldOut, HeldOutParams, Nuisances, Pipeline, ProjectedOut, Samples,
    SplitBy,
};
use truenorth_stats::math;

use super::StageContext;

/// What the estimators of a study found, before any analysis.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EstimatedDirections {
    /// Pairs, or texts of both classes.
    pub examples: usize,
    /// The mean residual norm over the neutral prompts, the unit of α.
    pub residual_norm: f64,
    /// The estimators in the study's order; the first is the primary one.
    pub estimated: Vec<Estimated>,
    /// Cosines of their directions, each against the same estimators on exchanged labels.
    pub cosines: Vec<Vec<Cosine>>,
}

/// One estimator's direction and how it separates what it was not fitted on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Estimated {
    pub name: String,
    /// The direction, `[hidden]`, of norm 1.
    pub direction: Vec<f64>,
    /// What the estimator finds when nothing is projected out.
    pub unprojected: Vec<f64>,
    pub details: FitDetails,
    pub cosine_to_unprojected: f64,
    pub projected_out: Vec<ProjectedOut>,
    /// What was to be projected out and is not there, and why.
    pub absent: Vec<(String, String)>,
    pub by_pair: HeldOut,
    pub by_axis: HeldOut,
}

impl Estimated {
    fn new(name: &str, extraction: Extraction, by_pair: HeldOut, by_axis: HeldOut) -> Self {
        Self {
            name: name.to_owned(),
            direction: extraction.fit.direction.to_vec(),
            unprojected: extraction.unprojected.direction.to_vec(),
            details: extraction.fit.details,
            cosine_to_unprojected: extraction.cosine_to_unprojected,
            projected_out: extraction.projected_out,
            absent: extraction.absent,
            by_pair,
            by_axis,
        }
    }

    pub fn direction(&self) -> ArrayView1<'_, f64> {
        ArrayView1::from(&self.direction)
    }

    /// The direction as the model gets it.
    #[allow(clippy::cast_possible_truncation)]
    pub fn narrow(&self) -> Vec<f32> {
        self.direction.iter().map(|v| *v as f32).collect()
    }
}

impl EstimatedDirections {
    /// The study's first estimator.
    pub fn primary(&self) -> Result<&Estimated, Error> {
        self.estimated.first().context("a study has at least one estimator")
    }
}

impl StageContext<'_> {
    pub(super) fn directions(&self) -> Result<EstimatedDirections, Error> {
        let question = self.data.question()?;
        let (site, at) = (self.study.site, self.study.positions);
        // Too few groups are known before the model reads anything.
        for name in &self.study.direction.estimators {
            let pipeline = Pipeline { estimator: estimator(name)?, nuisances: Nuisances::none() };
            let [by_pair, by_axis] = self.study.held_out_params(pipeline.estimator.params());
            let seeds = self.seeds().child(name);
            question.check_held_out(&pipeline.estimator, &by_pair, &seeds)?;
            question.check_held_out(&pipeline.estimator, &by_axis, &seeds)?;
        }
        let bar = self.bar("reading the contrast", "tokens");
        let samples = question.samples(&self.reader, site, at, &*bar)?;
        let residual_norm = steer::mean_norm(&self.reader, site, &self.data.neutral.named, &*bar)?;
        drop(bar);
        let (estimated, nulls) = self.estimate(&question, &samples, residual_norm)?;
        let cosines = cosines(&estimated, &nulls, samples.unit_count(SplitBy::Pair))?;
        Ok(EstimatedDirections { examples: question.examples(), residual_norm, estimated, cosines })
    }

    /// What is projected out of every direction of the study.
    pub(super) fn nuisances(&self, watch: &dyn Watch) -> Result<Nuisances, Error> {
        self.nuisances_at(self.study.site, watch)
    }

    pub(super) fn nuisances_at(&self, site: Site, watch: &dyn Watch) -> Result<Nuisances, Error> {
        let project = (&self.data.project_out[..], self.data.project_method);
        let at = self.study.positions;
        Ok(extract::nuisances(&self.reader, project, self.data.sentiment_rows(), site, at, watch)?)
    }

    fn estimate(
        &self,
        question: &LabelledTexts,
        samples: &Samples,
        residual_norm: f64,
    ) -> Result<(Vec<Estimated>, Vec<Unrelated>), Error> {
        let study = self.study;
        let bar = self.bar("reading what is projected out", "tokens");
        let nuisances = self.nuisances(&*bar)?;
        drop(bar);
        let folder = self.folder.join("directions");
        std::fs::create_dir_all(&folder).context(format!("can't make {}", folder.display()))?;
        let watch = self.bar("estimating", "estimators");
        watch.expect(study.direction.estimators.len() as u64);
        let (mut all, mut nulls) = (Vec::new(), Vec::new());
        let several = study.direction.estimators.len() > 1;
        let shared = self.seeds().child("agreement");
        for name in &study.direction.estimators {
            if watch.interrupted() {
                return Err(RunError::Interrupted.into());
            }
            watch.say(&format!("estimating {name}"));
            let pipeline = Pipeline { estimator: estimator(name)?, nuisances: nuisances.clone() };
            let [by_pair, by_axis] = study.held_out_params(pipeline.estimator.params());
            let seeds = self.seeds().child(name);
            let extraction = pipeline.extract(samples, by_pair.by, &seeds)?;
            // One estimator has none to agree with. All are fitted to the same exchanged labels.
            let draws = if several { by_pair.permutations.min(AGREEMENT_DRAWS) } else { 0 };
            nulls.push(Unrelated {
                permuted: pipeline.relabelled_directions(samples, by_pair.by, draws, &shared)?,
                matched: pipeline.matched_directions(samples, draws, &shared)?,
            });
            let by_pair = pipeline.held_out(samples, &by_pair, &seeds)?;
            let by_axis = pipeline.held_out(samples, &by_axis, &seeds)?;
            let made = ExtractionContext {
                question,
                info: self.reader.runner().info(),
                site: study.site,
                positions: study.positions,
                left_out: self.reader.left_out(),
                template: self.data.pairs().map(|_| self.data.template.to_string()),
                speech: self.reader.spoken().and_then(Spoken::record),
                sentiment: self.data.sentiment.as_ref(),
                residual_norm: (residual_norm, "neutral prompts"),
                held_out: &[&by_pair, &by_axis],
                fallen: self.host.fallen(),
            };
            let direction = artifact(&extraction, &pipeline.estimator, &made)?;
            let path = folder.join(format!("{name}.safetensors"));
            direction.save(&path).context(format!("can't write {}", path.display()))?;
            all.push(Estimated::new(name, extraction, by_pair, by_axis));
            watch.tokens(1);
        }
        Ok((all, nulls))
    }
}

impl StudyFile {
    /// How held-out separation by an estimator is measured: by pairs, and by axes.
    pub fn held_out_params(&self, estimator: &Estimator) -> [HeldOutParams; 2] {
        let permutations = self.held_out.permutations.unwrap_or_else(|| default_permutations(estimator));
        [
            HeldOutParams { folds: Some(self.held_out.folds), permutations, ..HeldOutParams::by_pair() },
            HeldOutParams { permutations, ..HeldOutParams::by_axis() },
        ]
    }
}

/// Label exchanges behind the cosine of two estimators.
const AGREEMENT_DRAWS: usize = 99;

fn cosines(estimated: &[Estimated], nulls: &[Unrelated], n: usize) -> Result<Vec<Vec<Cosine>>, Error> {
    let one = |a: usize, b: usize| -> Result<Cosine, Error> {
        let (first, second) = (estimated[a].direction(), estimated[b].direction());
        let number = Number::bare(
            math::cosine(first, second)?,
            n,
            "none: one set of texts; the estimators share their noise",
        );
        Ok(Cosine::new(number, first.len(), Ok(&CosineNulls::of(&nulls[a], &nulls[b])))?)
    };
    (0..estimated.len()).map(|a| (0..estimated.len()).map(|b| one(a, b)).collect()).collect()
}
