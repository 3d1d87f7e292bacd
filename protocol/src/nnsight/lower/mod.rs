//! A checked graph as an nnsight program: Python text, and the values it starts from.

mod batch;
mod cost;
mod edit;
mod error;
mod generate;
mod moment;
mod object;
mod program;
mod pure;
mod rows;
mod site;
mod text;

use std::io::{Read, Seek};

pub use cost::JobCost;
pub use error::LowerError;

use super::{ModelKey, Modules, ReplyError};
use crate::graph::{NodeId, Op, ValueKind};
use crate::plan::{GroupPlan, check_prompts};
use crate::{Answer, CheckedGraph, DType, limits, pickle};

/// What a payload is made of.
#[derive(Clone, Copy, Debug)]
pub struct PayloadInput<'a> {
    /// The graph that is asked, already checked.
    pub checked: &'a CheckedGraph,
    /// Token ids by group and prompt, also of groups that the graph gives as token ids. Tokenized
    /// here, so that both sides agree on positions whatever the service's tokenizer adds.
    pub tokens: &'a [Vec<Vec<u32>>],
    /// The module paths of the model.
    pub modules: &'a Modules,
    /// The name that the service knows the model by.
    pub key: &'a ModelKey,
    /// [`DType::F32`], [`DType::Bf16`] or [`DType::F16`]: what floats are narrowed to on the server
    /// before they are saved. Text, ids, and values that the graph itself cast stay as they are.
    pub reply: DType,
    /// A unique name of the job; services cache sources by it.
    pub job: &'a str,
}

impl PayloadInput<'_> {
    /// The payload: a pickle of the program and its values, not compressed.
    ///
    /// # Errors
    /// What the service could not run, before anything is sent.
    pub fn payload(&self) -> Result<Vec<u8>, LowerError> {
        self.validate()?;
        let value = object::payload(program::program(self), self.job);
        let bytes = pickle::write(&value, &object::allowed).map_err(LowerError::Pickle)?;
        if bytes.len() > limits::GRAPH_BYTES {
            return Err(LowerError::TooLarge { found: bytes.len(), limit: limits::GRAPH_BYTES });
        }
        Ok(bytes)
    }

    /// The text of the program that the payload carries, for people.
    ///
    /// # Errors
    /// As [`PayloadInput::payload`].
    pub fn source(&self) -> Result<String, LowerError> {
        self.validate()?;
        Ok(program::program(self).source)
    }

    /// The answer out of a result: a `torch.save` archive of names and values, not compressed.
    /// `decode` turns generated ids into text, special tokens left out.
    ///
    /// # Errors
    /// A [`ReplyError`] if the result is not what the graph asked for, in names, types or shapes.
    pub fn answer(
        &self,
        body: impl Read + Seek,
        decode: &dyn Fn(&[u32]) -> String,
    ) -> Result<Answer, ReplyError> {
        super::reply::answer(self, body, decode)
    }

    /// The type in which a value travels back: as [`PayloadInput::reply`] says, unless the graph itself
    /// chose one.
    pub(in crate::nnsight) fn wire(&self, value: NodeId) -> DType {
        let id = value.0 as usize;
        let chosen = matches!(self.checked.graph().nodes.get(id), Some(Op::Cast { .. }));
        match self.checked.kinds().get(id) {
            Some(ValueKind::Tensor { dtype: DType::F32, .. }) if !chosen => self.reply,
            Some(ValueKind::Tensor { dtype, .. }) => *dtype,
            Some(ValueKind::Text(_) | ValueKind::Effect) | None => DType::I64,
        }
    }

    fn validate(&self) -> Result<(), LowerError> {
        let graph = self.checked.graph();
        if !matches!(self.reply, DType::F32 | DType::Bf16 | DType::F16) {
            return Err(LowerError::Reply(self.reply));
        }
        if self.tokens.len() != graph.groups.len() {
            return Err(LowerError::Groups { expected: graph.groups.len(), found: self.tokens.len() });
        }
        for (group, (of, tokens)) in graph.groups.iter().zip(self.tokens).enumerate() {
            if of.prompts.len() != tokens.len() {
                let (expected, found) = (of.prompts.len(), tokens.len());
                return Err(LowerError::Prompts { group, expected, found });
            }
        }
        name("job name", self.job, |c| c.is_ascii_alphanumeric() || "-_.".contains(c))?;
        let modules = self.modules;
        let always =
            [&modules.embed, &modules.blocks, &modules.attn, &modules.mlp, &modules.norm, &modules.head];
        let some = [&modules.attn_post, &modules.mlp_norm, &modules.mlp_post];
        for path in always.into_iter().chain(some.into_iter().flatten()) {
            name("module path", path, |c| c.is_ascii_alphanumeric() || "_.".contains(c))?;
        }
        check_prompts(self.checked, self.tokens)?;
        self.check_size()
    }

    /// Refuses what would be too large before it is made.
    fn check_size(&self) -> Result<(), LowerError> {
        let mut bytes = 0_usize;
        for (group, prompts) in (0_u32..).zip(self.tokens) {
            let Some(plan) = GroupPlan::new(self.checked, group) else { continue };
            // Padding is little where batches are made by length, and may be nearly all where not.
            let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
            let tokens = if plan.whole {
                prompts.len().saturating_mul(longest)
            } else {
                prompts.iter().map(Vec::len).sum()
            };
            // A token takes two bytes at least, a draw eight.
            bytes = bytes.saturating_add(tokens.saturating_mul(2));
            if plan.generate.is_some_and(|(_, params)| params.temperature > 0.0) {
                let draws = prompts.len().saturating_mul(plan.steps as usize);
                bytes = bytes.saturating_add(draws.saturating_mul(8));
            }
        }
        let limit = limits::GRAPH_BYTES;
        if bytes > limit { Err(LowerError::TooLarge { found: bytes, limit }) } else { Ok(()) }
    }
}

fn name(what: &'static str, found: &str, good: impl Fn(char) -> bool) -> Result<(), LowerError> {
    if found.is_empty() || found.len() > limits::NAME_BYTES || !found.chars().all(good) {
        return Err(LowerError::Name { what, found: found.chars().take(80).collect() });
    }
    Ok(())
}
