//! Claims about the numbers of files, each checked against the file that it names.

mod find;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

pub use parse::{Claim, ClaimKind, Claimed, Relation, parse};

use super::files::values;
use crate::error::{Error, ErrorContext as _};
use truenorth_report::JSON_NAME;

/// A claim with what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Line of the claim in its file, from 1.
    pub line: usize,
    /// The claim as it was written.
    pub claim: String,
    /// The file that it was checked against.
    pub file: PathBuf,
    /// Whether it holds, with the numbers that say so.
    #[serde(flatten)]
    pub outcome: ClaimOutcome,
}

/// Whether a claim holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum ClaimOutcome {
    /// A number agrees, and none that the claim names as well contradicts.
    Holds {
        /// The numbers that agree.
        found: Vec<Candidate>,
    },
    /// Numbers that the claim names are there, and none agrees.
    DoesNot {
        /// The numbers that come nearest to it.
        nearest: Vec<Candidate>,
    },
    /// The claim names several numbers, of which some agree and others do not.
    Ambiguous {
        /// Those that agree.
        agree: Vec<Candidate>,
        /// Those that do not.
        others: Vec<Candidate>,
    },
    /// Nothing there is what the claim names.
    NotFound {
        /// What was looked for and not there.
        why: String,
        /// What is there and has most of the names.
        nearest: Vec<Candidate>,
    },
}

/// A value of a file that a claim may mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// JSON pointer to it.
    pub pointer: String,
    /// Keys, rows and columns on the way to it, in a reader's words.
    pub name: String,
    /// The value with all its digits.
    pub value: Value,
}

/// Of candidates, so many are told.
const TOLD: usize = 5;

impl Checked {
    /// Whether it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self.outcome, ClaimOutcome::Holds { .. })
    }

    /// As a reader is told: the outcome and the claim, then what was found.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let head = |word: &str| format!("{word}: {}", self.claim);
        let list = |lead: &str, all: &[Candidate]| {
            let mut lines: Vec<String> =
                all.iter().take(TOLD).map(|c| format!("  {lead}{}", c.line())).collect();
            if all.len() > TOLD {
                lines.push(format!("  and {} more", all.len() - TOLD));
            }
            lines
        };
        match &self.outcome {
            ClaimOutcome::Holds { found } => [vec![head("holds")], list("", found)].concat(),
            ClaimOutcome::DoesNot { nearest } => {
                [vec![head("does not hold")], list("nearest: ", nearest)].concat()
            }
            ClaimOutcome::Ambiguous { agree, others } => {
                let more =
                    "  say more of its names, such as a row's, a column's or a key's, or give its pointer";
                [
                    vec![head("ambiguous")],
                    list("agrees: ", agree),
                    list("does not: ", others),
                    vec![more.to_owned()],
                ]
                .concat()
            }
            ClaimOutcome::NotFound { why, nearest } => {
                [vec![head("not found"), format!("  {why}")], list("there is: ", nearest)].concat()
            }
        }
    }
}

impl Candidate {
    fn line(&self) -> String {
        let value = match &self.value {
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        };
        match self.name.is_empty() {
            true => format!("{} = {value}", self.pointer),
            false => format!("{} = {value} ({})", self.pointer, self.name),
        }
    }
}

/// Checks claims; files are looked for in the run's folder first, where there is one, and then from here.
///
/// # Errors
/// When a claim names no file and there is no run, or a file can't be read as what its name says.
pub fn check(claims: &[Claim], run: Option<&Path>) -> Result<Vec<Checked>, Error> {
    if let Some(run) = run.filter(|r| !r.is_dir()) {
        return Err(Error::request(format!("{} is no folder of a run", run.display())).with_hint(
            "name a folder that `truenorth study run` made, such as runs/human-values, or leave it out",
        ));
    }
    let mut read: HashMap<PathBuf, Value> = HashMap::new();
    let mut all = Vec::with_capacity(claims.len());
    for claim in claims {
        let path = place(claim, run)?;
        if !path.is_file() {
            let why = format!("there is no file {}", path.display());
            all.push(claim.checked(path, ClaimOutcome::NotFound { why, nearest: vec![] }));
            continue;
        }
        if !read.contains_key(&path) {
            let bytes = std::fs::read(&path).request(format!("can't read {}", path.display()))?;
            let name = path.to_string_lossy().into_owned();
            let found = values(&name, &bytes).map_err(|why| {
                Error::request(format!("{name} {why}"))
                    .with_hint("claims are checked against JSON, JSON lines and safetensors files")
            })?;
            read.insert(path.clone(), found);
        }
        let outcome = read.get(&path).map(|file| match &claim.what {
            ClaimKind::At { pointer, value, number } => find::at(file, pointer, value, number.as_ref()),
            ClaimKind::Named { words, number } => find::named(file, words, number),
        });
        let lost = "a file that was read is there";
        all.push(claim.checked(path, outcome.context(lost)?));
    }
    Ok(all)
}

fn place(claim: &Claim, run: Option<&Path>) -> Result<PathBuf, Error> {
    match (&claim.file, run) {
        (Some(file), Some(run)) if run.join(file).exists() || !file.exists() => Ok(run.join(file)),
        (Some(file), _) => Ok(file.clone()),
        (None, Some(run)) => Ok(run.join(JSON_NAME)),
        (None, None) => {
            Err(Error::request(format!("the claim at line {} names no file: {}", claim.line, claim.text))
                .with_hint("end it with `in FILE`, or name the run whose report is meant"))
        }
    }
}

impl Claim {
    fn checked(&self, file: PathBuf, outcome: ClaimOutcome) -> Checked {
        Checked { line: self.line, claim: self.text.clone(), file, outcome }
    }
}
