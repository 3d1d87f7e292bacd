//! What is shown: errors with causes and hints, JSON and tables.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;
use truenorth::analysis::AnalysisError;
use truenorth::client::ClientError;
use truenorth::data::import::ImportError;
use truenorth::data::{CopiesError, DataError, OPENING_REMEDY, SplitError};
use truenorth::engine::error::EngineError;
use truenorth::engine::load::LoadError;
use truenorth::engine::tokenizer::TokenizerError;
use truenorth::estimate::audit::AuditError;
use truenorth::estimate::probing::ProbeError;
use truenorth::estimate::{DirectionError, EstimateError};
use truenorth::math::MathError;
use truenorth::models::ModelsError;
use truenorth::run::RunError;
use truenorth::server::ServerError;
use truenorth::store::StoreError;

use super::origin;

/// The work failed.
const FAILED: u8 = 1;
/// The request was wrong; nothing was sent or written.
const REQUEST: u8 = 2;
/// Interrupted; the same command goes on.
const INTERRUPTED: u8 = 130;

/// Marks an error as the request's fault, so that the exit code is 2.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Wrong {
    message: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// An error that is the request's fault.
pub fn wrong(message: impl Into<String>) -> anyhow::Error {
    Wrong { message: message.into(), hint: None, source: None }.into()
}

/// As [`wrong`], with a remedy.
pub fn wrong_hint(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Wrong { message: message.into(), hint: Some(hint.into()), source: None }.into()
}

/// Marks errors of reading input as the request's fault.
pub trait Request<T> {
    /// Marks the error, keeping its text.
    fn request(self, what: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> Request<T> for Result<T, E> {
    fn request(self, what: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|e| Wrong { message: what.into(), hint: None, source: Some(Box::new(e)) }.into())
    }
}

/// Shows an error with its causes, each once, and a hint; says the exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let mut said = String::new();
    for (i, cause) in error.chain().enumerate() {
        let text = cause.to_string();
        // Some libraries put their cause into their own message; say it once.
        if said.contains(&text) {
            continue;
        }
        let lead = if i == 0 { "error" } else { "  because" };
        eprintln!("{lead}: {text}");
        said.push_str(&text);
    }
    let blamed = error.chain().find_map(|cause| cause.downcast_ref::<AnalysisError>()?.prompt());
    if let Some(files) = blamed.map(origin::of).filter(|files| !files.is_empty()) {
        eprintln!("  it is in: {}", files.join(", "));
    }
    let openings = if error.chain().any(wants_groups) { origin::openings() } else { vec![] };
    for opening in &openings {
        eprintln!("  {opening}");
    }
    for hint in remedies(error) {
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
    remedies(error).join("; ")
}

fn remedies(error: &anyhow::Error) -> Vec<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in error.chain().filter_map(hint_of) {
        // The hint of a cause may stand in that of its effect.
        if !hints.iter().any(|said| said.contains(&hint)) {
            hints.push(hint);
        }
    }
    hints
}

/// The remedy that an error of the library gives, if it is one that does.
fn hint_of(cause: &(dyn std::error::Error + 'static)) -> Option<String> {
    macro_rules! first {
        ($($error:ty),+ $(,)?) => {
            $(if let Some(e) = cause.downcast_ref::<$error>() {
                return e.hint().map(Into::into);
            })+
        };
    }
    if let Some(e) = cause.downcast_ref::<Wrong>() {
        return e.hint.clone();
    }
    first!(
        RunError,
        ModelsError,
        StoreError,
        EngineError,
        LoadError,
        TokenizerError,
        DirectionError,
        EstimateError,
        DataError,
        CopiesError,
        ImportError,
        AnalysisError,
        ClientError,
        ServerError,
    );
    None
}

fn code_of(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Wrong>() || cause.is::<EstimateError>() {
            return REQUEST;
        }
        if let Some(e) = cause.downcast_ref::<ClientError>() {
            return match e {
                ClientError::Interrupted => INTERRUPTED,
                e if e.is_request() => REQUEST,
                _ => FAILED,
            };
        }
        if let Some(e) = cause.downcast_ref::<ModelsError>() {
            return match e {
                ModelsError::Cancelled => INTERRUPTED,
                e if e.is_bad_request() => REQUEST,
                _ => FAILED,
            };
        }
        let run = match cause.downcast_ref::<AnalysisError>() {
            Some(AnalysisError::Run(e)) => Some(e),
            _ => cause.downcast_ref::<RunError>(),
        };
        if let Some(e) = run {
            return match e {
                RunError::Interrupted => INTERRUPTED,
                e if e.is_request() => REQUEST,
                _ => FAILED,
            };
        }
        if cause.downcast_ref::<AnalysisError>().is_some_and(AnalysisError::is_request) {
            return REQUEST;
        }
    }
    FAILED
}

/// Writes pretty JSON to stdout.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)?;
    Ok(())
}

/// Writes a line to stdout.
pub fn line(text: impl AsRef<str>) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{}", text.as_ref())?;
    Ok(())
}

/// Writes rows to stderr as a table with aligned columns; the first row is the head.
pub fn table(rows: &[Vec<String>]) {
    for line in aligned(rows) {
        eprintln!("{line}");
    }
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
