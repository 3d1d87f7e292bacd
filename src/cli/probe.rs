//! `probe`: what can be read off a model's activations about labelled texts.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;
use truenorth::analyses::probing::{Control, Params, ProbeData, Probed, Probing, TestTexts};
use truenorth::analyses::{Analysis as _, AnalysisContext, ClassTexts, Reader, SiteRange, Speech};
use truenorth::data::NearCopies;
use truenorth::engine::Engine;
use truenorth::run::Runner as _;
use truenorth_protocol::ModelInfo;

use super::args::{ModelArgs, On};
use super::output::{RequestContext as _, wrong_hint};
use super::record::ResultRecord;
use super::session::{self, Session};
use super::texts::{self, CopiesArgs, NamedFile, file_and_label};
use super::verb::AnalysisArgs;

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
    /// Texts to fit on: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl")]
    train: PathBuf,
    /// A test set of the same form, none of whose groups is in the training texts. Repeatable. Copies of training
    /// texts, and near copies with the same label, are left out and counted.
    #[arg(long, value_name = "NAME=F")]
    test: Vec<NamedFile>,
    /// The label of the positive class, unless the labels are 0 (or -1) and 1, false and true, or negative and positive.
    #[arg(long, value_name = "LABEL")]
    positive: Option<String>,
    /// random-label; bag-of-words and length of the text alone; truth=F[:LABEL], a classes file of
    /// statements; random-init, an untrained model of the same architecture (random-init=SEED, or
    /// random-init:MODEL#SEED).
    #[arg(
        long,
        value_name = "C,..",
        value_delimiter = ',',
        default_value = "random-label,bag-of-words,length"
    )]
    controls: Vec<ControlInput>,
    #[command(flatten)]
    copies: CopiesArgs,
}

pub struct ProbeInput {
    train: ClassTexts,
    tests: Vec<TestTexts>,
    truth: Option<ClassTexts>,
    untrained: Option<Engine>,
    sites: Vec<String>,
}

/// A control as a flag asks for it, with what it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ControlInput {
    /// One that needs nothing.
    Plain(Control),
    Truth(NamedFile),
    /// A model spec, or a seed for the model that is probed.
    RandomInit(Result<String, u64>),
}

impl FromStr for ControlInput {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let seed = |s: &str| s.parse::<u64>().map_err(|_| format!("`{s}` is no seed; expected an integer"));
        Ok(match s.split_once('=') {
            None if s == "random-label" => Self::Plain(Control::RandomLabel),
            None if s == "bag-of-words" => Self::Plain(Control::BagOfWords),
            None if s == "length" => Self::Plain(Control::Length),
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

impl ControlInput {
    fn control(&self) -> Control {
        match self {
            Self::Plain(control) => *control,
            Self::Truth(_) => Control::Truth,
            Self::RandomInit(_) => Control::RandomInit,
        }
    }

    fn typed(&self) -> serde_json::Result<serde_json::Value> {
        Ok(match self {
            Self::Plain(control) => serde_json::to_value(control)?,
            Self::Truth(file) => format!("truth={}", file.path.display()).into(),
            Self::RandomInit(Ok(spec)) => spec.as_str().into(),
            Self::RandomInit(Err(seed)) => format!("random-init={seed}").into(),
        })
    }
}

impl AnalysisArgs for Probe {
    type Analysis = Probing;
    type Input = ProbeInput;
    const DOING: &'static str = "probing";

    fn settle(&self, params: &mut Params) {
        params.controls = self.controls.iter().map(ControlInput::control).collect();
    }

    fn read(&self, params: &Params, _: &Speech) -> anyhow::Result<ProbeInput> {
        let near = self.copies.near_copies;
        let train = labelled(&self.train, self.positive.as_deref(), near)?;
        let mut tests = Vec::with_capacity(self.test.len());
        for file in &self.test {
            let texts = tested(file, self.positive.as_deref(), near)?;
            let test = TestTexts::apart(&file.name, texts, &train, near)
                .request(format!("can't test on {}", file.path.display()))?;
            texts::at(near).say_apart(test.apart.as_ref());
            tests.push(test);
        }
        let truth = self.controls.iter().find_map(|c| match c {
            ControlInput::Truth(file) => Some(tested(file, None, near)),
            _ => None,
        });
        let sites = SiteRange::all(&params.sites).iter().map(ToString::to_string).collect();
        Ok(ProbeInput { truth: truth.transpose()?, train, tests, untrained: None, sites })
    }

    fn open(&self, ready: &mut ProbeInput, model: &ModelArgs, session: &Session) -> anyhow::Result<()> {
        let asked = self.controls.iter().find_map(|c| match c {
            ControlInput::RandomInit(how) => Some(how),
            _ => None,
        });
        ready.untrained = asked.map(|how| untrained(how, model, session.runner().info())).transpose()?;
        Ok(())
    }

    fn ask(
        &self,
        ready: &ProbeInput,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> anyhow::Result<Probed> {
        let data = ProbeData {
            train: &ready.train,
            tests: &ready.tests,
            truth: ready.truth.as_ref(),
            untrained: ready.untrained.as_ref().map(|e| {
                let reader = Reader::new(e, asked.reader.store());
                match asked.reader.spoken() {
                    // Its tokenizer and its template are those of the trained one, or it is another model's.
                    Some(spoken) => reader.speaking(spoken),
                    None => reader,
                }
            }),
        };
        let cant = || format!("can't probe with {}", self.train.display());
        Probing::run(&data, params, asked).with_context(cant)
    }

    fn note<T: Serialize>(
        &self,
        ready: &ProbeInput,
        record: ResultRecord<T>,
    ) -> anyhow::Result<ResultRecord<T>> {
        let controls = self.controls.iter().map(ControlInput::typed).collect::<Result<Vec<_>, _>>()?;
        let mut record = record
            .file("train", ready.train.len(), &ready.train.data_sha256)
            .choice("site", ready.sites.clone())
            .choice("positive", ready.train.positive_end.as_str())
            .choice("controls", controls)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&ready.train.copies)?);
        for test in &ready.tests {
            record = record.file(format!("test {}", test.name), test.texts.len(), &test.texts.data_sha256);
        }
        if let Some(truth) = &ready.truth {
            record = record.file("truth", truth.len(), &truth.data_sha256);
        }
        if let Some(untrained) = &ready.untrained {
            record = record.model(untrained.info());
        }
        Ok(record)
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

fn labelled(path: &Path, positive: Option<&str>, near: NearCopies) -> anyhow::Result<ClassTexts> {
    let rows = texts::at(near).classes(path)?;
    ClassTexts::new(&rows, positive).request(format!("can't use {}", path.display()))
}

/// Texts of a file that may name its own positive label, else the one named for all.
fn tested(file: &NamedFile, named: Option<&str>, near: NearCopies) -> anyhow::Result<ClassTexts> {
    let rows = texts::at(near).classes(&file.path)?;
    TestTexts::labelled(&rows, file.positive.as_deref(), named)
        .request(format!("can't use {}", file.path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_set_does_not_take_over_what_the_training_labels_say_by_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.jsonl");
        let rows = "{\"id\": \"a\", \"text\": \"one word\", \"label\": 1}\n\
                    {\"id\": \"b\", \"text\": \"two trees\", \"label\": 2}\n";
        std::fs::write(&path, rows).unwrap();
        let file = |positive: Option<&str>| NamedFile {
            name: "x".into(),
            path: path.clone(),
            positive: positive.map(str::to_owned),
        };
        // Beside training labels 0 and 1 the label 1 would be read as the positive one.
        let refused = tested(&file(None), None, NearCopies::default()).unwrap_err();
        let hints = super::super::output::hints(&refused);
        assert!(hints.contains("F:LABEL") && !hints.contains("--positive"), "{hints}");
        for (own, named) in [(Some("2"), None), (None, Some("2")), (Some("2"), Some("1"))] {
            let texts = tested(&file(own), named, NearCopies::default()).unwrap();
            assert_eq!((texts.positive_end.as_str(), &texts.positive[..]), ("2", &[false, true][..]));
        }
    }
}
