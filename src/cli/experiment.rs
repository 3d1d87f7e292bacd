//! `experiment`: arms side by side, from a file; and the blind sheet of people over all of them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use truenorth::analyses::experiment::{Chooser, Experiment, Found, Params, answer};
use truenorth::analyses::extract::LabelledTexts;
use truenorth::analyses::{Analysis as _, NamedPrompt};
use truenorth::data::{Distinct, Pair, Template};
use truenorth::experiment::{self, ExperimentContents, ExperimentContext, ExperimentFile, SEAL, WrittenRow};
use truenorth::files::write_atomic;
use truenorth::math::Seeds;
use truenorth::report::{self, Document, Rich};
use truenorth_protocol::ModelInfo;

use super::args::{Common, ModelArgs, NumericsArgs, On, PlaceArgs, SpeechArgs};
use super::desk::{Opens, Terminal, ours};
use super::direction::load_all_for;
use super::judge_url::JudgeUrlArgs;
use super::output::{self, RequestContext as _, wrong_hint};
use super::people::{Sheet, Unblind};
use super::record::{ResultRecord, write_json};
use super::session::{self, Session};
use super::texts::CopiesArgs;
use super::unless::Unless;
use super::{dry, fallback, settings, target};

/// What it found, with what it was made from.
pub const FOUND: &str = "experiment.json";
/// What every arm wrote.
pub const TEXTS: &str = "texts.jsonl";
/// What every prompt says.
pub const PROMPTS: &str = "prompts.jsonl";

// Told by the docs of its flags.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ExperimentCommand {
    #[command(flatten)]
    run: Unless<Run>,
    #[command(subcommand)]
    people: Option<People>,
}

impl ExperimentCommand {
    pub fn run(self) -> anyhow::Result<()> {
        match (self.people, self.run.0) {
            (Some(People::Sheet(v)), _) => v.run(),
            (Some(People::Unblind(v)), _) => v.run(),
            (None, Some(v)) => v.run(),
            (None, None) => Ok(()),
        }
    }
}

#[derive(Subcommand, Debug)]
enum People {
    Sheet(Sheet),
    Unblind(Unblind),
}

/// Runs an experiment with arms: the same prompts under base and under each arm of a file.
///
/// An arm is a prefix, a system turn, an edit in the words of `steer`, or another model. What is written is flagged where it
/// echoes, loops, takes no stance or breaks off; outcomes (log-odds, projections, word lists, judges in both orders, scales,
/// people) are paired with base by prompt and corrected over the arms. Every arm that edits stands beside as large edits along
/// directions drawn like the activations, judged by the same judge; with fewer than 19 of them, or a judge who fails on
/// planted pairs, no edit is said to steer.
///
/// Writes experiment.json, texts.jsonl, prompts.jsonl and a page, report.html, into --out; register.json seals what was
/// predicted. What models and judges answered is kept: a run that was cut short goes on, and a second one asks nothing.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth experiment examples/experiment/experiment.toml --out runs/arms\n  truenorth experiment \
    arms.toml --out runs/arms --judge-url https://api.example.com/v1 --judge-model big-judge --judge-calls 3000\n  truenorth \
    experiment sheet --run runs/arms --question \"Which reply is kinder?\" --folder rating"
)]
pub struct Run {
    /// The experiment's file.
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Another model than the file names.
    #[arg(long, value_name = "M")]
    model: Option<String>,
    /// Another seed than the file names.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    #[command(flatten)]
    judge: JudgeUrlArgs,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
}

/// What is read before a model is opened.
struct ExperimentInput {
    file: ExperimentFile,
    given: ExperimentContents,
    pairs: Option<(Distinct<Pair>, Template)>,
    neutral: Vec<NamedPrompt>,
    files: Vec<(String, usize, String)>,
}

impl Run {
    fn run(self) -> anyhow::Result<()> {
        let ready = self.read()?;
        let out = dry::folder(self.out.clone());
        target::writes_in(&out, &[FOUND, TEXTS, PROMPTS, SEAL, report::HTML_NAME, report::JSON_NAME])?;
        report::free(&out)?;
        std::fs::create_dir_all(&out).request(format!("can't make the folder {}", out.display()))?;
        let file = &ready.file;
        let said = experiment::seal(file, &ready.files, (&out, FOUND))?;
        let args = ModelArgs {
            model: file.model.clone().unwrap_or_default(),
            place: self.place.clone(),
            seed: file.seed,
            speech: SpeechArgs {
                chat: file.chat.is_on().then(|| file.chat.clone()),
                system: None,
                special_tokens: file.special_tokens,
                of_study: false,
            },
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        };
        let cache = match self.common.no_cache {
            true => None,
            false => Some(settings::cache_dir(self.common.cache.as_ref())?),
        };
        let judge = self.judge.open(cache.as_deref())?;
        let mut params = file.experiment.clone();
        if dry::on() {
            use truenorth::analyses::Parameters as _;
            params.rehearse();
        }
        let (found, record) = match file.model {
            Some(_) => {
                let session = Session::open(&args)?;
                if let (Some(fallen), true) =
                    (fallback::taken(), params.arms.iter().any(|a| a.model.is_some()))
                {
                    return Err(wrong_hint(
                        format!(
                            "{} can't be asked on the service, and an arm is of another model",
                            fallen.wanted
                        ),
                        "leave that arm out, or run all of it with --on local",
                    ));
                }
                let judges = judge.into_iter().map(|j| Box::new(j) as Box<dyn Chooser>).collect();
                let found = self.ask(&ready, &params, (&session, &args), judges)?;
                (found, Some(session.record()))
            }
            None => (self.weigh(&ready, &params, &args)?, None),
        };
        leave(&ready, &params, found, record, (&out, said))
    }

    fn read(&self) -> anyhow::Result<ExperimentInput> {
        let mut file = ExperimentFile::read(&self.file, &Terminal::TELLING)?;
        file.model = self.model.clone().or(file.model);
        file.seed = self.seed.unwrap_or(file.seed);
        let copies = CopiesArgs { near_copies: file.near()? };
        let texts = copies.texts();
        let given = experiment::read(&file.data.prompts, &file.experiment, &texts)?;
        let mut files = given.files.clone();
        let template = file.speech().template(&file.template)?;
        let pairs = match &file.data.pairs {
            None => None,
            Some(path) => {
                let pairs = texts.pairs(path, &template)?;
                files.push(("pairs".into(), pairs.rows.len(), pairs.sha256.clone()));
                Some((pairs, template))
            }
        };
        let neutral = match &file.data.neutral {
            None => vec![],
            Some(path) => {
                let prompts = texts.distinct_prompts(path)?;
                files.push(("neutral texts".into(), prompts.named.len(), prompts.loaded.sha256.clone()));
                prompts.named
            }
        };
        let directions = file.experiment.arms.iter().flat_map(|a| a.direction.iter().chain(&a.when));
        for path in directions.chain(&file.experiment.project) {
            super::direction::load_all(path)?;
        }
        let asks = file.experiment.texts.is_none() && !file.experiment.arms.is_empty();
        if file.model.is_none() && asks {
            return Err(wrong_hint(
                format!("{} names no model, and its arms are to write", self.file.display()),
                "give model = \"…\", or --model M; or `texts` that were written elsewhere",
            ));
        }
        Ok(ExperimentInput { file, given, pairs, neutral, files })
    }

    fn ask<'a>(
        &self,
        ready: &'a ExperimentInput,
        params: &Params,
        (session, args): (&'a Session, &'a ModelArgs),
        judges: Vec<Box<dyn Chooser + 'a>>,
    ) -> anyhow::Result<Found> {
        let question = ready.pairs.as_ref().map(|(pairs, template)| LabelledTexts::pairs(pairs, template));
        let load = |path: &Path, info: &ModelInfo| load_all_for(path, info).map_err(ours);
        let stands = ExperimentContext {
            reader: session.reader(),
            question: question.as_ref(),
            pairs: ready.pairs.as_ref().map(|(p, t)| (p, t)),
            estimator: truenorth::direction::estimator(&ready.file.estimator)?,
            project_out: &[],
            project_method: truenorth::estimate::ProjectMethod::default(),
            sentiment: None,
            neutral: &ready.neutral,
            at: ready.file.positions,
            own: None,
            load: &load,
            judges,
        };
        // Arms and judges of other models are asked where this one is, each in the way that it expects.
        let other = ModelArgs { speech: SpeechArgs::default(), ..args.clone() };
        Ok(experiment::run(params, &ready.given, stands, &Opens(&other), &Seeds::new(ready.file.seed))?)
    }

    /// Weighs what was made elsewhere.
    fn weigh(&self, ready: &ExperimentInput, params: &Params, args: &ModelArgs) -> anyhow::Result<Found> {
        if args.place.on != On::Local {
            return Err(wrong_hint("--on names where a model runs, and no model is asked", "leave --on out"));
        }
        Ok(experiment::weighed(params, &ready.given, &Seeds::new(ready.file.seed))?)
    }
}

/// Shows and writes what was found.
fn leave(
    ready: &ExperimentInput,
    params: &Params,
    found: Found,
    model: Option<truenorth::session::ModelRecord>,
    (out, said): (&Path, Vec<String>),
) -> anyhow::Result<()> {
    let rows = rows(&found);
    output::listing(&Experiment::table(&found));
    let mut record = ResultRecord::new(Experiment::NAME, ready.file.seed, found).params(params)?;
    if let Some(model) = model {
        record = record.model(model);
    }
    for (role, rows, sha256) in &ready.files {
        record = record.file(role.as_str(), *rows, sha256);
    }
    write_json(&out.join(FOUND), &record)?;
    session::write_rows(Some(&out.join(TEXTS)), &rows, "Texts of the arms")
        .context("can't write the texts")?;
    let prompts: Vec<serde_json::Value> =
        ready.given.prompts.iter().map(|p| serde_json::json!({ "id": p.id, "text": p.text })).collect();
    session::write_rows(Some(&out.join(PROMPTS)), &prompts, "Prompts").context("can't write the prompts")?;
    let page = Experiment::page(&record.result);
    let front = page.all_findings();
    let notes = said.into_iter().map(Rich::from).collect();
    let names: Vec<&str> = record.models.iter().map(|m| m.name.as_str()).collect();
    let document = Document {
        title: ready.file.title().to_owned(),
        subtitle: names.join(", "),
        provenance: record.provenance(),
        answer: Some(answer(&record.result, &front, notes)),
        front,
        sections: page.sections,
    }
    .with_tests(&[format!(
        "What is random is drawn from seed {}; each outcome, arm and scope has a stream of its own.",
        ready.file.seed
    )]);
    let [_, html] = report::write(out, &document)?;
    output::line(html.display().to_string())
}

/// What was written, as a file that another experiment takes.
fn rows(found: &Found) -> Vec<WrittenRow> {
    let arms = found.arms.iter().zip(&found.texts);
    arms.flat_map(|(arm, texts)| {
        texts.iter().zip(&found.prompts).filter_map(|(t, (id, _))| {
            let text = t.as_ref()?;
            Some(WrittenRow {
                arm: arm.arm.name.clone(),
                prompt: id.clone(),
                text: text.text.clone(),
                whole: Some(!text.flags.breaks_off),
            })
        })
    })
    .collect()
}

/// Writes bytes whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomic(path, |w| w.write_all(bytes)).with_context(|| format!("can't write {}", path.display()))
}
