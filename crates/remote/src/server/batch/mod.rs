//! Several graphs in one run: what may be merged, the merged graph, and whose rows are whose.
//!
//! Graphs ask the same thing when they have one group each and equal nodes but for the prompts and
//! the per-prompt α. Their prompts then run as one group, and every saved value is cut along its
//! prompts. A graph where a prompt's numbers depend on its neighbours (a mean over prompts, a
//! constant row a prompt) or on its place (draws of tokens) is left alone.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use truenorth_protocol::graph::{Edit, Op};
use truenorth_protocol::tensor::TensorError;
use truenorth_protocol::{Answer, CheckedGraph, Graph, Tensor, Value};

use rows::PromptAxis;

/// How a graph can be run with others like it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// Equal for graphs that may be merged: SHA-256 of the graph without prompts and α.
    pub key: [u8; 32],
    /// How each saved value lies along the prompts.
    saves: BTreeMap<String, PromptAxis>,
}

/// An answer that can't be cut into those of its parts.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutError {
    /// A value is not as long as the prompts ask for.
    #[error("the value {name:?} has {found} rows along its prompts, expected {expected}")]
    Rows { name: String, found: usize, expected: usize },
    /// A value is missing, or is of another kind.
    #[error("the value {name:?} is not what the graph says")]
    Kind { name: String },
    /// Rows that make no tensor.
    #[error("a part of a value has no tensor")]
    Tensor(#[from] TensorError),
}

impl Pattern {
    /// The pattern of a graph, if it may be merged with others.
    pub fn of(checked: &CheckedGraph) -> Option<Self> {
        let graph = checked.graph();
        let saves = rows::saves(checked)?;
        let key = graph.question_hash().ok()?;
        Some(Self { key, saves })
    }

    /// Cuts the answer of merged graphs with so many prompts each.
    pub fn split(&self, answer: Answer, prompts: &[usize]) -> Result<Vec<Answer>, CutError> {
        let mut parts: Vec<Answer> = prompts.iter().map(|_| Answer::default()).collect();
        let mut values = answer.values;
        for (name, along) in &self.saves {
            let value = values.remove(name).ok_or_else(|| CutError::Kind { name: name.clone() })?;
            let cut = cut(name, value, *along, prompts)?;
            for (part, value) in parts.iter_mut().zip(cut) {
                part.values.insert(name.clone(), value);
            }
        }
        Ok(parts)
    }
}

/// One graph that asks what all of these ask, prompts in this order. They must have one pattern.
pub(super) fn merge(graphs: &[&Graph]) -> Option<Graph> {
    let counts: Vec<usize> = graphs.iter().map(|g| g.groups.first().map_or(0, |g| g.prompts.len())).collect();
    let mut merged = Graph::clone(graphs.first()?);
    let group = merged.groups.first_mut()?;
    group.prompts = graphs.iter().flat_map(|g| g.groups.iter().flat_map(|g| g.prompts.clone())).collect();
    for (i, op) in merged.nodes.iter_mut().enumerate() {
        let Op::Write { edit: Edit::Add { alpha, .. }, .. } = op else { continue };
        let each: Vec<&[f64]> = graphs
            .iter()
            .map(|g| match g.nodes.get(i) {
                Some(Op::Write { edit: Edit::Add { alpha, .. }, .. }) => Some(alpha.as_slice()),
                _ => None,
            })
            .collect::<Option<_>>()?;
        if each.iter().any(|a| a.len() != 1 || *a != each[0]) {
            *alpha = each
                .iter()
                .zip(&counts)
                .flat_map(|(a, n)| match a {
                    [one] => vec![*one; *n],
                    many => many.to_vec(),
                })
                .collect();
        }
    }
    Some(merged)
}

fn cut(name: &str, value: Value, along: PromptAxis, prompts: &[usize]) -> Result<Vec<Value>, CutError> {
    let total: usize = prompts.iter().sum();
    let kind = || CutError::Kind { name: name.to_owned() };
    let short = |found| CutError::Rows { name: name.to_owned(), found, expected: total };
    match (along, value) {
        (PromptAxis::Free, value) => Ok(prompts.iter().map(|_| value.clone()).collect()),
        (_, Value::Text(texts)) => {
            if texts.len() != total {
                return Err(short(texts.len()));
            }
            let mut texts = texts.into_iter();
            Ok(prompts.iter().map(|n| Value::Text(texts.by_ref().take(*n).collect())).collect())
        }
        (PromptAxis::Prompts, Value::Tensor { tensor, rows: None }) => {
            let cuts = tensors(&tensor, prompts).ok_or_else(|| short(first_axis(&tensor)))?;
            cuts.into_iter().map(|t| Ok(Value::Tensor { tensor: t?, rows: None })).collect()
        }
        (PromptAxis::Tokens, Value::Tensor { tensor, rows: Some(rows) }) => {
            if rows.len() != total {
                return Err(short(rows.len()));
            }
            let mut rest = rows.as_slice();
            let mut of_parts = Vec::with_capacity(prompts.len());
            for n in prompts {
                let (head, tail) = rest.split_at_checked(*n).ok_or_else(kind)?;
                of_parts.push(head.to_vec());
                rest = tail;
            }
            let tokens: Vec<usize> = of_parts.iter().map(|r| r.iter().map(|n| *n as usize).sum()).collect();
            let cuts = tensors(&tensor, &tokens).ok_or_else(|| short(first_axis(&tensor)))?;
            cuts.into_iter()
                .zip(of_parts)
                .map(|(t, rows)| Ok(Value::Tensor { tensor: t?, rows: Some(rows) }))
                .collect()
        }
        _ => Err(kind()),
    }
}

fn first_axis(tensor: &Tensor) -> usize {
    tensor.shape().first().copied().unwrap_or(0)
}

/// Cuts a tensor along its first axis into parts of these sizes; none if they do not add up.
fn tensors(tensor: &Tensor, sizes: &[usize]) -> Option<Vec<Result<Tensor, TensorError>>> {
    let (first, rest) = tensor.shape().split_first()?;
    if *first != sizes.iter().sum::<usize>() {
        return None;
    }
    let row = rest.iter().product::<usize>() * tensor.dtype().size();
    let mut bytes = tensor.bytes();
    let mut out = Vec::with_capacity(sizes.len());
    for size in sizes {
        let (head, tail) = bytes.split_at_checked(size * row)?;
        let shape = std::iter::once(*size).chain(rest.iter().copied()).collect();
        out.push(Tensor::from_bytes(tensor.dtype(), shape, head.to_vec()));
        bytes = tail;
    }
    Some(out)
}
