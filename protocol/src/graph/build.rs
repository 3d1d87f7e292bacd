//! The typed builder: a graph written as code reads like the question it asks.

use super::{
    AlphaUnit, Binary, Decides, Edit, Graph, Group, NodeId, Op, Prompt, ReadAt, Reduce, Sampling, Steps,
    Turns, Unary, WriteAt,
};
use crate::dtype::DType;
use crate::site::Site;
use crate::tensor::Tensor;

/// A group of prompts in a graph being built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupId(pub u32);

/// Builds a [`Graph`] node by node.
///
/// ```
/// use truenorth_protocol::{Builder, ReadAt, Site, Tensor, WriteAt, graph::{Sampling, Steps}};
///
/// let mut b = Builder::new();
/// let prompts = b.texts(["The capital of France is"]);
/// let d = b.constant(Tensor::vector(&[0.6, 0.8]));
/// b.add(prompts, Site::ResidPost(1), WriteAt::All, Steps::ALL, d, &[4.0]);
/// let tokens = b.generate(prompts, Sampling::greedy(8));
/// b.save("tokens", tokens);
/// let graph = b.finish();
/// assert_eq!(graph, truenorth_protocol::Graph::from_bytes(&graph.to_bytes()?)?);
/// # Ok::<(), truenorth_protocol::graph::CodecError>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    groups: Vec<Group>,
    nodes: Vec<Op>,
}

impl Builder {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A group of prompts; texts get the special tokens of their tokenizer.
    pub fn group(&mut self, prompts: Vec<Prompt>) -> GroupId {
        self.raw_group(prompts, true)
    }

    /// A group of prompts with the choice of special tokens.
    pub fn raw_group(&mut self, prompts: Vec<Prompt>, special_tokens: bool) -> GroupId {
        self.groups.push(Group { prompts, special_tokens });
        GroupId(index(self.groups.len() - 1))
    }

    /// Says where the turns of a group's conversations lie; of prompts that are none, nowhere.
    pub fn turns(&mut self, group: GroupId, turns: Vec<Turns>) {
        self.node(Op::Turns { group: group.0, turns });
    }

    /// A group of texts.
    pub fn texts<S: Into<String>>(&mut self, texts: impl IntoIterator<Item = S>) -> GroupId {
        self.group(texts.into_iter().map(|t| Prompt::Text(t.into())).collect())
    }

    /// A group of token sequences.
    pub fn tokens(&mut self, sequences: impl IntoIterator<Item = Vec<u32>>) -> GroupId {
        self.group(sequences.into_iter().map(Prompt::Tokens).collect())
    }

    /// Any node; the other methods are short for this one.
    pub fn node(&mut self, op: Op) -> NodeId {
        self.nodes.push(op);
        NodeId(index(self.nodes.len() - 1))
    }

    /// Reads a site of the prompts.
    pub fn read(&mut self, group: GroupId, site: Site, positions: ReadAt) -> NodeId {
        self.read_step(group, site, positions, 0)
    }

    /// Reads a site in a forward pass; pass `k` runs the `k`-th generated token.
    pub fn read_step(&mut self, group: GroupId, site: Site, positions: ReadAt, step: u32) -> NodeId {
        self.node(Op::Read { group: group.0, site, positions, step })
    }

    /// A value that the graph brings along.
    pub fn constant(&mut self, tensor: Tensor) -> NodeId {
        self.node(Op::Const(tensor))
    }

    /// Element by element `f(a, b)`.
    pub fn binary(&mut self, f: Binary, a: NodeId, b: NodeId) -> NodeId {
        self.node(Op::Binary { f, a, b })
    }

    /// `f(a)`, element by element or row by row, as [`Unary`] says.
    pub fn unary(&mut self, f: Unary, a: NodeId) -> NodeId {
        self.node(Op::Unary { f, a })
    }

    /// Dot product over the last axis.
    pub fn dot(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.node(Op::Dot { a, b })
    }

    /// Cosine over the last axis.
    pub fn cosine(&mut self, a: NodeId, b: NodeId) -> NodeId {
        self.node(Op::Cosine { a, b })
    }

    /// Euclidean norm over the last axis.
    pub fn norm(&mut self, a: NodeId) -> NodeId {
        self.node(Op::Norm { a })
    }

    /// Mean over an axis.
    pub fn mean(&mut self, a: NodeId, axis: u32) -> NodeId {
        self.node(Op::Reduce { f: Reduce::Mean, a, axis })
    }

    /// Sum over an axis.
    pub fn sum(&mut self, a: NodeId, axis: u32) -> NodeId {
        self.node(Op::Reduce { f: Reduce::Sum, a, axis })
    }

    /// A half-open range of an axis.
    pub fn slice(&mut self, a: NodeId, axis: u32, range: std::ops::Range<u32>) -> NodeId {
        self.node(Op::Slice { a, axis, start: range.start, end: range.end })
    }

    /// Values of one shape along a new first axis.
    pub fn stack(&mut self, all: &[NodeId]) -> NodeId {
        self.node(Op::Stack(all.to_vec()))
    }

    /// Another float type.
    pub fn cast(&mut self, a: NodeId, dtype: DType) -> NodeId {
        self.node(Op::Cast { a, dtype })
    }

    /// Log-probability of given tokens.
    pub fn log_prob(&mut self, logits: NodeId, tokens: &[u32]) -> NodeId {
        self.node(Op::LogProb { logits, tokens: tokens.to_vec() })
    }

    /// Edits a site of a group's passes; the node has no value.
    pub fn write(
        &mut self,
        group: GroupId,
        site: Site,
        positions: WriteAt,
        steps: Steps,
        edit: Edit,
    ) -> NodeId {
        self.node(Op::Write { group: group.0, site, positions, steps, edit })
    }

    /// Lets edits of a group happen only where the projection on a direction at an earlier site is above a threshold.
    pub fn when(
        &mut self,
        group: GroupId,
        site: Site,
        direction: NodeId,
        (of, above): (Decides, f64),
        writes: &[NodeId],
    ) -> NodeId {
        self.node(Op::When { group: group.0, site, direction, above, of, writes: writes.to_vec() })
    }

    /// Adds `α·d`, α in units of the residual stream; one α, or one a prompt.
    pub fn add(
        &mut self,
        group: GroupId,
        site: Site,
        positions: WriteAt,
        steps: Steps,
        direction: NodeId,
        alpha: &[f64],
    ) -> NodeId {
        let edit = Edit::Add { direction, alpha: alpha.to_vec(), unit: AlphaUnit::Absolute };
        self.write(group, site, positions, steps, edit)
    }

    /// Generates from a group.
    pub fn generate(&mut self, group: GroupId, params: Sampling) -> NodeId {
        self.node(Op::Generate { group: group.0, params })
    }

    /// Returns a value under a name.
    pub fn save(&mut self, name: impl Into<String>, value: NodeId) -> NodeId {
        self.node(Op::Save { name: name.into(), value })
    }

    /// The graph as built; [`Graph::check`] says whether it can run.
    #[must_use]
    pub fn finish(self) -> Graph {
        Graph { groups: self.groups, nodes: self.nodes }
    }
}

/// Saturates where the check will refuse the graph for its size anyway.
fn index(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}
