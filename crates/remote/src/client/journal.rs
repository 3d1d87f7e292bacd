//! The journal as the client keeps it.

use std::sync::Arc;
use std::time::Duration;

use truenorth_protocol::CheckedGraph;
pub(super) use truenorth_protocol::clock::seconds as now;
use truenorth_protocol::hash::sha256_hex;

use super::ClientError;
use super::job_watch::JobWatch;
use super::wire::Wire;
use truenorth_protocol::journal::{Hold, Job, JobState, Journal};

/// The most characters of a note.
const NOTE: usize = 2000;

/// How often it is looked whether another run is done with a job.
const TURN: Duration = Duration::from_millis(200);

/// Where jobs are written down, if anywhere.
pub(super) struct ClientJournal(pub Option<Arc<dyn Journal>>);

impl ClientJournal {
    pub(super) fn find(&self, key: &str) -> Result<Option<Job>, ClientError> {
        self.0.as_ref().map_or(Ok(None), |journal| journal.find(key).map_err(ClientError::Journal))
    }

    /// Takes a job for this run; waits while another run has it, which will leave its answer or its id.
    ///
    /// # Errors
    /// When it can't be told who has it, or the user wants to stop.
    pub(super) async fn hold(
        &self,
        key: &str,
        job_watch: &JobWatch<'_>,
    ) -> Result<Option<Hold>, ClientError> {
        let Some(journal) = &self.0 else { return Ok(None) };
        let mut said = false;
        loop {
            if let Some(hold) = journal.hold(key).map_err(ClientError::Journal)? {
                return Ok(Some(hold));
            }
            if !said {
                job_watch.say("another run of this program is at the same job; waiting for it");
                said = true;
            }
            job_watch.sleep(TURN).await?;
        }
    }

    /// Writes a job down.
    ///
    /// # Errors
    /// When it can't be; it must not be sent then.
    pub(super) fn put(&self, job: &mut Job) -> Result<(), ClientError> {
        job.changed = now();
        self.0.as_ref().map_or(Ok(()), |journal| journal.put(job).map_err(ClientError::Journal))
    }

    /// Writes down how far a job came. That it could not be is said, and no reason to leave the job.
    pub(super) fn note(&self, job: &mut Job, state: JobState, note: &str, job_watch: &JobWatch<'_>) {
        job.state = state;
        job.note = note.chars().take(NOTE).collect();
        if let Err(error) = self.put(job) {
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            let id = job.id.as_deref().unwrap_or("without an id");
            job_watch.say(&format!("can't write down how job {id} goes on: {cause}"));
        }
    }
}

/// A job that is to be sent.
pub(super) fn job(wire: &dyn Wire, service: &str, checked: &CheckedGraph) -> Result<Job, ClientError> {
    let model = wire.info().clone();
    let graph = checked.graph().to_bytes()?;
    let hash = sha256_hex(&graph);
    let key = {
        // As JSON, so that no two lists of parts are the same text.
        let (reply, env) = (wire.reply(), wire.env());
        let mut parts = vec![service, wire.name(), &model.name, &model.revision, &model.path, &hash, &reply];
        let env = env.as_object().is_some_and(|e| !e.is_empty()).then(|| env.to_string());
        parts.extend(env.as_deref());
        let text = serde_json::to_vec(&parts)
            .map_err(|e| ClientError::Setup { what: "the key of a job", source: e.into() })?;
        sha256_hex(&text)
    };
    let created = now();
    Ok(Job {
        key,
        id: None,
        service: service.to_owned(),
        wire: wire.name().to_owned(),
        model,
        graph,
        state: JobState::Submitting,
        note: String::new(),
        created,
        changed: created,
    })
}
