//! Which values of a graph have a row a prompt that depends on that prompt alone.

use std::collections::BTreeMap;

use truenorth_protocol::graph::{AlphaUnit, Edit, NodeId, Op, Unary, ValueKind};
use truenorth_protocol::{CheckedGraph, ReadAt};

/// How a value lies along the prompts of the only group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptAxis {
    /// The same whatever the prompts are.
    Free,
    /// The first axis is the prompts; each row depends on its prompt alone.
    Prompts,
    /// The first axis is the tokens of all prompts, packed; each row depends on its prompt alone.
    Tokens,
}

/// How each saved value lies along the prompts; none if the graph can't be run with others.
pub(super) fn saves(checked: &CheckedGraph) -> Option<BTreeMap<String, PromptAxis>> {
    let graph = checked.graph();
    if graph.groups.len() != 1 {
        return None;
    }
    let mut known = NodeRows { checked, along: Vec::with_capacity(graph.nodes.len()) };
    let mut saves = BTreeMap::new();
    for op in &graph.nodes {
        let along = match op {
            Op::Write { edit, .. } => {
                known.edit(edit)?;
                None
            }
            // What decides for a prompt or a token is its own.
            Op::When { direction, .. } => {
                known.vector(*direction)?;
                None
            }
            Op::Save { name, value } => {
                saves.insert(name.clone(), known.of(*value)?);
                None
            }
            // Draws depend on a prompt's place in its graph.
            Op::Generate { params, .. } if params.temperature != 0.0 => return None,
            // Turns belong to the prompts of one graph.
            Op::Turns { .. } => return None,
            op => known.infer(op),
        };
        known.along.push(along);
    }
    Some(saves)
}

/// Values of the nodes so far; none where prompts are mixed, or there is no value.
struct NodeRows<'a> {
    checked: &'a CheckedGraph,
    along: Vec<Option<PromptAxis>>,
}

impl NodeRows<'_> {
    fn of(&self, id: NodeId) -> Option<PromptAxis> {
        self.along.get(id.0 as usize).copied().flatten()
    }

    fn rank(&self, id: NodeId) -> usize {
        match self.checked.kinds().get(id.0 as usize) {
            Some(ValueKind::Tensor { shape, .. }) => shape.0.len(),
            _ => 0,
        }
    }

    /// For what looks at the last axis: that must not be the prompts.
    fn over_last(&self, a: NodeId) -> Option<PromptAxis> {
        self.of(a).filter(|along| *along == PromptAxis::Free || self.rank(a) > 1)
    }

    /// Two values side by side. `b` is broadcast over the first axes of `a`, so one of lower rank
    /// lies along other axes than the prompts, and one of equal rank must have a row a prompt too.
    fn beside(&self, a: NodeId, b: NodeId) -> Option<PromptAxis> {
        match (self.of(a)?, self.of(b)?) {
            (PromptAxis::Free, PromptAxis::Free) => Some(PromptAxis::Free),
            (rows, PromptAxis::Free) if self.rank(b) < self.rank(a) => Some(rows),
            (left, right) if left == right && self.rank(a) == self.rank(b) => Some(left),
            _ => None,
        }
    }

    fn infer(&self, op: &Op) -> Option<PromptAxis> {
        match op {
            Op::Read { positions: ReadAt::All, .. } => Some(PromptAxis::Tokens),
            Op::Read { .. } | Op::Generate { .. } => Some(PromptAxis::Prompts),
            Op::Const(_) => Some(PromptAxis::Free),
            Op::Binary { a, b, .. } => self.beside(*a, *b),
            Op::Unary { f: Unary::Unit | Unary::Softmax, a }
            | Op::Norm { a }
            | Op::TopKValues { a, .. }
            | Op::TopKIndices { a, .. } => self.over_last(*a),
            Op::LogProb { logits, .. } => self.over_last(*logits),
            Op::Unary { f: Unary::Neg | Unary::Exp | Unary::Log, a } | Op::Cast { a, .. } => self.of(*a),
            Op::Dot { a, b } | Op::Cosine { a, b } => {
                self.over_last(*a)?;
                self.beside(*a, *b)
            }
            Op::Reduce { a, axis, .. } | Op::Slice { a, axis, .. } => {
                self.of(*a).filter(|along| *along == PromptAxis::Free || *axis > 0)
            }
            // A new axis comes before that of the prompts.
            Op::Stack(all) => {
                all.iter().all(|a| self.of(*a) == Some(PromptAxis::Free)).then_some(PromptAxis::Free)
            }
            Op::PromptLogProb { logits } => self.of(*logits),
            Op::GeneratedLogProb { generate } | Op::Decode { generate } => self.of(*generate),
            Op::Write { .. } | Op::When { .. } | Op::Save { .. } | Op::Turns { .. } => None,
        }
    }

    /// Whether a direction is one for all prompts, or a row a prompt.
    fn vector(&self, id: NodeId) -> Option<()> {
        match self.of(id)? {
            PromptAxis::Free => (self.rank(id) == 1).then_some(()),
            PromptAxis::Prompts => (self.rank(id) == 2).then_some(()),
            PromptAxis::Tokens => None,
        }
    }

    /// Whether an edit does to a prompt what it would do to it alone.
    fn edit(&self, edit: &Edit) -> Option<()> {
        let vector = |id: NodeId| self.vector(id);
        match edit {
            Edit::Add { direction, unit, .. } => {
                if let AlphaUnit::Norm(n) = unit {
                    (self.of(*n)? == PromptAxis::Free).then_some(())?;
                }
                vector(*direction)
            }
            Edit::Ablate { direction } | Edit::Clamp { direction, .. } => vector(*direction),
            Edit::Set { value } => vector(*value),
            Edit::Scale { .. } => Some(()),
        }
    }
}
