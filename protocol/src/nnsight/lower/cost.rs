//! What a job costs a service, worked out before it is sent.
//!
//! A service whose programs run beside the model exchanges frames with them over a socket. Which
//! frames, and what they hold, follows from the program: a read is a value there, and the same value
//! back unless it was emptied; each request of the program is a frame of its own. The sizes of a frame
//! without its numbers were measured on `ndif` 0.1.2 with torch 2.15.

use super::generate::chooses;
use super::moment::{Moment, Stop, stops};
use super::program::batches;
use super::{LowerError, PayloadInput};
use crate::DType;
use crate::graph::{Op, ValueKind};
use crate::plan::GroupPlan;

/// Bytes of frames without their numbers.
mod frame {
    /// A value handed to the program.
    pub const VALUE: u64 = 1578;
    /// Leave to go on.
    pub const GO_ON: u64 = 1262;
    /// A request for a value.
    pub const ASK: u64 = 2677;
    /// A value handed to the model.
    pub const PUT: u64 = 2989;
    /// A program that is done with a trace.
    pub const FINISHED: u64 = 2549;
    /// A trace that begins with a pass, or with a generation and its many settings.
    pub const BEGIN: (u64, u64) = (4405, 6834);
    /// A pass whose result is empty; a generation's tokens.
    pub const DONE: u64 = 1770;
    /// The job with its values.
    pub const JOB: u64 = 1500;
    /// The end of the job, and of each value in it.
    pub const END: (u64, u64) = (2700, 300);
    /// The largest frame that a service takes from a program, in bytes.
    pub const LARGEST: u64 = (4 << 30) - (1 << 20);
}

/// What one job, or several together, send and compute, estimated before anything is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobCost {
    /// Payloads that are submitted.
    pub jobs: u64,
    /// Calls of the model: passes over prompts, and generations.
    pub traces: u64,
    /// Frames across the socket, both ways.
    pub frames: u64,
    /// Bytes from the model to the program.
    pub to_program: u64,
    /// Bytes from the program to the model.
    pub to_model: u64,
    /// Bytes of the payloads, before compression.
    pub request: u64,
    /// Bytes of the values that come back, before compression.
    pub reply: u64,
    /// Prompts that are run.
    pub prompts: u64,
    /// Tokens of the prompts.
    pub prompt_tokens: u64,
    /// What the blocks compute for prompts: tokens, padding included, by the share of the blocks that they
    /// go through, in thousandths.
    pub prompt_milli_tokens: u64,
    /// Passes that compute one token a prompt.
    pub decode_passes: u64,
    /// Tokens computed in those passes.
    pub decode_tokens: u64,
    /// Bytes of the largest single frame, in either direction.
    pub largest: u64,
}

impl JobCost {
    /// Bytes across the socket, both ways.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.to_program + self.to_model
    }

    /// Adds the cost of another job.
    pub fn add(&mut self, other: &Self) {
        self.jobs += other.jobs;
        self.traces += other.traces;
        self.frames += other.frames;
        self.to_program += other.to_program;
        self.to_model += other.to_model;
        self.request += other.request;
        self.reply += other.reply;
        self.prompts += other.prompts;
        self.prompt_tokens += other.prompt_tokens;
        self.prompt_milli_tokens += other.prompt_milli_tokens;
        self.decode_passes += other.decode_passes;
        self.decode_tokens += other.decode_tokens;
        self.largest = self.largest.max(other.largest);
    }

    fn down(&mut self, bytes: u64) {
        self.frames += 1;
        self.to_program += bytes;
        self.largest = self.largest.max(bytes);
    }

    fn up(&mut self, bytes: u64) {
        self.frames += 1;
        self.to_model += bytes;
        self.largest = self.largest.max(bytes);
    }

    /// A value read, of this many bytes there and back.
    fn read(&mut self, there: u64, back: u64) {
        self.up(frame::ASK);
        self.down(frame::VALUE + there);
        self.up(frame::PUT + back);
        self.down(frame::GO_ON);
    }

    /// A value put in place of the model's own.
    fn put(&mut self, bytes: u64) {
        self.up(frame::PUT + bytes);
        self.down(frame::GO_ON);
    }
}

#[derive(Clone, Copy)]
struct CostedBatch {
    prompts: u64,
    tokens: u64,
    hidden: u64,
    vocab: u64,
    layers: u32,
    /// Bytes of an element.
    element: u64,
}

impl PayloadInput<'_> {
    /// What the job costs a service whose model holds its numbers in `element`.
    ///
    /// # Errors
    /// As [`PayloadInput::payload`], which is made to know its size.
    pub fn cost(&self, element: DType) -> Result<JobCost, LowerError> {
        let mut cost = JobCost { jobs: 1, request: self.payload()?.len() as u64, ..JobCost::default() };
        cost.down(frame::JOB + cost.request);
        for (group, _) in (0_u32..).zip(self.tokens) {
            if let Some(plan) = GroupPlan::new(self.checked, group) {
                self.group_cost(plan, element.size() as u64, &mut cost);
            }
        }
        let (values, bytes) = self.saved();
        cost.reply = bytes;
        cost.up(frame::END.0 + values * frame::END.1 + bytes);
        if cost.largest > frame::LARGEST {
            return Err(LowerError::Frame { found: cost.largest, limit: frame::LARGEST });
        }
        Ok(cost)
    }

    /// Values that come back, and their bytes.
    fn saved(&self) -> (u64, u64) {
        let graph = self.checked.graph();
        let mut sum = (0, 0);
        for op in &graph.nodes {
            let Op::Save { value, .. } = op else { continue };
            let value = match &graph.nodes[value.0 as usize] {
                Op::Const(_) => continue,
                Op::Decode { generate } => *generate,
                _ => *value,
            };
            let shape = match &self.checked.kinds()[value.0 as usize] {
                ValueKind::Tensor { shape, .. } => Some(shape),
                ValueKind::Text(_) | ValueKind::Effect => None,
            };
            let shape = shape.expect("texts are sent as tokens, and an effect is not saved");
            let axis = |d: &crate::graph::Dim| match d {
                crate::graph::Dim::Fixed(n) => *n as u64,
                crate::graph::Dim::Tokens(g) => self.tokens[*g as usize].iter().map(|t| t.len() as u64).sum(),
            };
            let numbers: u64 = shape.0.iter().map(axis).product();
            sum = (sum.0 + 1, sum.1 + numbers * self.wire(value).size() as u64);
        }
        sum
    }

    fn group_cost(&self, plan: GroupPlan<'_>, element: u64, cost: &mut JobCost) {
        let graph = self.checked.graph();
        let prompts = &self.tokens[plan.group as usize];
        let parts = batches(self, &plan).parts;
        let wide = plan.wide();
        let probable = plan.generate.is_some_and(|(node, _)| {
            graph
                .nodes
                .iter()
                .any(|op| matches!(op, Op::GeneratedLogProb { generate } if generate.0 as usize == node))
        });
        let (first, plan) = plan.parted();
        for part in &parts {
            let lengths = part.iter().map(|p| prompts[*p].len() as u64);
            cost.prompt_tokens += lengths.clone().sum::<u64>();
            let batch = CostedBatch {
                prompts: part.len() as u64,
                tokens: lengths.max().unwrap_or(0),
                hidden: u64::from(self.modules.hidden),
                vocab: u64::from(self.modules.vocab),
                layers: self.modules.layers,
                element,
            };
            cost.prompts += batch.prompts;
            if let Some(first) = &first {
                batch.forward(&stops(first, self.modules), true, cost);
            }
            let stops = stops(&plan, self.modules);
            match plan.generate {
                Some((_, params)) => {
                    let edits = stops.iter().any(|s| s.moment == Moment::Head && s.edits);
                    let chooses = chooses(params, probable, edits);
                    batch.generate(&stops, plan.steps, chooses, cost);
                }
                None => batch.forward(&stops, wide, cost),
            }
        }
    }
}

impl CostedBatch {
    /// Bytes of the stream at a stop of a pass over this many tokens a prompt.
    fn stream(&self, tokens: u64) -> u64 {
        self.prompts * tokens * self.hidden * self.element
    }

    fn logits(&self, tokens: u64) -> u64 {
        self.prompts * tokens * self.vocab * self.element
    }

    fn ids(&self, tokens: u64) -> u64 {
        self.prompts * tokens * 8
    }

    /// A pass over the prompts.
    fn forward(&self, stops: &[Stop<'_>], wide: bool, cost: &mut JobCost) {
        cost.traces += 1;
        let passed = stops.last().map_or(0, |s| s.moment.blocks_left(self.layers).start);
        cost.prompt_milli_tokens +=
            self.prompts * self.tokens * 1000 * u64::from(passed) / u64::from(self.layers.max(1));
        // The first request rides along.
        cost.up(frame::BEGIN.0 + self.ids(self.tokens));
        cost.frames -= 1;
        cost.to_model -= frame::ASK;
        for (i, stop) in stops.iter().enumerate() {
            let last = i + 1 == stops.len();
            if stop.moment.is_head() {
                let rows = if wide { self.tokens } else { 1 };
                if !wide {
                    cost.read(self.stream(self.tokens), 0);
                    cost.put(self.stream(1));
                }
                cost.read(self.logits(rows), 0);
            } else {
                let there = self.stream(self.tokens);
                cost.read(there, if last { 0 } else { there });
                if last {
                    for _ in stop.moment.blocks_left(self.layers) {
                        cost.put(0);
                    }
                    cost.put(0);
                }
            }
        }
        cost.up(frame::FINISHED);
        cost.down(frame::DONE);
    }

    /// A generation of this many steps; stop tokens may end it earlier.
    fn generate(&self, stops: &[Stop<'_>], steps: u32, chooses: bool, cost: &mut JobCost) {
        cost.traces += 1;
        cost.prompt_milli_tokens += self.prompts * self.tokens * 1000;
        cost.decode_passes += u64::from(steps.saturating_sub(1));
        cost.decode_tokens += self.prompts * u64::from(steps.saturating_sub(1));
        cost.up(frame::BEGIN.1 + 2 * self.ids(self.tokens));
        // The first requests of both parts ride along.
        cost.frames -= 2;
        cost.to_model -= 2 * frame::ASK;
        for stop in stops.iter().filter(|s| !s.moment.is_head()) {
            for tokens in stop.passes(steps, self.tokens) {
                let bytes = self.stream(tokens);
                cost.read(bytes, bytes);
            }
        }
        let head = stops.iter().find(|s| s.moment.is_head());
        if chooses {
            for _ in 0..steps {
                cost.read(self.logits(1), 0);
                cost.put(self.prompts * self.vocab);
            }
        } else if let Some(head) = head {
            for _ in head.passes(steps, self.tokens) {
                cost.read(self.logits(1), self.logits(1));
            }
        }
        let ids = self.ids(self.tokens + u64::from(steps));
        cost.up(frame::FINISHED);
        cost.read(ids, ids);
        cost.up(frame::FINISHED);
        cost.down(frame::DONE + ids);
    }
}

impl Stop<'_> {
    /// Tokens a prompt in each pass that comes here.
    fn passes(&self, steps: u32, prompt: u64) -> impl Iterator<Item = u64> {
        let here = move |s: &u32| self.during.iter().any(|r| r.contains(s));
        (0..steps).filter(here).map(move |s| if s == 0 { prompt } else { 1 })
    }
}
