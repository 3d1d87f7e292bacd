//! `judge`: texts before a model that judges, everything asked twice.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use truenorth::analyses::judge::{
    self, Duel, JudgeData, JudgeQuestion, JudgeSummary, JudgeTemplate, JudgeTexts, Params, Reply, Verdicts,
};
use truenorth::analyses::{Analysis as _, AnalysisContext, Speech};
use truenorth::files::sha256_hex;
use truenorth::math::Seeds;

use super::args::ModelArgs;
use super::output::{self, RequestContext as _, wrong_hint};
use super::record::{OutArgs, ResultRecord};
use super::session;
use super::texts::CopiesArgs;
use super::unless::Unless;
use super::verb::{self, AnalysisArgs};
use super::verdicts::{OtherVerdicts, verdicts};
use super::written::{self, PromptNeed, SteeredArgs, prompt_of, say_left_out};

// Told by the docs of its flags.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct JudgeCommand {
    // Before the subcommand, which is taken out of what was typed.
    #[command(flatten)]
    verb: Unless<verb::AnalysisCommand<Judge>>,
    #[command(subcommand)]
    kept: Option<JudgeSubcommand>,
}

impl JudgeCommand {
    pub fn run(self) -> anyhow::Result<()> {
        match (self.kept, self.verb.0) {
            (Some(JudgeSubcommand::Agree(agree)), _) => agree.run(),
            (None, Some(verb)) => verb.run(),
            (None, None) => Ok(()),
        }
    }
}

#[derive(Subcommand, Debug)]
enum JudgeSubcommand {
    Agree(Agree),
}

/// Says how far judges agree whose verdicts were kept, with no model.
///
/// Read are what `judge` writes, and JSON of other programs: a list or lines with `id` (or `pair_id`) and `verdict` (or
/// `winner`, `choice`, `rating`), or an object of verdicts by name. Verdicts are first, second or abstain; A, B and T
/// mean the same, and so do yes, no and tie.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  truenorth judge agree judge-a.json judge-b.json people.jsonl --out agreement.json"
)]
struct Agree {
    /// Verdicts, one file per judge; NAME=F gives the judge another name.
    #[arg(value_name = "[NAME=]F", required = true, num_args = 2..)]
    files: Vec<String>,
    /// Shuffles behind the null of κ.
    #[arg(long, value_name = "N", default_value_t = Params::default().permutations)]
    permutations: usize,
    /// Seeds intervals and nulls.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    out: OutArgs,
}

impl Agree {
    fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let mut judges: Vec<Verdicts> = Vec::new();
        let mut files = Vec::new();
        let paths: Vec<PathBuf> = self.files.iter().map(|spec| super::saved::named(spec).1).collect();
        for (i, spec) in self.files.iter().enumerate() {
            let (name, path) = super::saved::named(spec);
            super::target::reads(&path)?;
            let mut found = verdicts_of(&path)?.verdicts;
            found.judge = name.unwrap_or(found.judge);
            if judges.iter().any(|j| j.judge == found.judge) {
                return Err(wrong_hint(
                    format!("two judges are called `{}`", found.judge),
                    "name one of them otherwise: NAME=F",
                ));
            }
            refuse_one_judge(&paths[..i], &path, found.verdicts.len())?;
            let bytes = std::fs::read(&path).request(format!("can't read {}", path.display()))?;
            files.push((format!("verdicts of {}", found.judge), found.verdicts.len(), sha256_hex(&bytes)));
            judges.push(found);
        }
        let agreement = judge::agreement(&judges, self.permutations, &Seeds::new(self.seed).child("judges"))?;
        output::listing(&judge::agreed_table(&agreement));
        let mut record =
            ResultRecord::new("judge agree", self.seed, agreement).choice("permutations", self.permutations);
        for (role, rows, sha256) in files {
            record = record.file(role, rows, &sha256);
        }
        self.out.write(&record, "Whether judges agree", |found| {
            (judge::page::agreed_findings(found), vec![judge::page::agreed_section(found)])
        })
    }
}

/// So many verdicts two judges are not likely to give alike, in files that are the same to the byte.
const SAME_VERDICTS: usize = 5;

/// Refuses verdicts that an earlier file has too: one judge under two names would agree with itself.
fn refuse_one_judge(before: &[PathBuf], path: &Path, verdicts: usize) -> anyhow::Result<()> {
    let hint = "give each judge's own verdicts; where two judges did give the same throughout, name each in its file, as in \
                {\"id\": \"1\", \"verdict\": \"first\", \"judge\": \"ann\"}";
    for other in before {
        if super::target::same(other, path) {
            return Err(wrong_hint(format!("{} is there twice, as two judges", path.display()), hint));
        }
        if verdicts >= SAME_VERDICTS && same_text(other, path) {
            return Err(wrong_hint(
                format!(
                    "{} and {} hold the same, and are named as two judges",
                    other.display(),
                    path.display()
                ),
                hint,
            ));
        }
    }
    Ok(())
}

/// Whether two files hold the same, how their lines end aside.
pub(super) fn same_text(a: &Path, b: &Path) -> bool {
    let plain = |path: &Path| -> Option<Vec<u8>> {
        // What is no file can be read once.
        let bytes = path.is_file().then(|| std::fs::read(path).ok()).flatten()?;
        Some(bytes.into_iter().filter(|b| *b != b'\r').collect())
    };
    plain(a).is_some_and(|a| plain(b) == Some(a))
}

/// Verdicts of a file; CSV, which is read by none, is named as such.
fn verdicts_of(path: &Path) -> anyhow::Result<OtherVerdicts> {
    verdicts(path).map_err(|e| {
        // What is no file can be read once.
        let text = path.is_file().then(|| std::fs::read_to_string(path).ok()).flatten().unwrap_or_default();
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let head = text.lines().next().unwrap_or_default();
        if head.starts_with(['{', '[']) || !head.contains([',', ';', '\t']) {
            return e;
        }
        wrong_hint(
            format!("can't read verdicts from {}: it is CSV, with the columns `{head}`", path.display()),
            "write a JSON object a line, as in {\"id\": \"1\", \"verdict\": \"first\"}, with first, second or abstain; filled \
             sheets of raters are read by `rate unblind`",
        )
    })
}

/// Has a model judge texts, everything asked twice so that its habits cancel.
///
/// Two texts are put before it in both orders; a question about one text in two wordings that call for
/// opposite answers. Nothing is generated: the log-odds of the two answers are read. The judge abstains
/// where it contradicts itself, is too close to call, or gives neither answer.
///
/// Texts come from --duels (`id`, `prompt`, `first`, `second`), or from --replies (`id`, `prompt`,
/// `text`) with --question, or from what `steer` wrote: with --question each text, and without it those
/// of --alpha against those of --base-alpha.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth judge --judge hf:HuggingFaceTB/SmolLM2-1.7B-Instruct \
    --steered steered.jsonl --prompts prompts.txt --question refusal --out refusals.json\n  truenorth judge \
    --judge gemma3-270m --duels duels.jsonl --criterion \"Which reply is kinder?\" --compare people.jsonl \
    --out duels.json --report duels/")]
pub struct Judge {
    /// Two texts each: JSONL with `id`, `prompt`, `first`, `second`.
    #[arg(long, value_name = "F.jsonl", conflicts_with_all = ["replies", "steered", "question"])]
    duels: Option<PathBuf>,
    /// One text each: JSONL with `id`, `prompt`, `text`.
    #[arg(long, value_name = "F.jsonl", requires = "question", conflicts_with = "steered")]
    replies: Option<PathBuf>,
    #[command(flatten)]
    texts: SteeredArgs,
    /// What is asked of each text: refusal, incoherence, or a name of your own with both wordings, as
    /// NAME=PLAIN|TURNED, of which a consistent judge answers one with yes and the other with no.
    #[arg(long, value_name = "Q")]
    question: Option<String>,
    /// What two texts are compared by.
    #[arg(long, value_name = "STR", default_value = JudgeTemplate::CRITERION)]
    criterion: String,
    /// A file with the text put before the judge, with {first}, {second} (or {text}, {question}) and
    /// {prompt}; default the project's own.
    #[arg(long, value_name = "F")]
    template: Option<PathBuf>,
    /// Verdicts of another judge: what this verb wrote, or JSONL with `id` and `verdict` (first, second or
    /// abstain; of one text first is yes); repeatable.
    #[arg(long, value_name = "F")]
    compare: Vec<PathBuf>,
    #[command(flatten)]
    copies: CopiesArgs,
}

enum JudgeFiles {
    Duels(Vec<Duel>),
    Replies(Vec<Reply>, JudgeQuestion, Option<Vec<String>>),
}

pub struct JudgeInput {
    texts: JudgeFiles,
    rows: usize,
    sha256: String,
    left_out: usize,
    others: Vec<OtherVerdicts>,
    template: Option<JudgeTemplate>,
}

impl JudgeInput {
    fn role(&self) -> &'static str {
        if matches!(self.texts, JudgeFiles::Duels(_)) { "duels" } else { "replies" }
    }
}

impl AnalysisArgs for Judge {
    type Analysis = judge::Judge;
    type Input = JudgeInput;
    const DOING: &'static str = "judging";

    fn read(&self, params: &Params, _: &Speech) -> anyhow::Result<JudgeInput> {
        params.check()?;
        let template = self.template()?;
        let mut ready = self.texts(template.as_ref())?;
        say_left_out(ready.left_out);
        for (i, path) in self.compare.iter().enumerate() {
            let other = verdicts_of(path)?;
            refuse_one_judge(&self.compare[..i], path, other.verdicts.verdicts.len())?;
            ready.others.push(other);
        }
        ready.template = template;
        Ok(ready)
    }

    fn suits(&self, ready: &JudgeInput, model: &ModelArgs) -> anyhow::Result<()> {
        self.compare.iter().zip(&ready.others).try_for_each(|(path, other)| other.check(path, &model.model))
    }

    fn ask(
        &self,
        ready: &JudgeInput,
        params: &Params,
        asked: &AnalysisContext<'_>,
    ) -> anyhow::Result<JudgeSummary> {
        let others: Vec<Verdicts> = ready.others.iter().map(|o| o.verdicts.clone()).collect();
        let texts = match &ready.texts {
            JudgeFiles::Duels(duels) => JudgeTexts::Duels { duels, criterion: &self.criterion },
            JudgeFiles::Replies(replies, question, groups) => {
                JudgeTexts::Replies { replies, question, groups: groups.as_deref() }
            }
        };
        let near = self.copies.near_copies;
        let data = JudgeData { texts, template: ready.template.as_ref(), others: &others, near };
        let found = judge::Judge::run(&data, params, asked)?;
        self.copies.texts().say_copies(ready.role(), &found.judgement.copies);
        Ok(found)
    }

    fn settled(&self, found: &JudgeSummary) -> Vec<(&'static str, serde_json::Value)> {
        let mut settled =
            vec![("markup", found.markup.to_string().into()), ("answers", found.answers.to_vec().into())];
        let speech = found.speech.as_ref().and_then(|s| serde_json::to_value(s).ok());
        settled.extend(speech.map(|speech| ("chat", speech)));
        settled
    }

    fn note<T: Serialize>(
        &self,
        ready: &JudgeInput,
        record: ResultRecord<T>,
    ) -> anyhow::Result<ResultRecord<T>> {
        Ok(record
            .file(ready.role(), ready.rows, &ready.sha256)
            .choice("question", self.question.clone())
            .choice("criterion", self.criterion.as_str())
            .choice("alpha", self.texts.alpha)
            .choice("base-alpha", self.texts.base_alpha)
            .choice("left out", ready.left_out)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("compare", self.compare.iter().map(|p| p.display().to_string()).collect::<Vec<_>>()))
    }
}

impl Judge {
    fn texts(&self, template: Option<&JudgeTemplate>) -> anyhow::Result<JudgeInput> {
        let always = template.is_none_or(|t| t.shows("prompt"));
        let shown = if always { PromptNeed::Always } else { PromptNeed::WhereKnown };
        let duels = |found: written::LoadedTexts<truenorth::data::DuelRow>| {
            let rows = found.rows.into_iter().map(|d| Duel {
                id: d.id,
                prompt: d.prompt,
                first: d.first,
                second: d.second,
            });
            ready(JudgeFiles::Duels(rows.collect()), &found.sha256, found.left_out)
        };
        match (&self.duels, self.replies.as_ref().or(self.texts.steered.as_ref()), &self.question) {
            (Some(path), _, _) => Ok(duels(written::duels(path)?)),
            (None, Some(path), None) => Ok(duels(self.texts.pairs(path, shown)?)),
            (None, Some(path), Some(question)) => {
                let question = question_of(question)?;
                let found = self.texts.replies(path)?;
                let groups = found
                    .rows
                    .iter()
                    .map(|r| r.alpha.map(|a| a.to_string()))
                    .collect::<Option<Vec<String>>>();
                let replies: Vec<Reply> = found
                    .rows
                    .into_iter()
                    .map(|r| {
                        let prompt = match shown {
                            PromptNeed::Always => prompt_of(&r, path)?,
                            PromptNeed::WhereKnown => r.prompt.unwrap_or_default(),
                        };
                        Ok(Reply { id: r.id, prompt, text: r.text })
                    })
                    .collect::<anyhow::Result<_>>()?;
                Ok(ready(JudgeFiles::Replies(replies, question, groups), &found.sha256, found.left_out))
            }
            (None, None, _) => Err(wrong_hint(
                "there is nothing to judge",
                "name texts with --duels F, --replies F --question Q, or --steered F",
            )),
        }
    }

    fn template(&self) -> anyhow::Result<Option<JudgeTemplate>> {
        let Some(path) = &self.template else { return Ok(None) };
        let text = session::text(path, "the template")?;
        // An editor's last line break is no part of what is asked.
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(JudgeTemplate::parse(text.strip_suffix('\r').unwrap_or(text))?))
    }
}

fn ready(texts: JudgeFiles, sha256: &str, left_out: usize) -> JudgeInput {
    let rows = match &texts {
        JudgeFiles::Duels(duels) => duels.len(),
        JudgeFiles::Replies(replies, ..) => replies.len(),
    };
    JudgeInput { texts, rows, sha256: sha256.to_owned(), left_out, others: vec![], template: None }
}

fn question_of(text: &str) -> anyhow::Result<JudgeQuestion> {
    match text {
        "refusal" => Ok(JudgeQuestion::refusal()),
        "incoherence" => Ok(JudgeQuestion::incoherence()),
        own => {
            let parts = own.split_once('=').and_then(|(name, both)| Some((name, both.split_once('|')?)));
            match parts {
                Some((name, (plain, turned)))
                    if ![name, plain, turned].iter().any(|t| t.trim().is_empty()) =>
                {
                    Ok(JudgeQuestion {
                        name: name.trim().into(),
                        plain: plain.trim().into(),
                        turned: turned.trim().into(),
                    })
                }
                _ => Err(wrong_hint(
                    format!("no question `{own}`"),
                    "use refusal, incoherence, or NAME=PLAIN|TURNED with two wordings",
                )),
            }
        }
    }
}
