//! Node values of a run: forced when needed, gathered from passes, answered at the end.

use truenorth_protocol::graph::{NodeId, Op};
use truenorth_protocol::tensor::TensorError;
use truenorth_protocol::{Answer, CheckedGraph};

use super::super::error::EngineError;
use super::value::{Val, room};
use super::{failed, ops, tensor};
use truenorth_protocol::run::RunError;

/// Values of nodes, as far as they are there.
pub(super) struct NodeValues<'a> {
    checked: &'a CheckedGraph,
    values: Vec<Option<Val>>,
    pub prompts: Vec<Vec<Vec<u32>>>,
}

impl<'a> NodeValues<'a> {
    pub fn new(checked: &'a CheckedGraph, prompts: Vec<Vec<Vec<u32>>>) -> Result<Self, TensorError> {
        let graph = checked.graph();
        let mut state = Self { checked, values: vec![None; graph.nodes.len()], prompts };
        for (i, op) in graph.nodes.iter().enumerate() {
            if let Op::Const(t) = op {
                state.values[i] = Some(Val::from_tensor(t)?);
            }
        }
        Ok(state)
    }

    pub fn checked(&self) -> &'a CheckedGraph {
        self.checked
    }

    /// Puts the value of a node that a pass computes.
    pub fn put(&mut self, node: usize, value: Val) {
        self.values[node] = Some(value);
    }

    /// A value that is there; the check's order sees to it that it is.
    pub fn get(&self, node: NodeId) -> Option<&Val> {
        self.values.get(node.0 as usize).and_then(Option::as_ref)
    }

    /// Computes a node and what it is made of, as far as that is pure and not yet there.
    ///
    /// # Errors
    /// No memory for one of them.
    pub fn force(&mut self, node: NodeId) -> Result<(), EngineError> {
        let mut wanted = vec![node.0 as usize];
        let mut order = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(i) = wanted.pop() {
            if self.values[i].is_some() || !seen.insert(i) {
                continue;
            }
            order.push(i);
            wanted.extend(self.checked.graph().nodes[i].inputs().iter().map(|n| n.0 as usize));
        }
        // Inputs come before what takes them, so the order of the graph is one to compute in.
        order.sort_unstable();
        for i in order {
            if let Some(value) = self.eval(i) {
                self.values[i] = Some(value?);
            }
        }
        Ok(())
    }

    fn eval(&self, i: usize) -> Option<Result<Val, EngineError>> {
        let op = &self.checked.graph().nodes[i];
        if let Op::PromptLogProb { logits } = op {
            let Op::Read { group, .. } = self.checked.graph().nodes[logits.0 as usize] else { return None };
            return Some(ops::prompt_log_prob(self.get(*logits)?, &self.prompts[group as usize]));
        }
        ops::eval(op, &|n| self.get(n))
    }

    /// The answer, once every group has run.
    ///
    /// # Errors
    /// No memory, a value without a tensor, or one that is not there though every group has run, which is our fault.
    pub fn answer(mut self) -> Result<Answer, RunError> {
        let mut answer = Answer::default();
        for op in &self.checked.graph().nodes {
            if let Op::Save { name, value } = op {
                self.force(*value).map_err(failed)?;
                let Some(v) = self.get(*value) else {
                    return Err(failed(EngineError::Missing {
                        what: format!("node {} of the graph", value.0),
                    }));
                };
                // Asked for before it is taken: what makes tensors can't be refused any.
                drop(room::<u8>(v.answer_bytes()).map_err(failed)?);
                answer.values.insert(name.clone(), v.to_value().map_err(tensor)?);
            }
        }
        Ok(answer)
    }
}
