//! What a group's forward passes have to do, worked out before the first one.

use std::collections::HashMap;

use truenorth_protocol::graph::{NodeId, Op, Sampling};
use truenorth_protocol::{Checked, Graph, ReadAt, Site, WriteAt};

use super::super::layout::last_block;

/// The work of one group.
pub(super) struct GroupPlan<'a> {
    /// Live reads and writes by site, as their places in the graph, in its order.
    pub at_site: HashMap<Site, Vec<usize>>,
    /// The generation, its node and how.
    pub generate: Option<(usize, &'a Sampling)>,
    /// How many forward passes are needed: 1, or those of the generation.
    pub steps: u32,
    /// Whether an edit depends on a read of the same group, so that the group can't be split.
    pub whole: bool,
}

/// What one forward pass must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    /// The last site needed.
    pub last: Site,
    /// The last site at which more is needed than each prompt's last row.
    pub full: Option<Site>,
}

impl<'a> GroupPlan<'a> {
    /// The plan of a group, or none if nothing of it is needed.
    pub fn new(checked: &'a Checked, group: u32) -> Option<Self> {
        let graph = checked.graph();
        let mut plan = Self {
            at_site: HashMap::new(),
            generate: None,
            steps: 0,
            whole: depends_on_itself(graph, group),
        };
        for (i, op) in graph.nodes.iter().enumerate() {
            #[allow(clippy::cast_possible_truncation, reason = "the check caps the node count")]
            if !checked.live(i as u32) {
                continue;
            }
            match op {
                Op::Read { group: g, site, step, .. } if *g == group => {
                    plan.at_site.entry(*site).or_default().push(i);
                    plan.steps = plan.steps.max(step + 1);
                }
                Op::Write { group: g, site, .. } if *g == group => {
                    plan.at_site.entry(*site).or_default().push(i);
                }
                Op::Generate { group: g, params } if *g == group => {
                    plan.generate = Some((i, params));
                    plan.steps = plan.steps.max(params.max_new_tokens);
                }
                _ => {}
            }
        }
        // A read at a later step needs the tokens before it, so the generation runs up to there
        // even when its own value is not asked for.
        if plan.generate.is_none() && plan.steps > 1 {
            plan.generate = graph.nodes.iter().enumerate().find_map(|(i, op)| match op {
                Op::Generate { group: g, params } if *g == group => Some((i, params)),
                _ => None,
            });
        }
        (plan.steps > 0).then_some(plan)
    }

    /// Whether all that is done to the group is to read its prompts, so that what several of them
    /// begin with need not be computed for each.
    pub fn only_reads(&self, graph: &Graph) -> bool {
        let write = |i: &usize| matches!(graph.nodes[*i], Op::Write { .. });
        self.generate.is_none() && self.steps == 1 && !self.at_site.values().flatten().any(write)
    }

    /// How many blocks prompts that begin alike go through together, in the first pass of a group that
    /// is not only read: up to where an edit may tell them apart, and short of the last block, which
    /// is computed for the needed rows alone.
    pub fn shared_blocks(&self, graph: &Graph, layers: u32) -> usize {
        let parting = |i: &usize| match &graph.nodes[*i] {
            Op::Write { site, positions, steps, .. }
                if *positions != WriteAt::Generated && steps.contains(0) =>
            {
                Some(match site {
                    Site::Embed => 0,
                    Site::FinalNorm | Site::Logits => layers,
                    Site::ResidPost(l) => l + 1,
                    other => other.layer().unwrap_or(0),
                })
            }
            _ => None,
        };
        let last = last_block(self.reach(graph, 0).last, layers as usize).unwrap_or(0);
        let first = self.at_site.values().flatten().filter_map(parting).min();
        first.map_or(last, |blocks| last.min(blocks as usize))
    }

    /// How far a pass must go.
    pub fn reach(&self, graph: &Graph, step: u32) -> Reach {
        let reads = || {
            self.at_site.values().flatten().filter_map(|i| match &graph.nodes[*i] {
                Op::Read { site, positions, step: s, .. } if *s == step => Some((*site, *positions)),
                _ => None,
            })
        };
        let latest = |of: &dyn Fn(ReadAt) -> bool| {
            reads().filter(|(_, at)| of(*at)).map(|(site, _)| site).max_by_key(|s| s.order())
        };
        // The pass that no token is drawn from needs no logits.
        let last = match (&self.generate, latest(&|_| true)) {
            (Some(_), _) | (None, None) => Site::Logits,
            (None, Some(site)) => site,
        };
        Reach { last, full: latest(&|at| at != ReadAt::Last) }
    }
}

/// Whether an edit of the group takes anything that was read in the group.
fn depends_on_itself(graph: &Graph, group: u32) -> bool {
    let mut tainted = vec![false; graph.nodes.len()];
    let mut found = false;
    for (i, op) in graph.nodes.iter().enumerate() {
        let inherits = op.inputs().iter().any(|NodeId(n)| tainted[*n as usize]);
        tainted[i] = inherits || matches!(op, Op::Read { group: g, .. } if *g == group);
        found |= inherits && matches!(op, Op::Write { group: g, .. } if *g == group);
    }
    found
}

#[cfg(test)]
mod tests {
    use truenorth_protocol::graph::{CheckLimits, Edit, Steps};
    use truenorth_protocol::{Builder, ModelInfo, Tensor};

    use super::*;

    fn checked(build: impl FnOnce(&mut Builder)) -> Checked {
        let info = ModelInfo {
            name: "t".into(),
            revision: String::new(),
            family: "llama".into(),
            layers: 4,
            hidden: 2,
            vocab: 9,
            context: 64,
            path: String::new(),
        };
        let mut b = Builder::new();
        build(&mut b);
        b.finish().check(&info, &CheckLimits::default()).unwrap()
    }

    #[test]
    fn a_pass_goes_no_further_than_the_last_read() {
        let c = checked(|b| {
            let g = b.texts(["a"]);
            let all = b.read(g, Site::ResidPost(0), ReadAt::All);
            let last = b.read(g, Site::ResidPost(2), ReadAt::Last);
            b.write(g, Site::ResidPost(3), WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
            b.save("a", all);
            b.save("l", last);
        });
        let plan = GroupPlan::new(&c, 0).unwrap();
        let full = Some(Site::ResidPost(0));
        assert_eq!(plan.reach(c.graph(), 0), Reach { last: Site::ResidPost(2), full });
        assert!(!plan.whole);
    }

    #[test]
    fn rows_are_kept_up_to_the_last_read_of_more_than_each_prompts_last() {
        let c = checked(|b| {
            let g = b.texts(["a"]);
            let first = b.read(g, Site::ResidPost(0), ReadAt::Last);
            let mean = b.read(g, Site::AttnOut(2), ReadAt::Mean);
            let one = b.read(g, Site::ResidPost(1), ReadAt::Index(0));
            let last = b.read(g, Site::Logits, ReadAt::Last);
            for (name, id) in [("f", first), ("m", mean), ("o", one), ("l", last)] {
                b.save(name, id);
            }
        });
        let plan = GroupPlan::new(&c, 0).unwrap();
        let full = Some(Site::AttnOut(2));
        assert_eq!(plan.reach(c.graph(), 0), Reach { last: Site::Logits, full });
        assert_eq!(plan.reach(c.graph(), 1), Reach { last: Site::Logits, full: None });
    }

    #[test]
    fn prompts_go_together_up_to_the_first_edit() {
        let shared = |site, at, read| {
            let c = checked(|b| {
                let g = b.texts(["a"]);
                b.write(g, site, at, Steps::ALL, Edit::Scale { factor: 2.0 });
                let r = b.read(g, read, ReadAt::Last);
                b.save("r", r);
            });
            GroupPlan::new(&c, 0).unwrap().shared_blocks(c.graph(), 4)
        };
        assert_eq!(shared(Site::ResidPost(1), WriteAt::All, Site::Logits), 2);
        assert_eq!(shared(Site::MlpOut(1), WriteAt::All, Site::Logits), 1);
        assert_eq!(shared(Site::Embed, WriteAt::Last, Site::Logits), 0);
        // The last block is that of the read.
        assert_eq!(shared(Site::ResidPost(1), WriteAt::All, Site::ResidPost(1)), 1);
        assert_eq!(shared(Site::FinalNorm, WriteAt::All, Site::Logits), 3);
        // What enters a block is what the one before it leaves.
        assert_eq!(shared(Site::ResidPost(2), WriteAt::All, Site::ResidPre(2)), 1);
        assert_eq!(shared(Site::ResidPost(2), WriteAt::All, Site::Embed), 0);
    }

    #[test]
    fn an_edit_made_of_a_read_keeps_its_group_whole() {
        let c = checked(|b| {
            let g = b.texts(["a", "b"]);
            let r = b.read(g, Site::ResidPost(0), ReadAt::Last);
            let mean = b.mean(r, 0);
            b.write(g, Site::ResidPost(1), WriteAt::All, Steps::ALL, Edit::Set { value: mean });
            let out = b.read(g, Site::ResidPost(3), ReadAt::Last);
            b.save("o", out);
        });
        assert!(GroupPlan::new(&c, 0).unwrap().whole);
    }

    #[test]
    fn what_nobody_asked_for_is_not_planned() {
        let c = checked(|b| {
            let idle = b.texts(["a"]);
            b.write(idle, Site::Embed, WriteAt::All, Steps::ALL, Edit::Scale { factor: 2.0 });
            let v = b.constant(Tensor::scalar(1.0));
            b.save("v", v);
        });
        assert!(GroupPlan::new(&c, 0).is_none());
    }
}
