//! What a group's passes do, and which nodes can be computed batch by batch.

use crate::graph::{Graph, NodeId, Op, Sampling, Unary, WriteAt};
use crate::{Checked, ReadAt, Site, graph::ValueKind};

/// A read or an edit, in the order in which the passes come to it.
#[derive(Clone, Copy, Debug)]
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

    /// Reads of logits that need more than each prompt's last row.
    pub fn wide(&self, graph: &Graph) -> bool {
        self.actions.iter().any(|a| match graph.nodes.get(a.node) {
            Some(Op::Read { site: Site::Logits, positions, .. }) => *positions != ReadAt::Last,
            _ => false,
        })
    }
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

/// When an edit happens: a condition on the step `s`, or none for always. `Err` for never.
pub(super) fn when(op: &Op, generating: bool) -> Result<Option<String>, ()> {
    match op {
        Op::Read { step, .. } if generating => Ok(Some(format!("s=={step}"))),
        Op::Write { positions, steps, .. } => {
            let once = matches!(positions, WriteAt::Prompt | WriteAt::Last | WriteAt::Index(_));
            let start = if *positions == WriteAt::Generated { steps.start.max(1) } else { steps.start };
            if (once || !generating) && start > 0 || steps.end.is_some_and(|e| e <= start) {
                return Err(());
            }
            Ok(match (start, steps.end) {
                _ if !generating => None,
                _ if once => Some("s==0".into()),
                (0, None) => None,
                (0, Some(end)) => Some(format!("s<{end}")),
                (start, None) => Some(format!("s>={start}")),
                (start, Some(end)) => Some(format!("{start}<=s<{end}")),
            })
        }
        _ => Ok(None),
    }
}
