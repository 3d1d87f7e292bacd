//! What runs next, alone or together, and how it ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use uuid::Uuid;

use super::super::auth::ClientId;
use super::super::batch::Pattern;
use super::super::record::{AnswerFile, JobRecord, RecordedState, now};
use super::job::{JobDemand, JobStage, ServerJob};
use super::{BoardState, JobBoard};
use truenorth_protocol::run::BatchLimits;

/// A job that was given out to run.
#[derive(Clone)]
pub(in super::super) struct TakenJob {
    pub record: JobRecord,
    pub pattern: Option<Pattern>,
    pub weight: JobDemand,
    /// Set when nobody wants its answer any more.
    pub cancelled: Arc<AtomicBool>,
}

impl JobBoard {
    /// Gives out the job whose turn it is, with others of its client that ask the same thing, within a
    /// budget. `room` is the memory that a run may take; clients that are `busy` have a run already.
    pub fn take(&self, budget: &BatchLimits, room: u64, busy: &HashSet<ClientId>) -> Option<Vec<TakenJob>> {
        let inner = &mut *self.lock();
        if inner.draining {
            return None;
        }
        let jobs = &inner.jobs;
        let fits = |id| jobs.get(&id).is_some_and(|j| j.weight.memory <= room);
        let leader = inner.queue.next_of(|client, id| !busy.contains(client) && fits(id))?;
        let mut chosen = vec![leader];
        chosen.extend(inner.companions(leader, budget, room));
        let mut taken = Vec::with_capacity(chosen.len());
        for id in chosen {
            let Some(job) = inner.jobs.get_mut(&id) else { continue };
            if id != leader {
                inner.queue.remove(&job.record.client, id);
            }
            self.metrics.seconds_queued.observe(job.since.elapsed().as_secs_f64());
            self.metrics.reached("running");
            job.since = Instant::now();
            job.reach(JobStage::Running, &mut inner.tally);
            job.progress.clear();
            job.place = (0, 0);
            inner.sockets.send(&job.sessions, &job.update());
            taken.push(TakenJob {
                record: job.record.clone(),
                pattern: job.pattern.clone(),
                weight: job.weight,
                cancelled: job.cancelled.clone(),
            });
        }
        self.renumber(inner);
        Some(taken)
    }

    /// Tells how far running jobs are.
    pub fn progress(&self, ids: &[Uuid], text: &str) {
        let inner = &mut *self.lock();
        for id in ids {
            let Some(job) = inner.jobs.get_mut(id).filter(|j| j.stage == JobStage::Running) else { continue };
            text.clone_into(&mut job.progress);
            inner.sockets.send(&job.sessions, &job.log(text));
        }
    }

    /// What is to be kept of a running job that ends like this; none if it ended otherwise meanwhile.
    pub fn ending(&self, id: Uuid, end: Result<AnswerFile, String>) -> Option<JobRecord> {
        let inner = self.lock();
        let job = inner.jobs.get(&id).filter(|j| j.stage == JobStage::Running)?;
        let mut record = job.record.clone();
        record.finished = Some(now());
        match end {
            Ok(file) => (record.state, record.answer) = (RecordedState::Completed, Some(file)),
            Err(why) => (record.state, record.description) = (RecordedState::Failed, why),
        }
        Some(record)
    }

    /// Ends a running job with what was kept of it; false if it ended otherwise meanwhile.
    pub fn end(&self, record: JobRecord) -> bool {
        let inner = &mut *self.lock();
        let Some(job) = inner.jobs.get_mut(&record.id).filter(|j| j.stage == JobStage::Running) else {
            return false;
        };
        self.metrics.reached(if record.state == RecordedState::Completed { "completed" } else { "error" });
        self.metrics.ran(job.since.elapsed().as_secs_f64());
        job.record = record;
        job.reach(JobStage::Ended, &mut inner.tally);
        inner.sockets.send(&job.sessions, &job.update());
        job.sessions.clear();
        self.renumber(inner);
        true
    }

    /// Puts a running job back in the queue.
    pub fn put_back(&self, id: Uuid) {
        let inner = &mut *self.lock();
        let Some(job) = inner.jobs.get_mut(&id).filter(|j| j.stage == JobStage::Running) else { return };
        job.since = Instant::now();
        job.reach(JobStage::Queued, &mut inner.tally);
        inner.queue.put_back(&job.record.client, id);
        self.renumber(inner);
    }

    /// Tells every waiting job whose place changed.
    pub(super) fn renumber(&self, inner: &mut BoardState) {
        let order: Vec<Uuid> = inner.queue.order().into_iter().map(|(_, id)| id).collect();
        let of = order.len();
        for (i, id) in order.into_iter().enumerate() {
            let Some(job) = inner.jobs.get_mut(&id) else { continue };
            let moved = job.place.0 != i + 1;
            job.place = (i + 1, of);
            if moved {
                inner.sockets.send(&job.sessions, &job.update());
            }
        }
        self.metrics.queued.set(i64::try_from(of).unwrap_or(i64::MAX));
        self.metrics.running.set(i64::try_from(inner.tally.running).unwrap_or(i64::MAX));
    }
}

impl BoardState {
    /// Waiting jobs that can run with this one, in their order. They are of the same client: what a run
    /// shares between prompts that begin alike shows in the last bits of its answers.
    fn companions(&self, leader: Uuid, budget: &BatchLimits, room: u64) -> Vec<Uuid> {
        let Some(first) = self.jobs.get(&leader) else { return Vec::new() };
        let Some(pattern) = &first.pattern else { return Vec::new() };
        let same = |job: &&ServerJob| job.pattern.as_ref() == Some(pattern);
        let mut weight = first.weight;
        let mut chosen = Vec::new();
        let own = self.queue.of(&first.record.client);
        for job in own.filter_map(|id| self.jobs.get(&id)).filter(same) {
            let tokens = weight.tokens.saturating_add(job.weight.tokens);
            let sequences = weight.sequences.saturating_add(job.weight.sequences);
            let memory = weight.memory.saturating_add(job.weight.memory);
            if tokens > budget.tokens as u64 || sequences > budget.sequences as u64 || memory > room {
                continue;
            }
            weight = JobDemand { tokens, sequences, memory, ..weight };
            chosen.push(job.record.id);
        }
        chosen
    }
}
