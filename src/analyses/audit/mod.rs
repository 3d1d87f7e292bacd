//! Is a direction about what it says? Confound sets, value flips and other estimators against it.
//!
//! The texts are read at the direction's site; the numbers are those of
//! [`estimate::audit`](truenorth_stats::estimate::audit), and every row comes with a sentence that says what was
//! ruled out and what was not.

mod agreement;
mod circular;
pub mod page;
mod words;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use ndarray::ArrayView1;
use serde::Serialize;
use truenorth_protocol::{ReadAt, Site};

pub use agreement::{Agreement, HeldOutSummary};

use super::extract::{self, ProjectOut, Question};
use super::stat::Measured;
use super::{AnalysisError, LeftOutTexts, Reader};
use truenorth_data::SentimentRow;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_stats::estimate::audit as numbers;
use truenorth_stats::estimate::audit::{AuditError, AuditRow, ConfoundSet, FlipRanking, flip_ranking};
use truenorth_stats::estimate::{
    CheckedEstimator, Estimate, EstimateError, Estimator, HeldOutParams, Pipeline, ProjectedOut, Samples,
};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// Texts that differ in one thing.
#[derive(Clone, Debug)]
pub struct Confound {
    /// Its name.
    pub name: String,
    /// The texts: pairs, or two classes.
    pub question: Question,
    /// Why a test on it would be circular, where the caller knows that; texts that sentiment was
    /// projected out with are found without it.
    pub circular: Option<String>,
}

/// What is audited, and against what.
#[derive(Clone, Copy)]
pub struct AuditData<'a> {
    /// What the direction was extracted from.
    pub train: &'a Question,
    /// The direction, `[hidden]`; none takes what the pipeline finds in `train`.
    pub direction: Option<ArrayView1<'a, f64>>,
    /// The confounds, at least one.
    pub confounds: &'a [Confound],
    /// Pairs that differ in the value while what comes along is turned round; ranked, not ruled out.
    pub flips: &'a [Confound],
    /// Texts labelled for sentiment, where it is projected out.
    pub sentiment: Option<&'a [SentimentRow]>,
}

/// How it is audited.
#[derive(Clone, Debug)]
pub struct Params {
    /// Where texts are read.
    pub site: Site,
    /// At which token.
    pub at: ReadAt,
    /// The estimator of the direction and of every confound's own.
    pub estimator: CheckedEstimator,
    /// What is projected out of the training texts.
    pub project_out: Vec<ProjectOut>,
    /// Nulls, levels and margins.
    pub audit: numbers::AuditParams,
    /// Held-out separation of the training contrast.
    pub held_out: HeldOutParams,
    /// Whether the other estimators are fitted and compared.
    pub agreement: bool,
}

impl Params {
    /// By pair, five folds, 10 000 random directions, as many of 1000 permutations as a minute allows.
    #[must_use]
    pub fn new(site: Site, at: ReadAt, estimator: CheckedEstimator) -> Self {
        let permutations = match estimator.params() {
            // A penalty is chosen anew in every fold of every permutation.
            Estimator::Logistic(_) => 39,
            _ => 200,
        };
        Self {
            site,
            at,
            estimator,
            project_out: vec![],
            audit: numbers::AuditParams {
                budget: Some(Duration::from_secs(60)),
                ..numbers::AuditParams::default()
            },
            held_out: HeldOutParams { permutations, ..HeldOutParams::by_pair() },
            agreement: true,
        }
    }
}

/// What is left of the direction when a confound's own is projected out of every text first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Without {
    /// Held-out AUROC of the training contrast.
    pub auroc: Estimate,
    /// Cosine of the direction found then with the audited one.
    pub cosine: f64,
}

/// A confound, and what can be said about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfoundRow {
    /// All numbers of the audit.
    #[serde(flatten)]
    pub row: AuditRow,
    /// What the positive end of its set is.
    pub positive_end: String,
    /// SHA-256 of its file.
    pub data_sha256: String,
    /// `random.p`: of the separation, against matched random directions.
    pub p: f64,
    /// The central 95 % of the AUROC of matched random directions.
    pub null_interval: [f64; 2],
    /// `p` adjusted by Benjamini and Hochberg over the same family as `p_adjusted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_bh: Option<f64>,
    /// The training contrast with this confound projected out.
    pub without: Without,
    /// What was ruled out and what was not.
    pub says: String,
}

/// A set of value flips, ranked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlipRow {
    /// Its name.
    pub name: String,
    /// SHA-256 of its file.
    pub data_sha256: String,
    /// What was left out of it since the direction was fitted on it; none where nobody looked.
    pub apart: Option<LeftOutTexts>,
    /// How many pairs are ranked right, and how strongly.
    #[serde(flatten)]
    pub ranking: FlipRanking,
    /// Each pair's name and difference of projections, over the training contrast's mean difference.
    pub pairs: Vec<(String, f64)>,
    /// What follows and what does not.
    pub says: String,
}

/// The tests that adjusted p values are adjusted over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    /// What they are.
    pub name: String,
    /// How many.
    pub size: usize,
    /// Family-wise error of the verdicts.
    pub alpha: f64,
}

/// An audit of one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audited {
    /// The site.
    pub site: String,
    /// The token read.
    pub positions: String,
    /// The estimator.
    pub estimator: String,
    /// Whether the direction was given, or found by the pipeline here.
    pub given: bool,
    /// Cosine of the audited direction with what the pipeline finds.
    pub cosine_to_pipeline: f64,
    /// What was projected out of the training texts, with cosines before and after.
    pub projected_out: Vec<ProjectedOut>,
    /// Name and reason of what was to be projected out and is not there.
    pub absent: Vec<(String, String)>,
    /// How well the pipeline separates training texts it has not seen.
    pub held_out: HeldOutSummary,
    /// Pairs, or texts of both classes, of the training contrast.
    pub examples: usize,
    /// A row a confound.
    pub rows: Vec<ConfoundRow>,
    /// The family of the adjusted p values.
    pub family: Family,
    /// An AUROC within this of 1/2 does not matter.
    pub margin: f64,
    /// Random directions behind each `random`.
    pub random_directions: usize,
    /// Permutations of the pipeline asked for.
    pub permutations_asked: usize,
    /// Permutations of the pipeline done.
    pub permutations: usize,
    /// Value flips.
    pub flips: Vec<FlipRow>,
    /// Other estimators, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// Reads all texts at a site and audits the direction.
///
/// # Errors
/// When a reading fails or is interrupted, a set has too few groups, one class, equal rows or another
/// width than the direction; the set is named.
pub fn audit(
    reader: &Reader<'_>,
    data: &AuditData<'_>,
    params: &Params,
    seeds: &Seeds,
    watch: &dyn Watch,
) -> Result<Audited, AnalysisError> {
    check(data)?;
    let (site, at) = (params.site, params.at);
    watch.say("reading the training texts");
    let train = data.train.samples(reader, site, at, watch)?;
    let nuisances = extract::nuisances(reader, &params.project_out, data.sentiment, site, at, watch)?;
    let read = |sets: &[Confound]| -> Result<Vec<Samples>, AnalysisError> {
        sets.iter()
            .map(|c| {
                watch.say(&format!("reading {}", c.name));
                c.question.samples(reader, site, at, watch)
            })
            .collect()
    };
    let (confounds, flips) = (read(data.confounds)?, read(data.flips)?);
    let circular = circular::reasons(data, params);
    let pipeline = Pipeline { estimator: params.estimator.clone(), nuisances };
    let part = Part { pipeline: &pipeline, train: &train, data, params, seeds, watch };
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
struct Part<'a, 'd> {
    pipeline: &'a Pipeline,
    train: &'a Samples,
    data: &'a AuditData<'d>,
    params: &'a Params,
    seeds: &'a Seeds,
    watch: &'a dyn Watch,
}

impl Part<'_, '_> {
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
        let (params, data, by) = (self.params, self.data, self.params.audit.by);
        self.say("fitting the direction")?;
        let train = |source| AuditError::Set { set: "train".into(), source };
        let fitted = self.pipeline.extract(self.train, by, &self.seeds.child("audit")).map_err(train)?;
        let held_out = self.pipeline.held_out(self.train, &params.held_out, self.seeds).map_err(train)?;
        self.say("drawing random directions and permuting labels")?;
        let sets: Vec<ConfoundSet<'_>> = data
            .confounds
            .iter()
            .zip(confounds)
            .zip(circular)
            .map(|((c, samples), why)| ConfoundSet { name: &c.name, samples, projected_out: why.is_some() })
            .collect();
        let found =
            numbers::audit(self.pipeline, self.train, data.direction, &sets, &params.audit, self.seeds)?;
        let direction = match data.direction {
            Some(d) => math::unit(d).map_err(EstimateError::from)?,
            None => fitted.fit.direction.clone(),
        };
        let family: Vec<f64> =
            found.rows.iter().filter(|r| r.p_adjusted.is_some()).map(|r| r.random.p).collect();
        let mut bh = math::benjamini_hochberg(&family).map_err(EstimateError::from)?.into_iter();
        let mut rows = Vec::with_capacity(found.rows.len());
        for (row, (confound, why)) in found.rows.iter().zip(data.confounds.iter().zip(circular)) {
            self.say(&format!("projecting {} out", row.name))?;
            let without = self.without(row, direction.view())?;
            rows.push(ConfoundRow {
                positive_end: confound.question.positive_end.clone(),
                data_sha256: confound.question.data_sha256.clone(),
                p: row.random.p,
                null_interval: [0.5 - row.random.high, 0.5 + row.random.high],
                p_bh: row.p_adjusted.and_then(|_| bh.next()),
                says: words::verdict(row, &found, &params.audit, why.as_deref(), &without, &held_out.auroc),
                without,
                row: row.clone(),
            });
        }
        let flips = data
            .flips
            .iter()
            .zip(flips)
            .map(|(set, samples)| self.flip(set, samples, direction.view()))
            .collect::<Result<_, _>>()?;
        let agreement = if params.agreement {
            Some(agreement::agreement(
                self.pipeline,
                self.train,
                direction.view(),
                params,
                self.seeds,
                self.watch,
            )?)
        } else {
            None
        };
        Ok(Audited {
            site: params.site.to_string(),
            positions: params.at.to_string(),
            estimator: params.estimator.params().name().to_owned(),
            given: data.direction.is_some(),
            cosine_to_pipeline: found.cosine_to_pipeline,
            projected_out: fitted.projected_out,
            absent: fitted.absent,
            held_out: HeldOutSummary::new(params.estimator.params().name(), &held_out),
            examples: data.train.examples(),
            rows,
            family: Family {
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
        let fit = pipeline.extract(self.train, self.params.audit.by, self.seeds)?.fit;
        let params = HeldOutParams { permutations: 0, ..self.params.held_out.clone() };
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
        let level = self.params.audit.level;
        let resamples = self.params.audit.resamples;
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

/// Estimators that can be compared on some samples.
fn comparable(train: &Samples) -> &'static [&'static str] {
    if train.is_paired() {
        &["mean-diff", "logistic", "lda", "pca"]
    } else {
        &["mean-diff", "logistic", "lda"]
    }
}

fn of_width(value: f64, width: usize, n: usize) -> Measured {
    // The cosine of a random direction has variance 1 / width.
    let mut found = Measured::bare(value, n, "none: one direction from all texts");
    if let Ok(p) = math::share_with_cosine(value, width) {
        let reach = 1.96 / (width as f64).sqrt();
        found = found.against(super::stat::Null {
            what: "a direction drawn at random".into(),
            expected: 0.0,
            range: Some([-reach, reach]),
            p,
            draws: None,
        });
    }
    found
}
