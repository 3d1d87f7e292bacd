//! Which conditions of edits can hold in time.

use super::problem::GraphProblem;
use super::shape::KnownKinds;
use super::{Decides, NodeId, Op};
use crate::site::Site;

impl KnownKinds<'_> {
    /// Refuses a condition that can't be known in time for its edits.
    pub(super) fn check_when(
        &self,
        (group, site): (u32, Site),
        above: f64,
        of: Decides,
        writes: &[NodeId],
    ) -> Result<(), GraphProblem> {
        let steps = self.facts.get(group as usize).map_or(0, |facts| facts.steps);
        if site == Site::Logits {
            return Err(GraphProblem::WhenLogits);
        }
        if !above.is_finite() {
            return Err(GraphProblem::NotFinite { what: "the threshold", value: above });
        }
        if let Decides::Prompt(positions) = of {
            if positions.by_token() || positions.counts() {
                return Err(GraphProblem::WhenPositions { positions });
            }
            self.check_reading(group, positions)?;
        }
        if writes.is_empty() {
            return Err(GraphProblem::WhenNothing);
        }
        for NodeId(input) in writes {
            let op = &self.graph.nodes[*input as usize];
            let Op::Write { group: edited, site: at, .. } = op else {
                return Err(GraphProblem::WhenWrites { input: *input, group });
            };
            if *edited != group {
                return Err(GraphProblem::WhenWrites { input: *input, group });
            }
            let same_pass =
                of == Decides::Token || op.passes(steps).is_some_and(|passes| passes.contains(&0));
            if same_pass && site.order() > at.order() {
                return Err(GraphProblem::WhenLate { input: *input, site });
            }
        }
        Ok(())
    }
}
