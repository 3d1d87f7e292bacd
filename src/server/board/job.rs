//! One job as the server knows it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde_json::json;
use truenorth_protocol::graph::Graph;
use truenorth_protocol::job::{Status, Update};
use truenorth_protocol::{Checked, Prompt};
use uuid::Uuid;

use super::super::batch::Pattern;
use super::super::record::{Kept, Record};

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Being written to the spool; not yet acknowledged.
    Receiving,
    /// Waiting.
    Queued,
    /// Running.
    Running,
    /// Ended, one way or another; the record says which.
    Ended,
}

/// What a job asks of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Weight {
    /// Tokens through the model, at most.
    pub tokens: usize,
    /// Prompts that generate.
    pub sequences: usize,
}

impl Weight {
    /// The weight of a graph. A text has at most a token a byte.
    pub fn of(graph: &Graph) -> Self {
        let mut weight = Self::default();
        for (g, group) in graph.groups.iter().enumerate() {
            let steps = u32::try_from(g).map_or(1, |g| graph.steps(g)) as usize;
            let prompts = group.prompts.iter().map(|p| match p {
                Prompt::Text(t) => t.len(),
                Prompt::Tokens(t) => t.len(),
            });
            let more = (steps - 1).saturating_mul(group.prompts.len());
            weight.tokens = weight.tokens.saturating_add(prompts.sum::<usize>()).saturating_add(more);
            weight.sequences += if steps > 1 { group.prompts.len() } else { 0 };
        }
        weight
    }
}

/// A new job that was checked.
pub(in super::super) struct NewJob {
    pub record: Record,
    pub pattern: Option<Pattern>,
    pub weight: Weight,
    /// The socket that wants to hear of it.
    pub session: Option<Uuid>,
}

impl NewJob {
    /// A job of a checked graph.
    pub fn new(record: Record, checked: &Checked, session: Option<Uuid>) -> Self {
        Self { record, pattern: Pattern::of(checked), weight: Weight::of(checked.graph()), session }
    }
}

/// A job.
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
    /// How far the run is.
    pub progress: String,
}

impl Job {
    pub fn new(new: NewJob) -> Self {
        Self {
            stage: if new.record.state == Kept::Pending { Stage::Receiving } else { Stage::Ended },
            record: new.record,
            pattern: new.pattern,
            weight: new.weight,
            sessions: new.session.into_iter().collect(),
            cancelled: Arc::default(),
            since: Instant::now(),
            place: (0, 0),
            progress: String::new(),
        }
    }

    /// What is known of it.
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

    /// The answer to submitting it.
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
