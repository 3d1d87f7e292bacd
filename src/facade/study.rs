//! A study, from its file to its page.

use std::path::{Path, PathBuf};

use truenorth_data::models::resolve;
use truenorth_protocol::run::{Unwatched, Watch};

use super::Options;
use crate::error::Error;
use crate::host::{Desk, Host, Local};
use crate::session::Session;
use crate::study::{RunSettings, Study as Plan};

/// A study file, read and checked with every file that it names.
///
/// ```no_run
/// use truenorth::Study;
///
/// let finished = Study::open("examples/human-values/study.toml")?.run()?;
/// println!("{}\n{}", finished.says.join("\n"), finished.report.display());
/// # Ok::<(), truenorth::Error>(())
/// ```
pub struct Study {
    plan: Plan,
    options: Options,
    model: Option<String>,
}

/// What the run of a study came to, and where its page is.
#[derive(Clone, Debug)]
pub struct Finished {
    /// A line for each of its questions.
    pub says: Vec<String>,
    /// Path of the page.
    pub report: PathBuf,
    /// Path of the same report as JSON.
    pub json: PathBuf,
}

/// This process, or a service for models that are named as [`Model::open`](super::Model::open) names hosted ones.
struct Here<'a> {
    options: &'a Options,
    desk: Local,
}

impl Host for Here<'_> {
    fn desk(&self) -> &dyn Desk {
        &self.desk
    }

    fn model(&self, name: &str) -> Result<Session, Error> {
        self.options.session(name, |note| self.desk.say(note))
    }

    fn identity(&self, name: &str) -> Result<String, Error> {
        match name.contains("://") || name.starts_with("ndif:") {
            true => Ok(name.to_owned()),
            false => Ok(resolve(name, &self.options.found()?)?.identity),
        }
    }

    fn untrained(&self, name: &str, seed: u64) -> Result<Session, Error> {
        self.model(&format!("random-init:{name}#{seed}"))
    }

    fn watch(&self, _: &str, _: &str) -> Box<dyn Watch + '_> {
        Box::new(Unwatched)
    }
}

impl Study {
    /// Reads a study file; paths in it are as seen from this process.
    ///
    /// # Errors
    /// When a file can't be read, the study asks what its data can't answer, or rows contradict each other.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let plan = Plan::open(path.as_ref(), (None, None), &Local::new(""))?;
        Ok(Self { plan, options: Options::new(), model: None })
    }

    /// Opens models by other options.
    #[must_use]
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Runs on this model in place of the one that the study names: a local one, the URL of a server, or `ndif:org/name`.
    #[must_use]
    pub fn on(self, model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..self }
    }

    /// Runs it, or goes on with a run that was cut short, and writes the page into `runs/NAME`. A second run computes
    /// nothing.
    ///
    /// # Errors
    /// When a model can't be opened, a stage fails, or a file can't be written; what was done is kept.
    pub fn run(self) -> Result<Finished, Error> {
        let host = Here { options: &self.options, desk: Local::new("") };
        let session = host.model(self.model.as_deref().unwrap_or_else(|| self.plan.model()))?;
        let folder = self.plan.folder();
        let place = RunSettings {
            folder: &folder,
            program: concat!("truenorth ", env!("CARGO_PKG_VERSION"), ", the library"),
            keep: true,
            rehearsal: false,
            flags: serde_json::Value::Null,
        };
        let done = self.plan.run(&session, &host, &place)?;
        Ok(Finished {
            says: done.summary.says,
            report: folder.join(truenorth_report::HTML_NAME),
            json: folder.join(truenorth_report::JSON_NAME),
        })
    }
}
