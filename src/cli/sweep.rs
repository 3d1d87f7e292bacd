//! `sweep`: a range of sites, how well each reads and how far it steers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use truenorth::analyses::extract::{LabelledTexts, ProjectOut};
use truenorth::analyses::sweep::{self, Lexicon, Params, SweepData, Swept};
use truenorth::analyses::{Analysis as _, AnalysisContext, SentimentTexts, Speech, default_permutations};
use truenorth::data::{Distinct, Pair, Template};
use truenorth::estimate::{CheckedEstimator, HeldOutParams, ProjectMethod};
use truenorth_protocol::{ReadAt, Site};

use super::direction::estimator;
use super::output::wrong_hint;
use super::record::ResultRecord;
use super::session;
use super::texts::{self, CopiesArgs, Prompts};
use super::verb::AnalysisArgs;

/// Sweeps sites: how well a direction found there reads, beside how far it steers.
///
/// At every site a direction is fitted and its held-out separation measured; then α·d is added there
/// in both signs and several doses. Two nulls stand beside it at the same doses on the same texts: labels
/// flipped, the direction fitted anew and steered with, and random directions of the same norm drawn like the
/// activations; what they ask is said first, and by --dry-run. Number without a
/// judge: log-odds of chosen over rejected responses, projection of re-read generations, refusals and
/// word lists; and the damage: perplexity, divergence, repetition. α is in mean residual norms of the
/// site over the neutral texts.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth sweep --model smollm2-135m --site resid_post.4..28:4 \
    --pairs pairs.jsonl --neutral neutral.txt --prompts prompts.txt --alpha -0.2,-0.1,0.1,0.2 \
    --keywords care=care.txt:+ --out sweep.json --report sweep/")]
pub struct Sweep {
    /// Contrastive pairs: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl")]
    pairs: PathBuf,
    /// Neutral texts: the unit of α, perplexity and divergence are measured on them.
    #[arg(long, value_name = "F")]
    neutral: PathBuf,
    /// Prompts to generate from; without them nothing is generated.
    #[arg(long, value_name = "F")]
    prompts: Option<PathBuf>,
    /// mean-diff, logistic, lda or pca; several with commas are swept beside each other on the same readings, the first
    /// being the one whose verdict is printed.
    #[arg(long, value_name = "E,..", default_value = "mean-diff", value_delimiter = ',')]
    estimator: Vec<String>,
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
    /// How prompt and response become one text.
    #[arg(long, value_name = "T", default_value = "{prompt} {response}")]
    template: String,
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// What is held out together, and what is resampled: pairs, or whole axes.
    #[arg(long, value_enum, default_value_t = PairOrAxis::Pair)]
    by: PairOrAxis,
    /// Folds of the held-out separation, and of the pairs that are steered.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Label flips behind each AUROC, each through the whole pipeline; default 200, for logistic 199 at one penalty.
    #[arg(long, value_name = "N")]
    permutations: Option<usize>,
    /// Words or phrases, one per line, counted in generations, with the way their share should move as α
    /// grows: + or -, or 0 (the default) for no expectation; repeatable.
    #[arg(long, value_name = "NAME=F[:+|-|0]")]
    keywords: Vec<String>,
    #[command(flatten)]
    copies: CopiesArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum PairOrAxis {
    /// Pairs.
    Pair,
    /// Whole axes.
    Axis,
}

pub struct SweepInput {
    pairs: Distinct<Pair>,
    template: Template,
    neutral: Prompts,
    prompts: Option<Prompts>,
    sentiment: Option<SentimentTexts>,
    keywords: Vec<(Lexicon, i8)>,
    sites: Vec<Site>,
    estimators: Vec<(String, CheckedEstimator)>,
    project_method: ProjectMethod,
    held_out: HeldOutParams,
}

impl AnalysisArgs for Sweep {
    type Analysis = sweep::Sweep;
    type Input = SweepInput;
    const DOING: &'static str = "sweeping";

    fn read(&self, params: &Params, speech: &Speech) -> anyhow::Result<SweepInput> {
        let near = self.copies.near_copies;
        let template = speech.template(&self.template)?;
        let pairs = texts::at(near).pairs(&self.pairs, &template)?;
        let neutral = texts::at(near).distinct_prompts(&self.neutral)?;
        let prompts = self.prompts.as_ref().map(|p| texts::at(near).distinct_prompts(p)).transpose()?;
        let question = LabelledTexts::pairs(&pairs, &template);
        let sentiment =
            texts::at(near).sentiment_for(&question, self.sentiment.as_ref(), &self.project_out)?;
        if let Some(prompts) = &prompts {
            texts::at(near).say_prompts_of_pairs(&pairs.rows, prompts);
        }
        if self.by == PairOrAxis::Axis {
            truenorth::inputs::needs_axes(&self.pairs, &pairs, &template, "--by axis holds axes out")?;
        }
        let named = |name: &String| Ok((name.clone(), estimator(name)?));
        let estimators = self.estimator.iter().map(named).collect::<anyhow::Result<Vec<_>>>()?;
        let slowest = estimators.iter().map(|(_, e)| default_permutations(e.params())).min();
        let permutations = self.permutations.or(slowest).unwrap_or_default();
        let held_out = match self.by {
            PairOrAxis::Pair => HeldOutParams::by_pair(),
            PairOrAxis::Axis => HeldOutParams::by_axis(),
        };
        Ok(SweepInput {
            pairs,
            template,
            neutral,
            prompts,
            sentiment,
            keywords: self.keywords.iter().map(|k| keywords(k)).collect::<anyhow::Result<_>>()?,
            sites: params.flat_sites(),
            estimators,
            project_method: texts::project_method(&self.project_method)?,
            held_out: HeldOutParams { folds: Some(self.folds), permutations, ..held_out },
        })
    }

    fn ask(&self, ready: &SweepInput, params: &Params, asked: &AnalysisContext<'_>) -> anyhow::Result<Swept> {
        let data = SweepData {
            pairs: &ready.pairs,
            template: &ready.template,
            neutral: &ready.neutral.named,
            prompts: ready.prompts.as_ref().map_or(&[], |p| &p.named),
            sentiment: ready.sentiment.as_ref().map(|s| &s.rows[..]),
            keywords: &ready.keywords,
            at: self.positions,
            estimators: &ready.estimators,
            project_out: &self.project_out,
            project_method: ready.project_method,
            held_out: &ready.held_out,
        };
        Ok(sweep::Sweep::run(&data, params, asked)?)
    }

    fn note<T: Serialize>(
        &self,
        ready: &SweepInput,
        record: ResultRecord<T>,
    ) -> anyhow::Result<ResultRecord<T>> {
        let sites: Vec<String> = ready.sites.iter().map(ToString::to_string).collect();
        let mut record = record
            .file("pairs", ready.pairs.rows.len(), &ready.pairs.sha256)
            .file("neutral", ready.neutral.named.len(), &ready.neutral.loaded.sha256)
            .choice("site", sites)
            .choice("estimator", self.estimator.join(","))
            .choice("template", ready.template.to_string())
            .choice("positions", self.positions.to_string())
            .choice("by", serde_json::to_value(self.by)?)
            .choice("folds", self.folds)
            .choice("permutations", ready.held_out.permutations)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("keywords", self.keywords.clone())
            .choice("project-out", texts::names(&self.project_out))
            .choice("project-method", ready.project_method.name());
        if let Some(prompts) = &ready.prompts {
            record = record.file("prompts", prompts.named.len(), &prompts.loaded.sha256);
        }
        record.sentiment(ready.sentiment.as_ref())
    }
}

/// A word list and the way it should move, from `NAME=F[:+|-|0]`.
fn keywords(arg: &str) -> anyhow::Result<(Lexicon, i8)> {
    let Some((name, file)) = arg.split_once('=').filter(|(n, f)| !n.is_empty() && !f.is_empty()) else {
        return Err(wrong_hint(
            format!("`{arg}` names no word list"),
            "write NAME=FILE, and :+ or :- behind it for the way its share should move",
        ));
    };
    let (file, way) = match file.rsplit_once(':') {
        Some((file, "+")) => (file, 1),
        Some((file, "-")) => (file, -1),
        Some((file, "0")) => (file, 0),
        _ => (file, 0),
    };
    let (text, _) = session::words(file.as_ref())?;
    Ok((Lexicon::parse(name, &text)?, way))
}
