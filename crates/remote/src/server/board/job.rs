//! One job as the server knows it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::json;
use truenorth_protocol::Checked;
use truenorth_protocol::graph::Op;
use truenorth_protocol::job::{Status, Update};
use uuid::Uuid;

use super::super::batch::Pattern;
use super::super::record::{Kept, Record};
use super::super::spool::footprint;
use super::tally::Tally;

/// How far a job has come on this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
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
pub(in super::super) struct Weight {
    /// Tokens through the model.
    pub tokens: u64,
    /// Prompts that generate.
    pub sequences: u64,
    /// Bytes of memory while it runs.
    pub memory: u64,
    /// Bytes of disk.
    pub disk: u64,
}

impl Weight {
    /// The weight of a graph that was sent in so many bytes.
    pub fn of(checked: &Checked, payload: u64) -> Self {
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
pub(super) fn disk_after(record: &Record) -> u64 {
    footprint(&[RECORD, record.answer.as_ref().map_or(0, |a| a.bytes)])
}

/// A new job that was checked.
pub(in super::super) struct NewJob {
    pub record: Record,
    pub pattern: Option<Pattern>,
    pub weight: Weight,
    /// The socket that wants to hear of it.
    pub session: Option<Uuid>,
    /// Whether the server ended in the middle of it: it runs alone, after all others.
    pub suspect: bool,
}

impl NewJob {
    /// A job of a checked graph that was sent in so many bytes.
    pub fn new(record: Record, checked: &Checked, payload: u64, session: Option<Uuid>) -> Self {
        let (pattern, weight) = (Pattern::of(checked), Weight::of(checked, payload));
        Self { record, pattern, weight, session, suspect: false }
    }
}

pub(super) struct Job {
    pub record: Record,
    pub stage: Stage,
    pub pattern: Option<Pattern>,
    pub weight: Weight,
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

impl Job {
    pub fn new(new: NewJob) -> Self {
        Self {
            stage: if new.record.state == Kept::Pending { Stage::Receiving } else { Stage::Ended },
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
    pub fn reach(&mut self, stage: Stage, tally: &mut Tally) {
        let before = (self.stage, self.disk);
        self.stage = stage;
        if stage == Stage::Ended {
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
            (Stage::Receiving, _) => self.received(),
            (Stage::Queued, _) => {
                let (place, of) = self.place;
                let meta = Some(json!({ "place": place, "of": of }));
                Update { meta, ..says(Status::Queued, &format!("place {place} of {of} in the queue")) }
            }
            (Stage::Running, _) => says(Status::Running, &self.progress),
            (Stage::Ended, Kept::Completed) => {
                Update { data: Some(json!(format!("/result/{id}"))), ..says(Status::Completed, "") }
            }
            (Stage::Ended, _) => says(Status::Error, &self.record.description),
        }
    }

    pub fn received(&self) -> Update {
        Update {
            id: self.record.id.to_string(),
            status: Status::Received,
            description: String::new(),
            data: None,
            meta: None,
        }
    }

    /// A line about it.
    pub fn log(&self, text: &str) -> Update {
        Update { status: Status::Log, description: text.to_owned(), ..self.received() }
    }
}
