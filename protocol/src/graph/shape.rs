//! Shapes and types of node values, inferred before anything runs.

use std::fmt;

use super::problem::GraphProblem;
use super::size::Facts;
use super::{Graph, NodeId, Op, ReadAt, Unary};
use crate::dtype::DType;
use crate::limits;
use crate::model::ModelInfo;
use crate::site::Site;

/// The size of one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Known before the run.
    Fixed(usize),
    /// All tokens of a group, packed; known once the prompts are tokenized.
    Tokens(u32),
}

/// Axes of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(pub Vec<Dim>);

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, d) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            match d {
                Dim::Fixed(n) => write!(f, "{comma}{n}")?,
                Dim::Tokens(g) => write!(f, "{comma}tokens of group {g}")?,
            }
        }
        f.write_str("]")
    }
}

/// What kind of value a node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Numbers.
    Tensor {
        /// Type of each element.
        dtype: DType,
        /// Sizes of the axes, outermost first.
        shape: Shape,
    },
    /// One string a prompt of the group.
    Text(u32),
    /// Nothing: a write or a save.
    Effect,
}

fn f32s(axes: Vec<Dim>) -> ValueKind {
    ValueKind::Tensor { dtype: DType::F32, shape: Shape(axes) }
}

/// The kinds of the nodes before the one being inferred.
pub(super) struct KnownKinds<'a> {
    pub kinds: &'a [ValueKind],
    pub graph: &'a Graph,
    pub facts: &'a [Facts],
    pub info: &'a ModelInfo,
}

impl KnownKinds<'_> {
    /// Refuses operands that are not among the known, on which all else relies.
    pub(super) fn check_inputs(&self, op: &Op) -> Result<(), GraphProblem> {
        match op.inputs().into_iter().find(|id| id.0 as usize >= self.kinds.len()) {
            Some(id) => Err(GraphProblem::Forward { input: id.0 }),
            None => Ok(()),
        }
    }

    fn tensor(&self, id: NodeId) -> Result<(DType, &[Dim]), GraphProblem> {
        match &self.kinds[id.0 as usize] {
            ValueKind::Tensor { dtype, shape } => Ok((*dtype, &shape.0)),
            _ => Err(GraphProblem::NoValue { input: id.0 }),
        }
    }

    pub(super) fn floats(&self, id: NodeId) -> Result<&[Dim], GraphProblem> {
        let (dtype, shape) = self.tensor(id)?;
        if !dtype.is_float() {
            return Err(GraphProblem::NotFloat { input: id.0, found: dtype });
        }
        Ok(shape)
    }

    /// The axes of a float operand and its last one, which must have a known size.
    fn rows(&self, id: NodeId) -> Result<(&[Dim], usize), GraphProblem> {
        match self.floats(id)?.split_last() {
            Some((Dim::Fixed(n), rest)) => Ok((rest, *n)),
            _ => Err(GraphProblem::NoAxis { input: id.0, axis: 0 }),
        }
    }

    pub(super) fn prompts(&self, group: u32) -> Result<usize, GraphProblem> {
        let groups = self.facts.len();
        let found = self.facts.get(group as usize).ok_or(GraphProblem::NoGroup { group, groups })?;
        Ok(found.prompts)
    }

    pub(super) fn width(&self, site: Site) -> usize {
        (if site == Site::Logits { self.info.vocab } else { self.info.hidden }) as usize
    }

    /// Whether `b` can stand beside `a`: the same axes, or the trailing ones.
    fn beside(&self, a: NodeId, b: NodeId) -> Result<Vec<Dim>, GraphProblem> {
        let (left, right) = (self.floats(a)?, self.floats(b)?);
        if left.ends_with(right) {
            return Ok(left.to_vec());
        }
        Err(GraphProblem::Shapes { left: Shape(left.to_vec()), right: Shape(right.to_vec()) })
    }

    fn over_last(&self, a: NodeId, b: NodeId) -> Result<ValueKind, GraphProblem> {
        self.rows(b)?;
        let mut axes = self.beside(a, b)?;
        axes.pop();
        Ok(f32s(axes))
    }

    fn top_k(&self, a: NodeId, k: u32, dtype: DType) -> Result<ValueKind, GraphProblem> {
        let (rest, n) = self.rows(a)?;
        if k == 0 || k as usize > n {
            return Err(GraphProblem::TopK { k, size: n });
        }
        let mut axes = rest.to_vec();
        axes.push(Dim::Fixed(k as usize));
        Ok(ValueKind::Tensor { dtype, shape: Shape(axes) })
    }

    /// The group and step count of a generation.
    fn generation(&self, id: NodeId) -> Result<(u32, u32), GraphProblem> {
        match &self.graph.nodes[id.0 as usize] {
            Op::Generate { group, params } => Ok((*group, params.max_new_tokens)),
            _ => Err(GraphProblem::NotGenerate { input: id.0 }),
        }
    }

    /// What `op`, whose inputs are known, is worth.
    pub(super) fn infer(&self, op: &Op) -> Result<ValueKind, GraphProblem> {
        Ok(match op {
            Op::Read { group, site, positions, .. } => {
                let prompts = self.prompts(*group)?;
                let rows = match positions {
                    ReadAt::All => Dim::Tokens(*group),
                    _ => Dim::Fixed(prompts),
                };
                let width = if positions.counts() { 1 } else { self.width(*site) };
                f32s(vec![rows, Dim::Fixed(width)])
            }
            Op::Const(t) => ValueKind::Tensor {
                dtype: t.dtype(),
                shape: Shape(t.shape().iter().map(|n| Dim::Fixed(*n)).collect()),
            },
            Op::Binary { a, b, .. } => f32s(self.beside(*a, *b)?),
            Op::Unary { f: Unary::Unit | Unary::Softmax, a } => {
                self.rows(*a)?;
                f32s(self.floats(*a)?.to_vec())
            }
            Op::Unary { a, .. } => f32s(self.floats(*a)?.to_vec()),
            Op::Dot { a, b } | Op::Cosine { a, b } => self.over_last(*a, *b)?,
            Op::Norm { a } => f32s(self.rows(*a)?.0.to_vec()),
            Op::Reduce { a, axis, .. } => {
                let mut axes = self.floats(*a)?.to_vec();
                if *axis as usize >= axes.len() {
                    return Err(GraphProblem::NoAxis { input: a.0, axis: *axis });
                }
                axes.remove(*axis as usize);
                f32s(axes)
            }
            Op::Slice { a, axis, start, end } => self.slice(*a, *axis, *start, *end)?,
            Op::Stack(all) => self.stack(all)?,
            Op::Cast { a, dtype } => {
                if !dtype.is_float() {
                    return Err(GraphProblem::CastTo { dtype: *dtype });
                }
                let shape = Shape(self.floats(*a)?.to_vec());
                ValueKind::Tensor { dtype: *dtype, shape }
            }
            Op::LogProb { logits, tokens } => {
                let (rest, n) = self.rows(*logits)?;
                if n != self.info.vocab as usize {
                    return Err(GraphProblem::NotLogits { input: logits.0 });
                }
                if tokens.is_empty() {
                    return Err(GraphProblem::NoTokens);
                }
                if let Some(token) = tokens.iter().find(|t| **t >= self.info.vocab) {
                    return Err(GraphProblem::Token { token: *token, vocab: self.info.vocab });
                }
                let mut axes = rest.to_vec();
                axes.push(Dim::Fixed(tokens.len()));
                f32s(axes)
            }
            Op::PromptLogProb { logits } => match &self.graph.nodes[logits.0 as usize] {
                Op::Read { group, site: Site::Logits, positions: ReadAt::All, step: 0 } => {
                    f32s(vec![Dim::Tokens(*group)])
                }
                _ => return Err(GraphProblem::NotAllLogits { input: logits.0 }),
            },
            Op::TopKValues { a, k } => self.top_k(*a, *k, DType::F32)?,
            Op::TopKIndices { a, k } => self.top_k(*a, *k, DType::I64)?,
            Op::Generate { group, params } => ValueKind::Tensor {
                dtype: DType::I64,
                shape: Shape(vec![
                    Dim::Fixed(self.prompts(*group)?),
                    Dim::Fixed(params.max_new_tokens as usize),
                ]),
            },
            Op::GeneratedLogProb { generate } => {
                let (group, steps) = self.generation(*generate)?;
                f32s(vec![Dim::Fixed(self.prompts(group)?), Dim::Fixed(steps as usize)])
            }
            Op::Decode { generate } => ValueKind::Text(self.generation(*generate)?.0),
            Op::Save { value, .. } => match self.kinds[value.0 as usize] {
                ValueKind::Effect => return Err(GraphProblem::NoValue { input: value.0 }),
                _ => ValueKind::Effect,
            },
            Op::Write { .. } | Op::Turns { .. } | Op::When { .. } => ValueKind::Effect,
        })
    }

    fn slice(&self, a: NodeId, axis: u32, start: u32, end: u32) -> Result<ValueKind, GraphProblem> {
        let (dtype, shape) = self.tensor(a)?;
        let mut axes = shape.to_vec();
        match axes.get_mut(axis as usize) {
            Some(Dim::Fixed(n)) if start < end && end as usize <= *n => {
                *n = (end - start) as usize;
                Ok(ValueKind::Tensor { dtype, shape: Shape(axes) })
            }
            Some(Dim::Fixed(n)) => Err(GraphProblem::Range { start, end, size: *n }),
            _ => Err(GraphProblem::NoAxis { input: a.0, axis }),
        }
    }

    fn stack(&self, all: &[NodeId]) -> Result<ValueKind, GraphProblem> {
        let first = *all.first().ok_or(GraphProblem::EmptyStack)?;
        let (dtype, shape) = self.tensor(first)?;
        for id in all {
            let (other, found) = self.tensor(*id)?;
            if other != dtype {
                return Err(GraphProblem::Types { left: dtype, right: other });
            }
            if found != shape {
                return Err(GraphProblem::Shapes {
                    left: Shape(shape.to_vec()),
                    right: Shape(found.to_vec()),
                });
            }
        }
        if shape.len() == limits::DIMENSIONS {
            return Err(GraphProblem::Dimensions { found: shape.len() + 1 });
        }
        let mut axes = vec![Dim::Fixed(all.len())];
        axes.extend_from_slice(shape);
        Ok(ValueKind::Tensor { dtype, shape: Shape(axes) })
    }
}
