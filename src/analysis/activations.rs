//! Activations by way of the store: what is there is not computed, what is computed is kept.

use std::collections::HashMap;
use std::sync::Arc;

use ndarray::Array2;
use truenorth_protocol::graph::{Builder, answer_from_bytes, answer_to_bytes};
use truenorth_protocol::{Answer, Graph, Prompt, ReadAt, Site, Value};

use super::AnalysisError;
use crate::run::{Runner, Watch};
use crate::store::{self, Activation, ActivationKey, Context, ResultKey, Store};

/// Tokens that go through the model between two writes to the store: a few seconds' work on a
/// small machine, which is what a kill can lose.
const CHUNK_TOKENS: usize = 2048;

/// A prompt and the name it goes by in messages and results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub id: String,
    /// The prompt.
    pub prompt: Prompt,
}

impl Named {
    /// A text under a name.
    pub fn text(id: impl Into<String>, text: impl Into<String>) -> Self {
        Self { id: id.into(), prompt: Prompt::Text(text.into()) }
    }
}

/// The activations of prompts at one site.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Where.
    pub site: Site,
    /// `[rows, width]`; one row a prompt, or one a token for [`ReadAt::All`].
    pub values: Array2<f32>,
    /// How many rows each prompt has.
    pub rows: Vec<usize>,
}

/// A runner with the store before it.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    runner: &'a dyn Runner,
    store: Option<&'a Store>,
}

impl<'a> Reader<'a> {
    /// A reader that keeps what it computes in `store`, or keeps nothing.
    #[must_use]
    pub fn new(runner: &'a dyn Runner, store: Option<&'a Store>) -> Self {
        Self { runner, store }
    }

    /// The runner behind.
    #[must_use]
    pub fn runner(&self) -> &'a dyn Runner {
        self.runner
    }

    /// The prompts as token ids where the tokenizer is at hand, as they are elsewhere.
    ///
    /// # Errors
    /// When a text is refused or a prompt is longer than the model's context; the prompt is named.
    pub fn encode(&self, prompts: &[Named]) -> Result<Vec<Prompt>, AnalysisError> {
        let context = self.runner.info().context as usize;
        prompts
            .iter()
            .map(|named| {
                let prompt = match &named.prompt {
                    Prompt::Text(text) => match self.runner.encode(text, true)? {
                        Some(tokens) => Prompt::Tokens(tokens),
                        None => named.prompt.clone(),
                    },
                    Prompt::Tokens(_) => named.prompt.clone(),
                };
                match &prompt {
                    Prompt::Tokens(t) if t.len() > context => {
                        Err(AnalysisError::TooLong { id: named.id.clone(), tokens: t.len(), context })
                    }
                    Prompt::Tokens(t) if t.is_empty() => Err(AnalysisError::Empty { id: named.id.clone() }),
                    _ => Ok(prompt),
                }
            })
            .collect()
    }

    /// Reads sites of prompts. Equal prompts are computed once, sites of one prompt in one pass.
    ///
    /// # Errors
    /// When a prompt is refused, the run fails or is interrupted, or the store does.
    pub fn read(
        &self,
        prompts: &[Named],
        sites: &[Site],
        at: ReadAt,
        watch: &dyn Watch,
    ) -> Result<Vec<Reading>, AnalysisError> {
        let encoded = self.encode(prompts)?;
        let (distinct, which) = distinct(&encoded);
        let contexts: Vec<Arc<Context>> = sites.iter().map(|s| self.context(*s, at)).collect();
        let keys: Vec<Vec<ActivationKey>> = contexts
            .iter()
            .map(|c| distinct.iter().map(|p| ActivationKey::new(c.clone(), stored(p))).collect())
            .collect();
        let mut found: Vec<Vec<Option<Activation>>> = keys
            .iter()
            .map(|k| match self.store {
                Some(store) => store.get_many(k),
                None => Ok(vec![None; k.len()]),
            })
            .collect::<Result<_, _>>()?;
        let total: usize = distinct.iter().map(|p| size(p)).sum();
        let missing = chunks(&distinct, &found);
        let left: usize = missing.iter().flat_map(|c| &c.prompts).map(|p| size(distinct[*p])).sum();
        watch.expect(total as u64);
        watch.tokens((total - left) as u64);
        for chunk in missing {
            let answer = self.compute(&chunk, &distinct, sites, at, watch)?;
            let mut entries = Vec::new();
            for (s, parts) in answer {
                for (p, part) in chunk.prompts.iter().zip(parts) {
                    entries.push((keys[s][*p].clone(), part.clone()));
                    found[s][*p] = Some(part);
                }
            }
            if let Some(store) = self.store {
                store.put_many(&entries)?;
            }
        }
        sites.iter().zip(found).map(|(site, parts)| assemble(*site, &which, &parts)).collect()
    }

    /// Answers a graph out of the store if it was answered before, and else runs it and keeps the
    /// answer.
    ///
    /// # Errors
    /// When the run or the store fails.
    pub fn ask(&self, graph: Graph, watch: &dyn Watch) -> Result<Answer, AnalysisError> {
        let Some(store) = self.store else { return Ok(self.runner.ask(graph, watch)?) };
        let info = self.runner.info();
        let key = ResultKey {
            graph: graph.content_hash()?,
            model: info.name.clone(),
            revision: info.revision.clone(),
            dtype: String::new(),
            path: info.path.clone(),
        };
        if let Some(bytes) = store.get_result(&key)? {
            return Ok(answer_from_bytes(&bytes)?);
        }
        let answer = self.runner.ask(graph, watch)?;
        store.put_result(&key, &answer_to_bytes(&answer)?)?;
        Ok(answer)
    }

    fn context(&self, site: Site, at: ReadAt) -> Arc<Context> {
        let info = self.runner.info();
        // The numeric path names the dtype already.
        Context::new(&info.name, &info.revision, "", &info.path, site.to_string(), at.to_string())
    }

    /// Runs one chunk: for each missing site its place among the sites and a matrix a prompt.
    fn compute(
        &self,
        chunk: &Chunk,
        distinct: &[&Prompt],
        sites: &[Site],
        at: ReadAt,
        watch: &dyn Watch,
    ) -> Result<Vec<(usize, Vec<Activation>)>, AnalysisError> {
        let mut b = Builder::new();
        let group = b.group(chunk.prompts.iter().map(|p| distinct[*p].clone()).collect());
        for s in &chunk.sites {
            let read = b.read(group, sites[*s], at);
            b.save(sites[*s].to_string(), read);
        }
        let answer = self.runner.ask(b.finish(), watch)?;
        chunk
            .sites
            .iter()
            .map(|s| {
                let name = sites[*s].to_string();
                let lost = || AnalysisError::Answer { name: name.clone(), prompts: chunk.prompts.len() };
                let Some(Value::Tensor { tensor, rows }) = answer.values.get(&name) else {
                    return Err(lost());
                };
                let width = tensor.shape().last().copied().unwrap_or(0);
                let values = tensor.to_f32().map_err(|_| lost())?;
                if let Some(bad) = values.iter().position(|v| !v.is_finite()) {
                    return Err(AnalysisError::NotFinite { name, element: bad });
                }
                let counts: Vec<usize> = match rows {
                    Some(rows) => rows.iter().map(|r| *r as usize).collect(),
                    None => vec![1; chunk.prompts.len()],
                };
                if counts.len() != chunk.prompts.len() || counts.iter().sum::<usize>() * width != values.len()
                {
                    return Err(lost());
                }
                let mut rest = &values[..];
                let mut parts = Vec::with_capacity(counts.len());
                for rows in counts {
                    let (head, tail) = rest.split_at(rows * width);
                    parts.push(Activation::new(rows, width, head.to_vec())?);
                    rest = tail;
                }
                Ok((*s, parts))
            })
            .collect()
    }
}

/// Prompts that lack the same sites and run together.
struct Chunk {
    prompts: Vec<usize>,
    sites: Vec<usize>,
}

/// Packs the prompts that lack something into chunks, those that lack the same sites together.
fn chunks(distinct: &[&Prompt], found: &[Vec<Option<Activation>>]) -> Vec<Chunk> {
    let mut by_sites: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    let mut place: HashMap<Vec<usize>, usize> = HashMap::new();
    for p in 0..distinct.len() {
        let sites: Vec<usize> = (0..found.len()).filter(|s| found[*s][p].is_none()).collect();
        if sites.is_empty() {
            continue;
        }
        let at = *place.entry(sites.clone()).or_insert_with(|| {
            by_sites.push((sites, Vec::new()));
            by_sites.len() - 1
        });
        by_sites[at].1.push(p);
    }
    let mut chunks = Vec::new();
    for (sites, prompts) in by_sites {
        let (mut now, mut tokens) = (Vec::new(), 0);
        for p in prompts {
            let more = size(distinct[p]);
            if tokens + more > CHUNK_TOKENS && !now.is_empty() {
                chunks.push(Chunk { prompts: std::mem::take(&mut now), sites: sites.clone() });
                tokens = 0;
            }
            now.push(p);
            tokens += more;
        }
        if !now.is_empty() {
            chunks.push(Chunk { prompts: now, sites });
        }
    }
    chunks
}

/// Tokens of a prompt; for text that is tokenized elsewhere, an estimate.
fn size(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Tokens(t) => t.len(),
        Prompt::Text(t) => t.len() / 4 + 1,
    }
}

fn stored(prompt: &Prompt) -> store::Prompt {
    match prompt {
        Prompt::Tokens(t) => store::Prompt::Tokens(t.clone()),
        Prompt::Text(t) => store::Prompt::Text(t.clone()),
    }
}

/// The different prompts, and for each prompt given which of them it is.
fn distinct(prompts: &[Prompt]) -> (Vec<&Prompt>, Vec<usize>) {
    let mut all = Vec::new();
    let mut place = HashMap::new();
    let which = prompts
        .iter()
        .map(|p| {
            *place.entry(p).or_insert_with(|| {
                all.push(p);
                all.len() - 1
            })
        })
        .collect();
    (all, which)
}

fn assemble(site: Site, which: &[usize], parts: &[Option<Activation>]) -> Result<Reading, AnalysisError> {
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
    Ok(Reading { site, values, rows })
}
