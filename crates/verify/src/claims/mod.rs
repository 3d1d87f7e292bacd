//! Claims about the numbers of files, each checked against the file that it names.

mod error;
mod find;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

pub use error::ClaimsError;
pub use parse::{Claim, ClaimKind, Claimed, Relation, parse};

use super::files::values;
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
pub fn check(claims: &[Claim], run: Option<&Path>) -> Result<Vec<Checked>, ClaimsError> {
    if let Some(run) = run.filter(|r| !r.is_dir()) {
        return Err(ClaimsError::NoFolder(run.to_owned()));
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
        let file = match read.entry(path.clone()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(read_values(&path)?),
        };
        let outcome = match &claim.what {
            ClaimKind::At { pointer, value, number } => find::at(file, pointer, value, number.as_ref()),
            ClaimKind::Named { words, number } => find::named(file, words, number),
        };
        all.push(claim.checked(path, outcome));
    }
    Ok(all)
}

fn read_values(file: &Path) -> Result<Value, ClaimsError> {
    let bytes = std::fs::read(file).map_err(|source| ClaimsError::Read { file: file.to_owned(), source })?;
    values(&file.to_string_lossy(), &bytes)
        .map_err(|problem| ClaimsError::Values { file: file.to_owned(), problem })
}

fn place(claim: &Claim, run: Option<&Path>) -> Result<PathBuf, ClaimsError> {
    match (&claim.file, run) {
        (Some(file), Some(run)) if run.join(file).exists() || !file.exists() => Ok(run.join(file)),
        (Some(file), _) => Ok(file.clone()),
        (None, Some(run)) => Ok(run.join(JSON_NAME)),
        (None, None) => Err(ClaimsError::NoFile { line: claim.line, text: claim.text.clone() }),
    }
}

impl Claim {
    fn checked(&self, file: PathBuf, outcome: ClaimOutcome) -> Checked {
        Checked { line: self.line, claim: self.text.clone(), file, outcome }
    }
}
