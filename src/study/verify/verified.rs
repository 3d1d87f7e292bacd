//! What became of a run's numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use truenorth_verify::ComparedFile;

use crate::error::{Error, causes, hints};

/// Which of a run's numbers came back when computed anew.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The folder of the run.
    pub run: PathBuf,
    /// Numbers, and words that hold one, in all files.
    pub numbers: usize,
    /// Numbers that came back.
    pub came_back: usize,
    /// How many of those to 1e-9 of their size only.
    pub near: usize,
    /// Numbers that did not come back.
    pub did_not: usize,
    /// Words without a number that are others now.
    pub words_differ: usize,
    /// Values that were not compared, and why.
    pub excluded: BTreeMap<String, usize>,
    /// A row a file that was compared.
    pub files: Vec<ComparedFile>,
    /// Files that were not compared, and why.
    pub not_compared: BTreeMap<String, Uncompared>,
    /// Files of the study's data that are no longer what the run read.
    pub changed: Vec<Changed>,
    /// Why the recomputation ended early, if it did, with remedies.
    pub stopped: Option<EarlyStop>,
    /// What a reader should know besides, a sentence each.
    pub notes: Vec<String>,
}

/// Why a file of a run was not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why", content = "what")]
pub enum Uncompared {
    /// It holds none of the run's numbers, but this.
    Aside(&'static str),
    /// The study leaves no such file.
    NotOfTheRun,
    /// The study leaves it, and it is not there.
    Gone,
    /// The recomputation stopped before it.
    NotRecomputed,
    /// It is not what its name says.
    Unreadable(String),
}

impl Uncompared {
    /// Whether nothing of the run's numbers is left open by it.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Aside(_) | Self::NotOfTheRun)
    }
}

impl std::fmt::Display for Uncompared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Aside(what) => write!(f, "not compared: {what}"),
            Self::NotOfTheRun => write!(f, "not compared: the study leaves no such file"),
            Self::Gone => write!(f, "is gone: the study leaves it, and it is not there"),
            Self::NotRecomputed => write!(f, "was not recomputed"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

/// A file of the data that is not what the run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What the file is for, as the page has it.
    pub role: String,
    /// The path of the file.
    pub path: PathBuf,
    /// SHA-256 of what the run read.
    pub was: String,
    /// SHA-256 of what is there now; none where nothing can be read.
    pub is: Option<String>,
}

/// Why a recomputation ended early, with remedies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EarlyStop {
    /// What failed, then its causes.
    pub because: Vec<String>,
    /// Remedies, the first first.
    pub hints: Vec<String>,
}

impl Verified {
    pub(super) fn of(run: &Path) -> Self {
        Self {
            run: run.to_owned(),
            numbers: 0,
            came_back: 0,
            near: 0,
            did_not: 0,
            words_differ: 0,
            excluded: BTreeMap::new(),
            files: Vec::new(),
            not_compared: BTreeMap::new(),
            changed: Vec::new(),
            stopped: None,
            notes: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, compared: ComparedFile) {
        self.numbers += compared.numbers;
        self.did_not += compared.numbers_differ;
        self.came_back += compared.numbers - compared.numbers_differ;
        self.near += compared.near;
        self.words_differ += compared.differ.len() - compared.numbers_differ;
        for (what, count) in &compared.excluded {
            *self.excluded.entry(what.clone()).or_default() += count;
        }
        self.files.push(compared);
    }

    /// Whether every number came back.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.did_not == 0
            && self.words_differ == 0
            && self.changed.is_empty()
            && self.stopped.is_none()
            && self.not_compared.values().all(Uncompared::is_harmless)
    }
}

impl EarlyStop {
    pub(super) fn of(error: &Error, changed: &[Changed]) -> Self {
        let mut because: Vec<String> = Vec::new();
        for cause in causes(error) {
            let text = cause.to_string();
            if !because.iter().any(|said| said.contains(&text)) {
                because.push(text);
            }
        }
        let mut hints = hints(error);
        if !changed.is_empty() {
            hints.insert(0, "put the files of the data back as the run read them".into());
        }
        Self { because, hints }
    }
}
