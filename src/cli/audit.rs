//! `audit`: is a direction about what it says?

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use truenorth::analysis::audit::{self, AuditData, Audited, Confound, Params};
use truenorth::analysis::extract::{ProjectOut, Question};
use truenorth::data::{Distinct, SentimentRow, Template};
use truenorth::estimate::{Direction as Artifact, SplitBy};
use truenorth::math::Seeds;
use truenorth::report::sections;
use truenorth_protocol::{ReadAt, Site};

use super::args::ModelArgs;
use super::direction::{estimator, load, load_for};
use super::dry;
use super::output::{self, Request as _, wrong_hint};
use super::progress::Bar;
use super::record::{Out, Record};
use super::session::Session;
use super::texts::{self, CopiesArgs, NamedFile};

/// The set that is ranked instead of ruled out.
const FLIPS: &str = "value-flip";

/// Holds a direction against what it may have been taken for.
///
/// Each confound set is read at the direction's site. Reported are: cosine with the confound's own
/// direction before and after projection, how far the direction separates the set against random
/// directions with the covariance of the training texts and against the whole pipeline on shuffled
/// labels, how far a probe of the confound alone recovers the training contrast, and a verdict that says what
/// was ruled out and what was not. Pairs called value-flip are ranked: k of n with its exact interval.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth audit --model smollm2-135m --direction values.safetensors \
    --pairs pairs.jsonl --confound sentiment=sentiment.jsonl --confound length=length.jsonl \
    --confound action=action.jsonl --confound value-flip=value-flip.jsonl --out audit.json --report audit")]
pub struct Audit {
    #[command(flatten)]
    model: ModelArgs,
    /// The direction; default what the pipeline finds in the pairs.
    #[arg(long, value_name = "F.safetensors", required_unless_present = "site")]
    direction: Option<PathBuf>,
    /// Where texts are read; default where the direction lives.
    #[arg(long, value_name = "S")]
    site: Option<Site>,
    /// The pairs the direction was extracted from: JSONL, a JSON list or CSV with `id`, `axis`, `prompt`, `chosen`, `rejected`.
    #[arg(long, value_name = "F.jsonl", required_unless_present = "classes", conflicts_with = "classes")]
    pairs: Option<PathBuf>,
    /// Or the classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl")]
    classes: Option<PathBuf>,
    /// The label at the positive end, unless the labels are 0 and 1.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// A confound: pairs or classes that differ in it, with the positive label where labels do not say it.
    /// `sentiment` is also read as texts with a sentiment label; in `action` sides are swapped where the
    /// field `aligned` is inaction; `value-flip` is ranked. Repeatable.
    #[arg(long, value_name = "NAME=F[:LABEL]", required = true)]
    confound: Vec<NamedFile>,
    /// logistic, mean-diff, lda or pca; default the direction's own, else logistic.
    #[arg(long, value_name = "E")]
    estimator: Option<String>,
    /// What the pipeline projects out: length, sentiment, or none; default as the direction says.
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    project_out: Option<Vec<String>>,
    /// Texts with a sentiment label that sentiment is projected out with.
    #[arg(long, value_name = "F.jsonl")]
    sentiment: Option<PathBuf>,
    /// Which tokens are read; default as the direction says, else last.
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    positions: Option<ReadAt>,
    /// How prompt and response become one text; default as the direction says.
    #[arg(long, value_name = "T")]
    template: Option<String>,
    /// Folds of the held-out separation.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Random directions of the null.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    random_directions: usize,
    /// Shuffles of the training labels, each through the whole pipeline; 0 leaves them out.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    permutations: usize,
    /// Seconds after which no further shuffle is begun; how many were done is reported.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    budget: u64,
    /// An AUROC within this of 1/2 does not matter.
    #[arg(long, value_name = "X", default_value_t = 0.1)]
    margin: f64,
    /// Leaves the comparison with other estimators out.
    #[arg(long)]
    no_agreement: bool,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: Out,
}

/// What was read from files.
struct Files {
    train: Question,
    template: Template,
    confounds: Vec<Confound>,
    flips: Vec<Confound>,
    sentiment: Option<Distinct<SentimentRow>>,
    project_out: Vec<ProjectOut>,
}

impl Audit {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let stated = self.direction.as_deref().map(load).transpose()?;
        let files = self.files(stated.as_ref())?;
        let params = self.params(stated.as_ref(), &files)?;
        let session = Session::open(&self.model)?;
        let direction = match &self.direction {
            Some(path) => Some(load_for(path, session.runner().info())?.0.to_f64()),
            None => None,
        };
        let data = AuditData {
            train: &files.train,
            direction: direction.as_ref().map(|d| d.view()),
            confounds: &files.confounds,
            flips: &files.flips,
            sentiment: files.sentiment.as_ref().map(|s| &s.rows[..]),
        };
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new("auditing", 0, "tokens", self.model.common.quiet);
        let found = audit::audit(&session.reader(), &data, &params, &seeds, &bar)?;
        drop(bar);
        table(&found);
        let mut record = Record::new("audit", self.model.seed, found)
            .model(session.record())
            .file(files.train.operation, files.train.examples(), &files.train.data_sha256)
            .choice("site", params.site.to_string())
            .choice("positions", params.at.to_string())
            .choice("template", files.template.to_string())
            .choice("estimator", params.estimator.params().name())
            .choice("project-out", serde_json::to_value(self.names(&files))?)
            .choice("folds", self.folds)
            .choice("random-directions", self.random_directions)
            .choice("permutations", self.permutations)
            .choice("margin", self.margin)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&files.train.copies)?);
        for set in files.confounds.iter().chain(&files.flips) {
            let question = &set.question;
            record =
                record.file(format!("confound {}", set.name), question.examples(), &question.data_sha256);
        }
        if let Some(s) = &files.sentiment {
            record = record.file("sentiment projected out", s.rows.len(), &s.sha256);
        }
        if let Some(d) = &stated {
            record = record.choice("direction", d.metadata().sign.clone());
        }
        self.out.write(&record, "Is the direction about what it says?", |found| {
            (sections::audit::findings(found), vec![sections::audit::section(found)])
        })
    }

    fn names(&self, files: &Files) -> Vec<String> {
        files.project_out.iter().map(|p| format!("{p:?}").to_lowercase()).collect()
    }

    fn files(&self, direction: Option<&Artifact>) -> anyhow::Result<Files> {
        let metadata = direction.map(Artifact::metadata);
        let template = self.template.clone().or_else(|| metadata.and_then(|m| m.template.clone()));
        let template = match template {
            Some(t) => Template::parse(&t).request("can't use the template")?,
            None => Template::default(),
        };
        let near = self.copies.near_copies;
        let train = self.train(&template)?;
        if let Some(other) = metadata.filter(|m| m.data_sha256 != train.data_sha256) {
            let of = if other.operation == "imported" { "an imported file" } else { "other data" };
            eprintln!("warning: the direction comes from {of}, not from the {} given here", train.operation);
        }
        let project_out = self.project_out(direction)?;
        if self.sentiment.is_none() && project_out.contains(&ProjectOut::Sentiment) {
            return Err(wrong_hint(
                "sentiment is projected out of the direction, which needs the texts it was done with",
                "name them with --sentiment F.jsonl, or say --project-out none",
            ));
        }
        let sentiment = texts::sentiment_for(&train, self.sentiment.as_ref(), &project_out, near)?;
        let (mut confounds, mut flips) = (vec![], vec![]);
        for file in &self.confound {
            let mut question = texts::question(file, &template, near)?;
            if file.name == FLIPS {
                question = question.apart_from(&train, &file.name, near).request(format!(
                    "can't use {} as `{}`",
                    file.path.display(),
                    file.name
                ))?;
                texts::say_apart(question.apart.as_ref());
            } else {
                texts::say_shared(&question, &train, &file.name, near);
            }
            let circular = self.circular(file, direction, &project_out);
            let set = Confound { name: file.name.clone(), question, circular };
            if file.name == FLIPS { flips.push(set) } else { confounds.push(set) }
        }
        if confounds.is_empty() {
            return Err(wrong_hint(
                format!("only `{FLIPS}` was given, which is ranked and rules nothing out"),
                "name at least one other set with --confound NAME=F",
            ));
        }
        Ok(Files { train, template, confounds, flips, sentiment, project_out })
    }

    fn train(&self, template: &Template) -> anyhow::Result<Question> {
        let near = self.copies.near_copies;
        if let Some(path) = &self.pairs {
            return Ok(Question::pairs(&texts::pairs(path, template, near)?, template));
        }
        let path = self.classes.as_ref().context("pairs or classes are required")?;
        Question::classes(&texts::classes(path, near)?, self.positive.as_deref())
            .request(format!("can't use {}", path.display()))
    }

    /// What is projected out: as asked, else as the direction says.
    fn project_out(&self, direction: Option<&Artifact>) -> anyhow::Result<Vec<ProjectOut>> {
        if let Some(asked) = &self.project_out {
            let names = asked.iter().map(|a| a.trim()).filter(|a| *a != "none");
            return Ok(names.map(str::parse).collect::<Result<_, _>>()?);
        }
        let of =
            |name: &str| direction.is_some_and(|d| d.metadata().projected_out.iter().any(|p| p.name == name));
        let all = [("length", ProjectOut::Length), ("sentiment", ProjectOut::Sentiment)];
        Ok(all.into_iter().filter(|(name, _)| of(name)).map(|(_, p)| p).collect())
    }

    /// A direction whose file says that this was projected out, with texts nobody knows.
    fn circular(
        &self,
        file: &NamedFile,
        direction: Option<&Artifact>,
        project_out: &[ProjectOut],
    ) -> Option<String> {
        let known = file.name != "sentiment" || project_out.contains(&ProjectOut::Sentiment);
        let out = direction?.metadata().projected_out.iter().any(|p| p.name == file.name);
        (out && !known && file.name == "sentiment").then(|| {
            "the direction's file says that sentiment was projected out, and not with which texts; these \
             may be the same"
                .to_owned()
        })
    }

    fn params(&self, direction: Option<&Artifact>, files: &Files) -> anyhow::Result<Params> {
        let metadata = direction.map(Artifact::metadata);
        let site = match (self.site, direction) {
            (Some(site), Some(d)) => {
                d.check_site(site).request("the direction does not live at --site")?;
                site
            }
            (Some(site), None) => site,
            (None, d) => d.context("a direction or a site is required")?.metadata().site,
        };
        let at = match (self.positions, metadata.and_then(|m| m.positions.as_ref())) {
            (Some(at), _) => at,
            // Files of before means left sinks out do not say how many.
            (None, Some(text))
                if text == "mean" && !metadata.is_some_and(|m| m.extra.contains_key("left_out")) =>
            {
                ReadAt::MeanSink
            }
            (None, Some(text)) => text.parse().map_err(|e| {
                wrong_hint(format!("the direction's file names positions `{text}`: {e}"), "say --positions")
            })?,
            (None, None) => ReadAt::Last,
        };
        let chosen = match (&self.estimator, metadata.and_then(|m| m.estimator.clone())) {
            (Some(name), _) => estimator(name)?,
            (None, Some(own)) => own.check()?,
            (None, None) => estimator("logistic")?,
        };
        let mut params = Params::new(site, at, chosen);
        params.project_out.clone_from(&files.project_out);
        params.held_out.folds = Some(self.folds);
        params.held_out.permutations = params.held_out.permutations.min(self.permutations);
        params.audit.by = SplitBy::Pair;
        params.audit.random_directions = self.random_directions;
        params.audit.permutations = dry::few(self.permutations);
        params.audit.budget = Some(Duration::from_secs(self.budget));
        params.audit.margin = self.margin;
        params.agreement = !self.no_agreement;
        Ok(params)
    }
}

fn table(found: &Audited) {
    let head = ["confound", "groups", "AUROC", "95 %", "null within", "p Holm", "cosine", "verdict"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for r in &found.rows {
        let ci = r.row.separation.bootstrap.interval;
        rows.push(vec![
            r.row.name.clone(),
            r.row.groups.to_string(),
            format!("{:.3}", r.row.separation.auroc),
            format!("{:.3} to {:.3}", ci.low, ci.high),
            format!("{:.3} to {:.3}", r.null_interval[0], r.null_interval[1]),
            r.row.p_adjusted.map_or_else(|| "-".into(), |p| format!("{p:.4}")),
            format!("{:.3}", r.row.cosine),
            sections::audit::word(r.row.verdict).to_owned(),
        ]);
    }
    output::table(&rows);
    for r in &found.rows {
        eprintln!("{}: {}", r.row.name, r.says);
    }
    for f in &found.flips {
        eprintln!("{}: {}", f.name, f.says);
    }
}
