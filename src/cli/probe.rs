//! `probe`: what can be read off a model's activations about labelled texts.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use truenorth::analyses::probing::{self, ProbeData, ProbeParams, Probed, TestTexts};
use truenorth::analyses::{Labelled, Reader};
use truenorth::data::NearCopies;
use truenorth::engine::Engine;
use truenorth::estimate::LogisticParams;
use truenorth::estimate::probing::{Probe as Procedure, ProbeEstimator};
use truenorth::math::Seeds;
use truenorth::run::Runner as _;
use truenorth_protocol::{ModelInfo, ReadAt, Site};

use super::args::{ModelArgs, On};
use super::dry;
use super::output::{self, Request as _, wrong_hint};
use super::progress::Bar;
use super::record::{Out, Record};
use super::session::{self, Session};
use super::texts::{self, CopiesArgs, NamedFile, file_and_label};
use truenorth::inputs::sites;

/// Probes texts of two classes at every site: AUROC on held-out texts and on test sets, controls beside.
///
/// Every category is probed against its negatives (those of all where it has none of its own), and all
/// together. Rows of one `group` are never split. The site and the penalty are chosen inside the training
/// folds, and the whole procedure is repeated on permuted labels.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth probe --model smollm2-135m --train train.jsonl --positive harmful \
    --test test=test.jsonl --test ood=test-ood.jsonl --site resid_post.0..29 \
    --controls random-label,bag-of-words,length,truth=truth.jsonl,random-init --out probe.json --report probe"
)]
pub struct Probe {
    #[command(flatten)]
    model: ModelArgs,
    /// Texts to fit on: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl")]
    train: PathBuf,
    /// A test set of the same form, none of whose groups is in the training texts. Repeatable. Copies of training
    /// texts, and near copies with the same label, are left out and counted.
    #[arg(long, value_name = "NAME=F")]
    test: Vec<NamedFile>,
    /// The label of the positive class, unless the labels are 0 and 1 or true and false.
    #[arg(long, value_name = "LABEL")]
    positive: Option<String>,
    /// Sites to choose from, such as resid_post.4..28:4. Repeatable.
    #[arg(long, value_name = "S", required = true, value_parser = sites::parse)]
    site: Vec<Vec<Site>>,
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)]
    positions: ReadAt,
    /// random-label; bag-of-words and length of the text alone; truth=F[:LABEL], a classes file of
    /// statements; random-init, an untrained model of the same architecture (random-init=SEED, or
    /// random-init:MODEL#SEED).
    #[arg(
        long,
        value_name = "C,..",
        value_delimiter = ',',
        default_value = "random-label,bag-of-words,length"
    )]
    controls: Vec<Control>,
    /// logistic, mean-diff or lda.
    #[arg(long, value_name = "E", default_value = "logistic")]
    estimator: String,
    /// Folds of whole groups.
    #[arg(long, value_name = "N", default_value_t = 5)]
    folds: usize,
    /// Label permutations, each through the whole procedure; 0 leaves the nulls out.
    #[arg(long, value_name = "N", default_value_t = 199)]
    permutations: usize,
    /// Seconds a contrast may spend on permutations; how many were done is reported.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    budget: u64,
    /// Probes all categories together and none by itself.
    #[arg(long)]
    no_categories: bool,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: Out,
}

/// A control, as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Control {
    RandomLabel,
    BagOfWords,
    Length,
    Truth(NamedFile),
    /// A model spec, or a seed for the model that is probed.
    RandomInit(Result<String, u64>),
}

impl FromStr for Control {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let seed = |s: &str| s.parse::<u64>().map_err(|_| format!("`{s}` is no seed; expected an integer"));
        Ok(match s.split_once('=') {
            None if s == "random-label" => Self::RandomLabel,
            None if s == "bag-of-words" => Self::BagOfWords,
            None if s == "length" => Self::Length,
            None if s == "random-init" => Self::RandomInit(Err(0)),
            None if s.starts_with("random-init:") => Self::RandomInit(Ok(s.to_owned())),
            Some(("random-init", n)) => Self::RandomInit(Err(seed(n)?)),
            Some(("truth", file)) if !file.is_empty() => {
                let (path, positive) = file_and_label(file);
                Self::Truth(NamedFile { name: "truth".into(), path, positive })
            }
            _ => {
                return Err(format!(
                    "there is no control `{s}`; use random-label, bag-of-words, length, truth=F or random-init"
                ));
            }
        })
    }
}

impl Probe {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let near = self.copies.near_copies;
        let train = labelled(&self.train, self.positive.as_deref(), near)?;
        let positive = Some(train.positive_end.as_str());
        let mut tests = Vec::with_capacity(self.test.len());
        for file in &self.test {
            let label = file.positive.as_deref().or(positive);
            let texts = labelled(&file.path, label, near)?;
            let test = TestTexts::apart(&file.name, texts, &train, near)
                .request(format!("can't test on {}", file.path.display()))?;
            texts::say_apart(test.apart.as_ref());
            tests.push(test);
        }
        let truth = self.controls.iter().find_map(|c| match c {
            Control::Truth(file) => Some(labelled(&file.path, file.positive.as_deref(), near)),
            _ => None,
        });
        let truth = truth.transpose()?;
        let params = self.params()?;
        let session = Session::open(&self.model)?;
        let asked = self.controls.iter().find_map(|c| match c {
            Control::RandomInit(how) => Some(how),
            _ => None,
        });
        let untrained = asked.map(|how| untrained(how, &self.model, session.runner().info())).transpose()?;
        let data = ProbeData {
            train: &train,
            tests: &tests,
            truth: truth.as_ref(),
            untrained: untrained.as_ref().map(|e| Reader::new(e, session.store())),
        };
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new("probing", 0, "tokens", self.model.common.quiet);
        let found = probing::probe(&session.reader(), &data, &params, &seeds, &bar)?;
        drop(bar);
        table(&found);
        let controls: Vec<String> = self.controls.iter().map(Control::name).collect();
        let mut record = Record::new("probe", self.model.seed, found)
            .model(session.record())
            .file("train", train.len(), &train.data_sha256)
            .choice("site", serde_json::to_value(&params.sites)?)
            .choice("positions", params.at.to_string())
            .choice("estimator", serde_json::to_value(&params.probe.estimator)?)
            .choice("folds", self.folds)
            .choice("permutations", self.permutations)
            .choice("positive", train.positive_end.as_str())
            .choice("controls", serde_json::to_value(controls)?)
            .choice("near-copies", near.threshold())
            .choice("copies", serde_json::to_value(&train.copies)?);
        for test in &tests {
            record = record.file(format!("test {}", test.name), test.texts.len(), &test.texts.data_sha256);
        }
        if let Some(truth) = &truth {
            record = record.file("truth", truth.len(), &truth.data_sha256);
        }
        if let Some(untrained) = &untrained {
            record = record.model(untrained.info());
        }
        self.out.write(&record, "What can be read off the activations?", |found| {
            (probing::page::findings(found), vec![probing::page::section(found)])
        })
    }

    fn params(&self) -> anyhow::Result<ProbeParams> {
        let estimator = probe_estimator(&self.estimator)?;
        if self.permutations == 0 && self.controls.contains(&Control::RandomLabel) {
            return Err(wrong_hint(
                "the control random-label needs permutations, and there are 0",
                "leave --permutations out, or the control",
            ));
        }
        Ok(ProbeParams {
            sites: sites::flatten(&self.site),
            at: self.positions,
            probe: Procedure {
                folds: self.folds,
                permutations: dry::few(self.permutations),
                budget: Some(Duration::from_secs(self.budget)),
                ..Procedure::new(estimator)
            },
            categories: !self.no_categories,
            bag_of_words: self.controls.contains(&Control::BagOfWords),
            length: self.controls.contains(&Control::Length),
        })
    }
}

/// A probe by its name.
pub fn probe_estimator(name: &str) -> anyhow::Result<ProbeEstimator> {
    match name {
        "logistic" => Ok(ProbeEstimator::Logistic { alphas: LogisticParams::default().alphas }),
        "mean-diff" => Ok(ProbeEstimator::MeanDiff),
        "lda" => Ok(ProbeEstimator::Lda { shrinkage: None }),
        other => Err(wrong_hint(format!("there is no probe `{other}`"), "use logistic, mean-diff or lda")),
    }
}

/// An untrained model of the architecture of `trained`: the one named, or the same model with random
/// weights drawn from seed 0 or the one given.
pub fn untrained(
    asked: &Result<String, u64>,
    args: &ModelArgs,
    trained: &ModelInfo,
) -> anyhow::Result<Engine> {
    let spec = match asked {
        Ok(spec) => spec.clone(),
        Err(seed) if args.place.on == On::Local => format!("random-init:{}#{seed}", args.model),
        Err(_) => {
            return Err(wrong_hint(
                "an untrained model of a hosted one is not at hand",
                "name one that runs here: --controls random-init:MODEL#SEED",
            ));
        }
    };
    let (_, engine) = session::open_model(&spec, &args.common, &args.numerics)?;
    let info = engine.info();
    if (info.layers, info.hidden) == (trained.layers, trained.hidden) {
        return Ok(engine);
    }
    Err(wrong_hint(
        format!(
            "{} has {} blocks of width {}, {} has {} of {}",
            info.name, info.layers, info.hidden, trained.name, trained.layers, trained.hidden
        ),
        "use an untrained model of the same architecture",
    ))
}

impl Control {
    fn name(&self) -> String {
        match self {
            Self::RandomLabel => "random-label".into(),
            Self::BagOfWords => "bag-of-words".into(),
            Self::Length => "length".into(),
            Self::Truth(file) => format!("truth={}", file.path.display()),
            Self::RandomInit(Ok(spec)) => spec.clone(),
            Self::RandomInit(Err(seed)) => format!("random-init={seed}"),
        }
    }
}

fn labelled(path: &std::path::Path, positive: Option<&str>, near: NearCopies) -> anyhow::Result<Labelled> {
    let rows = texts::classes(path, near)?;
    Labelled::new(&rows, positive).request(format!("can't use {}", path.display()))
}

fn table(found: &Probed) {
    let head = ["category", "set", "site", "n", "AUROC", "95 %", "p", "accuracy", "words", "untrained"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for c in &found.contrasts {
        let against = |name: &str, set: &str| {
            let baseline = c.baselines.iter().find(|b| b.name == name);
            let difference = baseline.and_then(|b| b.differences.iter().find(|d| d.set == set));
            difference.map_or_else(|| "-".into(), |d| format!("{:.3}", d.control))
        };
        let mut line = |set: &str, site: &str, auroc: &truenorth::analyses::stat::Measured, accuracy: f64| {
            let range =
                auroc.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high));
            rows.push(vec![
                c.category.clone(),
                set.to_owned(),
                site.to_owned(),
                auroc.n.to_string(),
                format!("{:.3}", auroc.value),
                range,
                auroc.null.as_ref().map_or_else(|| "-".into(), |n| format!("{:.4}", n.p)),
                format!("{accuracy:.3}"),
                against("bag-of-words", set),
                against("random-init", set),
            ]);
        };
        line(probing::HELD_OUT, "nested", &c.held_out, c.accuracy.value);
        for t in &c.tests {
            line(&t.name, &t.site, &t.auroc, t.accuracy.value);
        }
    }
    output::table(&rows);
    for c in &found.contrasts {
        for (name, why) in &c.absent {
            eprintln!("{}: control {name} gave no number: {why}", c.category);
        }
    }
    for r in &found.refused {
        eprintln!("{} was not probed: {}", r.category, r.why);
    }
}
