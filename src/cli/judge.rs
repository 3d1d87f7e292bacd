//! `judge`: texts before a model that judges, everything asked twice.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;
use truenorth::analyses::judge::{
    self, Asking, Band, Duel, JudgeSummary, JudgeTemplate, Judgement, Markup, Question, Reply, Verdict,
    Verdicts,
};
use truenorth::data::strict_json;
use truenorth::math::Seeds;

use super::args::{Common, ModelArgs, Numerics, Place};
use super::fallback::{self, Fallen};
use super::made;
use super::output::{self, wrong_hint};
use super::progress::Bar;
use super::record::{Out, Record};
use super::session::{self, Session};
use super::texts::{CopiesArgs, say_copies};
use super::written::{self, SteeredArgs, say_left_out};

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
    /// The judge: a model in any form that --model takes elsewhere.
    #[arg(long, value_name = "M")]
    judge: String,
    #[command(flatten)]
    place: Place,
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
    #[arg(long, value_name = "STR", default_value = "Which reply is better?")]
    criterion: String,
    /// A file with the text put before the judge, with {first}, {second} (or {text}, {question}) and
    /// {prompt}; default the project's own.
    #[arg(long, value_name = "F")]
    template: Option<PathBuf>,
    /// The chat markup around it: auto, plain, chatml, llama3, gemma, tulu, mistral. `auto` takes the one
    /// that the model's vocabulary has if its name says that it chats, else plain.
    #[arg(long, value_name = "M", default_value = "auto")]
    markup: String,
    /// The two answers, such as ` A` and ` B`; default by question and markup.
    #[arg(long, value_name = "X,Y", value_delimiter = ',', num_args = 1)]
    answers: Vec<String>,
    /// The least preference in nats that counts as one.
    #[arg(long, value_name = "X", default_value_t = Band::default().least_preference)]
    least_preference: f64,
    /// The least probability of the two answers together.
    #[arg(long, value_name = "P", default_value_t = Band::default().least_mass)]
    least_mass: f64,
    /// Verdicts of another judge: what this verb wrote, or JSONL with `id` and `verdict` (first, second or
    /// abstain; of one text first is yes); repeatable.
    #[arg(long, value_name = "F")]
    compare: Vec<PathBuf>,
    /// Shuffles behind the null of κ.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    permutations: usize,
    /// Seeds whatever is random.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: Numerics,
    #[command(flatten)]
    out: Out,
}

/// What is put before the judge.
enum Texts {
    Duels(Vec<Duel>),
    Replies(Vec<Reply>, Question, Option<Vec<String>>),
}

struct Read {
    texts: Texts,
    rows: usize,
    sha256: String,
    left_out: usize,
}

impl Judge {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        let read = self.read()?;
        say_left_out(read.left_out);
        let others = self.compare.iter().map(|p| verdicts(p)).collect::<anyhow::Result<Vec<_>>>()?;
        let own = self.template()?;
        let markup = match self.markup.as_str() {
            "auto" => None,
            name => Some(name.parse::<Markup>()?),
        };
        let session = Session::open(&ModelArgs {
            model: self.judge.clone(),
            place: self.place.clone(),
            seed: self.seed,
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        })?;
        for (path, other) in self.compare.iter().zip(&others) {
            other.check(path, &self.judge)?;
        }
        let others: Vec<Verdicts> = others.into_iter().map(|o| o.verdicts).collect();
        let info = session.runner().info();
        let markup = match (markup, &own) {
            (Some(markup), _) => markup,
            // A template of the user's own says all that there is to say.
            (None, Some(_)) => Markup::Plain,
            (None, None) => Markup::guess(session.runner())?,
        };
        let body = match (own, &read.texts) {
            (Some(own), _) => own,
            (None, Texts::Duels(_)) => JudgeTemplate::duel(&self.criterion)?,
            (None, Texts::Replies(..)) => JudgeTemplate::reply(),
        };
        let template = markup.wrap(body);
        let answers = self.answers(markup, &read.texts)?;
        let asking = Asking {
            template: &template,
            answers: [&answers[0], &answers[1]],
            band: Band { least_preference: self.least_preference, least_mass: self.least_mass },
            near: self.copies.near_copies,
        };
        let seeds = Seeds::new(self.seed);
        let reader = session.reader();
        let bar = Bar::new("judging", 0, "tokens", self.common.quiet);
        let (judgement, groups) = match &read.texts {
            Texts::Duels(duels) => (judge::duels(&reader, duels, &asking, &seeds, &bar)?, None),
            Texts::Replies(replies, question, groups) => {
                (judge::replies(&reader, replies, question, &asking, &seeds, &bar)?, groups.as_deref())
            }
        };
        drop(bar);
        let role = if matches!(read.texts, Texts::Duels(_)) { "duels" } else { "replies" };
        say_copies(role, &judgement.copies);
        let found = judge::summarise(judgement, groups, &others, self.permutations, &seeds)?;
        table(&found);
        let record = Record::new("judge", self.seed, found)
            .model(info)
            .file(role, read.rows, &read.sha256)
            .choice("question", self.question.clone())
            .choice("criterion", self.criterion.as_str())
            .choice("markup", markup.to_string())
            .choice("answers", answers.to_vec())
            .choice("alpha", self.texts.alpha)
            .choice("base-alpha", self.texts.base_alpha)
            .choice("left out", read.left_out)
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("compare", self.compare.iter().map(|p| p.display().to_string()).collect::<Vec<_>>())
            .choice("permutations", self.permutations);
        self.out.write(&record, "What the judge says", |j| {
            (judge::page::findings(j), vec![judge::page::section(j)])
        })
    }

    fn read(&self) -> anyhow::Result<Read> {
        let duels = |found: written::Found<truenorth::data::DuelRow>| {
            let rows = found.rows.into_iter().map(|d| Duel {
                id: d.id,
                prompt: d.prompt,
                first: d.first,
                second: d.second,
            });
            let duels: Vec<Duel> = rows.collect();
            Read {
                rows: duels.len(),
                texts: Texts::Duels(duels),
                sha256: found.sha256,
                left_out: found.left_out,
            }
        };
        match (&self.duels, self.replies.as_ref().or(self.texts.steered.as_ref()), &self.question) {
            (Some(path), _, _) => Ok(duels(written::duels(path)?)),
            (None, Some(path), None) => Ok(duels(self.texts.pairs(path)?)),
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
                    .map(|r| Reply { id: r.id, prompt: r.prompt.unwrap_or_default(), text: r.text })
                    .collect();
                Ok(Read {
                    rows: replies.len(),
                    texts: Texts::Replies(replies, question, groups),
                    sha256: found.sha256,
                    left_out: found.left_out,
                })
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

    fn answers(&self, markup: Markup, texts: &Texts) -> anyhow::Result<[String; 2]> {
        match &self.answers[..] {
            [] => {
                let words = if matches!(texts, Texts::Duels(_)) { ["A", "B"] } else { ["Yes", "No"] };
                Ok(words.map(|w| markup.answer(w)))
            }
            [a, b] => Ok([a.clone(), b.clone()]),
            other => {
                Err(wrong_hint(format!("--answers names {} answers", other.len()), "name two, as in ' A, B'"))
            }
        }
    }
}

fn question_of(text: &str) -> anyhow::Result<Question> {
    match text {
        "refusal" => Ok(Question::refusal()),
        "incoherence" => Ok(Question::incoherence()),
        own => {
            let parts = own.split_once('=').and_then(|(name, both)| Some((name, both.split_once('|')?)));
            match parts {
                Some((name, (plain, turned)))
                    if ![name, plain, turned].iter().any(|t| t.trim().is_empty()) =>
                {
                    Ok(Question {
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

/// The verdicts of another judge, and how they came about.
struct Other {
    verdicts: Verdicts,
    /// What ran in place of the judge that was asked for.
    fallen: Option<Fallen>,
    /// Whether it is what this verb wrote, so that the judge is a model.
    model: bool,
}

impl Other {
    /// A judge is known by its name; one that stood in for another would be taken for it.
    fn check(&self, path: &Path, judge: &str) -> anyhow::Result<()> {
        let ours = fallback::taken();
        if self.fallen.is_some() || (self.model && ours.is_some()) {
            return Err(made::mixed(path, self.fallen.as_ref(), ours.as_ref(), judge));
        }
        Ok(())
    }
}

/// The verdicts of another judge.
fn verdicts(path: &Path) -> anyhow::Result<Other> {
    let text = session::text(path, "verdicts from")?;
    let file =
        path.file_stem().map_or_else(|| path.display().to_string(), |s| s.to_string_lossy().into_owned());
    let refuse = |what: String| {
        wrong_hint(
            format!("can't read verdicts from {}: {what}", path.display()),
            "give what `judge` wrote, or a JSON list or lines with `id` and `verdict`: first, second or abstain",
        )
    };
    let fallen = made::of(&text, &path.display().to_string())?;
    let mut model = false;
    let (judge, rows) = match strict_json(&text) {
        Ok(record) if record.get("result").is_some() => {
            model = true;
            let judgement = &record["result"]["judgement"];
            let name = judgement["judge"].as_str().unwrap_or(&file).to_owned();
            let rows = judgement["rows"].as_array().cloned();
            (name, rows.ok_or_else(|| refuse("it has no result.judgement.rows".into()))?)
        }
        Ok(Value::Array(rows)) => (file, rows),
        _ => {
            let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
            let rows = lines
                .map(|(i, l)| strict_json(l).map_err(|e| refuse(format!("line {}: {e}", i + 1))))
                .collect::<anyhow::Result<Vec<Value>>>()?;
            (file, rows)
        }
    };
    let mut out = Verdicts { judge, verdicts: Default::default() };
    for (i, row) in rows.iter().enumerate() {
        let id = match &row["id"] {
            Value::String(s) => s.clone(),
            Value::Number(n) => n.to_string(),
            _ => return Err(refuse(format!("row {} has no `id`", i + 1))),
        };
        let verdict = match row["verdict"].as_str() {
            Some("first" | "yes") => Verdict::First,
            Some("second" | "no") => Verdict::Second,
            Some("abstain" | "tie") => Verdict::Abstain,
            _ => return Err(refuse(format!("row {} has verdict {}", i + 1, row["verdict"]))),
        };
        if out.verdicts.insert(id.clone(), verdict).is_some() {
            return Err(refuse(format!("`{id}` is there twice")));
        }
    }
    Ok(Other { verdicts: out, fallen, model })
}

fn table(found: &JudgeSummary) {
    let j: &Judgement = &found.judgement;
    let mut rows = vec![["", "value", "n", "95 %", "p"].map(String::from).to_vec()];
    let mut push = |what: String, m: Option<&truenorth::analyses::stat::Measured>| {
        rows.push(match m {
            None => vec![what, "-".into()],
            Some(m) => vec![
                what,
                format!("{:.3}", m.value),
                m.n.to_string(),
                m.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high)),
                m.null.as_ref().map_or_else(|| "-".into(), |n| format!("{:.4}", n.p)),
            ],
        });
    };
    let two = j.first.as_ref().is_some_and(|m| m.null.is_some());
    push(if two { "for the first text" } else { "first, or yes" }.into(), j.first.as_ref());
    push("abstained".into(), Some(&j.abstained));
    push("consistent".into(), j.consistency.as_ref());
    push("bias, nats".into(), Some(&j.bias));
    push("preference, nats".into(), Some(&j.preference));
    for g in &found.groups {
        push(format!("{} at {}", j.question, g.group), g.first.as_ref());
    }
    for a in &found.agreement {
        push(format!("κ of {} and {}", a.first, a.second), a.kappa.as_ref());
    }
    output::table(&rows);
    let why: Vec<String> =
        j.reasons.iter().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{n} {why}")).collect();
    if !why.is_empty() {
        eprintln!("abstained: {}", why.join(", "));
    }
}
