//! What of a graph is needed.

use std::collections::HashMap;

use super::{Graph, Op};

impl Graph {
    /// Marks what is needed for the saved values: their inputs, and every edit of a group whose
    /// values are needed, with its inputs and its conditions. Takes each node once; all inputs must be earlier nodes.
    pub(super) fn live(&self) -> Vec<bool> {
        let mut writes: HashMap<u32, Vec<usize>> = HashMap::new();
        for (i, op) in self.nodes.iter().enumerate() {
            if let Op::Write { group, .. } | Op::When { group, .. } = op {
                writes.entry(*group).or_default().push(i);
            }
        }
        let mut live = vec![false; self.nodes.len()];
        let saves = self.nodes.iter().enumerate().filter(|(_, op)| matches!(op, Op::Save { .. }));
        let mut wanted: Vec<usize> = saves.map(|(i, _)| i).collect();
        while let Some(i) = wanted.pop() {
            if std::mem::replace(&mut live[i], true) {
                continue;
            }
            let op = &self.nodes[i];
            wanted.extend(op.inputs().iter().map(|n| n.0 as usize).filter(|n| !live[*n]));
            if let Op::Read { group, .. } | Op::Generate { group, .. } = op {
                wanted.extend(writes.remove(group).unwrap_or_default());
            }
        }
        live
    }
}
