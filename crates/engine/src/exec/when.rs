//! Conditions of edits: which prompts, or tokens of a pass, have a projection above a threshold.

use std::collections::{HashMap, HashSet};

use truenorth_protocol::graph::NodeId;

use super::super::layout::ActivationRow;
use super::edit::{BadInput, direction};
use super::ops::dot;
use super::value::Val;

enum Holds {
    /// By sequence of the chunk.
    Prompts(HashSet<usize>),
    /// By sequence and position, of the pass that looked last.
    Tokens(HashSet<(usize, usize)>),
}

/// Where the conditions of a chunk hold, by node.
#[derive(Default)]
pub(super) struct Conditions(HashMap<usize, Holds>);

impl Conditions {
    /// Decides for these prompts, a row each.
    pub fn prompts(&mut self, node: usize, prompts: &[usize], above: impl Fn(usize) -> bool) {
        let all = prompts.iter().enumerate().filter(|(i, _)| above(*i)).map(|(_, seq)| *seq).collect();
        self.0.insert(node, Holds::Prompts(all));
    }

    /// Decides for these tokens, a row each.
    pub fn tokens(&mut self, node: usize, rows: &[ActivationRow], above: impl Fn(usize) -> bool) {
        let held = rows.iter().enumerate().filter(|(i, _)| above(*i)).map(|(_, row)| (row.seq, row.position));
        self.0.insert(node, Holds::Tokens(held.collect()));
    }

    /// Whether all of these hold for a row. One that was never looked at does not.
    pub fn hold(&self, nodes: &[usize], row: ActivationRow) -> bool {
        nodes.iter().all(|node| match self.0.get(node) {
            Some(Holds::Prompts(all)) => all.contains(&row.seq),
            Some(Holds::Tokens(all)) => all.contains(&(row.seq, row.position)),
            None => false,
        })
    }
}

/// Whether the projection of a row on a direction is above a threshold.
pub(super) struct ProjectionTest {
    direction: Vec<f32>,
    above: f64,
}

impl ProjectionTest {
    pub fn new<'a>(
        node: NodeId,
        above: f64,
        input: &impl Fn(NodeId) -> Option<&'a Val>,
    ) -> Result<Self, BadInput> {
        Ok(Self { direction: direction(node, input)?, above })
    }

    pub fn holds(&self, row: &[f32]) -> bool {
        dot(row, &self.direction) > self.above
    }
}
