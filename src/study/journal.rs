//! What a run has done so far: the results of its stages, kept under what they were made from, and a
//! state for `study status`.

use crate::host::Host;
use crate::host::write_json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::error::{Error, ErrorContext as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use truenorth_files::{read_if_there, sha256_hex};

/// Name of the journal's file in the run's folder.
pub const NAME: &str = "state.json";

/// The state of a run, in its `state.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RunState {
    /// Name of the study.
    pub name: String,
    /// SHA-256 of the study as run, flags applied; the report has those of the data.
    pub inputs: String,
    /// Stages in the order they ran.
    pub stages: Vec<StageRecord>,
    /// Whether the report is written.
    pub done: bool,
    /// How much of what the first stage read was in the store already when it first ran here; none without a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_in_store: Option<u64>,
}

/// A stage of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StageRecord {
    /// The name of the stage, such as `audit`.
    pub name: String,
    /// Seconds it took this time; none while it runs, or if it was cut short.
    pub seconds: Option<f64>,
    /// Whether its result was there from an earlier run.
    #[serde(default)]
    pub kept: bool,
}

/// A result under the hash of what it was made from, with the hashes that tell whether it is still what
/// was written.
#[derive(Serialize, Deserialize)]
struct StoredResult {
    made_from: String,
    /// SHA-256 of the result as it stands here.
    sha256: String,
    /// SHA-256 of each file that the stage left, by its place in the run's folder.
    leaves: BTreeMap<String, String>,
    result: Box<RawValue>,
}

/// Keeps the state and the stages' results on disk as they come.
pub struct RunJournal<'a> {
    host: &'a dyn Host,
    folder: PathBuf,
    state: RunState,
    /// What every stage depends on: the program, the model, the data.
    base: String,
    keep: bool,
}

impl<'a> RunJournal<'a> {
    /// Starts a run in a folder. `base` stands for what every stage depends on; without `keep` nothing
    /// that an earlier run left is used.
    pub fn start(
        host: &'a dyn Host,
        folder: &Path,
        name: &str,
        inputs: String,
        base: String,
        keep: bool,
    ) -> Result<Self, Error> {
        let stages = folder.join("stages");
        std::fs::create_dir_all(&stages).context(format!("can't make {}", stages.display()))?;
        // What was there when the study first ran stays what it was.
        let found_in_store = Self::read(folder).ok().flatten().and_then(|s| s.found_in_store);
        let state = RunState { name: name.into(), inputs, found_in_store, ..RunState::default() };
        let journal = Self { host, folder: folder.to_owned(), state, base, keep };
        journal.write()?;
        Ok(journal)
    }

    /// Makes an empty folder one of a run that is yet to begin, of which is known what the store held before.
    pub fn begin(folder: &Path, found_in_store: Option<u64>) -> Result<(), Error> {
        let path = folder.join(NAME);
        let text = serde_json::to_vec(&RunState { found_in_store, ..RunState::default() })?;
        std::fs::write(&path, text).context(format!("can't write {}", path.display()))
    }

    /// Reads the state of a run, if there is one.
    pub fn read(folder: &Path) -> Result<Option<RunState>, Error> {
        let path = folder.join(NAME);
        let cant = || format!("can't read {}", path.display());
        let Some(bytes) = read_if_there(&path).context(cant())? else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&bytes).context(cant())?))
    }

    /// Runs a stage and keeps its result, or takes the result of an earlier run that was made from the
    /// same: `inputs` are what the stage depends on beside the program, the model and the data. `leaves`
    /// are the files in the run's folder that the stage writes itself. Where one of them is gone, or is not
    /// what the stage wrote, it is made again, and so is a result that was changed.
    pub fn stage<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        inputs: &impl Serialize,
        leaves: &[String],
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.state.stages.push(StageRecord { name: name.into(), seconds: None, kept: false });
        self.write()?;
        let start = Instant::now();
        let made_from = sha256_hex(&serde_json::to_vec(&(&self.base, name, inputs))?);
        let path = self.folder.join("stages").join(format!("{name}.json"));
        let earlier = if self.keep { self.earlier(&path, &made_from, leaves) } else { None };
        let kept = earlier.is_some();
        let result = match earlier {
            Some(result) => result,
            None => {
                let result = work()?;
                let raw = RawValue::from_string(serde_json::to_string_pretty(&result)?)?;
                let sha256 = sha256_hex(raw.get().as_bytes());
                let leaf = |file: &String| Ok((file.clone(), self.hash(file)?));
                let leaves = leaves.iter().map(leaf).collect::<Result<_, Error>>()?;
                write_json(self.host, &path, &StoredResult { made_from, sha256, leaves, result: raw })?;
                result
            }
        };
        if let Some(stage) = self.state.stages.last_mut() {
            stage.seconds = Some(start.elapsed().as_secs_f64());
            stage.kept = kept;
        }
        self.write()?;
        Ok(result)
    }

    /// Notes what the first stage found in the store, unless an earlier run did.
    pub fn first_found(&mut self, hits: Option<u64>) {
        if self.state.found_in_store.is_none() {
            self.state.found_in_store = hits;
        }
    }

    /// What the first stage of the first run found in the store.
    pub fn found_in_store(&self) -> Option<u64> {
        self.state.found_in_store
    }

    /// Notes that the report is there.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.state.done = true;
        self.write()
    }

    /// The stages that were run, in order.
    pub fn stages(&self) -> &[StageRecord] {
        &self.state.stages
    }

    fn write(&self) -> Result<(), Error> {
        write_json(self.host, &self.folder.join(NAME), &self.state)
    }

    /// A result that is there and was made from the same. What can't be read or is not what was written
    /// is made anew, and said by name.
    fn earlier<T: DeserializeOwned>(&self, path: &Path, made_from: &str, leaves: &[String]) -> Option<T> {
        let again = |path: &Path, what: &str| {
            self.host.desk().say(&format!("{} {what}; its stage runs again", path.display()));
        };
        let bytes = std::fs::read(path).ok()?;
        let Ok(kept) = serde_json::from_slice::<StoredResult>(&bytes) else {
            again(path, "is not a result as this version writes them");
            return None;
        };
        if kept.made_from != made_from {
            return None;
        }
        if kept.sha256 != sha256_hex(kept.result.get().as_bytes()) {
            again(path, "was changed after it was written");
            return None;
        }
        for file in leaves {
            let Ok(found) = self.hash(file) else { return None };
            if kept.leaves.get(file) != Some(&found) {
                again(&self.folder.join(file), "was changed after it was written");
                return None;
            }
        }
        serde_json::from_str(kept.result.get()).ok()
    }

    /// SHA-256 of a file of the run's folder.
    fn hash(&self, file: &str) -> Result<String, Error> {
        let path = self.folder.join(file);
        let bytes = std::fs::read(&path).context(format!("can't read {}", path.display()))?;
        Ok(sha256_hex(&bytes))
    }
}
