//! One job as the server knows it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::json;
use truenorth_protocol::CheckedGraph;
use truenorth_protocol::graph::Op;
use truenorth_protocol::job::{JobStatus, Update};
use uuid::Uuid;

use super::super::batch::Pattern;
use super::super::record::{JobRecord, RecordedState};
use super::super::spool::footprint;
use super::tally::JobTally;

/// How far a job has come on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobStage {
    /// Being written to the spool; not yet acknowledged.
    Receiving,
    /// It waits for the model.
    Queued,
    /// It has the model.
    Running,
    /// Ended, one way or another; the record says which.
    Ended,
}

/// What a job asks of the machine, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct JobDemand {
    /// Tokens through the model.
    pub tokens: u64,
    /// Prompts that generate.
    pub sequences: u64,
    /// Bytes of memory while it runs.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
}

impl JobDemand {
    /// The weight of a graph that was sent in so many bytes.
    pub fn of(checked: &CheckedGraph, payload: u64) -> Self {
        let size = checked.size();
        let saves = checked.graph().nodes.iter().filter(|op| matches!(op, Op::Save { .. })).count() as u64;
        // Names and shapes come beside the numbers; what does not pack grows a little.
        let answer = size.answer.saturating_add(size.answer / 256).saturating_add(512 * saves);
        Self {
            tokens: size.tokens,
            sequences: size.sequences,
            // The graph as it came and as it is read.
            memory: size.memory.saturating_add(payload.saturating_mul(2)),
            disk: footprint(&[payload, RECORD, 1, answer]),
        }
    }
}

/// Bytes of a `job.json`, about.
const RECORD: u64 = 1024;

/// Bytes of disk that a job takes once it has ended.
pub(super) fn disk_after(record: &JobRecord) -> u64 {
    footprint(&[RECORD, record.answer.as_ref().map_or(0, |a| a.bytes)])
}

/// A new job that was checked.
pub(in super::super) struct NewJob {
    pub record: JobRecord,
    pub pattern: Option<Pattern>,
    pub weight: JobDemand,
    /// The socket that wants to hear of it.
    pub session: Option<Uuid>,
    /// Whether the server ended in the middle of it: it runs alone, after all others.
    pub suspect: bool,
}

impl NewJob {
    /// A job of a checked graph that was sent in so many bytes.
    pub fn new(record: JobRecord, checked: &CheckedGraph, payload: u64, session: Option<Uuid>) -> Self {
        let (pattern, weight) = (Pattern::of(checked), JobDemand::of(checked, payload));
        Self { record, pattern, weight, session, suspect: false }
    }
}

pub(super) struct ServerJob {
    pub record: JobRecord,
    pub stage: JobStage,
    pub pattern: Option<Pattern>,
    pub weight: JobDemand,
    /// Sockets that want to hear of it.
    pub sessions: Vec<Uuid>,
    /// Tells a run that this job needs it no more.
    pub cancelled: Arc<AtomicBool>,
    /// When its stage began.
    pub since: Instant,
    /// Place in the queue, from 1, and how many wait.
    pub place: (usize, usize),
    pub progress: String,
    /// When it ended, by a clock that does not jump.
    pub ended: Option<Instant>,
    /// Bytes of disk that it takes, or may yet take.
    pub disk: u64,
    /// Whether all of its answer was ever sent, as far as this server knows.
    pub fetched: bool,
}

impl ServerJob {
    pub fn new(new: NewJob) -> Self {
        Self {
            stage: if new.record.state == RecordedState::Pending {
                JobStage::Receiving
            } else {
                JobStage::Ended
            },
            record: new.record,
            pattern: new.pattern.filter(|_| !new.suspect),
            disk: new.weight.disk,
            weight: new.weight,
            sessions: new.session.into_iter().collect(),
            cancelled: Arc::default(),
            since: Instant::now(),
            place: (0, 0),
            progress: String::new(),
            ended: None,
            fetched: false,
        }
    }

    /// Moves on to a stage.
    pub fn reach(&mut self, stage: JobStage, tally: &mut JobTally) {
        let before = (self.stage, self.disk);
        self.stage = stage;
        if stage == JobStage::Ended {
            self.ended = Some(Instant::now());
            self.disk = disk_after(&self.record);
            // It is kept for long, what it took to run is not.
            (self.pattern, self.progress) = (None, String::new());
        }
        tally.moved(&self.record.client, Some(before), Some((stage, self.disk)));
    }

    /// The status that clients are told.
    pub fn update(&self) -> Update {
        let id = self.record.id.to_string();
        let says = |status, description: &str| Update {
            id: id.clone(),
            status,
            description: description.to_owned(),
            data: None,
            meta: None,
        };
        match (self.stage, self.record.state) {
            (JobStage::Receiving, _) => self.received(),
            (JobStage::Queued, _) => {
                let (place, of) = self.place;
                let meta = Some(json!({ "place": place, "of": of }));
                Update { meta, ..says(JobStatus::Queued, &format!("place {place} of {of} in the queue")) }
            }
            (JobStage::Running, _) => says(JobStatus::Running, &self.progress),
            (JobStage::Ended, RecordedState::Completed) => {
                Update { data: Some(json!(format!("/result/{id}"))), ..says(JobStatus::Completed, "") }
            }
            (JobStage::Ended, _) => says(JobStatus::Error, &self.record.description),
        }
    }

    pub fn received(&self) -> Update {
        Update {
            id: self.record.id.to_string(),
            status: JobStatus::Received,
            description: String::new(),
            data: None,
            meta: None,
        }
    }

    /// A line about it.
    pub fn log(&self, text: &str) -> Update {
        Update { status: JobStatus::Log, description: text.to_owned(), ..self.received() }
    }
}
