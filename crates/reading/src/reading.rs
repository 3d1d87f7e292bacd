//! What was read of prompts at one site.

use ndarray::Array2;
use truenorth_protocol::graph::Take;
use truenorth_protocol::{Prompt, ReadAt, Site};

use super::speech::EncodedPrompt;

/// The activations of prompts at one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The site that was read.
    pub site: Site,
    /// `[rows, width]`; one row a prompt, or one a token for [`ReadAt::All`].
    pub values: Array2<f32>,
    /// Rows of `values` that each prompt has, in order.
    pub rows: Vec<usize>,
    /// For [`ReadAt::Mean`], how many tokens of each prompt are not in its mean; else empty.
    pub left_out: Vec<u32>,
}

/// The rows of every token that are asked for, where a part's are.
pub(super) fn rows_of(at: ReadAt, encoded: &[EncodedPrompt]) -> Option<Vec<Vec<usize>>> {
    let ReadAt::In(part, Take::All) = at else { return None };
    let of = |e: &EncodedPrompt| match &e.prompt {
        Prompt::Tokens(t) => part.tokens(Take::All, &e.turns.0, t.len()).unwrap_or_default(),
        Prompt::Text(_) => vec![],
    };
    Some(encoded.iter().map(of).collect())
}

impl Reading {
    /// These rows of each prompt, of a row a token.
    pub(super) fn only(self, rows: &[Vec<usize>]) -> Self {
        let mut start = 0;
        let mut kept = Vec::new();
        for (all, own) in self.rows.iter().zip(rows) {
            kept.extend(own.iter().map(|row| start + row));
            start += all;
        }
        let values = self.values.select(ndarray::Axis(0), &kept);
        Self { values, rows: rows.iter().map(Vec::len).collect(), ..self }
    }
}
