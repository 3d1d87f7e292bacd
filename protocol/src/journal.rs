//! Jobs sent to a service, as they are written down before anybody waits for them.

use std::error::Error;

use crate::ModelInfo;
use serde::{Deserialize, Serialize};

/// How far a job has come, as far as this machine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Being sent; whether the service has it is not known.
    Submitting,
    /// The service has it and gave it an id.
    Submitted,
    /// The answer was fetched and kept.
    Done,
    /// The service reported an error.
    Failed,
    /// The service no longer knows the id.
    Lost,
}

/// A job and all that is needed to pick it up again.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What tells equal work apart from other work: SHA-256 in hex over service, model and graph.
    pub key: String,
    /// The service's id, once it gave one.
    pub id: Option<String>,
    /// URL of the service, without credentials.
    pub service: String,
    /// `ndif` or `truenorth`.
    pub wire: String,
    /// The model the graph was checked against.
    pub model: ModelInfo,
    /// The graph, as [`Graph::to_bytes`](crate::Graph::to_bytes) writes it.
    pub graph: Vec<u8>,
    /// How far it has come, as far as is known here.
    pub state: JobState,
    /// The service's last message about it; empty before the first.
    pub note: String,
    /// When it was first written down, in seconds since 1970.
    pub created: i64,
    /// When it last changed, in seconds since 1970.
    pub changed: i64,
}

/// Why a journal could not be read or written.
pub type JournalError = Box<dyn Error + Send + Sync>;

/// Keeps a job for whoever has it, until it is dropped or its process ends, however that is.
pub type Hold = Box<dyn Send + Sync>;

/// Where jobs are written down. Shared between threads and processes.
pub trait Journal: Send + Sync {
    /// The job of this key, if there is one.
    ///
    /// # Errors
    /// When the journal can't be read.
    fn find(&self, key: &str) -> Result<Option<Job>, JournalError>;

    /// Writes a job down, in place of what was known under its key. On disk when this returns.
    ///
    /// # Errors
    /// When the journal can't be written; the work must not be sent then.
    fn put(&self, job: &Job) -> Result<(), JournalError>;

    /// Takes the job of this key, so that nobody else sends it meanwhile; none while another has it.
    /// A journal that only one process knows gives it to everybody.
    ///
    /// # Errors
    /// When it can't be told who has it; the work must not be sent then.
    fn hold(&self, _key: &str) -> Result<Option<Hold>, JournalError> {
        Ok(Some(Box::new(())))
    }
}
