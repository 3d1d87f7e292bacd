//! What a run has done so far, for `study status`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// The state of a run, in `state.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// The study's name.
    pub name: String,
    /// SHA-256 of the study as run, flags applied; the report has those of the data.
    pub inputs: String,
    /// Stages in the order they ran.
    pub stages: Vec<Stage>,
    /// Whether the report is written.
    pub done: bool,
}

/// A stage of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// Its name.
    pub name: String,
    /// Seconds it took this time; none while it runs, or if it was cut short.
    pub seconds: Option<f64>,
}

/// Keeps the state on disk as stages come and go.
pub struct Journal {
    path: PathBuf,
    state: State,
}

impl Journal {
    /// Starts a run in a folder.
    pub fn start(folder: &Path, name: &str, inputs: String) -> anyhow::Result<Self> {
        let journal = Self {
            path: folder.join("state.json"),
            state: State { name: name.into(), inputs, ..State::default() },
        };
        journal.write()?;
        Ok(journal)
    }

    /// Reads the state of a run, if there is one.
    pub fn read(folder: &Path) -> anyhow::Result<Option<State>> {
        let path = folder.join("state.json");
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes).with_context(|| format!("can't read {}", path.display()))?,
            )),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e).with_context(|| format!("can't read {}", path.display())),
        }
    }

    /// Runs a stage and notes it.
    pub fn stage<T>(&mut self, name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.state.stages.push(Stage { name: name.into(), seconds: None });
        self.write()?;
        let start = Instant::now();
        let done = work()?;
        if let Some(stage) = self.state.stages.last_mut() {
            stage.seconds = Some(start.elapsed().as_secs_f64());
        }
        self.write()?;
        Ok(done)
    }

    /// Notes that the report is there.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.state.done = true;
        self.write()
    }

    /// The stages so far.
    pub fn stages(&self) -> &[Stage] {
        &self.state.stages
    }

    fn write(&self) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec_pretty(&self.state)?;
        truenorth::data::write_atomic(&self.path, |w| w.write_all(&bytes))
            .with_context(|| format!("can't write {}", self.path.display()))
    }
}
