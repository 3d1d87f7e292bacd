//! Whether the numbers of a run come back: its study is run again on the activations and answers in the store, in
//! another folder, and every number of the run is held against what came out.

pub mod claims;
mod compare;
mod files;
mod leaves;
mod page;
mod stored;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use truenorth_data::models;
use truenorth_data::store::Store;
use truenorth_files::sha256_hex;
use truenorth_report::{HTML_NAME, JSON_NAME, render};

use super::journal::{Journal, State};
use super::record::{self, Asked, DataFile, Record};
use super::{Place, Study, register};
use crate::error::{Context as _, Error, Kind, causes, hints};
use crate::host::{Fallen, Host};
use crate::session::Session;
use compare::{LEFT_OUT, RULES, Rule};
use stored::Stored;

pub use compare::{Compared, Difference, NEAR, TINY};
pub use record::untrained;
pub use stored::Words;

/// Files of a run that hold none of its numbers.
const ASIDE: [(&str, &str); 3] = [
    ("state.json", "how far the run is, with seconds"),
    (record::NAME, "what the run is recomputed from"),
    (register::NAME, "what was expected of the study; its own seal was checked"),
];

/// A finished run, as its folder has it.
pub struct Finished {
    folder: PathBuf,
    record: Record,
    state: State,
}

/// What became of a run's numbers.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The run's folder.
    pub run: PathBuf,
    /// Numbers, and words that hold one, in all files.
    pub numbers: usize,
    /// How many came back.
    pub came_back: usize,
    /// How many of those to 1e-9 of their size only.
    pub near: usize,
    /// How many did not.
    pub did_not: usize,
    /// Words without a number that are others now.
    pub words_differ: usize,
    /// Values that were not compared, and why.
    pub excluded: BTreeMap<String, usize>,
    /// Each file that was compared.
    pub files: Vec<Compared>,
    /// Files that were not compared, and why.
    pub not_compared: BTreeMap<String, Uncompared>,
    /// Files of the study's data that are no longer what the run read.
    pub changed: Vec<Changed>,
    /// Why the recomputation ended early, if it did, with remedies.
    pub stopped: Option<Stopped>,
    /// What else a reader should know.
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
    /// What it is for.
    pub role: String,
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of what the run read.
    pub was: String,
    /// SHA-256 of what is there now; none where nothing can be read.
    pub is: Option<String>,
}

/// Why a recomputation ended early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// What failed, then its causes.
    pub because: Vec<String>,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Finished {
    /// Reads what a run left.
    ///
    /// # Errors
    /// When the folder is none of a run, the run did not end, or was made by a version that left no record of it.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let shown = folder.display();
        if !folder.is_dir() {
            let what = if folder.exists() { "is a file" } else { "is not there" };
            return Err(Error::request(format!("{shown} {what}; the folder of a study's run was expected"))
                .hint("name a folder that `truenorth study run` made, such as runs/human-values"));
        }
        let aside =
            "move the folder away and run the study again: what is in the store is not computed again";
        let Some(state) = Journal::read(folder).map_err(|e| e.hint(aside))? else {
            return Err(Error::request(format!(
                "{shown} holds no run of a study: there is no state.json in it"
            ))
            .hint("name a folder that `truenorth study run` made, such as runs/human-values"));
        };
        let again =
            "run `truenorth study run` with the study again: what is in the store is not computed again";
        if !state.done {
            let at = state.stages.last().map_or("its start", |s| s.name.as_str());
            return Err(Error::request(format!("the run in {shown} did not end; it was cut short at {at}"))
                .hint("run `truenorth study run` with the study again; it goes on where it stopped"));
        }
        let Some(record) = Record::read(folder)? else {
            return Err(Error::request(format!(
                "{shown} does not say what it was made from: there is no {} in it, which older versions did not write",
                record::NAME
            ))
            .hint(again));
        };
        Ok(Self { folder: folder.to_owned(), record, state })
    }

    /// The study's model, as the study names it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.record.study.model
    }

    /// Its seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.record.study.seed
    }

    /// How models were opened, as whoever ran it said.
    #[must_use]
    pub fn flags(&self) -> &Value {
        &self.record.flags
    }

    /// The folder of the store that the run used; none if it used none.
    #[must_use]
    pub fn store(&self) -> Option<&Path> {
        self.record.store.as_deref()
    }

    /// What ran in place of what was asked for.
    #[must_use]
    pub fn fallen(&self) -> Option<&Fallen> {
        self.record.fallback.as_ref()
    }

    /// What a model was when the run asked what it is.
    #[must_use]
    pub fn identity(&self, name: &str) -> Option<&str> {
        self.record.identities.get(name).map(String::as_str)
    }

    /// A name of a model that runs in this process as it is from here: paths were relative to where the run began.
    #[must_use]
    pub fn from_here(&self, name: &str) -> String {
        let (lead, rest) = match name.strip_prefix("random-init:") {
            Some(rest) => ("random-init:", rest),
            None => ("", name),
        };
        let (place, seed) = match rest.rsplit_once('#').filter(|_| !lead.is_empty()) {
            Some((place, seed)) => (place, format!("#{seed}")),
            None => (rest, String::new()),
        };
        // A named model wins over a folder of its name.
        let named = models::list(Path::new("")).iter().any(|m| m.name == place);
        let path = self.record.started_in.join(place);
        if named || !path.exists() { name.to_owned() } else { format!("{lead}{}{seed}", path.display()) }
    }

    /// A model of the run that is not asked: all it computed comes out of the store.
    ///
    /// # Errors
    /// When the run asked no model of this name.
    pub fn stored(&self, name: &str, words: Words, store: Arc<Store>) -> Result<Session, Error> {
        let asked = self.asked(name)?.clone();
        let place = store.file().and_then(Path::parent).unwrap_or(Path::new("memory")).to_owned();
        Ok(Session::new(Box::new(Stored::new(asked, words, place)), Some(store)))
    }

    /// What the run knew of the weights of a model.
    ///
    /// # Errors
    /// When the run asked no model of this name.
    pub fn revision(&self, name: &str) -> Result<&str, Error> {
        Ok(&self.asked(name)?.info.revision)
    }

    /// Which numeric path computed for the run.
    ///
    /// # Errors
    /// When the run asked no model of this name.
    pub fn path(&self, name: &str) -> Result<&str, Error> {
        Ok(&self.asked(name)?.info.path)
    }

    fn asked(&self, name: &str) -> Result<&Asked, Error> {
        self.record.asked(name).ok_or_else(|| {
            Error::failed(format!(
                "{} does not say what {name} was; the run did not ask it",
                self.folder.join(record::NAME).display()
            ))
            .hint("run `truenorth study run` with the study again")
        })
    }

    /// The files of the study's data that are not what the run read.
    fn changed(&self) -> Vec<Changed> {
        let changed = |file: &DataFile| {
            let is = std::fs::read(&file.path).ok().map(|bytes| sha256_hex(&bytes));
            let (role, was) = (file.role.clone(), file.sha256.clone());
            let path = file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
            (is.as_ref() != Some(&was)).then_some(Changed { role, path, was, is })
        };
        self.record.files.iter().filter_map(changed).collect()
    }

    /// Runs the study again into `scratch`, a folder that is empty or not there, and compares. `open` gives the study's model; the
    /// others are the host's. Nothing is written into the run's folder.
    ///
    /// # Errors
    /// When a file of the run can't be read. What stops the recomputation is told beside what was compared until then.
    pub fn verify(
        &self,
        open: impl FnOnce() -> Result<Session, Error>,
        host: &dyn Host,
        program: &str,
        scratch: &Path,
    ) -> Result<Verified, Error> {
        let mut verified = Verified::of(&self.folder);
        verified.changed = self.changed();
        if self.record.program != program {
            verified.notes.push(
                "the run was made by another build of this program; what did not come back may be its doing"
                    .into(),
            );
        }
        let again = self.begin(scratch).and_then(|()| open()).and_then(|session| {
            let place = Place { folder: scratch, program, keep: false, rehearsal: false, flags: Value::Null };
            let study = Study::of(&self.record.path, self.record.study.clone(), host)?;
            let done = study.run(&session, host, &place);
            for store in session.store().into_iter().flat_map(Store::take_corrupt) {
                verified.notes.push(format!(
                    "an entry of the store is damaged, {} at {}: its checksum does not hold",
                    store.model, store.site
                ));
            }
            done.map(drop)
        });
        if let Err(error) = again {
            if error.kind() == Kind::Interrupted {
                return Err(error);
            }
            verified.stopped = Some(Stopped::of(&error, &verified.changed));
        }
        self.files(scratch, &mut verified)?;
        Ok(verified)
    }

    /// Gives the recomputation what can't be made anew: a seal with its date, and what the store held before.
    fn begin(&self, scratch: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(scratch).context(format!("can't make {}", scratch.display()))?;
        let sealed = self.folder.join(register::NAME);
        if sealed.exists() {
            let copy = scratch.join(register::NAME);
            std::fs::copy(&sealed, copy).context(format!("can't copy {}", sealed.display()))?;
        }
        Journal::begin(scratch, self.state.found_in_store)
    }

    fn files(&self, scratch: &Path, verified: &mut Verified) -> Result<(), Error> {
        let cant = |folder: &Path| format!("can't read the folder {}", folder.display());
        let there = files::below(&self.folder).context(cant(&self.folder))?;
        let fresh = files::below(scratch).context(cant(scratch))?;
        let mut rules: Vec<&Rule> = RULES.iter().collect();
        if self.state.stages.iter().any(|s| s.kept) {
            rules.push(&LEFT_OUT);
        }
        for file in &there {
            if let Some((_, why)) = ASIDE.iter().find(|(name, _)| name == file) {
                verified.not_compared.insert(file.clone(), Uncompared::Aside(why));
                continue;
            }
            if file == HTML_NAME {
                self.page(verified)?;
                continue;
            }
            let why = match (fresh.contains(file), &verified.stopped) {
                (true, _) => match self.file(file, scratch, &rules)? {
                    Ok(compared) => {
                        verified.add(compared);
                        continue;
                    }
                    Err(why) => Uncompared::Unreadable(why),
                },
                (false, Some(_)) => Uncompared::NotRecomputed,
                (false, None) => Uncompared::NotOfTheRun,
            };
            verified.not_compared.insert(file.clone(), why);
        }
        for file in fresh.iter().filter(|f| !there.contains(f)) {
            verified.not_compared.insert(file.clone(), Uncompared::Gone);
        }
        Ok(())
    }

    fn file(&self, file: &str, scratch: &Path, rules: &[&Rule]) -> Result<Result<Compared, String>, Error> {
        let values = |folder: &Path| {
            let path = folder.join(file);
            let bytes = std::fs::read(&path).context(format!("can't read {}", path.display()))?;
            Ok::<_, Error>(files::values(file, &bytes))
        };
        Ok(match (values(&self.folder)?, values(scratch)?) {
            (Ok(written), Ok(recomputed)) => Ok(compare::compare(file, &written, &recomputed, rules)),
            (Err(why), _) | (_, Err(why)) => Err(why),
        })
    }

    /// The page against the drawing of the numbers beside it.
    fn page(&self, verified: &mut Verified) -> Result<(), Error> {
        let read = |name: &str| {
            let path = self.folder.join(name);
            std::fs::read_to_string(&path).context(format!("can't read {}", path.display()))
        };
        let written = read(HTML_NAME)?;
        match read(JSON_NAME).and_then(|json| Ok(render::from_json(&json)?)) {
            Ok(document) => verified.add(page::compare(HTML_NAME, &written, &render::html(&document))),
            Err(error) => {
                let why = format!("can't be drawn anew: {}", Stopped::of(&error, &[]).because.join(": "));
                verified.not_compared.insert(HTML_NAME.to_owned(), Uncompared::Unreadable(why));
            }
        }
        Ok(())
    }
}

impl Verified {
    fn of(run: &Path) -> Self {
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

    fn add(&mut self, compared: Compared) {
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

impl Stopped {
    fn of(error: &Error, changed: &[Changed]) -> Self {
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
