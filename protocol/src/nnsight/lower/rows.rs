//! Which nodes of a graph can be computed batch by batch, and how a program says at which steps.

use std::ops::Range;

use crate::graph::{NodeId, Op, Unary, ValueKind};
use crate::{CheckedGraph, ReadAt};

/// What each row along the first axis of a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    /// Prompts of the group.
    Prompts,
    /// Tokens of the group, packed.
    Tokens,
}

pub(super) fn at<T: Copy>(all: &[T], node: NodeId) -> T {
    all[node.0 as usize]
}

/// By node, what its rows are if they are rows of the group, so that it can be computed batch by batch:
/// reads, generations, and what keeps their rows. `own` says which nodes hold what the group computes.
pub(super) fn local(checked: &CheckedGraph, group: u32, whole: bool, own: &[bool]) -> Vec<Option<RowKind>> {
    let graph = checked.graph();
    let axes = |id: NodeId| match &checked.kinds()[id.0 as usize] {
        ValueKind::Tensor { shape, .. } => shape.0.len(),
        ValueKind::Text(_) | ValueKind::Effect => 0,
    };
    let mut local: Vec<Option<RowKind>> = Vec::with_capacity(graph.nodes.len());
    for op in &graph.nodes {
        // An operation over the last axis keeps rows only where that is not the axis of the rows.
        let of = |a: NodeId, least: usize| at(&local, a).filter(|_| axes(a) >= least);
        let beside = |a: NodeId, b: NodeId, least: usize| {
            let rows = of(a, least)?;
            let same = at(&local, b) == Some(rows) && axes(b) == axes(a);
            let trailing = !at(own, b) && axes(b) < axes(a);
            (same || trailing).then_some(rows)
        };
        local.push(match op {
            Op::Read { group: g, positions, .. } if *g == group => {
                Some(if *positions == ReadAt::All { RowKind::Tokens } else { RowKind::Prompts })
            }
            Op::Generate { group: g, .. } if *g == group => Some(RowKind::Prompts),
            Op::GeneratedLogProb { generate } => of(*generate, 0),
            Op::PromptLogProb { logits } => of(*logits, 0),
            _ if whole => None,
            Op::Binary { a, b, .. } => beside(*a, *b, 1),
            Op::Dot { a, b } | Op::Cosine { a, b } => beside(*a, *b, 2),
            Op::Unary { f: Unary::Unit | Unary::Softmax, a } => of(*a, 2),
            Op::Unary { a, .. } | Op::Cast { a, .. } => of(*a, 1),
            Op::Norm { a } | Op::TopKValues { a, .. } | Op::TopKIndices { a, .. } => of(*a, 2),
            Op::LogProb { logits, .. } => of(*logits, 2),
            Op::Reduce { a, axis, .. } | Op::Slice { a, axis, .. } if *axis > 0 => of(*a, 2),
            _ => None,
        });
    }
    // What stands beside rows has to be there before the group runs.
    let mut later: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for op in &graph.nodes {
        let root = matches!(op, Op::Read { group: g, .. } | Op::Generate { group: g, .. } if *g > group);
        later.push(root || op.inputs().iter().any(|n| at(&later, *n)));
    }
    for (rows, later) in local.iter_mut().zip(later) {
        if later {
            *rows = None;
        }
    }
    local
}

/// When passes are, of `steps` of them, as a condition on the step `s`; none for always.
pub(super) fn condition(ranges: &[Range<u32>], steps: u32) -> Option<String> {
    let mut said: Vec<String> = Vec::new();
    for range in ranges {
        let one = match (range.start, range.end) {
            (0, end) if end >= steps => return None,
            (0, 1) => "s==0".into(),
            (0, end) => format!("s<{end}"),
            (start, end) if end == start + 1 => format!("s=={start}"),
            (start, end) if end >= steps => format!("s>={start}"),
            (start, end) => format!("{start}<=s<{end}"),
        };
        if !said.contains(&one) {
            said.push(one);
        }
    }
    Some(said.join(" or "))
}
