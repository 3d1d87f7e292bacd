//! A study: a file that names data, a direction and analyses, run from prompts to report.
//!
//! What the model computed is in the store, and what a stage found is in the journal under the hash of what it
//! was made from; so a study that was cut short goes on where it stopped.

mod data;
mod file;
mod journal;
mod record;
pub mod reference;
mod register;
mod report;
mod sites;
mod speaking;
mod stages;
pub mod verify;

use std::path::{Path, PathBuf};
use std::time::Instant;

use truenorth_files::sha256_hex;
use truenorth_protocol::ModelInfo;

use crate::analyses::{Listing, SpeechRecord};
use crate::error::{Error, ErrorContext as _};
use crate::host::{Desk, Host};
use crate::session::Session;
use data::StudyData;
use file::StudyFile;
use journal::RunJournal;
use record::{Noting, RunRecord};
use speaking::Speaking;
use stages::StageContext;

pub use journal::{RunState, StageRecord};
pub use register::StudyRegistration;

/// An error that is the request's fault, with a remedy.
fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Error {
    Error::request(what).with_hint(remedy)
}

/// What a run's folder holds that a reader looks at.
pub const LEAVES: [&str; 5] = ["report.html", "report.json", "board.jsonl", "steered.jsonl", "directions"];

/// A study, its files read and checked.
pub struct Study {
    path: PathBuf,
    file: StudyFile,
    data: StudyData,
}

/// Where a study runs, and how.
pub struct RunSettings<'a> {
    /// The folder of its results; made if it is not there.
    pub folder: &'a Path,
    /// SHA-256 of the program: another one computes every stage anew.
    pub program: &'a str,
    /// Whether results of an earlier run in the folder are used.
    pub keep: bool,
    /// Cuts random draws down, for a rehearsal whose numbers are made up.
    pub rehearsal: bool,
    /// How models are opened, in words of whoever runs it, for [`verify`]; `Null` where there is nothing to say.
    pub flags: serde_json::Value,
}

/// What the run of a study came to.
pub struct StudyResult {
    /// Held-out separation by estimator, and a line for each side of the question.
    pub summary: Listing,
    /// Wall time in seconds.
    pub seconds: f64,
}

impl Study {
    /// Reads a study file and every file it names; `model` and `seed` stand in for those that it names itself.
    ///
    /// # Errors
    /// When a file can't be read, the study asks what its data can't answer, or rows contradict each other.
    pub fn open(
        path: &Path,
        (model, seed): (Option<String>, Option<u64>),
        desk: &dyn Desk,
    ) -> Result<Self, Error> {
        let mut file = StudyFile::read(path, desk)?;
        file.model = model.unwrap_or(file.model);
        file.seed = seed.unwrap_or(file.seed);
        Self::of(path, file, desk)
    }

    /// A study whose file is read, and every file that it names.
    fn of(path: &Path, file: StudyFile, desk: &dyn Desk) -> Result<Self, Error> {
        let data = StudyData::read(&file, desk).map_err(|e| e.in_words(reference::words("data")))?;
        Ok(Self { path: path.to_owned(), file, data })
    }

    /// Its model, as `--model` names it.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.file.model
    }

    /// The seed of every random draw.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.file.seed
    }

    /// Where its results go: `runs/NAME`.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.file.folder()
    }

    /// Seals what it expects, without running it: its `[register]` table, with the study and the hashes of its data.
    ///
    /// # Errors
    /// When it expects nothing, its folder holds a seal already, or the file can't be written.
    pub fn register(&self, folder: &Path) -> Result<StudyRegistration, Error> {
        if self.file.register.is_none() {
            return Err(refused(
                "the study has no [register] table",
                "say what is expected, as in [register] hypothesis = \"...\" and reads = true",
            ));
        }
        if let Some(earlier) = StudyRegistration::read(folder)? {
            return Err(refused(
                format!("{} was sealed on {}", folder.join(register::NAME).display(), earlier.sealed_at),
                "keep it; a study that changed needs another `name` to be registered anew",
            ));
        }
        std::fs::create_dir_all(folder).context(format!("can't make {}", folder.display()))?;
        let sealed = register::seal(&self.file, &self.data, folder)?;
        Ok(sealed.expect("a study with a register table is sealed"))
    }

    /// Whether it asks other models than its own.
    #[must_use]
    pub fn asks_others(&self) -> bool {
        let experiment = self.file.experiment.as_ref();
        self.file.transfer.is_some()
            || self.file.judge.as_ref().is_some_and(|j| j.model.is_some())
            || experiment.is_some_and(|e| !e.judges.is_empty() || e.arms.iter().any(|a| a.model.is_some()))
    }

    /// Runs it on its model, or goes on with a run that was cut short, and writes the report.
    ///
    /// # Errors
    /// When the folder holds files that no study left, the model lacks the site, a stage fails or is interrupted, or a file can't be written.
    pub fn run(
        mut self,
        session: &Session,
        host: &dyn Host,
        place: &RunSettings<'_>,
    ) -> Result<StudyResult, Error> {
        let start = Instant::now();
        let info = session.runner().info();
        sites::check(&self.file, info)?;
        if place.rehearsal {
            self.file.rehearse();
        }
        let (study, data, folder) = (&self.file, &self.data, place.folder);
        free(folder)?;
        std::fs::create_dir_all(folder).context(format!("can't make {}", folder.display()))?;
        let written = toml::to_string(study).context("can't write the study as it is run")?;
        let inputs = sha256_hex(written.as_bytes());
        let (spoken, note) = study.speech().open(session.runner())?;
        if let Some(note) = note {
            host.note(&note);
        }
        let base = base(place.program, (study, data), info, spoken.record())?;
        let earlier = RunRecord::earlier(folder, host.desk());
        // Which models kept stages asked is in the record alone.
        let keep = place.keep && earlier.is_some();
        // A seal that was changed is refused before the state of an earlier run is touched.
        let registration = if place.rehearsal { None } else { register::seal(study, data, folder)? };
        let mut journal = RunJournal::start(host, folder, &study.name, inputs, base, keep)?;
        let record = RunRecord::new(folder, &self, place, session)?.after(earlier);
        let noting = Noting::start(host, folder, record, session)?;
        let host: &dyn Host = &Speaking { host: &noting, speech: study.speech() };
        let reader = session.reader().speaking(&spoken);
        let run = StageContext { path: &self.path, study, data, reader, folder, host };
        let results = run.all(&mut journal)?;
        let store = session.store().map(|s| s.session());
        let registered = register::says(registration.as_ref(), study, data, journal.found_in_store())?;
        let front = report::front(&run, &results, &registered);
        let summary = report::summary(&results, &front, data);
        let document = report::document(&run, &results, front, (store, journal.stages(), start.elapsed()));
        truenorth_report::write(folder, &document)?;
        journal.finish()?;
        Ok(StudyResult { summary, seconds: start.elapsed().as_secs_f64() })
    }
}

/// Refuses a folder whose files no study left: a run would replace them.
///
/// # Errors
/// When there are such files.
pub fn free(folder: &Path) -> Result<(), Error> {
    if let Ok(Some(_)) = RunJournal::read(folder) {
        return Ok(truenorth_report::free(folder)?);
    }
    let taken = [journal::NAME, record::NAME]
        .into_iter()
        .chain(LEAVES)
        .map(|name| folder.join(name))
        .find(|path| path.exists());
    match taken {
        None => Ok(()),
        Some(path) => Err(refused(
            format!("{} is there, and no study wrote it; this one would replace it", path.display()),
            "move it away, or give the study another `name`",
        )),
    }
}

/// What every stage depends on: this very program, the model, the seed and the data.
fn base(
    program: &str,
    (study, data): (&StudyFile, &StudyData),
    info: &ModelInfo,
    speech: Option<SpeechRecord>,
) -> Result<String, Error> {
    // Which label is the positive one is no part of a file.
    let labels = (&study.data.positive, study.labels());
    let of = (program, &info.name, &info.revision, &info.path, study.seed, data.files(), speech, labels);
    Ok(sha256_hex(&serde_json::to_vec(&of)?))
}

/// How far a study is: its name, the folder of its results, and the state of the run there, if there is one.
///
/// # Errors
/// When the study file or the state can't be read.
pub fn state(
    path: &Path,
    desk: &dyn Desk,
    folder: impl FnOnce(PathBuf) -> PathBuf,
) -> Result<(String, PathBuf, Option<RunState>), Error> {
    let study = StudyFile::read(path, desk)?;
    let folder = folder(study.folder());
    let state = RunJournal::read(&folder)?;
    Ok((study.name, folder, state))
}
