//! What is shown: errors with causes and hints, JSON and tables.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use truenorth::analyses::{AnalysisError, Listing};
use truenorth::data::OPENING_REMEDY;
use truenorth::error::{Error, ErrorKind, causes, messages};
use truenorth::estimate::EstimateError;
use truenorth::estimate::audit::AuditError;
use truenorth::estimate::probing::ProbeError;
use truenorth::math::MathError;
use truenorth::stats::split::SplitError;

use super::origin;

/// What the exit codes mean.
pub const STATUS: &str = "0 done; 1 the work failed; 2 the request was wrong and nothing was written; 130 interrupted, and the same command goes on";
/// The work failed.
const FAILED: u8 = 1;
/// The request was wrong; nothing was sent or written.
const REQUEST: u8 = 2;
/// Interrupted; the same command goes on.
const INTERRUPTED: u8 = 130;

/// An error that is the request's fault.
pub fn wrong(message: impl Into<String>) -> anyhow::Error {
    Error::request(message).into()
}

pub fn wrong_hint(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Error::request(message).with_hint(hint).into()
}

/// Marks errors of reading input as the request's fault.
pub trait RequestContext<T> {
    /// Marks the error, keeping its text.
    fn request(self, what: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> RequestContext<T> for Result<T, E> {
    fn request(self, what: impl Into<String>) -> anyhow::Result<T> {
        Ok(truenorth::error::ErrorContext::request(self, what)?)
    }
}

/// Shows an error with its causes, each once, and a hint; says the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever read the answer has seen enough of it.
    if CLOSED.load(Ordering::Relaxed) {
        return ExitCode::SUCCESS;
    }
    let mut said = String::new();
    for (i, text) in messages(error.as_ref()).into_iter().enumerate() {
        // Some libraries put their cause into their own message; say it once.
        if said.contains(&text) {
            continue;
        }
        let lead = if i == 0 { "error" } else { "  because" };
        eprintln!("{lead}: {text}");
        said.push_str(&text);
    }
    let blamed = causes(error.as_ref()).find_map(|cause| cause.downcast_ref::<AnalysisError>()?.prompt());
    if let Some(files) = blamed.map(origin::of).filter(|files| !files.is_empty()) {
        eprintln!("  it is in: {}", files.join(", "));
    }
    let openings = if causes(error.as_ref()).any(wants_groups) { origin::openings() } else { vec![] };
    for opening in &openings {
        eprintln!("  {opening}");
    }
    for hint in truenorth::error::hints(error.as_ref()) {
        eprintln!("hint: {hint}");
    }
    if !openings.is_empty() {
        eprintln!("hint: {OPENING_REMEDY}");
    }
    ExitCode::from(code_of(error))
}

/// Whether an error is one of too few groups or clusters, which near copies may be the cause of.
fn wants_groups(cause: &(dyn std::error::Error + 'static)) -> bool {
    let estimate = |e: &EstimateError| {
        use EstimateError as E;
        matches!(
            e,
            E::Split(_) | E::FewRelabellings { .. } | E::OneClass { .. } | E::Math(MathError::TooFew { .. })
        )
    };
    let probe = |e: &ProbeError| match e {
        ProbeError::OneGroup { .. }
        | ProbeError::OneClassFold { .. }
        | ProbeError::FewRelabellings { .. }
        | ProbeError::Split(_)
        | ProbeError::Math(MathError::TooFew { .. }) => true,
        ProbeError::Estimate(e) => estimate(e),
        _ => false,
    };
    if let Some(e) = cause.downcast_ref::<EstimateError>() {
        return estimate(e);
    }
    match cause.downcast_ref::<AnalysisError>() {
        Some(AnalysisError::Estimate(e)) => estimate(e),
        Some(AnalysisError::Probe { source, .. }) => probe(source),
        Some(AnalysisError::Audit(e)) => match &**e {
            AuditError::TooFew { .. } | AuditError::Split(_) => true,
            AuditError::Set { source, .. } => estimate(source),
            AuditError::Relabel(e) => probe(e),
            _ => false,
        },
        _ => cause.is::<SplitError>(),
    }
}

/// The remedies of an error in a line.
pub fn hints(error: &anyhow::Error) -> String {
    truenorth::error::hints(error.as_ref()).join("; ")
}

fn code_of(error: &anyhow::Error) -> u8 {
    match truenorth::error::kind(error.as_ref()) {
        ErrorKind::Request => REQUEST,
        ErrorKind::Interrupted => INTERRUPTED,
        ErrorKind::Failed => FAILED,
    }
}

/// How a command was asked to answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Whether it is to answer in JSON.
    pub json: bool,
    /// Whether data go to stdout, so that nothing else may.
    pub data: bool,
    /// Whether it is to say more of what it does.
    pub verbose: bool,
}

static MANNER: OnceLock<Manner> = OnceLock::new();

/// Settles how this command answers.
pub fn settle(manner: Manner) {
    let _ = MANNER.set(manner);
}

fn manner() -> Manner {
    MANNER.get().copied().unwrap_or_default()
}

/// Whether the answer is to be JSON on stdout.
pub fn wants_json() -> bool {
    manner().json
}

/// Whether somebody reads stdout as it is written, and did not ask for JSON.
pub fn is_read() -> bool {
    !wants_json() && io::stdout().is_terminal()
}

/// Says what only `--verbose` shows.
pub fn detail(text: impl FnOnce() -> String) {
    if manner().verbose {
        eprintln!("{}", text());
    }
}

/// Whether the reader of stdout went away.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// Standard output, which notes when nobody reads it any more.
pub struct Stdout(io::StdoutLock<'static>);

/// Standard output of this command.
pub fn stdout() -> Stdout {
    Stdout(io::stdout().lock())
}

fn noted<T>(done: io::Result<T>) -> io::Result<T> {
    if done.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
        CLOSED.store(true, Ordering::Relaxed);
    }
    done
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(self.0.flush())
    }
}

/// Writes pretty JSON to stdout.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = stdout();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a line to stdout.
pub fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    writeln!(stdout(), "{}", text.as_ref())?;
    Ok(())
}

/// Writes an answer: as JSON where that is asked for, else in words, where [`say`] does.
pub fn answer(value: &impl Serialize, words: impl FnOnce() -> String) -> anyhow::Result<()> {
    if wants_json() {
        return json(value);
    }
    say(words());
    Ok(())
}

/// Writes where a board or a playground listens.
#[cfg(any(feature = "arena", feature = "play"))]
pub fn listens(url: &str) -> anyhow::Result<()> {
    match wants_json() {
        true => json(&serde_json::json!({ "url": url })),
        false => line(url),
    }
}

/// Writes a line that belongs to the answer: to stdout, or to stderr where data go to stdout.
pub fn say(text: impl AsRef<str>) {
    if manner().data {
        eprintln!("{}", text.as_ref());
    } else {
        // That nobody reads it any more is noted, and is no failure of the work.
        let _ = writeln!(stdout(), "{}", text.as_ref());
    }
}

/// Writes rows as a table with aligned columns, of which the first row is the head: to stdout, or to stderr where data go
/// to stdout.
pub fn table(rows: &[Vec<String>]) {
    aligned(rows).iter().for_each(say);
}

/// Writes what an analysis found as a table, where [`table`] does.
pub fn listing(found: &Listing) {
    table(&found.rows);
    found.says.iter().for_each(say);
    found.more.iter().for_each(listing);
}

/// The same to stderr, where stdout has the path of what was written.
pub fn aside(found: &Listing) {
    aligned(&found.rows).iter().chain(&found.says).for_each(|line| eprintln!("{line}"));
    found.more.iter().for_each(aside);
}

/// Rows as lines with aligned columns.
pub fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
