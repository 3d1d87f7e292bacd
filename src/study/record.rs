//! What a run's folder says of the run, so that its study can be found and run again: the study as it was run,
//! its files, where its activations lie, and the models as graphs and keys know them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use truenorth_files::read_if_there;
use truenorth_protocol::ModelInfo;
use truenorth_protocol::run::{BatchLimits, Runner, Watch};

use super::file::StudyFile;
use super::{RunSettings, Study};
use crate::error::{Error, ErrorContext as _};
use crate::host::{Desk, Fallen, Host, write_json};
use crate::session::Session;

/// Name of the record's file in the run's folder.
pub const NAME: &str = "run.json";

/// The form of the file that this program writes and reads.
const VERSION: u32 = 1;

/// What a run was made from: the program, the study, its files and the models.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of this file's form.
    pub version: u32,
    /// SHA-256 of the program that ran.
    pub program: String,
    /// The study's file, as it was named.
    pub path: PathBuf,
    /// The study as it was run, flags applied; its paths are relative to the run's folder where they can be.
    pub study: StudyFile,
    /// The study's files, by what they are for.
    pub files: Vec<DataFile>,
    /// The working folder, to which names of models are relative.
    pub started_in: PathBuf,
    /// The folder of the store; none without one.
    pub store: Option<PathBuf>,
    /// The flags that decide where and how models are opened, as whoever ran it has them.
    pub flags: Value,
    /// Every model that was asked, and what it was.
    pub models: Vec<AskedModel>,
    /// What models were, whatever they are called.
    pub identities: BTreeMap<String, String>,
    /// What ran in place of what was asked for.
    #[serde(skip_serializing)]
    pub fallback: Option<Fallen>,
}

/// A file of the study's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// What it is for, as the page has it.
    pub role: String,
    /// The path of the file.
    pub path: PathBuf,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// A model that was asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AskedModel {
    /// The name that the study has for it.
    pub name: String,
    /// As graphs and keys of the store know it.
    pub info: ModelInfo,
    /// Tokens after which it means to stop.
    pub stop: Vec<u32>,
    /// How much was asked at once, which decides how graphs are cut.
    pub batch: AtOnce,
}

/// How much is asked at once, as [`BatchLimits`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct AtOnce {
    tokens: usize,
    sequences: usize,
    answer_bytes: usize,
}

impl From<BatchLimits> for AtOnce {
    fn from(batch: BatchLimits) -> Self {
        Self { tokens: batch.tokens, sequences: batch.sequences, answer_bytes: batch.answer_bytes }
    }
}

impl From<AtOnce> for BatchLimits {
    fn from(batch: AtOnce) -> Self {
        Self { tokens: batch.tokens, sequences: batch.sequences, answer_bytes: batch.answer_bytes }
    }
}

impl RunRecord {
    /// The record of a run that begins in `folder`.
    pub fn new(folder: &Path, of: &Study, place: &RunSettings<'_>, session: &Session) -> Result<Self, Error> {
        let Study { path, file: study, data } = of;
        let mut written = study.clone();
        for file in written.files() {
            *file = from(folder, file);
        }
        let hashes: BTreeMap<String, &str> =
            data.files().into_iter().map(|(role, _, sha256)| (role, sha256)).collect();
        // Seen from here, where a `:` in the name of a file that is there begins no label.
        let files = study.roles().into_iter().filter_map(|(role, path)| {
            let sha256 = (*hashes.get(&role)?).to_owned();
            Some(DataFile { role, path: from(folder, path), sha256 })
        });
        let store = session.store().and_then(|s| s.file()?.parent().map(absolute));
        let here = std::env::current_dir().context("can't tell the working folder")?;
        Ok(Self {
            version: VERSION,
            program: place.program.to_owned(),
            path: from(folder, path),
            files: files.collect(),
            study: written,
            started_in: from(folder, &here),
            store,
            flags: place.flags.clone(),
            models: vec![],
            identities: BTreeMap::new(),
            fallback: None,
        })
    }

    /// What an earlier run of the folder left; what can't be used is said, where a run is there.
    pub fn earlier(folder: &Path, desk: &dyn Desk) -> Option<Self> {
        let earlier = Self::read(folder).ok().flatten();
        if earlier.is_none() && folder.join("report.json").exists() {
            let path = folder.join(NAME);
            desk.say(&format!("{} is not there or can't be read; every stage runs again", path.display()));
        }
        earlier
    }

    /// With what an earlier run noted of models: its stages may be kept, and ask nothing again.
    #[must_use]
    pub fn after(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(Self { models, identities, .. }) => Self { models, identities, ..self },
            None => self,
        }
    }

    /// The record in a run's folder, with the paths of its study as they are from here; none where there is no record.
    ///
    /// # Errors
    /// When it can't be read, or is of a form that this program does not know.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(NAME);
        let there = read_if_there(&path).context(format!("can't read {}", path.display()))?;
        let Some(bytes) = there else { return Ok(None) };
        let cant = || format!("{} is no record of a run as this version writes them", path.display());
        let remedy =
            "run `truenorth study run` with the study again: what is in the store is not computed again";
        let said = |e: Error| e.with_hint(remedy);
        let whole: Value = serde_json::from_slice(&bytes).context(cant()).map_err(said)?;
        if let Some(other) = whole.get("version").filter(|v| **v != VERSION) {
            return Err(said(Error::failed(format!("{}: its version is {other}, not {VERSION}", cant()))));
        }
        let mut record: Self = serde_json::from_value(whole).context(cant()).map_err(said)?;
        for file in record.study.files() {
            *file = folder.join(&*file);
        }
        for file in &mut record.files {
            file.path = folder.join(&file.path);
        }
        record.path = folder.join(&record.path);
        record.started_in = folder.join(&record.started_in);
        Ok(Some(record))
    }

    /// What is known of a model that the study names.
    #[must_use]
    pub fn asked(&self, name: &str) -> Option<&AskedModel> {
        self.models.iter().find(|m| m.name == name)
    }

    fn note(&mut self, name: &str, runner: &dyn Runner) {
        let asked = AskedModel {
            name: name.to_owned(),
            info: runner.info().clone(),
            stop: runner.stop_tokens(),
            batch: runner.batch().into(),
        };
        match self.models.iter_mut().find(|m| m.name == name) {
            Some(known) => *known = asked,
            None => self.models.push(asked),
        }
        self.models.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// A host that notes in the run's record which models a study opens.
pub struct Noting<'a> {
    host: &'a dyn Host,
    path: PathBuf,
    record: Mutex<RunRecord>,
}

impl<'a> Noting<'a> {
    /// Writes the record with the model that is open already, under the name that the study gives it.
    pub fn start(
        host: &'a dyn Host,
        folder: &Path,
        mut record: RunRecord,
        session: &Session,
    ) -> Result<Self, Error> {
        let name = record.study.model.clone();
        record.note(&name, session.runner());
        let noting = Self { host, path: folder.join(NAME), record: Mutex::new(record) };
        noting.change(|_| {})?;
        Ok(noting)
    }

    fn change(&self, how: impl FnOnce(&mut RunRecord)) -> Result<(), Error> {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        how(&mut record);
        write_json(self.host, &self.path, &*record)
    }
}

impl Host for Noting<'_> {
    fn desk(&self) -> &dyn Desk {
        self.host.desk()
    }

    fn model(&self, name: &str) -> Result<Session, Error> {
        let session = self.host.model(name)?;
        self.change(|record| record.note(name, session.runner()))?;
        Ok(session)
    }

    fn identity(&self, name: &str) -> Result<String, Error> {
        let identity = self.host.identity(name)?;
        self.change(|record| {
            record.identities.insert(name.to_owned(), identity.clone());
        })?;
        Ok(identity)
    }

    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error> {
        let session = self.host.untrained(name, seed)?;
        self.change(|record| record.note(&untrained(name, seed), session.runner()))?;
        Ok(session)
    }

    fn watch(&self, doing: &str, unit: &str) -> Box<dyn Watch + '_> {
        self.host.watch(doing, unit)
    }

    fn note(&self, note: &str) {
        self.host.note(note);
    }

    fn fallen(&self) -> Option<Fallen> {
        self.host.fallen()
    }
}

/// Name in results of a model with untrained weights from a seed.
#[must_use]
pub fn untrained(name: &str, seed: u64) -> String {
    format!("random-init:{name}#{seed}")
}

/// A path as seen from a folder, where both lie in one folder below the root: so a tree that is moved as a whole
/// keeps its runs.
fn from(folder: &Path, path: &Path) -> PathBuf {
    let (folder, path) = (absolute(folder), absolute(path));
    let common = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    // The root alone is nothing in common.
    match pathdiff::diff_paths(&path, &folder).filter(|_| common > 1) {
        Some(relative) if relative.as_os_str().is_empty() => PathBuf::from("."),
        Some(relative) => relative,
        None => path,
    }
}

fn absolute(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}
