//! All jobs and what may happen to them. Every change is made here, under one lock, and told to the
//! sockets in the order in which it was made. Nothing here waits for a disk or a run.

mod job;
mod sockets;
mod space;
mod tally;
mod turns;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use truenorth_protocol::job::Update;
use uuid::Uuid;

use super::auth::ClientId;
use super::metrics::ServerMetrics;
use super::options::ServerLimits;
use super::queue::FairQueue;
use super::record::{AnswerFile, JobRecord, RecordedState, now};
use super::refusal::RefusedRequest;
pub(super) use job::{JobDemand, NewJob};
use job::{JobStage, ServerJob};
use sockets::Sockets;
use tally::JobTally;
pub(super) use turns::TakenJob;

pub(super) struct JobBoard {
    inner: Mutex<BoardState>,
    limits: ServerLimits,
    metrics: Arc<ServerMetrics>,
    /// Whether a job is only its client's; where no keys are asked for, its id is all it takes.
    keyed: bool,
    /// How long a finished job is kept.
    keep: Duration,
    /// Woken when there is something to run, or nothing will come any more.
    pub work: Notify,
    /// Woken when a job that was being received is kept, or is not.
    received: Notify,
}

#[derive(Default)]
struct BoardState {
    jobs: HashMap<Uuid, ServerJob>,
    queue: FairQueue<ClientId, Uuid>,
    keys: HashMap<(ClientId, String), Uuid>,
    sockets: Sockets,
    tally: JobTally,
    draining: bool,
}

/// What became of an attempt to submit.
enum Reserved {
    /// The job is new and has to be kept now.
    New,
    /// It is one that is there already.
    Known(Update),
    /// It is one that is being received.
    Wait,
}

impl JobBoard {
    pub fn new(limits: ServerLimits, metrics: Arc<ServerMetrics>, keyed: bool, keep: Duration) -> Self {
        let (work, received) = (Notify::new(), Notify::new());
        Self { inner: Mutex::default(), limits, metrics, keyed, keep, work, received }
    }

    fn lock(&self) -> MutexGuard<'_, BoardState> {
        // A panic elsewhere leaves the board whole: no step of a change can panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a new job; none if it is new, or what is known of the one that has its
    /// idempotency key.
    ///
    /// # Errors
    /// Too many jobs, a key used for something else, or the server is stopping.
    pub async fn reserve(&self, new: NewJob, free: Option<u64>) -> Result<Option<Update>, RefusedRequest> {
        let (id, session) = (new.record.id, new.session);
        let mut new = Some(new);
        loop {
            let done = self.received.notified();
            tokio::pin!(done);
            // Registered before the look, so that nothing between look and wait is missed.
            done.as_mut().enable();
            match self.try_reserve(id, session, &mut new, free)? {
                Reserved::New => return Ok(None),
                Reserved::Known(update) => return Ok(Some(update)),
                Reserved::Wait => done.await,
            }
        }
    }

    fn try_reserve(
        &self,
        id: Uuid,
        session: Option<Uuid>,
        new: &mut Option<NewJob>,
        free: Option<u64>,
    ) -> Result<Reserved, RefusedRequest> {
        let inner = &mut *self.lock();
        let Some((record, weight)) = new.as_ref().map(|n| (&n.record, n.weight)) else {
            return Ok(Reserved::Wait);
        };
        let key = record.idempotency_key.clone().map(|k| (record.client.clone(), k));
        if let Some(job) = key.as_ref().and_then(|k| inner.keys.get(k)).and_then(|id| inner.jobs.get_mut(id))
        {
            if job.record.asked != record.asked {
                return Err(RefusedRequest::unprocessable(
                    "this idempotency-key was used for another payload; take a new key for new work",
                ));
            }
            if job.stage == JobStage::Receiving {
                return Ok(Reserved::Wait);
            }
            let update = job.update();
            // The client may have lost its socket along with the first answer.
            if let Some(session) = session
                && inner.sockets.belongs(session, self.keyed.then_some(&job.record.client))
            {
                if !job.sessions.contains(&session) {
                    job.sessions.push(session);
                }
                inner.sockets.send(&[session], &update);
            }
            return Ok(Reserved::Known(update));
        }
        if inner.draining {
            return Err(RefusedRequest::draining());
        }
        self.room(inner, &record.client)?;
        self.space(inner, weight.disk, free)?;
        if let Some(key) = key {
            inner.keys.insert(key, id);
        }
        if let Some(new) = new.take() {
            let mut job = ServerJob::new(new);
            let owner = self.keyed.then_some(&job.record.client);
            job.sessions.retain(|s| inner.sockets.belongs(*s, owner));
            inner.add(job);
        }
        Ok(Reserved::New)
    }

    /// Whether a client may have one more job.
    fn room(&self, inner: &BoardState, client: &ClientId) -> Result<(), RefusedRequest> {
        let (all, own) = (inner.tally.all, inner.tally.of(client));
        let wait = |jobs: usize| {
            #[allow(clippy::cast_precision_loss, reason = "an estimate of a few digits")]
            let seconds = self.metrics.pace() * jobs as f64;
            Duration::from_secs_f64(seconds.clamp(1.0, 600.0))
        };
        if own >= self.limits.jobs_per_client {
            let detail = format!("{own} jobs of this client are waiting or running, the most that are taken");
            // One of them ends once every other client had a turn.
            return Err(RefusedRequest::busy(detail, wait(inner.queue.clients().max(1))));
        }
        if all >= self.limits.jobs {
            let detail = format!("{all} jobs are waiting or running, the most that are taken");
            return Err(RefusedRequest::busy(detail, wait(1)));
        }
        Ok(())
    }

    /// Queues a job that is now kept, and says what the client is told.
    pub fn admit(&self, id: Uuid) -> Option<Update> {
        let inner = &mut *self.lock();
        let job = inner.jobs.get_mut(&id)?;
        let update = job.received();
        inner.sockets.send(&job.sessions, &update);
        job.since = Instant::now();
        job.reach(JobStage::Queued, &mut inner.tally);
        inner.queue.push(&job.record.client, id);
        self.metrics.reached("received");
        self.renumber(inner);
        self.received.notify_waiters();
        self.work.notify_one();
        Some(update)
    }

    /// Forgets a job that could not be kept.
    pub fn reject(&self, id: Uuid) {
        self.lock().forget(id);
        self.received.notify_waiters();
    }

    /// Takes jobs over from the spool; those that were not done are queued again, those that the server
    /// ended in the middle of after all others.
    pub fn restore(&self, mut jobs: Vec<NewJob>) {
        let inner = &mut *self.lock();
        jobs.sort_by_key(|new| new.suspect);
        for new in jobs {
            let (id, client) = (new.record.id, new.record.client.clone());
            if let Some(key) = &new.record.idempotency_key {
                inner.keys.insert((client.clone(), key.clone()), id);
            }
            let mut job = ServerJob::new(new);
            if job.stage == JobStage::Ended {
                job.ended = Some(self.ended(&job.record));
            } else {
                job.stage = JobStage::Queued;
                inner.queue.push(&client, id);
            }
            inner.add(job);
        }
        self.renumber(inner);
        self.work.notify_one();
    }

    pub fn update(&self, id: Uuid, client: &ClientId) -> Option<Update> {
        let inner = self.lock();
        inner
            .jobs
            .get(&id)
            .filter(|j| j.stage != JobStage::Receiving && self.may_see(j, client))
            .map(ServerJob::update)
    }

    /// The answer of a job, once there is one, or else what is known of it.
    pub fn answer(&self, id: Uuid, client: &ClientId) -> Option<Result<AnswerFile, Update>> {
        let inner = self.lock();
        let job = inner.jobs.get(&id).filter(|j| self.may_see(j, client))?;
        Some(match (&job.record.answer, job.record.state) {
            (Some(file), RecordedState::Completed) => Ok(file.clone()),
            _ => Err(job.update()),
        })
    }

    pub fn record(&self, id: Uuid) -> Option<JobRecord> {
        self.lock().jobs.get(&id).map(|j| j.record.clone())
    }

    fn may_see(&self, job: &ServerJob, client: &ClientId) -> bool {
        !self.keyed || job.record.client == *client
    }

    /// Cancels a job, for its client or an operator; gives what is to be kept of it, if that changed.
    ///
    /// # Errors
    /// No such job, or it is done.
    pub fn cancel(
        &self,
        id: Uuid,
        client: &ClientId,
        operator: bool,
    ) -> Result<(Update, Option<JobRecord>), RefusedRequest> {
        let inner = &mut *self.lock();
        let job = inner
            .jobs
            .get_mut(&id)
            .filter(|j| j.stage != JobStage::Receiving && (operator || self.may_see(j, client)))
            .ok_or_else(|| no_job(id))?;
        if job.stage == JobStage::Ended {
            if job.cancelled.load(Ordering::SeqCst) || CANCELLED.contains(&&*job.record.description) {
                return Ok((job.update(), None));
            }
            let status = job.update().status;
            return Err(RefusedRequest::new(
                StatusCode::CONFLICT,
                format!("job {id} is {}; there is nothing to cancel", status.as_str()),
            ));
        }
        job.cancelled.store(true, Ordering::SeqCst);
        inner.queue.remove(&job.record.client, id);
        job.record.state = RecordedState::Failed;
        CANCELLED[usize::from(operator)].clone_into(&mut job.record.description);
        job.record.finished = Some(now());
        job.reach(JobStage::Ended, &mut inner.tally);
        let (update, record) = (job.update(), job.record.clone());
        inner.sockets.send(&job.sessions, &update);
        job.sessions.clear();
        self.metrics.reached("cancelled");
        self.renumber(inner);
        Ok((update, Some(record)))
    }

    /// Adds a socket of a client; none if there are too many.
    pub fn open_socket(&self, client: &ClientId) -> Option<(Uuid, Receiver<String>)> {
        let mut inner = self.lock();
        if inner.draining {
            return None;
        }
        let opened = inner.sockets.open(client, &self.limits);
        self.count_sockets(&inner);
        opened
    }

    /// Removes a socket.
    pub fn close_socket(&self, id: Uuid) {
        let mut inner = self.lock();
        inner.sockets.close(id);
        self.count_sockets(&inner);
    }

    /// Ends every socket once it has sent what waits for it.
    pub fn close_sockets(&self) {
        self.lock().sockets.close_all();
    }

    fn count_sockets(&self, inner: &BoardState) {
        self.metrics.sockets.set(i64::try_from(inner.sockets.len()).unwrap_or(i64::MAX));
    }

    /// Takes no more jobs, and gives none out to run.
    pub fn drain(&self) {
        self.lock().draining = true;
        self.work.notify_one();
    }

    /// Whether a job is just being written down.
    pub fn receiving(&self) -> bool {
        self.lock().tally.receiving > 0
    }

    /// Whether the server is stopping.
    pub fn draining(&self) -> bool {
        self.lock().draining
    }
}

/// What a cancelled job is told to have failed with.
const CANCELLED: [&str; 2] = ["cancelled by its client", "cancelled by the operator of the server"];

/// There is no such job, or none that this client may see.
pub(super) fn no_job(id: Uuid) -> RefusedRequest {
    RefusedRequest::not_found(format!("there is no job {id}; finished jobs are kept for a while only"))
}

impl BoardState {
    fn add(&mut self, job: ServerJob) {
        self.tally.moved(&job.record.client, None, Some((job.stage, job.disk)));
        self.jobs.insert(job.record.id, job);
    }

    fn forget(&mut self, id: Uuid) {
        let Some(job) = self.jobs.remove(&id) else { return };
        self.tally.moved(&job.record.client, Some((job.stage, job.disk)), None);
        if let Some(key) = job.record.idempotency_key {
            self.keys.remove(&(job.record.client, key));
        }
    }
}
