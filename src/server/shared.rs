//! What every request and every run has at hand.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::{Semaphore, watch};

use super::auth::Keys;
use super::board::{Board, NewJob};
use super::error::ServerError;
use super::metrics::Metrics;
use super::options::{Limits, ServerOptions};
use super::payload;
use super::record::{Kept, Record, now};
use super::refusal::Refused;
use super::spool::Spool;
use crate::run::Runner;
use truenorth_protocol::{Checked, limits};

/// The server's parts.
pub(super) struct Shared {
    pub runner: Arc<dyn Runner>,
    pub board: Board,
    pub spool: Spool,
    pub metrics: Arc<Metrics>,
    pub keys: Keys,
    pub limits: Limits,
    /// Whether only this machine can reach the server.
    pub loopback: bool,
    /// Bodies that may be in memory.
    pub bodies: Semaphore,
    /// Set when a run must end now.
    pub halt: AtomicBool,
    /// Becomes true when connections are to end.
    pub closing: watch::Sender<bool>,
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Shared {
    /// Opens the spool and takes over what is in it.
    pub fn open(runner: Arc<dyn Runner>, options: &ServerOptions) -> Result<Self, ServerError> {
        let notice = options.notice.clone();
        let (spool, records) = Spool::open(&options.spool, &|text| notice(text))?;
        let metrics = Arc::new(Metrics::new());
        let shared = Self {
            runner,
            board: Board::new(options.limits, metrics.clone(), !options.keys.is_empty()),
            spool,
            metrics,
            keys: options.keys.clone(),
            limits: options.limits,
            loopback: options.listen.ip().is_loopback(),
            bodies: Semaphore::new(options.limits.bodies.max(1)),
            halt: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            notice,
        };
        let jobs = records.into_iter().map(|r| shared.restored(r)).collect();
        shared.board.restore(jobs);
        Ok(shared)
    }

    /// A job of the spool. One that this model can't run any more ends here, and says why.
    fn restored(&self, mut record: Record) -> NewJob {
        if record.state == Kept::Pending {
            let checked = if record.model == self.model() {
                self.load(&record)
            } else {
                Err(format!(
                    "the server was restarted with the model {}; this job was for {}",
                    self.model().join(" "),
                    record.model.join(" ")
                ))
            };
            match checked {
                Ok(checked) => return NewJob::new(record, &checked, None),
                Err(why) => {
                    (record.state, record.description) = (Kept::Failed, why);
                    record.finished = Some(now());
                    self.finish(&record);
                }
            }
        }
        NewJob { record, pattern: None, weight: super::board::Weight::default(), session: None }
    }

    /// The graph of a job, out of the spool.
    pub fn load(&self, record: &Record) -> Result<Checked, String> {
        let payload = payload::of_name(&record.payload)
            .ok_or_else(|| format!("payloads of the kind {:?} are not known here", record.payload))?;
        let bytes = self
            .spool
            .payload(record.id, limits::GRAPH_BYTES)
            .map_err(|e| format!("the payload can't be read from the spool: {e}"))?;
        payload.read(&bytes, self.runner.info()).map_err(|Refused { detail, .. }| detail)
    }

    /// Keeps how a job ended; a disk that refuses is told to the operator, as the client has its answer.
    pub fn finish(&self, record: &Record) {
        if let Err(e) = self.spool.finish(record) {
            (self.notice)(&format!("job {}: its end can't be written to the spool: {e}", record.id));
        }
    }

    /// Name, revision and numeric path of the model.
    pub fn model(&self) -> [String; 3] {
        let info = self.runner.info();
        [info.name.clone(), info.revision.clone(), info.path.clone()]
    }
}
