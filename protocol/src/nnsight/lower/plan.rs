//! What a group's passes do, and which nodes can be computed batch by batch.

use std::ops::Range;

use crate::graph::{Graph, NodeId, Op, Sampling, Unary, WriteAt};
use crate::{Checked, ReadAt, Site, graph::ValueKind};

/// A read or an edit, in the order in which the passes come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub site: Site,
    pub node: usize,
}

/// The work of one group.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub group: u32,
    /// Live reads and edits in order.
    pub actions: Vec<Action>,
    /// The generation, its node and how.
    pub generate: Option<(usize, &'a Sampling)>,
    /// Forward passes.
    pub steps: u32,
    /// Whether an edit depends on a read of the same group, so that the group can't be split.
    pub whole: bool,
    /// By node, whether its rows are rows of this group, so that it can be computed batch by batch.
    pub local: Vec<Option<Rows>>,
}

/// What the rows of a value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Prompts of the group.
    Prompts,
    /// Tokens of the group, packed.
    Tokens,
}

impl<'a> Plan<'a> {
    /// The plan of a group, or none if nothing of it is needed.
    pub fn new(checked: &'a Checked, group: u32) -> Option<Self> {
        let graph = checked.graph();
        let mut actions = Vec::new();
        let (mut generate, mut steps) = (None, 0);
        for (node, op) in live(checked) {
            match op {
                Op::Read { group: g, site, step, .. } if *g == group => {
                    actions.push(Action { site: *site, node });
                    steps = steps.max(step + 1);
                }
                Op::Write { group: g, site, .. } if *g == group => actions.push(Action { site: *site, node }),
                Op::Generate { group: g, params } if *g == group => {
                    generate = Some((node, params));
                    steps = steps.max(params.max_new_tokens);
                }
                _ => {}
            }
        }
        if steps == 0 {
            return None;
        }
        // A read at a later step needs the tokens before it.
        if steps > 1 && generate.is_none() {
            generate = graph.nodes.iter().enumerate().find_map(|(i, op)| match op {
                Op::Generate { group: g, params } if *g == group => Some((i, params)),
                _ => None,
            });
        }
        actions.sort_by_key(|a| (a.site.order(), a.node));
        if generate.is_none() {
            // What comes after the last read changes nothing that is asked for.
            let is_read = |a: &Action| matches!(graph.nodes.get(a.node), Some(Op::Read { .. }));
            let end = actions.iter().rposition(is_read).map_or(0, |i| i + 1);
            actions.truncate(end);
        }
        let own = depends(graph, group);
        let whole = actions.iter().any(|a| match graph.nodes.get(a.node) {
            Some(Op::Write { edit, .. }) => edit.inputs().iter().any(|n| at(&own, *n)),
            _ => false,
        });
        let local = local(checked, group, whole, &own);
        Some(Self { group, actions, generate, steps, whole, local })
    }

    /// Whether logits are read at more than each prompt's last token.
    pub fn wide(&self, graph: &Graph) -> bool {
        self.actions.iter().any(|a| is_wide(graph, a))
    }

    /// The plan in two where it both generates and reads logits along the prompt, which a generation
    /// does not compute: a pass over the prompts alone, then the generation without those reads.
    pub fn parted(mut self, graph: &Graph) -> (Option<Self>, Self) {
        if self.generate.is_none() || !self.wide(graph) {
            return (None, self);
        }
        let needed = self.needed_by_edits(graph);
        let prompt = |a: &Action| match graph.nodes.get(a.node) {
            Some(op @ Op::Write { .. }) => during(op, self.steps, true).is_some_and(|d| d.start == 0),
            Some(Op::Read { step: 0, .. }) => is_wide(graph, a) || at(&needed, node_id(a.node)),
            _ => false,
        };
        let mut actions: Vec<Action> = self.actions.iter().filter(|a| prompt(a)).copied().collect();
        let end = actions.iter().rposition(|a| is_read(graph, a)).map_or(0, |i| i + 1);
        actions.truncate(end);
        let pass = Self {
            actions,
            generate: None,
            steps: 1,
            group: self.group,
            whole: self.whole,
            local: self.local.clone(),
        };
        self.actions.retain(|a| !is_wide(graph, a));
        (Some(pass), self)
    }

    /// By node, whether an edit of the group is made of it.
    fn needed_by_edits(&self, graph: &Graph) -> Vec<bool> {
        let mut needed = vec![false; graph.nodes.len()];
        for (i, op) in graph.nodes.iter().enumerate().rev() {
            let edit = matches!(op, Op::Write { group, .. } if *group == self.group);
            if edit || needed.get(i).copied().unwrap_or(false) {
                for input in op.inputs() {
                    if let Some(flag) = needed.get_mut(input.0 as usize) {
                        *flag = true;
                    }
                }
            }
        }
        needed
    }
}

fn is_wide(graph: &Graph, action: &Action) -> bool {
    matches!(graph.nodes.get(action.node),
        Some(Op::Read { site: Site::Logits, positions, .. }) if *positions != ReadAt::Last)
}

fn is_read(graph: &Graph, action: &Action) -> bool {
    matches!(graph.nodes.get(action.node), Some(Op::Read { .. }))
}

fn node_id(node: usize) -> NodeId {
    NodeId(u32::try_from(node).unwrap_or(u32::MAX))
}

/// The nodes that something saved needs.
pub(super) fn live(checked: &Checked) -> impl Iterator<Item = (usize, &Op)> {
    checked.graph().nodes.iter().enumerate().filter(|(i, _)| u32::try_from(*i).is_ok_and(|i| checked.live(i)))
}

pub(super) fn at<T: Copy + Default>(all: &[T], node: NodeId) -> T {
    all.get(node.0 as usize).copied().unwrap_or_default()
}

/// By node, whether anything that the group computes is in it.
pub(super) fn depends(graph: &Graph, group: u32) -> Vec<bool> {
    let mut own: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for op in &graph.nodes {
        let root = matches!(op, Op::Read { group: g, .. } | Op::Generate { group: g, .. } if *g == group);
        own.push(root || op.inputs().iter().any(|n| at(&own, *n)));
    }
    own
}

/// Which nodes can be computed batch by batch: reads, generations, and what keeps their rows.
fn local(checked: &Checked, group: u32, whole: bool, own: &[bool]) -> Vec<Option<Rows>> {
    let graph = checked.graph();
    let axes = |id: NodeId| match checked.kinds().get(id.0 as usize) {
        Some(ValueKind::Tensor { shape, .. }) => shape.0.len(),
        _ => 0,
    };
    let mut local: Vec<Option<Rows>> = Vec::with_capacity(graph.nodes.len());
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
                Some(if *positions == ReadAt::All { Rows::Tokens } else { Rows::Prompts })
            }
            Op::Generate { group: g, .. } if *g == group => Some(Rows::Prompts),
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
    let mut later = vec![false; graph.nodes.len()];
    for (i, op) in graph.nodes.iter().enumerate() {
        let root = matches!(op, Op::Read { group: g, .. } | Op::Generate { group: g, .. } if *g > group);
        let inherits = op.inputs().iter().any(|n| at(&later, *n));
        if let Some(flag) = later.get_mut(i) {
            *flag = root || inherits;
        }
    }
    for (rows, later) in local.iter_mut().zip(later) {
        if later {
            *rows = None;
        }
    }
    local
}

/// The forward passes at which a read or an edit happens; none for never.
pub(super) fn during(op: &Op, steps: u32, generating: bool) -> Option<Range<u32>> {
    let steps = if generating { steps } else { 1 };
    let range = match op {
        Op::Read { step, .. } if generating => *step..step + 1,
        Op::Read { .. } => 0..1,
        Op::Write { positions, steps: asked, .. } => {
            let once = matches!(positions, WriteAt::Prompt | WriteAt::Last | WriteAt::Index(_));
            let start = if *positions == WriteAt::Generated { asked.start.max(1) } else { asked.start };
            start..asked.end.unwrap_or(steps).min(if once { 1 } else { steps })
        }
        _ => return None,
    };
    (!range.is_empty()).then_some(range)
}

/// When that is, as a condition on the step `s`; none for always.
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
