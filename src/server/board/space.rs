//! How much disk jobs may take, and which answers go first.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::super::record::{Kept, Record, now};
use super::super::refusal::Refused;
use super::job::{Job, Stage};
use super::{Board, Inner};

/// Bytes of disk that are left to others.
const MARGIN: u64 = 64 << 10;
/// Jobs that have ended and are remembered, however little disk they take.
const KEPT: usize = 1 << 16;
/// When room may be there again, as a guess.
const SOON: Duration = Duration::from_secs(30);

impl Board {
    /// Whether a job that may take so many bytes fits beside those that are open.
    pub(super) fn space(&self, inner: &Inner, disk: u64, free: Option<u64>) -> Result<(), Refused> {
        let full = |detail: String| {
            Err(Refused { retry_after: Some(SOON), ..Refused::new(StatusCode::INSUFFICIENT_STORAGE, detail) })
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

    /// Forgets the oldest answers of those who have most, until there is room for a job that may take so
    /// many bytes, and says which; their files are still to be removed.
    pub fn make_room(&self, disk: u64) -> Vec<Uuid> {
        let inner = &mut *self.lock();
        let taken = inner.tally.kept.saturating_add(inner.tally.reserved).saturating_add(disk);
        let limit = self.limits.spool_bytes;
        if taken <= limit && inner.tally.ended <= KEPT {
            return Vec::new();
        }
        // A little more than is needed, so that not every job looks for something to forget.
        let mut excess = if taken > limit { (taken - limit).saturating_add(limit / 64) } else { 0 };
        let least = inner.tally.ended.saturating_sub(KEPT - KEPT / 64);
        let mut of: HashMap<&super::ClientId, (u64, Vec<&Job>)> = HashMap::new();
        for job in inner.jobs.values().filter(|j| j.stage == Stage::Ended) {
            let (bytes, jobs) = of.entry(&job.record.client).or_default();
            *bytes += job.disk;
            jobs.push(job);
        }
        // The oldest last, to be taken from there.
        of.values_mut().for_each(|(_, jobs)| jobs.sort_by_key(|j| std::cmp::Reverse(j.ended)));
        let mut gone = Vec::new();
        while (excess > 0 || gone.len() < least)
            && let Some((bytes, jobs)) = of.values_mut().max_by_key(|(bytes, _)| *bytes)
            && let Some(job) = jobs.pop()
        {
            *bytes -= job.disk;
            excess = excess.saturating_sub(job.disk);
            gone.push(job.record.id);
        }
        gone.iter().for_each(|id| inner.forget(*id));
        gone
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
    pub(super) fn ended(&self, record: &Record) -> Instant {
        let age = record.finished.map_or(0, |t| now().saturating_sub(t));
        let age = Duration::from_millis(age).min(self.keep.mul_f64(0.9));
        Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
    }

    /// Turns a job whose answer is damaged into one that failed; gives what is to be kept of it.
    pub fn spoil(&self, id: Uuid, why: &str) -> Option<Record> {
        let inner = &mut *self.lock();
        let job = inner.jobs.get_mut(&id).filter(|j| j.record.state == Kept::Completed)?;
        why.clone_into(&mut job.record.description);
        job.record.state = Kept::Failed;
        Some(job.record.clone())
    }

    /// Every job that waits or runs, for an operator.
    pub fn open_jobs(&self) -> Vec<Json> {
        let inner = self.lock();
        let mut open: Vec<&Job> = inner.jobs.values().filter(|j| j.stage != Stage::Ended).collect();
        open.sort_by_key(|j| (j.stage != Stage::Running, j.place.0, j.record.received));
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
