//! `sweep`: a range of sites, how well each reads and how far it steers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use truenorth::analysis::extract::{ProjectOut, Question};
use truenorth::analysis::sweep::{self, Bounds, Lexicon, Sweep as Swept, SweepData, SweepParams};
use truenorth::data::{Distinct, Pair, SentimentRow, Template};
use truenorth::estimate::{HeldOutParams, SplitBy};
use truenorth::math::Seeds;
use truenorth::report::sections;
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::{ReadAt, Site, WriteAt};

use super::args::ModelArgs;
use super::direction::{default_permutations, estimator};
use super::output::{self, Request as _, wrong_hint};
use super::progress::Bar;
use super::record::{Out, Record};
use super::session::{self, Session};
use super::sites;
use super::texts::{self, CopiesArgs, Prompts};

/// Sweeps sites: how well a direction found there reads, beside how far it steers.
///
/// At every site a direction is fitted and its held-out separation measured; then α·d is added there
/// in both signs and several doses, beside random directions of the same norm. Measured without a
/// judge: log-odds of chosen over rejected responses, projection of re-read generations, refusals and
/// word lists; and the damage: perplexity, divergence, repetition. α is in mean residual norms of the
/// site over the neutral texts.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth sweep --model smollm2-135m --site resid_post.4..28:4 \
    --pairs pairs.jsonl --neutral neutral.txt --prompts prompts.txt --alpha -0.2,-0.1,0.1,0.2 \
    --keywords care=care.txt:+ --out sweep.json --report sweep/")]
pub struct Sweep {
    #[command(flatten)]
    model: ModelArgs,
    /// Sites, as `resid_post.12` or `resid_post.4..28:4`; repeatable.
    #[arg(long = "site", value_name = "S", required = true, value_parser = sites::parse)]
    sites: Vec<Vec<Site>>,
    /// Contrastive pairs: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl")]
    pairs: PathBuf,
    /// Neutral texts: the unit of α, perplexity and divergence are measured on them.
    #[arg(long, value_name = "F")]
    neutral: PathBuf,
    /// Prompts to generate from; without them nothing is generated.
    #[arg(long, value_name = "F")]
    prompts: Option<PathBuf>,
    /// Doses α of both signs; 0 is added where it is missing.
    #[arg(
        long,
        value_name = "A,..",
        value_delimiter = ',',
        allow_hyphen_values = true,
        default_value = "-0.2,-0.1,-0.05,0,0.05,0.1,0.2"
    )]
    alpha: Vec<f64>,
    /// mean-diff, logistic, lda or pca.
    #[arg(long, value_name = "E", default_value = "mean-diff")]
    estimator: String,
    /// Nuisance directions to take out: length, sentiment.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    project_out: Vec<ProjectOut>,
    /// Value-neutral texts with a sentiment label: JSONL, a JSON list or CSV with `id`, `text`, `label`.
    #[arg(long, value_name = "F.jsonl")]
    sentiment: Option<PathBuf>,
    /// How prompt and response become one text.
    #[arg(long, value_name = "T", default_value = "{prompt} {response}")]
    template: String,
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// Which tokens are pushed while generating: all, prompt, generated, last, or an index.
    #[arg(long, value_name = "P", default_value = "all", allow_hyphen_values = true)]
    push: WriteAt,
    /// What is held out together, and what is resampled: pairs, or whole axes.
    #[arg(long, value_enum, default_value_t = By::Pair)]
    by: By,
    /// Folds of the held-out separation, and of the pairs that are steered.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Label flips behind each AUROC, each through the whole pipeline; default 200, for logistic 39.
    #[arg(long, value_name = "N")]
    permutations: Option<usize>,
    /// Shuffles of the doses behind each trend.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    shuffles: usize,
    /// Random directions of the same norm, at the same doses.
    #[arg(long, value_name = "N", default_value_t = 3)]
    random_directions: usize,
    /// How many pairs are steered, taken evenly through the file; default all. Every pair is read.
    #[arg(long, value_name = "N")]
    steered_pairs: Option<usize>,
    /// How many tokens to generate at most.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    max_new_tokens: u32,
    /// 0 is greedy.
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    temperature: f64,
    /// Words or phrases, one a line, counted in generations, with the way their share should move as α
    /// grows: + or -, or 0 (the default) for no expectation; repeatable.
    #[arg(long, value_name = "NAME=F[:+|-|0]")]
    keywords: Vec<String>,
    /// The largest perplexity of neutral text within the working range, as a multiple of the unsteered.
    #[arg(long, value_name = "X", default_value_t = Bounds::default().perplexity_ratio)]
    max_perplexity: f64,
    /// The largest mean divergence of the next token within the working range, in nats.
    #[arg(long, value_name = "X", default_value_t = Bounds::default().kl)]
    max_kl: f64,
    /// The least distinct-2 within the working range, as a share of the unsteered.
    #[arg(long, value_name = "X", default_value_t = Bounds::default().distinct_2_ratio)]
    min_distinct_2: f64,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// Pairs.
    Pair,
    /// Whole axes.
    Axis,
}

struct Files {
    pairs: Distinct<Pair>,
    template: Template,
    neutral: Prompts,
    prompts: Option<Prompts>,
    sentiment: Option<Distinct<SentimentRow>>,
}

impl Sweep {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let near = self.copies.near_copies;
        let template = Template::parse(&self.template).request("can't use the template")?;
        let pairs = texts::pairs(&self.pairs, &template, near)?;
        let question = Question::pairs(&pairs, &template);
        let files = Files {
            pairs,
            template,
            neutral: texts::distinct_prompts(&self.neutral, near)?,
            prompts: self.prompts.as_ref().map(|p| texts::distinct_prompts(p, near)).transpose()?,
            sentiment: texts::sentiment_for(&question, self.sentiment.as_ref(), &self.project_out, near)?,
        };
        if let Some(prompts) = &files.prompts {
            texts::say_prompts_of_pairs(&files.pairs.rows, prompts, near);
        }
        if self.by == By::Axis {
            texts::needs_axes(&self.pairs, &files.pairs.rows, "--by axis holds axes out")?;
        }
        let mut params = self.params()?;
        let session = Session::open(&self.model)?;
        params.sampling.stop = session.runner().stop_tokens();
        let data = SweepData {
            pairs: &files.pairs,
            template: &files.template,
            neutral: &files.neutral.named,
            prompts: files.prompts.as_ref().map_or(&[], |p| &p.named),
            sentiment: files.sentiment.as_ref().map(|s| &s.rows[..]),
        };
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new("sweeping", 0, "tokens", self.model.common.quiet);
        let swept = sweep::sweep(&session.reader(), &data, &params, &seeds, &bar)?;
        drop(bar);
        table(&swept);
        let record = self.record(swept, &files, &params).model(session.record());
        self.out.write(&record, "Reading and steering over the sites", |s| {
            (sections::sweep::findings(s), vec![sections::sweep::section(s)])
        })
    }

    fn params(&self) -> anyhow::Result<SweepParams> {
        let estimator = estimator(&self.estimator)?;
        let permutations = self.permutations.unwrap_or_else(|| default_permutations(estimator.params()));
        let mut params = SweepParams::new(sites::flatten(&self.sites), estimator);
        let held_out = match self.by {
            By::Pair => HeldOutParams { folds: Some(self.folds), ..HeldOutParams::by_pair() },
            By::Axis => HeldOutParams { folds: Some(self.folds), ..HeldOutParams::by_axis() },
        };
        params.held_out = HeldOutParams { permutations, ..held_out };
        params.at = self.positions;
        params.project_out.clone_from(&self.project_out);
        params.folds = self.folds;
        params.alphas.clone_from(&self.alpha);
        params.positions = self.push;
        params.steered_pairs = self.steered_pairs;
        params.random_directions = self.random_directions;
        params.sampling = Sampling {
            temperature: self.temperature,
            seed: self.model.seed,
            ..Sampling::greedy(self.max_new_tokens)
        };
        params.keywords = self.keywords.iter().map(|k| keywords(k)).collect::<anyhow::Result<_>>()?;
        params.bounds = Bounds {
            perplexity_ratio: self.max_perplexity,
            kl: self.max_kl,
            distinct_2_ratio: self.min_distinct_2,
        };
        params.permutations = self.shuffles;
        Ok(params)
    }

    fn record(&self, swept: Swept, files: &Files, params: &SweepParams) -> Record<Swept> {
        let texts = |sites: &[Site]| sites.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut record = Record::new("sweep", self.model.seed, swept)
            .file("pairs", files.pairs.rows.len(), &files.pairs.sha256)
            .file("neutral", files.neutral.named.len(), &files.neutral.loaded.sha256)
            .choice("site", texts(&params.sites))
            .choice("alpha", self.alpha.clone())
            .choice("estimator", self.estimator.as_str())
            .choice("template", self.template.as_str())
            .choice("positions", self.positions.to_string())
            .choice("push", self.push.to_string())
            .choice("by", if params.held_out.by == SplitBy::Pair { "pair" } else { "axis" })
            .choice("folds", self.folds)
            .choice("permutations", params.held_out.permutations)
            .choice("shuffles", self.shuffles)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("steered-pairs", self.steered_pairs)
            .choice("random-directions", self.random_directions)
            .choice("max-new-tokens", self.max_new_tokens)
            .choice("temperature", self.temperature)
            .choice("keywords", self.keywords.clone())
            .choice(
                "project-out",
                self.project_out.iter().map(|p| format!("{p:?}").to_lowercase()).collect::<Vec<_>>(),
            );
        if let Some(prompts) = &files.prompts {
            record = record.file("prompts", prompts.named.len(), &prompts.loaded.sha256);
        }
        if let Some(sentiment) = &files.sentiment {
            record = record.file("sentiment", sentiment.rows.len(), &sentiment.sha256);
        }
        record
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

fn table(swept: &Swept) {
    let head =
        ["site", "AUROC", "95 %", "slope", "95 %", "random", "wrong way", "range of α", "reads", "steers"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for s in &swept.sites {
        let Some(primary) = s.steering.first() else { continue };
        let auroc = &s.reading.held_out.auroc;
        let yes = |b: bool| if b { "yes" } else { "no" }.to_owned();
        let null = primary.slope.null.as_ref().and_then(|n| n.range);
        rows.push(vec![
            s.site.to_string(),
            format!("{:.3}", auroc.value),
            format!("{:.3} to {:.3}", auroc.interval.low, auroc.interval.high),
            format!("{:.2}", primary.slope.value),
            primary.slope.interval.map_or_else(|| "-".into(), |i| format!("{:.2} to {:.2}", i.low, i.high)),
            null.map_or_else(|| "-".into(), |[l, h]| format!("{l:.2} to {h:.2}")),
            primary.wrong_way.as_ref().map_or_else(|| "-".into(), |w| format!("{:.0} %", 100.0 * w.value)),
            format!("{} to {}", s.working_range.low, s.working_range.high),
            yes(s.reads),
            yes(s.steers),
        ]);
    }
    output::table(&rows);
    eprintln!("{}", swept.parting.statement);
}
