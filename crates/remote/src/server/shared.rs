//! What every request and every run has at hand.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{CheckedGraph, limits};
use uuid::Uuid;

use super::auth::{ClientId, ServerKeys};
use super::board::{JobBoard, JobDemand, NewJob};
use super::connect::Connection;
use super::error::ServerError;
use super::guesses::Guesses;
use super::memory::MemoryBudget;
use super::metrics::ServerMetrics;
use super::options::{ServerLimits, ServerOptions};
use super::payload;
use super::record::{JobRecord, RecordedState, now};
use super::refusal::RefusedRequest;
use super::requests::Requests;
use super::seats::{BodySeat, Seats};
use super::send;
use super::spool::{Spool, SpooledJob};
use super::turns::ModelTurns;
use super::vouch::Vouched;
use crate::available::available;
use truenorth_protocol::run::Runner;

/// Of the memory for requests and runs, the part of requests: one in so many.
const REQUESTS: u64 = 4;
/// The part of results that are being sent.
const RESULTS: u64 = 16;
/// One client has at most one in so many of the results that may be sent at a time.
const CLIENTS: u64 = 4;

pub(super) struct ServerParts {
    pub runner: Arc<dyn Runner>,
    pub board: JobBoard,
    pub spool: Spool,
    pub metrics: Arc<ServerMetrics>,
    pub keys: ServerKeys,
    pub operators: ServerKeys,
    pub guesses: Guesses,
    pub vouched: Vouched,
    pub limits: ServerLimits,
    /// Whether only this machine can reach the server.
    pub loopback: bool,
    /// Requests that are being answered.
    pub requests: Requests,
    /// Results that are being sent.
    pub results: Requests,
    /// Memory that they may take.
    pub sending: Arc<MemoryBudget>,
    /// Bodies that may be in memory.
    seats: Seats,
    /// Memory that runs may take.
    pub runs: Arc<MemoryBudget>,
    pub turns: Arc<ModelTurns>,
    /// Set when a run must end now.
    pub halt: AtomicBool,
    /// Becomes true when connections are to end.
    pub closing: watch::Sender<bool>,
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl ServerParts {
    /// Opens the spool and takes over what is in it.
    pub fn open(runner: Arc<dyn Runner>, options: &ServerOptions) -> Result<Self, ServerError> {
        let notice = options.notice.clone();
        let (spool, found) = Spool::open(&options.spool, &|text| notice(text))?;
        let metrics = Arc::new(ServerMetrics::new());
        let limits = options.limits;
        let there = available();
        let memory = limits.memory.unwrap_or(there / 2);
        if memory > there {
            notice(&format!(
                "--max-memory is {} MiB, the system leaves this process {} MiB\n\
                 hint: name less, or a request may end the server",
                memory >> 20,
                there >> 20
            ));
        }
        let requests = MemoryBudget::new(memory / REQUESTS);
        let sending = MemoryBudget::new((memory / RESULTS).max(send::EACH));
        let results = usize::try_from(sending.total() / send::EACH / CLIENTS).unwrap_or(usize::MAX);
        let shared = Self {
            runner,
            board: JobBoard::new(limits, metrics.clone(), !options.keys.is_empty(), options.keep),
            spool,
            metrics,
            keys: options.keys.clone(),
            operators: options.operators.clone(),
            guesses: Guesses::default(),
            vouched: Vouched::default(),
            limits,
            loopback: options.listen.ip().is_loopback(),
            requests: Requests::new(limits.requests_per_client, "requests of this client are being answered"),
            results: Requests::new(
                limits.results_per_client.min(results),
                "results are being sent to this client",
            ),
            sending,
            seats: Seats::new(limits.bodies, limits.bodies_per_client, requests),
            runs: MemoryBudget::new(memory - memory / REQUESTS - memory / RESULTS),
            turns: Arc::default(),
            halt: AtomicBool::new(false),
            closing: watch::Sender::new(false),
            notice,
        };
        let jobs = found.into_iter().map(|f| shared.restored(f)).collect();
        shared.board.restore(jobs);
        Ok(shared)
    }

    /// A job of the spool. One that this model can't run any more, or that the server ended in the middle
    /// of too often, ends here, and says why.
    fn restored(&self, found: SpooledJob) -> NewJob {
        let SpooledJob { mut record, alone, suspect, bytes } = found;
        let ended = JobDemand { disk: bytes, ..JobDemand::default() };
        if record.state == RecordedState::Pending {
            let checked = if alone >= self.limits.attempts {
                Err(self.set_aside(&record, alone))
            } else if record.model == self.model() {
                self.load(&record)
            } else {
                Err(format!(
                    "the server was restarted with the model {}; this job was for {}",
                    self.model().join(" "),
                    record.model.join(" ")
                ))
            };
            let made = checked.and_then(|(checked, bytes)| {
                let new = NewJob::new(record.clone(), &checked, bytes, None);
                self.fits(&new).map(|()| NewJob { suspect, ..new })
            });
            match made {
                Ok(new) => return new,
                Err(why) => {
                    (record.state, record.description) = (RecordedState::Failed, why);
                    record.finished = Some(now());
                    self.finish(&record);
                }
            }
        }
        NewJob { record, pattern: None, weight: ended, session: None, suspect: false }
    }

    /// What the owner of a job is told that ends the server whenever it runs; the operator is told too.
    fn set_aside(&self, record: &JobRecord, attempts: usize) -> String {
        (self.notice)(&format!(
            "job {} of {} is set aside: the server ended {attempts} times while it ran",
            record.id, record.client
        ));
        format!(
            "set aside: the server ended {attempts} times while this job ran, which it may have been the cause of\n\
             hint: ask about fewer prompts at a time, or send it again under a new key"
        )
    }

    pub fn check_limits(&self) -> CheckLimits {
        CheckLimits {
            answer_bytes: limits::ANSWER_BYTES as u64,
            run_bytes: self.runs.total(),
            tokens: self.limits.job_tokens,
        }
    }

    /// Whether a job can have the memory that it may take, once nobody else has any.
    pub fn fits(&self, job: &NewJob) -> Result<(), String> {
        let (memory, limit) = (job.weight.memory, self.runs.total());
        if memory <= limit {
            return Ok(());
        }
        Err(format!(
            "the run and what it is asked with may take {memory} bytes of memory, the limit is {limit}; ask about fewer prompts at a time"
        ))
    }

    /// The graph of a job, out of the spool, and in how many bytes it came.
    pub fn load(&self, record: &JobRecord) -> Result<(CheckedGraph, u64), String> {
        let payload = payload::of_name(&record.payload)
            .ok_or_else(|| format!("payloads of the kind {:?} are not known here", record.payload))?;
        let bytes = self
            .spool
            .payload(record.id, limits::GRAPH_BYTES, &record.asked)
            .map_err(|e| format!("the payload in the spool can't be used: {e}"))?;
        let memory = usize::try_from(self.runs.total()).unwrap_or(usize::MAX);
        payload
            .read(&bytes, self.runner.info(), &self.check_limits(), memory)
            .map(|checked| (checked, bytes.len() as u64))
            .map_err(|RefusedRequest { detail, .. }| detail)
    }

    /// A place for a body of a client in memory, to be held by the work on it.
    ///
    /// # Errors
    /// 429 when there is none for too long, before the connection is taken for one that stalled.
    pub async fn seat(&self, client: &ClientId, connection: &Connection) -> Result<BodySeat, RefusedRequest> {
        self.seats.seat(client, self.limits.pause, connection).await
    }

    /// Keeps how a job ended; a disk that refuses is told to the operator, as the client has its answer.
    pub fn finish(&self, record: &JobRecord) {
        if let Err(e) = self.spool.finish(record) {
            (self.notice)(&format!("job {}: its end can't be written to the spool: {e}", record.id));
        }
    }

    /// Removes jobs that the board forgot.
    pub fn remove(&self, gone: Vec<Uuid>) {
        for id in gone {
            self.vouched.forget(id);
            self.spool.remove(id);
        }
    }

    /// Name, revision and numeric path of the model.
    pub fn model(&self) -> [String; 3] {
        let info = self.runner.info();
        [info.name.clone(), info.revision.clone(), info.path.clone()]
    }
}
