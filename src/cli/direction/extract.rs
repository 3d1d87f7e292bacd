//! `direction extract`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::beside::Beside;
use truenorth::analyses::extract::{ProjectOut, nuisances};
use truenorth::analyses::stat::p_cell;
use truenorth::analyses::steer::mean_norm;
use truenorth::estimate::{HeldOut, HeldOutParams, Pipeline, ProjectMethod, SplitBy};
use truenorth::math::Seeds;
use truenorth_protocol::{ReadAt, Site};

use super::super::args::ModelArgs;
use super::super::fallback;
use super::super::output::{self, wrong_hint};
use super::super::progress::Bar;
use super::super::session::Session;
use super::super::target;
use super::super::texts::{self, CopiesArgs};
use super::{Made, artifact, default_permutations, estimator};

/// Estimates a direction from contrastive pairs or from two classes of texts.
///
/// Writes a safetensors file: tensor `direction` [hidden], unit norm, and metadata that say model,
/// site, sign, estimator, data and held-out separation.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction extract --model smollm2-135m --site resid_post.20 \
    --pairs pairs.jsonl --project-out length,sentiment --sentiment sentiment.jsonl \
    --out values.safetensors")]
pub struct Extract {
    #[command(flatten)]
    model: ModelArgs,
    /// Where the direction is to live.
    #[arg(long, value_name = "S")]
    site: Site,
    /// Contrastive pairs: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "classes", conflicts_with = "classes")]
    pairs: Option<PathBuf>,
    /// Texts of two classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`.
    #[arg(long, value_name = "F.jsonl")]
    classes: Option<PathBuf>,
    /// The label at the positive end of the direction, unless the labels are 0 and 1.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// logistic, mean-diff, lda or pca.
    #[arg(long, value_name = "E", default_value = "logistic")]
    estimator: String,
    /// Nuisance directions to take out: length, sentiment.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    project_out: Vec<ProjectOut>,
    /// How: pooled (over all rows), within-class (the contrast keeps its own difference in length) or leace
    /// (least-squares concept erasure).
    #[arg(long, value_name = "M", default_value_t = ProjectMethod::default().name().to_owned())]
    project_method: String,
    /// Value-neutral texts with a sentiment label, projected out or held beside: JSONL, a JSON list or CSV with `id`,
    /// `text`, `label`.
    #[arg(long, value_name = "F.jsonl")]
    sentiment: Option<PathBuf>,
    /// Neutral prompts to measure the mean residual norm on; default the texts themselves.
    #[arg(long, value_name = "F")]
    neutral: Option<PathBuf>,
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// How prompt and response become one text.
    #[arg(long, value_name = "T", default_value = "{prompt} {response}")]
    template: String,
    /// Folds of the held-out separation.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Label flips of the null, each through the whole pipeline; 0 leaves it out. Default 200, for
    /// logistic 199, each at one penalty.
    #[arg(long, value_name = "N")]
    permutations: Option<usize>,
    #[command(flatten)]
    copies: CopiesArgs,
    /// The file to write.
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
}

impl Extract {
    pub fn run(self) -> anyhow::Result<()> {
        target::writes(&self.out)?;
        if self.site == Site::Logits {
            return Err(wrong_hint(
                "--site is logits, which have the width of the vocabulary; a direction has the model's hidden size",
                "name a site of the residual stream, such as --site resid_post.12; `truenorth models show MODEL` lists them",
            ));
        }
        let template = self.model.speech.speech().template(&self.template)?;
        let question = self.copies.contrast(
            (self.pairs.as_ref(), self.classes.as_ref()),
            self.positive.as_deref(),
            &template,
        )?;
        let near = self.copies.near_copies;
        let sentiment =
            texts::at(near).sentiment_for(&question, self.sentiment.as_ref(), &self.project_out)?;
        let neutral = self.neutral.as_ref().map(|p| texts::at(near).distinct_prompts(p)).transpose()?;
        let estimator = estimator(&self.estimator)?;
        let permutations = self.permutations.unwrap_or_else(|| default_permutations(estimator.params()));
        let by_pair = HeldOutParams { folds: Some(self.folds), permutations, ..HeldOutParams::by_pair() };
        let from = self
            .pairs
            .as_ref()
            .or(self.classes.as_ref())
            .map_or_else(String::new, |p| p.display().to_string());
        let cant = || format!("can't estimate a direction from {from} ({})", question.extent());
        // Too few groups are known before anything is read.
        let seeds = Seeds::new(self.model.seed);
        question.check_held_out(&estimator, &by_pair, &seeds).with_context(cant)?;
        let by_axis = HeldOutParams { permutations, ..HeldOutParams::by_axis() };
        if question.stand_in()?.unit_count(SplitBy::Axis) >= 2 {
            question.check_held_out(&estimator, &by_axis, &seeds).with_context(cant)?;
        }
        let method = texts::project_method(&self.project_method)?;

        let session = Session::open(&self.model)?;
        let reader = session.reader();
        let (site, at) = (self.site, self.positions);
        let bar = Bar::new("reading", 0, "tokens", self.model.common.quiet);
        if neutral.is_none() {
            // The unit of doses is measured on the same texts, at their last token.
            reader.ahead(&question.prompts, &[(site, at), (site, ReadAt::Last)], &bar)?;
        }
        let samples = question.samples(&reader, site, at, &bar)?;
        let rows = sentiment.as_ref().map(|s| &s.rows[..]);
        let nuisances = nuisances(&reader, (&self.project_out, method), rows, site, at, &bar)?;
        let residual_norm = match &neutral {
            Some(prompts) => (mean_norm(&reader, site, &prompts.named, &bar)?, "neutral prompts"),
            None => (mean_norm(&reader, site, &question.prompts, &bar)?, "the texts it was estimated from"),
        };
        drop(bar);

        let pipeline = Pipeline { estimator, nuisances };
        let extraction = pipeline.extract(&samples, SplitBy::Pair, &seeds).with_context(cant)?;
        let mut held_out = vec![pipeline.held_out(&samples, &by_pair, &seeds).with_context(cant)?];
        let axes = samples.unit_count(SplitBy::Axis);
        for chain in question.chains() {
            eprintln!("note: {}", chain.sentence(if question.is_paired() { "pairs" } else { "texts" }));
        }
        if axes >= 2 {
            held_out.push(pipeline.held_out(&samples, &by_axis, &seeds).with_context(cant)?);
        }
        let direction = artifact(
            &extraction,
            &pipeline.estimator,
            &Made {
                question: &question,
                info: session.runner().info(),
                site,
                positions: at,
                left_out: session.record().left_out,
                template: self.pairs.is_some().then(|| template.to_string()),
                speech: session.record().speech,
                sentiment: sentiment.as_ref(),
                residual_norm,
                held_out: &held_out.iter().collect::<Vec<_>>(),
                fallen: fallback::taken(),
            },
        )?;
        direction.save(&self.out).with_context(|| format!("can't write {}", self.out.display()))?;
        for (name, reason) in &extraction.absent {
            eprintln!("warning: {name} was not projected out: {reason}");
        }
        table(&held_out);
        for left_out in session.record().left_out {
            eprintln!("{left_out}");
        }
        eprintln!(
            "{} at {site} from {} examples -> {}",
            self.estimator,
            question.examples(),
            self.out.display()
        );
        Ok(())
    }
}

fn table(held_out: &[HeldOut]) {
    let by = |h: &HeldOut| format!("{:?}", h.by).to_lowercase();
    let head = ["held out by", "units", "AUROC", "95 %", "pairs in order", "p"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for h in held_out {
        let ci = h.auroc.interval;
        rows.push(vec![
            by(h),
            h.units.to_string(),
            format!("{:.3}", h.auroc.value),
            format!("{:.3} to {:.3}", ci.low, ci.high),
            h.paired_accuracy.map_or_else(|| "-".into(), |p| format!("{:.3}", p.value)),
            h.null.map_or_else(|| "-".into(), |n| p_cell(n.p, Some(n.permutations))),
        ]);
    }
    output::table(&rows);
    for h in held_out {
        let beside = Beside(h);
        eprintln!("held out by {}: {}", by(h), beside.says());
        if let Some(r) = h.auroc.repeats {
            eprintln!("  AUROC over {}", r.said());
        }
        for said in beside.erased() {
            eprintln!("  {said}");
        }
    }
}
