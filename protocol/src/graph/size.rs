//! What a graph costs to run, known before it runs: memory, tokens, arithmetic.

use super::problem::{CheckError, GraphProblem};
use super::shape::{Dim, ValueKind};
use super::{Edit, Graph, Op, Prompt};
use crate::dtype::DType;
use crate::limits;
use crate::model::ModelInfo;
use crate::prompt::PromptRoom;

/// Widths of the residual stream that a row takes up in a pass, all its temporaries counted: those of an
/// MLP are the largest.
const ROW_WIDTHS: u64 = 32;

pub(super) struct Facts {
    pub prompts: usize,
    /// Index of the group's [`Op::Generate`] in the nodes.
    pub generation: Option<usize>,
    pub steps: u32,
    /// The most tokens that its prompts can have: a text has at most one a byte, plus a few special ones,
    /// and no prompt is longer than the context.
    pub tokens: u64,
    /// The shortest prompt that is given as tokens, and how many it has.
    pub shortest: Option<(usize, usize)>,
}

pub(super) fn facts(graph: &Graph, info: &ModelInfo) -> Vec<Facts> {
    let room = PromptRoom::of(info);
    let mut facts: Vec<Facts> = Vec::with_capacity(graph.groups.len());
    for group in &graph.groups {
        let bound = |p: &Prompt| match p {
            Prompt::Text(t) => room.most_tokens(t),
            Prompt::Tokens(t) => t.len() as u64,
        };
        let given = group.prompts.iter().enumerate().filter_map(|(i, p)| match p {
            Prompt::Tokens(t) => Some((i, t.len())),
            Prompt::Text(_) => None,
        });
        facts.push(Facts {
            prompts: group.prompts.len(),
            generation: None,
            steps: 1,
            tokens: group.prompts.iter().map(bound).sum(),
            shortest: given.min_by_key(|(_, n)| *n),
        });
    }
    for (i, op) in graph.nodes.iter().enumerate() {
        if let Op::Generate { group, params } = op
            && let Some(facts) = facts.get_mut(*group as usize)
            && facts.generation.is_none()
        {
            (facts.generation, facts.steps) = (Some(i), params.max_new_tokens);
        }
    }
    facts
}

/// What a graph costs to run, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCost {
    /// Bytes of memory: every value that is computed, what passes keep beside them, and the answer in
    /// the forms that it goes through.
    pub memory: u64,
    /// Bytes of the answer.
    pub answer: u64,
    /// Tokens through the model.
    pub tokens: u64,
    /// Prompts that generate.
    pub sequences: u64,
}

/// Sizes of values.
pub(super) struct Sizes<'a> {
    pub graph: &'a Graph,
    pub kinds: &'a [ValueKind],
    pub facts: &'a [Facts],
    pub info: &'a ModelInfo,
}

impl Sizes<'_> {
    /// The most elements that a value may have; of texts, prompts.
    fn elements(&self, node: u32) -> u64 {
        match self.kinds.get(node as usize) {
            Some(ValueKind::Tensor { shape, .. }) => shape.0.iter().fold(1, |n: u64, d| {
                n.saturating_mul(match d {
                    Dim::Fixed(k) => *k as u64,
                    Dim::Tokens(g) => self.tokens(*g),
                })
            }),
            Some(ValueKind::Text(g)) => self.facts[*g as usize].prompts as u64,
            Some(ValueKind::Effect) | None => 0,
        }
    }

    fn tokens(&self, group: u32) -> u64 {
        self.facts[group as usize].tokens
    }

    /// The most bytes that a saved value may take in an answer.
    pub fn answer(&self, node: u32) -> u64 {
        match self.kinds.get(node as usize) {
            Some(ValueKind::Tensor { dtype, .. }) => self.elements(node).saturating_mul(dtype.size() as u64),
            // A token decodes to a few bytes; 16 is generous for every vocabulary we know.
            Some(ValueKind::Text(g)) => {
                let steps = u64::from(self.facts[*g as usize].steps);
                self.elements(node).saturating_mul(16 * steps)
            }
            Some(ValueKind::Effect) | None => 0,
        }
    }

    /// The most bytes that a node takes while it runs: floats are f32 then, whatever they are cast to.
    fn memory(&self, node: u32) -> u64 {
        let size = |dtype: DType| if dtype.is_float() { 4 } else { 8 };
        match (&self.graph.nodes[node as usize], self.kinds.get(node as usize)) {
            // Tokens and their log-probabilities as they are drawn, and the value made of them.
            (Op::Generate { .. }, _) => self.elements(node).saturating_mul(16),
            (Op::Write { edit, .. }, _) => self.rows_of(edit),
            // The unit direction, and which tokens of a pass are above.
            (Op::When { group, direction, .. }, _) => {
                (4 * self.elements(direction.0)).saturating_add(16 * self.tokens(*group))
            }
            (_, Some(ValueKind::Tensor { dtype, .. })) => self.elements(node).saturating_mul(size(*dtype)),
            (_, Some(ValueKind::Text(_))) => self.answer(node).saturating_add(24 * self.elements(node)),
            _ => 0,
        }
    }

    /// What an edit is resolved to: a row a dose or a direction.
    fn rows_of(&self, edit: &Edit) -> u64 {
        match edit {
            Edit::Add { direction, alpha, .. } => {
                let of_directions = self.elements(direction.0);
                let width = u64::from(self.info.vocab.max(self.info.hidden)).min(of_directions);
                4 * of_directions.max(width.saturating_mul(alpha.len() as u64))
            }
            Edit::Set { value: one }
            | Edit::Ablate { direction: one }
            | Edit::Clamp { direction: one, .. } => 4 * self.elements(one.0),
            Edit::Scale { .. } => 0,
        }
    }

    /// What a group takes beside the values of its nodes: its tokens, and, where it has to run in one
    /// piece, everything that a pass computes for all of its rows at once.
    fn of_group(&self, group: usize, whole: bool, wide: bool) -> u64 {
        let Some(facts) = self.facts.get(group) else { return 0 };
        let ids = facts.tokens.saturating_mul(4).saturating_add(24 * facts.prompts as u64);
        if !whole {
            return ids;
        }
        let (hidden, layers) = (u64::from(self.info.hidden), u64::from(self.info.layers));
        let generated = u64::from(facts.steps.saturating_sub(1)).saturating_mul(facts.prompts as u64);
        let kept = if facts.steps > 1 { 2 * layers * hidden } else { 0 };
        let logits = if wide { u64::from(self.info.vocab) } else { 0 };
        let row = 4 * (ROW_WIDTHS * hidden + kept + logits);
        ids.saturating_add(facts.tokens.saturating_add(generated).saturating_mul(row))
    }

    /// What the whole graph costs.
    ///
    /// # Errors
    /// The node at which it takes more memory than `limit`, or more arithmetic than any use has.
    pub fn of_all(&self, live: &[bool], limit: u64) -> Result<GraphCost, CheckError> {
        let mut size = GraphCost::default();
        let mut operands = 0_u64;
        let (whole, wide) = (self.whole(), self.wide());
        for (g, facts) in self.facts.iter().enumerate() {
            let more = u64::from(facts.steps.saturating_sub(1)).saturating_mul(facts.prompts as u64);
            size.tokens = size.tokens.saturating_add(facts.tokens).saturating_add(more);
            size.sequences += if facts.steps > 1 { facts.prompts as u64 } else { 0 };
            size.memory = size.memory.saturating_add(self.of_group(g, whole[g], wide[g]));
        }
        for (i, op) in self.graph.nodes.iter().enumerate() {
            // Constants are unpacked whether they are needed or not.
            if !live[i] && !matches!(op, Op::Const(_)) {
                continue;
            }
            #[allow(clippy::cast_possible_truncation, reason = "the node count is capped")]
            let node = i as u32;
            size.memory = size.memory.saturating_add(self.memory(node));
            if let Op::Save { value, .. } = op {
                // As a value, as a tensor and as bytes.
                let answer = self.answer(value.0);
                size.answer = size.answer.saturating_add(answer);
                size.memory = size.memory.saturating_add(answer.saturating_mul(3));
            }
            let at = |problem| CheckError { node: Some(node), label: op.label(), problem };
            if size.memory > limit {
                return Err(at(GraphProblem::Memory { bytes: size.memory, limit }));
            }
            let inputs = op.inputs();
            operands = inputs.iter().fold(operands, |n, id| n.saturating_add(self.elements(id.0)));
            if operands > limits::OPERANDS {
                return Err(at(GraphProblem::Operands { found: operands, limit: limits::OPERANDS }));
            }
        }
        Ok(size)
    }

    /// Whether an edit of a group takes anything that was read in it, so that all its rows run at once.
    fn whole(&self) -> Vec<bool> {
        // The latest group that a value was read in, and whether it was read in others too.
        let mut from: Vec<(Option<u32>, bool)> = Vec::with_capacity(self.graph.nodes.len());
        let mut whole = vec![false; self.facts.len()];
        for op in &self.graph.nodes {
            let mut of = match op {
                Op::Read { group, .. } => (Some(*group), false),
                _ => (None, false),
            };
            for input in op.inputs() {
                let (group, mixed) = from[input.0 as usize];
                of = match (of.0, group) {
                    (Some(a), Some(b)) if a != b => (Some(a.max(b)), true),
                    (a, b) => (a.or(b), of.1 || mixed),
                };
            }
            // A value of several groups may hold one of the edited: the larger cost is counted.
            if let Op::Write { group, .. } = op
                && (of.0 == Some(*group) || of.1)
                && let Some(whole) = whole.get_mut(*group as usize)
            {
                *whole = true;
            }
            from.push(of);
        }
        whole
    }

    /// Whether logits are read at more than the last token.
    fn wide(&self) -> Vec<bool> {
        let mut wide = vec![false; self.facts.len()];
        for op in &self.graph.nodes {
            if let Op::Read { group, site: crate::Site::Logits, positions, .. } = op
                && *positions != super::ReadAt::Last
                && let Some(wide) = wide.get_mut(*group as usize)
            {
                *wide = true;
            }
        }
        wide
    }
}
