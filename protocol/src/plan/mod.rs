//! What has to be done for a graph, worked out once for everybody who runs one.
//!
//! An executor takes from here which groups run ([`GroupPlan::new`]), how many forward passes, which
//! reads and edits happen at which of them and in what order ([`Action`]), where a pass may stop and up
//! to where it needs more than each prompt's last row ([`GroupPlan::reach`]), whether a group can be cut
//! ([`GroupPlan::whole`]), and which prompts are refused once they are token ids ([`resolve`]). It decides
//! nothing of that itself. Which tokens an edit touches is [`WriteAt::touches`](crate::WriteAt::touches), which token an index means
//! [`position`](crate::graph::position), whether a prompt fits [`PromptRoom`](crate::prompt::PromptRoom).
//!
//! The engine and the lowering to nnsight each had rules of their own, and differed. What holds:
//!
//! | Question | Engine had | Lowering had | Holds |
//! |---|---|---|---|
//! | An edit after the last read of a pass that generates nothing | was resolved, and its direction of norm 0 refused the graph; made of a read, it kept its group in one piece | left out | left out: it changes nothing that is asked for |
//! | An edit at steps that are never run, because the generation is not asked for and no read is so late | ignored in passes, but kept its group in one piece | was written into the program, and chose the module at which `resid_mid` is looked at | left out |
//! | An index that a text's tokens do not have, at a read or edit that nothing saved needs | not looked at | refused | refused, as [`Graph::check`](crate::Graph::check) refuses it in token ids |
//! | Tokens that may follow a prompt | up to the last pass needed | all of the generation, needed or not | all of it, as in [`Graph::check`](crate::Graph::check) |
//! | Prompts of a group that nothing saved needs | not looked at | tokenized and checked | tokenized and checked |
//! | A prompt of a later group that does not fit | refused after the groups before it had run | refused before anything ran | refused before anything runs |
//! | A text of which the tokenizer makes a token that the model does not have | refused in the pass, as a failure | sent | refused before anything runs |
//! | A generation's stop tokens, with reads at later steps | refused by the check | ran without stop tokens | refused by the check; the lowering's rule was never reached |

mod resolve;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use resolve::{ResolveError, check_prompts, resolve};

use crate::graph::{Decides, Graph, NodeId, Op, Sampling};
use crate::{CheckedGraph, ReadAt, Site};

/// A read or an edit of a group that is needed and happens, or a condition of such an edit.
#[derive(Clone, Debug, PartialEq)]
pub struct Action<'a> {
    /// The site at which it happens.
    pub site: Site,
    /// Index into [`Graph::nodes`](crate::Graph::nodes).
    pub node: usize,
    /// What it is: [`Op::Read`], [`Op::Write`] or [`Op::When`].
    pub op: &'a Op,
    /// The forward passes at which it happens; never empty.
    pub passes: Range<u32>,
    /// Of an edit, the nodes of the conditions that must all hold; they come before it.
    pub when: Vec<usize>,
}

impl Action<'_> {
    /// Whether it is an edit.
    #[must_use]
    pub fn is_edit(&self) -> bool {
        matches!(self.op, Op::Write { .. })
    }

    /// Whether it is the condition of an edit.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        matches!(self.op, Op::When { .. })
    }

    /// Whether it reads logits at more than each prompt's last token.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.site == Site::Logits && self.reads().is_some_and(|at| at != ReadAt::Last)
    }

    /// Which tokens must be there for it, if it reads. A condition on tokens takes those that are.
    fn reads(&self) -> Option<ReadAt> {
        match self.op {
            Op::Read { positions, .. } | Op::When { of: Decides::Prompt(positions), .. } => Some(*positions),
            Op::When { of: Decides::Token, .. } => Some(ReadAt::Last),
            _ => None,
        }
    }
}

/// What one group has to run: the reads, edits and passes that saved values need.
#[derive(Clone, Debug)]
pub struct GroupPlan<'a> {
    checked: &'a CheckedGraph,
    /// Index into [`Graph::groups`](crate::Graph::groups).
    pub group: u32,
    /// Its reads and edits, in the order in which a pass comes to them; at one site, in that of the graph.
    pub actions: Vec<Action<'a>>,
    /// The generation, its node and how.
    pub generate: Option<(usize, &'a Sampling)>,
    /// How many forward passes are needed: 1, or those of the generation.
    pub steps: u32,
    /// Whether an edit is made of something that the group computes, so that the group can't be cut.
    pub whole: bool,
}

/// How far one forward pass must go, and from where on last rows are enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The last site that is read, or the logits where a token is drawn.
    pub last: Site,
    /// The last site at which more is needed than each prompt's last row.
    pub full: Option<Site>,
}

impl<'a> GroupPlan<'a> {
    /// The plan of a group, or none if nothing of it is needed.
    #[must_use]
    pub fn new(checked: &'a CheckedGraph, group: u32) -> Option<Self> {
        let (mut generate, mut steps) = (None, 0);
        for (node, op) in live(checked) {
            match op {
                Op::Read { group: g, step, .. } if *g == group => steps = steps.max(step + 1),
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
        // A read at a later step needs the tokens before it, so the generation runs up to there even when
        // its own value is not asked for.
        if steps > 1 && generate.is_none() {
            generate = checked.graph().nodes.iter().enumerate().find_map(|(i, op)| match op {
                Op::Generate { group: g, params } if *g == group => Some((i, params)),
                _ => None,
            });
        }
        let mut actions: Vec<Action<'a>> = live(checked)
            .filter_map(|(node, op)| match op {
                Op::Read { group: g, site, .. }
                | Op::Write { group: g, site, .. }
                | Op::When { group: g, site, .. }
                    if *g == group =>
                {
                    Some(Action { site: *site, node, op, passes: op.passes(steps)?, when: vec![] })
                }
                _ => None,
            })
            .collect();
        // What a condition sees at the site of its edit is what comes there.
        actions.sort_by_key(|a| (a.site.order(), !a.is_condition(), a.node));
        if generate.is_none() {
            cut_after_reads(&mut actions);
        }
        conditions(&mut actions);
        let own = depends(checked.graph(), group);
        let changes = |a: &&Action<'_>| a.is_edit() || a.is_condition();
        let whole = actions.iter().filter(changes).any(|a| a.op.inputs().iter().any(|n| own[n.0 as usize]));
        Some(Self { checked, group, actions, generate, steps, whole })
    }

    /// The graph that the plan is of.
    #[must_use]
    pub fn graph(&self) -> &'a Graph {
        self.checked.graph()
    }

    /// What happens at a site in one pass, in order.
    pub fn due(&self, step: u32, site: Site) -> impl Iterator<Item = &Action<'a>> {
        // Sorted by the place of their sites in a pass, which no two sites share.
        let start = self.actions.partition_point(|a| a.site.order() < site.order());
        self.actions[start..]
            .iter()
            .take_while(move |a| a.site == site)
            .filter(move |a| a.passes.contains(&step))
    }

    /// Whether logits are read at more than each prompt's last token.
    #[must_use]
    pub fn wide(&self) -> bool {
        self.actions.iter().any(Action::is_wide)
    }

    /// Whether all that is done to the group is to read its prompts, so that what several of them
    /// begin with need not be computed for each.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        self.generate.is_none() && self.steps == 1 && !self.actions.iter().any(Action::is_edit)
    }

    /// How many blocks, of `layers`, the prompts go through before an edit can tell apart two that begin
    /// alike; none where no edit of the first pass does.
    #[must_use]
    pub fn blocks_before_edits(&self, layers: u32) -> Option<u32> {
        self.actions
            .iter()
            .filter(|a| (a.is_edit() || a.is_condition()) && a.passes.contains(&0))
            .map(|a| match a.site {
                Site::Embed => 0,
                Site::FinalNorm | Site::Logits => layers,
                Site::ResidPost(l) => l + 1,
                Site::ResidPre(l) | Site::AttnOut(l) | Site::ResidMid(l) | Site::MlpOut(l) => l,
            })
            .min()
    }

    /// How far pass `step` must go; pass 0 runs the prompt.
    #[must_use]
    pub fn reach(&self, step: u32) -> Reach {
        let reads = || {
            self.actions
                .iter()
                .filter(|a| a.passes.contains(&step))
                .filter_map(|a| Some((a.site, a.reads()?)))
        };
        let full = reads().rfind(|(_, at)| *at != ReadAt::Last).map(|(site, _)| site);
        // The pass that no token is drawn from needs no logits.
        let last = match (&self.generate, reads().next_back()) {
            (None, Some((site, _))) => site,
            (Some(_), _) | (None, None) => Site::Logits,
        };
        Reach { last, full }
    }

    /// The plan in two where it both generates and reads logits along the prompt, for an executor whose
    /// generations compute logits after the last token only: a pass over the prompts alone, then the
    /// generation without those reads.
    #[must_use]
    pub fn parted(mut self) -> (Option<Self>, Self) {
        if self.generate.is_none() || !self.wide() {
            return (None, self);
        }
        let needed = self.needed_by_edits();
        let prompt = |a: &&Action<'a>| {
            a.passes.contains(&0) && (a.is_edit() || a.is_condition() || a.is_wide() || needed[a.node])
        };
        let mut actions: Vec<Action<'a>> = self.actions.iter().filter(prompt).cloned().collect();
        actions.iter_mut().for_each(|a| a.passes = 0..1);
        cut_after_reads(&mut actions);
        conditions(&mut actions);
        let pass = Self { actions, generate: None, steps: 1, ..self.clone() };
        self.actions.retain(|a| !a.is_wide());
        (Some(pass), self)
    }

    /// By node, whether an edit of the group is made of it.
    fn needed_by_edits(&self) -> Vec<bool> {
        let nodes = &self.graph().nodes;
        let mut needed = vec![false; nodes.len()];
        for (i, op) in nodes.iter().enumerate().rev() {
            let edit = matches!(op, Op::Write { group, .. } if *group == self.group);
            if edit || needed[i] {
                op.inputs().iter().for_each(|input| needed[input.0 as usize] = true);
            }
        }
        needed
    }
}

/// The nodes that something saved needs.
pub fn live(checked: &CheckedGraph) -> impl Iterator<Item = (usize, &Op)> {
    (0_u32..).zip(&checked.graph().nodes).filter(|(i, _)| checked.live(*i)).map(|(i, op)| (i as usize, op))
}

/// By node, whether anything that the group computes is in it.
#[must_use]
pub fn depends(graph: &Graph, group: u32) -> Vec<bool> {
    let mut own: Vec<bool> = Vec::with_capacity(graph.nodes.len());
    for op in &graph.nodes {
        let root = matches!(op, Op::Read { group: g, .. } | Op::Generate { group: g, .. } if *g == group);
        own.push(root || op.inputs().iter().any(|NodeId(n)| own[*n as usize]));
    }
    own
}

/// Leaves out what comes after the last read: it changes nothing that is asked for.
fn cut_after_reads(actions: &mut Vec<Action<'_>>) {
    actions.truncate(actions.iter().rposition(|a| matches!(a.op, Op::Read { .. })).map_or(0, |i| i + 1));
}

/// Tells each edit its conditions, and leaves out conditions of no edit that happens and passes in which none does.
fn conditions(actions: &mut Vec<Action<'_>>) {
    let of: Vec<(usize, &Op)> = actions.iter().filter(|a| a.is_condition()).map(|a| (a.node, a.op)).collect();
    if of.is_empty() {
        return;
    }
    let holds = |op: &Op, node: usize| match op {
        Op::When { writes, .. } => writes.iter().any(|w| w.0 as usize == node),
        _ => false,
    };
    for edit in actions.iter_mut().filter(|a| a.is_edit()) {
        edit.when = of.iter().filter(|(_, op)| holds(op, edit.node)).map(|(node, _)| *node).collect();
    }
    let edits: Vec<(usize, Range<u32>)> =
        actions.iter().filter(|a| a.is_edit()).map(|a| (a.node, a.passes.clone())).collect();
    actions.retain_mut(|a| {
        let Op::When { of, .. } = a.op else { return true };
        let passes = || edits.iter().filter(|(node, _)| holds(a.op, *node)).map(|(_, passes)| passes);
        let (Some(start), Some(end)) = (passes().map(|p| p.start).min(), passes().map(|p| p.end).max())
        else {
            return false;
        };
        if *of == Decides::Token {
            a.passes = start..end;
        }
        true
    });
}
