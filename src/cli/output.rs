//! What is shown: errors with causes and hints, JSON and tables.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

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
    for hint in error.chain().filter_map(hint_of) {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code_of(error))
}

fn hint_of<'a>(cause: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    if let Some(e) = cause.downcast_ref::<Wrong>() {
        return e.hint.as_deref();
    }
    cause.downcast_ref::<truenorth::run::RunError>().and_then(truenorth::run::RunError::hint)
}

fn code_of(error: &anyhow::Error) -> u8 {
    use truenorth::run::RunError;
    for cause in error.chain() {
        if cause.is::<Wrong>() {
            return 2;
        }
        if let Some(run) = cause.downcast_ref::<RunError>() {
            return match run {
                RunError::Interrupted => 130,
                e if e.is_request() => 2,
                _ => 1,
            };
        }
    }
    1
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
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            line.push_str(cell);
            let pad = widths[c].saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', pad));
        }
        eprintln!("{}", line.trim_end());
    }
}
