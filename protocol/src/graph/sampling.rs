//! How tokens are chosen, and where a prompt's draws are in their stream.

use serde::{Deserialize, Serialize};

use super::{Graph, Op};
use crate::counted;

/// How tokens are drawn from the logits, and when a generation stops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// The most tokens that each prompt generates, from 1 to the model's context.
    pub max_new_tokens: u32,
    /// 0 is greedy; ties go to the lowest id.
    pub temperature: f64,
    /// The nucleus: the smallest set of tokens with at least this probability; 1 keeps all.
    pub top_p: f64,
    /// Seeds the draws; each prompt has a stream of its own, so that batching changes nothing.
    pub seed: u64,
    /// A prompt stops once it has generated one of these; the token is kept.
    #[serde(deserialize_with = "counted::seq")]
    pub stop: Vec<u32>,
    /// The row that the first prompt of the group is in the whole request, where a request is cut into
    /// several graphs: prompt `p` draws from the stream of row `first_row + p`, however it was cut.
    #[serde(default, skip_serializing_if = "is_zero", with = "behind")]
    pub first_row: u64,
}

impl Sampling {
    /// Greedy, this many tokens, no stop.
    #[must_use]
    pub fn greedy(max_new_tokens: u32) -> Self {
        Self { max_new_tokens, temperature: 0.0, top_p: 1.0, seed: 0, stop: Vec::new(), first_row: 0 }
    }

    /// The same choice for a part of a request that begins at this row. Greedy choice draws nothing and
    /// stays as it is, so that equal questions are equal graphs.
    #[must_use]
    pub fn from_row(&self, row: usize) -> Self {
        let first_row = if self.temperature > 0.0 { self.first_row.wrapping_add(row as u64) } else { 0 };
        Self { first_row, ..self.clone() }
    }

    /// The row of a prompt of the group in the whole request.
    #[must_use]
    pub fn row(&self, prompt: usize) -> u64 {
        self.first_row.wrapping_add(prompt as u64)
    }
}

impl Graph {
    /// The first row of each generation, in the order of the nodes.
    pub(super) fn first_rows(&self) -> impl Iterator<Item = u64> {
        self.nodes.iter().filter_map(|op| match op {
            Op::Generate { params, .. } => Some(params.first_row),
            _ => None,
        })
    }

    pub(super) fn first_rows_mut(&mut self) -> impl Iterator<Item = &mut u64> {
        self.nodes.iter_mut().filter_map(|op| match op {
            Op::Generate { params, .. } => Some(&mut params.first_row),
            _ => None,
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
fn is_zero(row: &u64) -> bool {
    *row == 0
}

/// A number that a form with names holds, and one of mere places does not: the encoding of graphs that
/// begin at row 0 was there first, and writes the rows of others behind the nodes.
mod behind {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    pub fn serialize<S: Serializer>(row: &u64, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { row.serialize(to) } else { to.serialize_unit() }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        if from.is_human_readable() { u64::deserialize(from) } else { <()>::deserialize(from).map(|()| 0) }
    }
}
