//! How much disk jobs may take, and which answers go first.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::super::auth::ClientId;
use super::super::record::{JobRecord, RecordedState, now};
use super::super::refusal::RefusedRequest;
use super::job::{JobStage, ServerJob};
use super::{BoardState, JobBoard};

/// Bytes of disk that are left to others.
const MARGIN: u64 = 64 << 10;
/// Jobs that have ended and are remembered, however little disk they take.
const KEPT: usize = 1 << 16;
/// When room may be there again, as a guess.
const SOON: Duration = Duration::from_secs(30);

impl JobBoard {
    /// Whether a job that may take so many bytes fits beside those that are open.
    pub(super) fn space(
        &self,
        inner: &BoardState,
        disk: u64,
        free: Option<u64>,
    ) -> Result<(), RefusedRequest> {
        let full = |detail: String| {
            Err(RefusedRequest {
                retry_after: Some(SOON),
                ..RefusedRequest::new(StatusCode::INSUFFICIENT_STORAGE, detail)
            })
        };
        let wanted = inner.tally.reserved.saturating_add(disk);
        let limit = self.limits.spool_bytes;
        if wanted > limit {
            return full(format!(
                "the job may take {disk} bytes of disk, and jobs that wait or run have {} of the {limit} there are",
                inner.tally.reserved
            ));
        }
        match free {
            Some(free) if wanted.saturating_add(MARGIN) > free => full(format!(
                "the job may take {disk} bytes of disk, jobs that wait or run {}, and the disk has {free}",
                inner.tally.reserved
            )),
            _ => Ok(()),
        }
    }

    /// Forgets answers, until there is room for a job of a client that may take so many bytes, in the quota
    /// and on the disk that has so many free, and says which; their files are still to be removed.
    pub fn make_room(&self, client: &ClientId, disk: u64, free: Option<u64>) -> Vec<Uuid> {
        let inner = &mut *self.lock();
        let open = inner.tally.reserved.saturating_add(disk);
        let taken = inner.tally.kept.saturating_add(open);
        let limit = self.limits.spool_bytes;
        // A little more than is needed, so that not every job looks for something to forget.
        let excess = if taken > limit { (taken - limit).saturating_add(limit / 64) } else { 0 };
        let least = if inner.tally.ended > KEPT { inner.tally.ended - (KEPT - KEPT / 64) } else { 0 };
        let mut gone = inner.give_way(excess, least, |_| true);
        let free = free.map(|f| f.saturating_add(excess));
        gone.extend(inner.clear(open, free, |job| job.fetched || job.record.client != *client));
        gone
    }

    /// Forgets answers that were fetched, until the disk has room for so many bytes of a job that was taken.
    pub fn clear_disk(&self, needed: u64, free: Option<u64>) -> Vec<Uuid> {
        self.lock().clear(needed, free, |job| job.fetched)
    }

    /// All of an answer was sent: it may go before those that nobody has yet.
    pub fn fetched(&self, id: Uuid) {
        if let Some(job) = self.lock().jobs.get_mut(&id) {
            job.fetched = true;
        }
    }

    /// Forgets jobs that ended so long ago, and says which.
    pub fn sweep(&self, keep: Duration) -> Vec<Uuid> {
        let inner = &mut *self.lock();
        let old: Vec<Uuid> = inner
            .jobs
            .values()
            .filter(|j| j.ended.is_some_and(|t| t.elapsed() >= keep))
            .map(|j| j.record.id)
            .collect();
        old.iter().for_each(|id| inner.forget(*id));
        old
    }

    /// When a job of an earlier server ended. The clock may have jumped since, so a tenth of the time that
    /// it is kept is left to it in any case.
    pub(super) fn ended(&self, record: &JobRecord) -> Instant {
        let age = record.finished.map_or(0, |t| now().saturating_sub(t));
        let age = Duration::from_millis(age).min(self.keep.mul_f64(0.9));
        Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
    }

    /// Turns a job whose answer is damaged into one that failed; gives what is to be kept of it.
    pub fn spoil(&self, id: Uuid, why: &str) -> Option<JobRecord> {
        let inner = &mut *self.lock();
        let job = inner.jobs.get_mut(&id).filter(|j| j.record.state == RecordedState::Completed)?;
        why.clone_into(&mut job.record.description);
        job.record.state = RecordedState::Failed;
        Some(job.record.clone())
    }

    /// Every job that waits or runs, for an operator.
    pub fn open_jobs(&self) -> Vec<Json> {
        let inner = self.lock();
        let mut open: Vec<&ServerJob> = inner.jobs.values().filter(|j| j.stage != JobStage::Ended).collect();
        open.sort_by_key(|j| (j.stage != JobStage::Running, j.place.0, j.record.received));
        open.iter()
            .map(|j| {
                json!({
                    "id": j.record.id.to_string(),
                    "client": j.record.client,
                    "status": j.update().status.as_str(),
                    "place": j.place.0,
                    "tokens": j.weight.tokens,
                    "memory": j.weight.memory,
                    "seconds": j.since.elapsed().as_secs_f64(),
                })
            })
            .collect()
    }
}

impl BoardState {
    /// Forgets answers that may go, until the disk has room for so many bytes; none where all of them would
    /// not make enough, as somebody else filled it then.
    fn clear(&mut self, needed: u64, free: Option<u64>, may: impl Fn(&ServerJob) -> bool) -> Vec<Uuid> {
        let Some(free) = free else { return Vec::new() };
        let short = needed.saturating_add(MARGIN).saturating_sub(free);
        if short == 0 {
            return Vec::new();
        }
        let sum = |of: &dyn Fn(&ServerJob) -> bool| -> u64 {
            self.jobs.values().filter(|j| j.stage == JobStage::Ended && of(j)).map(|j| j.disk).sum()
        };
        if short > sum(&may) {
            return Vec::new();
        }
        // What anybody has goes before what nobody has, whoever has most.
        let first = short.min(sum(&|job| job.fetched));
        let mut gone = self.give_way(first, 0, |job| job.fetched);
        gone.extend(self.give_way(short - first, 0, may));
        gone
    }

    /// Forgets so many bytes of answers, and so many answers at least, of those that may go: of who has most,
    /// what was fetched before what was not, the oldest first.
    fn give_way(&mut self, mut excess: u64, least: usize, may: impl Fn(&ServerJob) -> bool) -> Vec<Uuid> {
        if excess == 0 && least == 0 {
            return Vec::new();
        }
        let mut of: HashMap<&ClientId, (u64, Vec<&ServerJob>)> = HashMap::new();
        for job in self.jobs.values().filter(|j| j.stage == JobStage::Ended && may(j)) {
            let (bytes, jobs) = of.entry(&job.record.client).or_default();
            *bytes += job.disk;
            jobs.push(job);
        }
        // The first to go last, to be taken from there.
        of.values_mut().for_each(|(_, jobs)| jobs.sort_by_key(|j| (j.fetched, std::cmp::Reverse(j.ended))));
        let mut gone = Vec::new();
        while (excess > 0 || gone.len() < least)
            && let Some((bytes, jobs)) = of.values_mut().max_by_key(|(bytes, _)| *bytes)
            && let Some(job) = jobs.pop()
        {
            *bytes -= job.disk;
            excess = excess.saturating_sub(job.disk);
            gone.push(job.record.id);
        }
        gone.iter().for_each(|id| self.forget(*id));
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::metrics::ServerMetrics;
    use super::super::super::options::ServerLimits;
    use super::super::super::record::VERSION;
    use super::super::{JobDemand, NewJob};
    use super::*;

    const MIB: u64 = 1 << 20;

    /// An answer of a MiB, of a client.
    fn answered(client: &str, minutes_ago: u64) -> NewJob {
        let record = JobRecord {
            version: VERSION,
            id: Uuid::new_v4(),
            client: ClientId::named(client),
            idempotency_key: None,
            asked: String::new(),
            model: Default::default(),
            payload: "graph".into(),
            compress: false,
            received: 0,
            finished: Some(now() - 60_000 * minutes_ago),
            state: RecordedState::Completed,
            description: String::new(),
            answer: None,
        };
        let weight = JobDemand { disk: MIB, ..JobDemand::default() };
        NewJob { record, pattern: None, weight, session: None, suspect: false }
    }

    #[test]
    fn a_full_disk_takes_answers_as_a_full_quota_does() {
        let keep = Duration::from_secs(24 * 3600);
        let board = JobBoard::new(ServerLimits::default(), Arc::new(ServerMetrics::new()), true, keep);
        let jobs = [answered("ada", 9), answered("ada", 5), answered("ada", 1), answered("bob", 60)];
        let ids: Vec<Uuid> = jobs.iter().map(|j| j.record.id).collect();
        board.restore(jobs.into());
        let (ada, eve) = (ClientId::named("ada"), ClientId::named("eve"));
        // There is room, or the disk does not say, or is so full that no answer would help.
        for free in [Some(3 * MIB), None] {
            assert!(board.make_room(&eve, MIB, free).is_empty());
        }
        assert!(board.make_room(&eve, 9 * MIB, Some(0)).is_empty());
        // What nobody has yet does not go for its own client's work, nor for what was taken before.
        assert!(board.make_room(&ada, 2 * MIB, Some(0)).is_empty());
        assert!(board.clear_disk(MIB, Some(MIB / 2)).is_empty());
        board.fetched(ids[2]);
        assert_eq!(board.clear_disk(MIB, Some(MIB / 2)), [ids[2]]);
        // For the work of others it does, the oldest of who has most.
        assert_eq!(board.make_room(&eve, MIB, Some(MIB / 2)), [ids[0]]);
        board.fetched(ids[1]);
        assert_eq!(board.make_room(&ada, MIB, Some(MIB / 2)), [ids[1]]);
        assert!(board.update(ids[3], &ClientId::named("bob")).is_some());
    }
}
