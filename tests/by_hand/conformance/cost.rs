//! What a job was said to cost before it was sent, beside what it cost.

use serde_json::{Value as Json, json};
use truenorth::client::{Hosted, Rehearsal};
use truenorth::run::{Runner as _, Unwatched};
use truenorth_protocol::graph::{Op, ReadAt};
use truenorth_protocol::{CheckedGraph, DType};

use super::service::Service;

/// What crossed the socket of a program's process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moved {
    pub jobs: u64,
    pub frames: u64,
    pub to_program: u64,
    pub to_model: u64,
}

impl Moved {
    /// Of the jobs that a service ran.
    pub fn by(jobs: &[Json]) -> Self {
        let mut sum = Self { jobs: jobs.len() as u64, ..Self::default() };
        for (kind, n) in jobs.iter().flat_map(|j| j["wire"].as_object().unwrap()) {
            let bytes = if kind.starts_with("host>") { &mut sum.to_program } else { &mut sum.to_model };
            *bytes += n[1].as_u64().unwrap();
            sum.frames += n[0].as_u64().unwrap();
        }
        sum
    }

    /// As the client says before it sends anything.
    pub fn said(hosted: &Hosted, checked: &CheckedGraph) -> Self {
        let rehearsal = Rehearsal::new(hosted.clone(), DType::F32);
        rehearsal.run(checked, &Unwatched).unwrap();
        let mut sum = Self::default();
        for cost in rehearsal.jobs() {
            sum.jobs += cost.jobs;
            sum.frames += cost.frames;
            sum.to_program += cost.to_program;
            sum.to_model += cost.to_model;
        }
        sum
    }

    pub fn bytes(&self) -> u64 {
        self.to_program + self.to_model
    }

    /// Jobs and frames exactly, bytes each way within a tenth, or a KiB where there are few. Where
    /// generations may stop early, or parts of prompts are read, which are counted as whole prompts, what is said is
    /// the most.
    pub fn is_as_said(&self, said: &Self, checked: &CheckedGraph) -> Result<(), String> {
        let stops = |op: &Op| matches!(op, Op::Generate { params, .. } if !params.stop.is_empty());
        let parts = |op: &Op| matches!(op, Op::Read { positions: ReadAt::In(..), .. });
        let most = checked.graph().nodes.iter().any(|op| stops(op) || parts(op));
        let near = |said: u64, found: u64| {
            let off = if most { found.saturating_sub(said) } else { said.abs_diff(found) };
            off <= (found / 10).max(1024)
        };
        let same = self.jobs == said.jobs
            && (self.frames == said.frames || (most && self.frames < said.frames))
            && near(said.to_program, self.to_program)
            && near(said.to_model, self.to_model);
        if same { Ok(()) } else { Err(format!("cost {self:?}, not {said:?} as it was said to")) }
    }
}

/// Compares the jobs since the last look with what their graph was said to cost, and forgets them. Where
/// `beside` the model, nothing crosses a socket.
pub fn as_predicted(
    service: &Service,
    hosted: &Hosted,
    checked: &CheckedGraph,
    beside: bool,
) -> Result<(), String> {
    let counts = service.get("/test/counts");
    service.post("/test/reset", &json!({}));
    if counts["ran_most"] != 1 {
        return Err(format!("some work ran {} times", counts["ran_most"]));
    }
    if counts["keys_seen"] != 0 {
        return Err("the key went to where results are kept".into());
    }
    let (found, said) = (Moved::by(counts["jobs"].as_array().unwrap()), Moved::said(hosted, checked));
    if beside && found == (Moved { jobs: said.jobs, ..Moved::default() }) {
        return Ok(());
    }
    found.is_as_said(&said, checked)
}
