//! The stages of a study, from data to results. Each leaves its artifacts in the run's folder; what
//! the model computed is in the store, so a stage that was cut short goes on where it stopped.

use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use truenorth::analysis::extract::{self, ProjectOut, Question};
use truenorth::analysis::score::{self, Contrast, Scored, Sequence};
use truenorth::analysis::steer::{self, Dose, Steered};
use truenorth::analysis::{Named, Reader};
use truenorth::data::{
    Loaded, Pair, PromptRow, SentimentRow, SequenceRow, Template, read_pairs, read_sentiment,
};
use truenorth::estimate::{Extraction, HeldOut, HeldOutParams, Pipeline, Samples};
use truenorth::math::{self, Seeds};
use truenorth_protocol::graph::Sampling;

use super::super::direction::{Made, artifact, default_permutations, estimator};
use super::super::output::Request as _;
use super::super::progress::{self, Bar};
use super::super::session;
use super::file::StudyFile;
use super::journal::Journal;

/// The data of a study, read and checked before a model is opened.
pub struct Data {
    pub pairs: Loaded<Pair>,
    pub template: Template,
    pub sentiment: Option<Loaded<SentimentRow>>,
    pub neutral: (Vec<Named>, Loaded<PromptRow>),
    pub probes: Option<(Vec<Named>, Loaded<PromptRow>)>,
    pub sequences: Option<Loaded<SequenceRow>>,
    pub project_out: Vec<ProjectOut>,
}

/// One estimator's direction and how it separates what it was not fitted on.
#[derive(Serialize)]
pub struct Estimated {
    pub name: String,
    #[serde(skip)]
    pub extraction: Extraction,
    pub by_pair: HeldOut,
    pub by_axis: HeldOut,
}

/// All that a study found.
pub struct Results {
    pub residual_norm: f64,
    pub estimated: Vec<Estimated>,
    /// Cosines of the estimators' directions.
    pub cosines: Vec<Vec<f64>>,
    pub board: Vec<Scored>,
    /// The board's two kinds that the study sets against each other.
    pub contrast: Option<Contrast>,
    pub steered: Vec<Steered>,
}

impl Data {
    /// Reads every file of the study.
    pub fn read(study: &StudyFile) -> anyhow::Result<Self> {
        let data = &study.data;
        let open = |path: &Path| session::open_input(path);
        let (reader, name) = open(&data.pairs)?;
        let pairs = read_pairs(reader, &name).request(format!("can't read pairs from {name}"))?;
        let sentiment = match &data.sentiment {
            Some(path) => {
                let (reader, name) = open(path)?;
                Some(read_sentiment(reader, &name).request(format!("can't read sentiment from {name}"))?)
            }
            None => None,
        };
        Ok(Self {
            pairs,
            sentiment,
            template: Template::parse(&study.template).request("can't use the template")?,
            neutral: session::prompts(&data.neutral)?,
            probes: data.probes.as_ref().map(|p| session::prompts(p)).transpose()?,
            sequences: data.sequences.as_ref().map(|p| session::sequences(p)).transpose()?,
            project_out: study.direction.project_out.iter().map(|p| p.parse()).collect::<Result<_, _>>()?,
        })
    }
}

/// What the stages share.
pub struct Run<'a> {
    pub study: &'a StudyFile,
    pub data: &'a Data,
    pub reader: Reader<'a>,
    pub folder: &'a Path,
    pub quiet: bool,
}

impl Run<'_> {
    /// Runs all stages.
    pub fn all(&self, journal: &mut Journal) -> anyhow::Result<Results> {
        let question = Question::pairs(&self.data.pairs, &self.data.template);
        let (samples, residual_norm) = journal.stage("read", || self.read(&question))?;
        let estimated = journal.stage("estimate", || self.estimate(&question, &samples, residual_norm))?;
        let cosines = cosines(&estimated)?;
        let board = journal.stage("score", || self.score(&estimated))?;
        let contrast = self.contrast(&board)?;
        let steered = journal.stage("steer", || self.steer(&estimated, residual_norm))?;
        Ok(Results { residual_norm, estimated, cosines, board, contrast, steered })
    }

    fn bar(&self, what: &str, unit: &str) -> Bar {
        Bar::new(what, 0, unit, self.quiet)
    }

    fn read(&self, question: &Question) -> anyhow::Result<(Samples, f64)> {
        let (site, at) = (self.study.site, self.study.positions);
        let bar = self.bar("reading pairs", "tokens");
        let samples = question.samples(&self.reader, site, at, &bar)?;
        let norm = steer::mean_norm(&self.reader, site, &self.data.neutral.0, &bar)?;
        Ok((samples, norm))
    }

    fn estimate(
        &self,
        question: &Question,
        samples: &Samples,
        residual_norm: f64,
    ) -> anyhow::Result<Vec<Estimated>> {
        let study = self.study;
        let bar = self.bar("reading sentiment", "tokens");
        let sentiment = self.data.sentiment.as_ref().map(|s| &s.rows[..]);
        let (site, at) = (study.site, study.positions);
        let nuisances = extract::nuisances(&self.reader, &self.data.project_out, sentiment, site, at, &bar)?;
        drop(bar);
        let seeds = Seeds::new(study.seed);
        let folder = self.folder.join("directions");
        std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
        let bar = Bar::new("estimating", study.direction.estimators.len() as u64, "estimators", self.quiet);
        let mut all = Vec::new();
        for (i, name) in study.direction.estimators.iter().enumerate() {
            if progress::interrupted() {
                return Err(truenorth::run::RunError::Interrupted.into());
            }
            bar.say(format!("estimating {name}"));
            bar.set(i as u64);
            let pipeline = Pipeline { estimator: estimator(name)?, nuisances: nuisances.clone() };
            let permutations = study
                .held_out
                .permutations
                .unwrap_or_else(|| default_permutations(pipeline.estimator.params()));
            let by_pair =
                HeldOutParams { folds: Some(study.held_out.folds), permutations, ..HeldOutParams::by_pair() };
            let by_axis = HeldOutParams { permutations, ..HeldOutParams::by_axis() };
            let seeds = seeds.child(name);
            let extraction = pipeline.extract(samples, by_pair.by, &seeds)?;
            let by_pair = pipeline.held_out(samples, &by_pair, &seeds)?;
            let by_axis = pipeline.held_out(samples, &by_axis, &seeds)?;
            let made = Made {
                question,
                info: self.reader.runner().info(),
                site,
                positions: at,
                template: Some(&study.template),
                residual_norm: (residual_norm, "neutral prompts"),
                held_out: &[&by_pair, &by_axis],
            };
            let direction = artifact(&extraction, &pipeline.estimator, &made)?;
            let path = folder.join(format!("{name}.safetensors"));
            direction.save(&path).with_context(|| format!("can't write {}", path.display()))?;
            all.push(Estimated { name: name.clone(), extraction, by_pair, by_axis });
        }
        Ok(all)
    }

    fn score(&self, estimated: &[Estimated]) -> anyhow::Result<Vec<Scored>> {
        let (Some(score), Some((probes, _)), Some(sequences)) =
            (&self.study.score, &self.data.probes, &self.data.sequences)
        else {
            return Ok(vec![]);
        };
        let primary = primary(estimated)?;
        let sequences: Vec<Sequence> =
            sequences.rows.iter().map(|s| Sequence { id: s.id.clone(), text: s.text.clone() }).collect();
        let bar = self.bar("scoring sequences", "tokens");
        let shifts = score::shifts(&self.reader, self.study.site, probes, &sequences, &score.join, &bar)?;
        let board = score::board(&shifts, &sequences, primary.extraction.fit.direction.view())?;
        session::write_jsonl(Some(&self.folder.join("board.jsonl")), &board)?;
        Ok(board)
    }

    fn contrast(&self, board: &[Scored]) -> anyhow::Result<Option<Contrast>> {
        let kinds = self.study.score.as_ref().and_then(|s| s.contrast.as_ref());
        let (Some([high, low]), Some(sequences)) = (kinds, &self.data.sequences) else { return Ok(None) };
        let of_rows: Vec<Option<String>> = sequences.rows.iter().map(|s| s.kind.clone()).collect();
        let seeds = Seeds::new(self.study.seed);
        Ok(Some(score::contrast(board, &of_rows, [high, low], 10_000, &seeds)?))
    }

    fn steer(&self, estimated: &[Estimated], residual_norm: f64) -> anyhow::Result<Vec<Steered>> {
        let Some(steer) = &self.study.steer else { return Ok(vec![]) };
        #[allow(clippy::cast_possible_truncation)]
        let direction = primary(estimated)?.extraction.fit.direction.mapv(|v| v as f32).to_vec();
        let dose = Dose {
            direction,
            site: self.study.site,
            positions: steer.positions,
            alphas: steer.alphas.clone(),
            norm: Some(residual_norm),
            ablate: false,
        };
        let mut sampling = Sampling::greedy(steer.max_new_tokens);
        sampling.stop = self.reader.runner().stop_tokens();
        let prompts = &self.data.neutral.0;
        let prompts = &prompts[..steer.prompts.min(prompts.len())];
        let bar = self.bar("steering", "tokens");
        let rows = steer::steer(&self.reader, prompts, &dose, &sampling, &bar)?;
        session::write_jsonl(Some(&self.folder.join("steered.jsonl")), &rows)?;
        Ok(rows)
    }
}

fn primary(estimated: &[Estimated]) -> anyhow::Result<&Estimated> {
    estimated.first().context("a study has at least one estimator")
}

fn cosines(estimated: &[Estimated]) -> anyhow::Result<Vec<Vec<f64>>> {
    let d = |e: &Estimated| e.extraction.fit.direction.clone();
    estimated
        .iter()
        .map(|a| {
            let row = estimated.iter().map(|b| math::cosine(d(a).view(), d(b).view()));
            Ok(row.collect::<Result<_, _>>()?)
        })
        .collect()
}
