//! All jobs and what may happen to them. Every change is made here, under one lock, and told to the
//! sockets in the order in which it was made. Nothing here waits for a disk or a run.

mod job;
mod sockets;
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
use super::metrics::Metrics;
use super::options::Limits;
use super::queue::FairQueue;
use super::record::{AnswerFile, Kept, Record, now};
use super::refusal::Refused;
use job::{Job, Stage};
pub(super) use job::{NewJob, Weight};
use sockets::Sockets;
pub(super) use turns::Taken;

/// All jobs.
pub(super) struct Board {
    inner: Mutex<Inner>,
    limits: Limits,
    metrics: Arc<Metrics>,
    /// Whether a job is only its client's; where no keys are asked for, its id is all it takes.
    keyed: bool,
    /// Woken when there is something to run, or nothing will come any more.
    pub work: Notify,
    /// Woken when a job that was being received is kept, or is not.
    received: Notify,
}

#[derive(Default)]
struct Inner {
    jobs: HashMap<Uuid, Job>,
    queue: FairQueue<ClientId, Uuid>,
    keys: HashMap<(ClientId, String), Uuid>,
    sockets: Sockets,
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

impl Board {
    pub fn new(limits: Limits, metrics: Arc<Metrics>, keyed: bool) -> Self {
        Self { inner: Mutex::default(), limits, metrics, keyed, work: Notify::new(), received: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves the board whole: no step of a change can panic half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for a new job; none if it is new, or what is known of the one that has its
    /// idempotency key.
    ///
    /// # Errors
    /// Too many jobs, a key used for something else, or the server is stopping.
    pub async fn reserve(&self, new: NewJob) -> Result<Option<Update>, Refused> {
        let (id, session) = (new.record.id, new.session);
        let mut new = Some(new);
        loop {
            let done = self.received.notified();
            tokio::pin!(done);
            // Registered before the look, so that nothing between look and wait is missed.
            done.as_mut().enable();
            match self.try_reserve(id, session, &mut new)? {
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
    ) -> Result<Reserved, Refused> {
        let inner = &mut *self.lock();
        let Some(record) = new.as_ref().map(|n| &n.record) else { return Ok(Reserved::Wait) };
        let key = record.idempotency_key.clone().map(|k| (record.client.clone(), k));
        if let Some(job) = key.as_ref().and_then(|k| inner.keys.get(k)).and_then(|id| inner.jobs.get_mut(id))
        {
            if job.record.asked != record.asked {
                return Err(Refused::unprocessable(
                    "this idempotency-key was used for another payload; take a new key for new work",
                ));
            }
            if job.stage == Stage::Receiving {
                return Ok(Reserved::Wait);
            }
            let update = job.update();
            // The client may have lost its socket along with the first answer.
            if let Some(session) = session
                && inner.sockets.belongs(session, self.keyed.then_some(&job.record.client))
            {
                job.sessions.push(session);
                inner.sockets.send(&[session], &update);
            }
            return Ok(Reserved::Known(update));
        }
        if inner.draining {
            return Err(Refused::draining());
        }
        self.room(inner, &record.client)?;
        if let Some(key) = key {
            inner.keys.insert(key, id);
        }
        if let Some(new) = new.take() {
            let mut job = Job::new(new);
            let owner = self.keyed.then_some(&job.record.client);
            job.sessions.retain(|s| inner.sockets.belongs(*s, owner));
            inner.jobs.insert(id, job);
        }
        Ok(Reserved::New)
    }

    /// Whether a client may have one more job.
    fn room(&self, inner: &Inner, client: &ClientId) -> Result<(), Refused> {
        let open = || inner.jobs.values().filter(|j| j.stage != Stage::Ended);
        let (all, own) = (open().count(), open().filter(|j| j.record.client == *client).count());
        let wait = |jobs: usize| {
            #[allow(clippy::cast_precision_loss, reason = "an estimate of a few digits")]
            let seconds = self.metrics.pace() * jobs as f64;
            Duration::from_secs_f64(seconds.clamp(1.0, 600.0))
        };
        if own >= self.limits.jobs_per_client {
            let detail = format!("{own} jobs of this client are waiting or running, the most that are taken");
            // One of them ends once every other client had a turn.
            return Err(Refused::busy(detail, wait(inner.queue.clients().max(1))));
        }
        if all >= self.limits.jobs {
            let detail = format!("{all} jobs are waiting or running, the most that are taken");
            return Err(Refused::busy(detail, wait(1)));
        }
        Ok(())
    }

    /// Queues a job that is now kept, and says what the client is told.
    pub fn admit(&self, id: Uuid) -> Option<Update> {
        let inner = &mut *self.lock();
        let job = inner.jobs.get_mut(&id)?;
        let update = job.received();
        inner.sockets.send(&job.sessions, &update);
        (job.stage, job.since) = (Stage::Queued, Instant::now());
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

    /// Takes jobs over from the spool; those that were not done are queued again.
    pub fn restore(&self, jobs: Vec<NewJob>) {
        let inner = &mut *self.lock();
        for new in jobs {
            let (id, client) = (new.record.id, new.record.client.clone());
            if let Some(key) = &new.record.idempotency_key {
                inner.keys.insert((client.clone(), key.clone()), id);
            }
            let mut job = Job::new(new);
            if job.stage != Stage::Ended {
                job.stage = Stage::Queued;
                inner.queue.push(&client, id);
            }
            inner.jobs.insert(id, job);
        }
        self.renumber(inner);
        self.work.notify_one();
    }

    /// What is known of a job.
    pub fn update(&self, id: Uuid, client: &ClientId) -> Option<Update> {
        let inner = self.lock();
        inner
            .jobs
            .get(&id)
            .filter(|j| j.stage != Stage::Receiving && self.may_see(j, client))
            .map(Job::update)
    }

    /// The answer of a job, once there is one, or else what is known of it.
    pub fn answer(&self, id: Uuid, client: &ClientId) -> Option<Result<AnswerFile, Update>> {
        let inner = self.lock();
        let job = inner.jobs.get(&id).filter(|j| self.may_see(j, client))?;
        Some(match (&job.record.answer, job.record.state) {
            (Some(file), Kept::Completed) => Ok(file.clone()),
            _ => Err(job.update()),
        })
    }

    /// What is kept of a job.
    pub fn record(&self, id: Uuid) -> Option<Record> {
        self.lock().jobs.get(&id).map(|j| j.record.clone())
    }

    fn may_see(&self, job: &Job, client: &ClientId) -> bool {
        !self.keyed || job.record.client == *client
    }

    /// Cancels a job; gives what is to be kept of it, if that changed.
    ///
    /// # Errors
    /// No such job, or it is done.
    pub fn cancel(&self, id: Uuid, client: &ClientId) -> Result<(Update, Option<Record>), Refused> {
        let inner = &mut *self.lock();
        let job = inner
            .jobs
            .get_mut(&id)
            .filter(|j| j.stage != Stage::Receiving && self.may_see(j, client))
            .ok_or_else(|| no_job(id))?;
        if job.stage == Stage::Ended {
            if job.cancelled.load(Ordering::SeqCst) || job.record.description == CANCELLED {
                return Ok((job.update(), None));
            }
            let status = job.update().status;
            return Err(Refused::new(
                StatusCode::CONFLICT,
                format!("job {id} is {}; there is nothing to cancel", status.as_str()),
            ));
        }
        job.cancelled.store(true, Ordering::SeqCst);
        inner.queue.remove(&job.record.client, id);
        job.record.state = Kept::Failed;
        job.record.description = CANCELLED.to_owned();
        job.record.finished = Some(now());
        job.stage = Stage::Ended;
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

    fn count_sockets(&self, inner: &Inner) {
        self.metrics.sockets.set(i64::try_from(inner.sockets.len()).unwrap_or(i64::MAX));
    }

    /// Takes no more jobs, and gives none out to run.
    pub fn drain(&self) {
        self.lock().draining = true;
        self.work.notify_one();
    }

    /// Whether a job is just being written down.
    pub fn receiving(&self) -> bool {
        self.lock().jobs.values().any(|j| j.stage == Stage::Receiving)
    }

    /// Whether the server is stopping.
    pub fn draining(&self) -> bool {
        self.lock().draining
    }

    /// Forgets jobs that ended so long ago, and says which.
    pub fn sweep(&self, keep: Duration) -> Vec<Uuid> {
        let inner = &mut *self.lock();
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let time = now();
        let old: Vec<Uuid> = inner
            .jobs
            .values()
            .filter(|j| j.stage == Stage::Ended)
            .filter(|j| j.record.finished.is_some_and(|t| t.saturating_add(keep) <= time))
            .map(|j| j.record.id)
            .collect();
        old.iter().for_each(|id| inner.forget(*id));
        old
    }
}

/// What a cancelled job is told to have failed with.
const CANCELLED: &str = "cancelled by its client";

/// There is no such job, or none that this client may see.
pub(super) fn no_job(id: Uuid) -> Refused {
    Refused::not_found(format!("there is no job {id}; finished jobs are kept for a while only"))
}

impl Inner {
    fn forget(&mut self, id: Uuid) {
        let Some(job) = self.jobs.remove(&id) else { return };
        if let Some(key) = job.record.idempotency_key {
            self.keys.remove(&(job.record.client, key));
        }
    }
}
