//! Prompts packed into graphs, and answers taken apart into the rows of each prompt.

use ndarray::Array2;
use truenorth_protocol::graph::Builder;
use truenorth_protocol::{Answer, Graph, Site, Value};

use super::speech::EncodedPrompt;
use super::wanted::WantedValue;
use super::{AnalysisError, Reading};
use truenorth_data::store::Activation;

/// Prompts that lack the same sites and run together.
pub(super) struct Chunk {
    pub prompts: Vec<usize>,
    pub wanted: Vec<usize>,
}

impl Chunk {
    pub fn graph(&self, distinct: &[&EncodedPrompt], wanted: &[WantedValue]) -> Graph {
        let mut b = Builder::new();
        let group = b.group(self.prompts.iter().map(|p| distinct[*p].prompt.clone()).collect());
        if self.wanted.iter().any(|w| wanted[*w].at.part().is_some()) {
            b.turns(group, self.prompts.iter().map(|p| distinct[*p].turns.clone()).collect());
        }
        for w in self.wanted.iter().map(|w| wanted[*w]) {
            let read = b.read(group, w.site, w.at);
            b.save(w.name(), read);
        }
        b.finish()
    }
}

/// The prompts of a pack that lack something, those that lack the same sites together.
pub(super) fn split(pack: &[usize], found: &[Vec<Option<Activation>>]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for p in pack {
        let wanted: Vec<usize> = (0..found.len()).filter(|s| found[*s][*p].is_none()).collect();
        if wanted.is_empty() {
            continue;
        }
        match chunks.iter_mut().find(|c| c.wanted == wanted) {
            Some(chunk) => chunk.prompts.push(*p),
            None => chunks.push(Chunk { prompts: vec![*p], wanted }),
        }
    }
    chunks
}

/// The value saved under a name, a matrix a prompt; `ids` name the prompts where they are known.
pub(super) fn parts(
    answer: &Answer,
    name: &str,
    prompts: usize,
    ids: &[String],
) -> Result<Vec<Activation>, AnalysisError> {
    let lost = || AnalysisError::Answer { name: name.to_owned(), prompts };
    let Some(Value::Tensor { tensor, rows }) = answer.values.get(name) else {
        return Err(lost());
    };
    let width = tensor.shape().last().copied().unwrap_or(0);
    let values = tensor.to_f32().map_err(|_| lost())?;
    let counts: Vec<usize> = match rows {
        Some(rows) => rows.iter().map(|r| *r as usize).collect(),
        None => vec![1; prompts],
    };
    if counts.len() != prompts || counts.iter().sum::<usize>() * width != values.len() {
        return Err(lost());
    }
    let mut rest = &values[..];
    let mut parts = Vec::with_capacity(counts.len());
    for rows in counts {
        let (head, tail) = rest.split_at(rows * width);
        if head.iter().any(|v| !v.is_finite()) {
            return Err(AnalysisError::NotFinite {
                name: name.to_owned(),
                id: ids.get(parts.len()).cloned(),
            });
        }
        parts.push(Activation::new(rows, width, head.to_vec())?);
        rest = tail;
    }
    Ok(parts)
}

pub(super) fn assemble(
    site: Site,
    which: &[usize],
    parts: &[Option<Activation>],
    sinks: Option<&[Option<Activation>]>,
) -> Result<Reading, AnalysisError> {
    let lost = || AnalysisError::Answer { name: site.to_string(), prompts: which.len() };
    let mut values = Vec::new();
    let mut rows = Vec::with_capacity(which.len());
    let mut width = 0;
    for p in which {
        let part = parts[*p].as_ref().ok_or_else(lost)?;
        values.extend_from_slice(part.values());
        rows.push(part.rows());
        width = part.width();
    }
    let shape = (rows.iter().sum(), width);
    let values = Array2::from_shape_vec(shape, values).map_err(|_| lost())?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens")]
    let count = |part: &Activation| part.values().first().map(|n| *n as u32);
    let left_out = match sinks {
        None => Vec::new(),
        Some(sinks) => {
            let of = |p: &usize| sinks[*p].as_ref().and_then(count).ok_or_else(lost);
            which.iter().map(of).collect::<Result<_, _>>()?
        }
    };
    Ok(Reading { site, values, rows, left_out })
}
