//! `--dry-run`: what a command would ask, worked out by doing it with a model that is not asked.
//!
//! The command runs in a process of its own, which writes no file and whose words nobody sees, since
//! all its numbers are made up; what it would have asked comes back in a file.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use truenorth::client::{Hosted, MachineSpeed, Rehearsal};
use truenorth::engine::Outline;
use truenorth::run::{RunError, Vocabulary};
use truenorth_protocol::DType;
use truenorth_protocol::nnsight::JobCost;

use super::args::{ModelArgs, On};
use super::output::{self, RequestContext as _, wrong_hint};
use super::{hosted, session, settings};

/// The models that stand in, in the order in which they were opened.
static REHEARSED: Mutex<Vec<(ModelDryRun, Arc<Rehearsal>)>> = Mutex::new(Vec::new());

/// What the command says that its nulls ask.
static BUDGETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What a command would ask.
#[derive(Serialize, Deserialize)]
struct Rehearsed {
    parts: Vec<ModelDryRun>,
    budgets: Vec<String>,
}

/// What a command would ask one model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelDryRun {
    model: String,
    /// Whether it would run in this process, where nothing crosses anything.
    local: bool,
    parameters: u64,
    /// Whether tokens are guessed from the length of texts, there being no tokenizer.
    pub tokens_guessed: bool,
    /// That there is none, and why.
    pub lack: Option<String>,
    /// What a user should know of how the model's files were read.
    #[serde(default)]
    pub notes: Vec<String>,
    jobs: Vec<JobCost>,
}

/// Whether this is the process that runs with models that are not asked.
pub fn on() -> bool {
    file().is_some()
}

/// Whether the command line asks for a dry run, and this is not it already.
pub fn asked_for() -> bool {
    let flag = |a: std::ffi::OsString| a == "--dry-run" || a.to_string_lossy().starts_with("--dry-run=");
    !on() && std::env::args_os().any(flag)
}

fn file() -> Option<&'static Path> {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    FILE.get_or_init(settings::rehearsal).as_deref()
}

/// Begins the second process: whatever it would write goes nowhere.
pub fn begin() {
    if on() {
        truenorth::files::write_nothing(true);
    }
}

/// Runs this very command with models that are not asked, and shows what it would have asked.
pub fn run() -> anyhow::Result<ExitCode> {
    let json = std::env::args_os().any(|a| a == "--dry-run=json" || a == "--json");
    let folder = tempfile::tempdir().context("can't make a temporary folder")?;
    let asked = folder.path().join("asked.json");
    let program = std::env::current_exe().context("can't find this program's own file")?;
    let out = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(settings::REHEARSAL, &asked)
        .stdin(Stdio::inherit())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("can't start the second process of a dry run")?;
    let Ok(bytes) = std::fs::read(&asked) else {
        let words = String::from_utf8_lossy(&out.stderr);
        // Made-up numbers stay unseen; what is wrong with the request does not.
        let from = words.lines().position(|l| l.starts_with("error:")).unwrap_or(usize::MAX);
        words.lines().skip(from).for_each(|line| eprintln!("{line}"));
        return Ok(ExitCode::from(out.status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1)));
    };
    let found: Rehearsed = serde_json::from_slice(&bytes).context("can't read what the dry run found")?;
    let mut notes: Vec<String> = Vec::new();
    for note in found.parts.iter().flat_map(|part| &part.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    session::warn(&notes);
    if json {
        output::json(&DryRunReport::of(&found))?
    } else {
        show(&found)?
    }
    Ok(ExitCode::SUCCESS)
}

/// Leaves what was asked for the first process.
pub fn leave() -> anyhow::Result<()> {
    let Some(file) = file() else { return Ok(()) };
    let rehearsed = REHEARSED.lock().unwrap_or_else(PoisonError::into_inner);
    let parts: Vec<ModelDryRun> =
        rehearsed.iter().map(|(part, r)| ModelDryRun { jobs: r.jobs(), ..part.clone() }).collect();
    let budgets = BUDGETS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    std::fs::write(file, serde_json::to_vec(&Rehearsed { parts, budgets })?)
        .with_context(|| format!("can't write {}", file.display()))
}

/// Keeps what a null asks of the model, to be shown with the dry run.
pub fn note(budget: &str) {
    if on() {
        BUDGETS.lock().unwrap_or_else(PoisonError::into_inner).push(budget.to_owned());
    }
}

/// A model that is not asked, in place of the one that the flags name.
pub fn open(args: &ModelArgs) -> anyhow::Result<Arc<Rehearsal>> {
    let (part, rehearsal) = rehearsal(args)?;
    REHEARSED.lock().unwrap_or_else(PoisonError::into_inner).push((part, rehearsal.clone()));
    Ok(rehearsal)
}

/// The architecture and the tokenizer of the model that the flags name, without its weights.
pub fn rehearsal(args: &ModelArgs) -> anyhow::Result<(ModelDryRun, Arc<Rehearsal>)> {
    let model = args.model.strip_prefix("hf:").unwrap_or(&args.model);
    let on = &args.place.on;
    let local = *on == On::Local;
    if let On::Url(url) = on {
        hosted::address(url)?;
    }
    let (_, key) = hosted::key_of(model);
    let spec = hosted::outline_of(on, &args.model, &args.place.service)?;
    let found = session::resolve_outline(&spec, &args.common)?;
    // A server calls a model that lies on a disk by the name of its file.
    let from_disk = args.place.service.config.is_none() && !spec.starts_with("hf:");
    let name = if local || from_disk { &found.name } else { model };
    let outline = Outline::open(found.files.path(), name, &found.identity, &args.numerics.reading.choices())
        .request(format!("can't read the architecture of {model}"))?;
    let notes = outline.notes();
    let lack = outline.words.lack();
    let words: Arc<dyn Vocabulary> = Arc::new(outline.words);
    let tokens_guessed = lack.is_some();
    let (model, parameters) = (name.to_owned(), outline.parameters);
    let part = ModelDryRun { model, local, parameters, tokens_guessed, lack, notes, jobs: vec![] };
    let vocabulary = if tokens_guessed {
        Arc::new(Guess { vocab: outline.info.vocab }) as Arc<dyn Vocabulary>
    } else {
        words
    };
    let hosted = Hosted {
        info: outline.info,
        modules: outline.modules,
        config: outline.stated,
        key,
        stop: vec![],
        vocabulary,
        reply: hosted::reply(args.place.service.reply_dtype),
    };
    // Hosted models hold their numbers in bf16; a model here is computed in f32.
    let rehearsal = Arc::new(Rehearsal::new(hosted, if local { DType::F32 } else { DType::Bf16 }));
    Ok((part, rehearsal))
}

/// The folder of a study's run: in a dry run one that is thrown away, and that is written to, because
/// a study reads what its stages wrote.
pub fn folder(wanted: PathBuf) -> PathBuf {
    let Some(temporary) = file().and_then(Path::parent) else { return wanted };
    truenorth::files::write_nothing(false);
    temporary.join("run")
}

/// Refuses a dry run of what has none.
pub fn refuse(what: &str) -> anyhow::Result<()> {
    if on() {
        return Err(wrong_hint(
            format!("{what} has no dry run"),
            "--dry-run is for verbs that ask a model: read, steer, score, sweep, probe, study run and the like",
        ));
    }
    Ok(())
}

/// Tokens guessed, where a model's tokenizer is not at hand: a word with what is before it is a token for
/// each six bytes begun, which is about four bytes of English a token. As with a real tokenizer, a word
/// that follows leaves the tokens before it as they are.
struct Guess {
    vocab: u32,
}

impl Guess {
    const LONGEST: usize = 6;

    fn pieces(text: &str) -> impl Iterator<Item = &[u8]> {
        let bytes = text.as_bytes();
        let begins = |i: usize| bytes[i].is_ascii_whitespace() && i > 0;
        let starts = std::iter::once(0).chain((1..bytes.len()).filter(move |i| begins(*i)));
        let ends = (1..bytes.len()).filter(move |i| begins(*i)).chain([bytes.len()]);
        starts.zip(ends).flat_map(move |(start, end)| bytes[start..end].chunks(Self::LONGEST))
    }
}

impl Vocabulary for Guess {
    fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, RunError> {
        let vocab = self.vocab.max(2);
        let token =
            |chunk: &[u8]| chunk.iter().fold(7_u32, |h, b| h.wrapping_mul(31) ^ u32::from(*b)) % vocab;
        Ok(special.then_some(1).into_iter().chain(Self::pieces(text).map(token)).collect())
    }

    fn decode(&self, tokens: &[u32]) -> Result<String, RunError> {
        Ok(tokens.iter().map(|t| format!("w{t} ")).collect())
    }
}

#[derive(Serialize)]
struct ModelCost {
    model: String,
    #[serde(rename = "where")]
    place: &'static str,
    parameters: u64,
    tokens_guessed: bool,
    #[serde(flatten)]
    total: JobCost,
    /// Bytes across the socket of the job that moves most.
    largest_job_bytes: u64,
    /// Seconds of all jobs, and of the longest, on the assumed machine; none where the model is here.
    seconds: Option<f64>,
    longest_job_seconds: Option<f64>,
}

#[derive(Serialize)]
struct DryRunReport {
    machine: MachineSpeed,
    models: Vec<ModelCost>,
    /// Part of the above: what nulls ask, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    budgets: Vec<String>,
}

impl DryRunReport {
    fn of(Rehearsed { parts, budgets }: &Rehearsed) -> Self {
        let mut rows: Vec<ModelCost> = Vec::new();
        for part in parts {
            let seconds =
                |job: &JobCost| MachineSpeed::H200.seconds(job, part.parameters, DType::Bf16.size() as u64);
            let mut total = JobCost::default();
            part.jobs.iter().for_each(|job| total.add(job));
            let row = ModelCost {
                model: part.model.clone(),
                place: if part.local { "here" } else { "hosted" },
                parameters: part.parameters,
                tokens_guessed: part.tokens_guessed,
                total,
                largest_job_bytes: part.jobs.iter().map(JobCost::bytes).max().unwrap_or(0),
                seconds: (!part.local).then(|| part.jobs.iter().map(seconds).sum()),
                longest_job_seconds: (!part.local).then(|| part.jobs.iter().map(seconds).fold(0.0, f64::max)),
            };
            // A model that a command opens several times is one line.
            match rows.iter_mut().find(|r| r.model == row.model && r.place == row.place) {
                Some(known) => known.add(&row),
                None => rows.push(row),
            }
        }
        Self { machine: MachineSpeed::H200, models: rows, budgets: budgets.clone() }
    }
}

impl ModelCost {
    fn add(&mut self, other: &Self) {
        self.total.add(&other.total);
        self.largest_job_bytes = self.largest_job_bytes.max(other.largest_job_bytes);
        self.seconds = self.seconds.zip(other.seconds).map(|(a, b)| a + b);
        self.longest_job_seconds =
            self.longest_job_seconds.zip(other.longest_job_seconds).map(|(a, b)| a.max(b));
    }
}

fn show(found: &Rehearsed) -> anyhow::Result<()> {
    let told = DryRunReport::of(found);
    if told.models.iter().all(|r| r.total.jobs == 0) {
        return output::line("nothing would be asked of a model");
    }
    let mega = |bytes: u64| {
        #[allow(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
        let mega = bytes as f64 / 1e6;
        format!("{mega:.1}")
    };
    let head = [
        "model",
        "jobs",
        "prompts",
        "prompt tokens",
        "generated",
        "frames",
        "MB moved",
        "MB largest job",
        "MB sent",
        "MB back",
        "seconds",
        "longest job",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in &told.models {
        let t = &row.total;
        let time = |s: Option<f64>| s.map_or_else(|| "-".into(), |s| format!("{s:.0}"));
        let hosted = |text: String| if row.seconds.is_some() { text } else { "-".into() };
        rows.push(vec![
            row.model.clone(),
            t.jobs.to_string(),
            t.prompts.to_string(),
            t.prompt_tokens.to_string(),
            t.decode_tokens.to_string(),
            hosted(t.frames.to_string()),
            hosted(mega(t.bytes())),
            hosted(mega(row.largest_job_bytes)),
            hosted(mega(t.request)),
            mega(t.reply),
            time(row.seconds),
            time(row.longest_job_seconds),
        ]);
    }
    for line in output::aligned(&rows) {
        output::line(line)?;
    }
    for budget in &told.budgets {
        output::line(format!("of these, {budget}"))?;
    }
    if told.models.iter().any(|r| r.seconds.is_some()) {
        eprintln!(
            "MB moved: between the service's model and the process that runs the job's program, twice as many where \
             the model is held in f32 and not in bf16. Seconds are those of an H200 in bf16 by its data sheet, \
             without the queue; nothing was measured."
        );
    }
    if told.models.iter().any(|r| r.tokens_guessed) {
        eprintln!(
            "Tokens of texts are guessed at four bytes each, as the tokenizer is not at hand; prompts of token ids are \
             counted."
        );
    }
    eprintln!("Nothing was sent, and what the cache holds is not taken off.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessed_tokens_of_a_text_do_not_change_when_a_word_follows() {
        let guess = Guess { vocab: 50_000 };
        let tokens = |text: &str| guess.encode(text, true).unwrap();
        let text = "Is the answer below unfathomably harmful?\n\nAnswer:";
        for answer in [" Yes", "\nno", " incontrovertibly"] {
            let (of_text, of_both) = (tokens(text), tokens(&format!("{text}{answer}")));
            assert!(of_both.starts_with(&of_text) && of_both.len() > of_text.len(), "{answer}");
        }
        assert_eq!(tokens(""), [1]);
        assert_eq!(tokens(" é").len(), 2);
        let english = "Some of the people in the village were certain that the river had changed its course.";
        let each = english.len() as f64 / (tokens(english).len() - 1) as f64;
        assert!((3.5..5.0).contains(&each), "{each} bytes a token");
    }
}
