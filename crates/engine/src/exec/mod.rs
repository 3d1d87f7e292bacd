//! Runs graphs on the model: the engine as a [`Runner`].
//!
//! A group runs in chunks of rows, so that memory does not grow with it; unless an edit depends on
//! a read of the same group, which needs all of it at once.

mod edit;
mod mean;
mod ops;
mod pass;
mod state;
mod value;
mod when;

use std::ops::Range;

use rayon::prelude::*;
use truenorth_protocol::graph::{Op, Sampling};
use truenorth_protocol::plan::{GroupPlan, Reach, resolve};
use truenorth_protocol::tensor::TensorError;
use truenorth_protocol::{Answer, CheckedGraph, Graph};

use super::Engine;
use super::error::EngineError;
use super::layout::{Need, RowNeed, TokenBatch, last_block};
use super::model::Logits;
use super::sample::{Pick, Sampler};
use super::tree::{Branches, PromptTree};
use pass::{Gathered, PassHooks};
use state::NodeValues;
use truenorth_protocol::run::{RunError, Vocabulary as _, Watch, beginning};
use value::Val;
use when::Conditions;

/// Rows of one forward pass: enough to keep the processor busy, little enough for any memory.
const CHUNK_ROWS: usize = 1024;
/// Bytes of the logits of a pass that needs them at every row; a row is as wide as the vocabulary.
const CHUNK_LOGITS: usize = 128 << 20;
/// Tokens of the prompts of one pass, shared ones counted for each: every prompt's keys and values
/// lie in one piece while a block runs.
const CHUNK_CONTEXT: usize = 32_768;
/// Sequences that generate together.
const CHUNK_SEQUENCES: usize = 64;

/// Runs a graph.
pub(super) fn run(engine: &Engine, checked: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
    let words = &engine.words;
    let tokens = resolve(checked, |text, special| words.encode(text, special))
        .map_err(|error| RunError::unresolved(checked.graph(), words, error))?;
    let mut state = NodeValues::new(checked, tokens).map_err(tensor)?;
    for (index, group) in (0_u32..).zip(0..checked.graph().groups.len()) {
        if let Some(plan) = GroupPlan::new(checked, index) {
            GroupRun { engine, plan: &plan, group, watch }.group(&mut state)?;
        }
    }
    state.answer()
}

struct GroupRun<'a, 'g> {
    engine: &'a Engine,
    plan: &'a GroupPlan<'g>,
    group: usize,
    watch: &'a dyn Watch,
}

impl<'g> GroupRun<'_, 'g> {
    fn group(&self, state: &mut NodeValues<'g>) -> Result<(), RunError> {
        // Before the first token is counted: how long reading takes says nothing of how long the work will.
        self.engine.model.ready(self.plan.reach(0).last).map_err(failed)?;
        let chunks = self.chunks(&state.prompts[self.group]);
        let mut gathered = Gathered::default();
        let mut drawn = DrawnTokens::default();
        for chunk in chunks {
            self.chunk(state, &mut gathered, &mut drawn, chunk)?;
        }
        if let Some((node, params)) = self.plan.generate {
            self.finish_generation(state, node, params, drawn)?;
        }
        Ok(())
    }

    /// Consecutive prompts that run together.
    fn chunks(&self, prompts: &[Vec<u32>]) -> Vec<Range<usize>> {
        let wide = self.plan.wide();
        let row = 4 * self.engine.info.vocab.max(1) as usize;
        let limit = if wide { (CHUNK_LOGITS / row).clamp(1, CHUNK_ROWS) } else { CHUNK_ROWS };
        let shared = self.plan.only_reads();
        let mut chunks = Vec::new();
        let (mut start, mut rows, mut context, mut tree) = (0, 0, 0, PromptTree::default());
        for (p, tokens) in prompts.iter().enumerate() {
            let full = rows + tokens.len() > limit
                || context + tokens.len() > CHUNK_CONTEXT
                || (self.plan.steps > 1 && p - start == CHUNK_SEQUENCES);
            if full && p > start && !self.plan.whole {
                chunks.push(start..p);
                (start, rows, context, tree) = (p, 0, 0, PromptTree::default());
            }
            context += tokens.len();
            if shared {
                tree.add(tokens);
                rows = tree.rows();
            } else {
                rows += tokens.len();
            }
        }
        chunks.push(start..prompts.len());
        chunks
    }

    /// How many blocks prompts that begin alike go through together, in the first pass of a group that
    /// is not only read: up to where an edit may tell them apart, and short of the last block, which
    /// is computed for the needed rows alone.
    fn shared_blocks(&self) -> usize {
        let layers = self.engine.info.layers;
        let last = last_block(self.plan.reach(0).last, layers as usize).unwrap_or(0);
        self.plan.blocks_before_edits(layers).map_or(last, |blocks| last.min(blocks as usize))
    }

    fn chunk(
        &self,
        state: &mut NodeValues<'g>,
        gathered: &mut Gathered,
        drawn: &mut DrawnTokens,
        chunk: Range<usize>,
    ) -> Result<(), RunError> {
        let graph = state.checked().graph();
        let steps = self.plan.steps;
        let params = self.plan.generate.map(|(_, params)| params);
        let mut cache = (steps > 1).then(|| self.engine.model.cache(chunk.len(), steps as usize));
        let sampler = |p: usize, s: &Sampling| Sampler::new(s.temperature, s.top_p, s.seed, s.row(p));
        let mut samplers: Vec<Sampler> = match params {
            Some(s) => chunk.clone().map(|p| sampler(p, s)).collect::<Result<_, _>>().map_err(failed)?,
            None => Vec::new(),
        };
        let likely = self.wants_logprobs(state);
        let mut active: Vec<usize> = (0..chunk.len()).collect();
        let prompts = &state.prompts[self.group][chunk.clone()];
        let apart = self.engine.model.by_length(prompts.iter().map(Vec::len).max().unwrap_or(0));
        let only_reads = !apart && self.plan.only_reads();
        let shared = if apart { 0 } else { self.shared_blocks() };
        let branches = (only_reads || shared > 0).then(|| branches(prompts));
        let mut batch = match &branches {
            Some(branches) if only_reads => branches.batch(),
            Some(branches) => branches.batch_sharing(shared),
            None => TokenBatch::of(prompts),
        }
        .map_err(failed)?;
        let mut passed: usize = prompts.iter().map(Vec::len).sum();
        drawn.start(chunk.len());
        let mut conditions = Conditions::default();
        for step in 0..steps {
            if self.watch.interrupted() {
                return Err(RunError::Interrupted);
            }
            let Reach { last, full } = self.plan.reach(step);
            let need = Need {
                last,
                full,
                rows: match &branches {
                    Some(branches) if only_reads => RowNeed::Rows(branches.last_rows()),
                    _ => RowNeed::Last,
                },
            };
            let mut pass = PassHooks {
                state,
                gathered,
                conditions: &mut conditions,
                plan: self.plan,
                group: self.group,
                chunk: chunk.clone(),
                active: &active,
                branches: branches.as_ref(),
                step,
            };
            let logits = self.engine.model.forward(&batch, cache.as_mut(), &need, &mut pass);
            let logits = logits.map_err(|error| self.blame(graph, error))?;
            self.watch.tokens(passed as u64);
            let Some(params) = params else { continue };
            let logits = logits.expect("the passes of a generation reach the logits");
            batch = TokenBatch::new();
            let mut left = Vec::new();
            for (seq, choice) in
                active.iter().zip(pick(&logits, &active, &mut samplers, likely).map_err(failed)?)
            {
                drawn.push(chunk.start + seq, choice.token, choice.logprob);
                self.watch.drawn(self.group, chunk.start + seq, choice.token);
                if params.stop.contains(&choice.token) {
                    if let Some(cache) = &mut cache {
                        cache.forget(*seq);
                    }
                } else {
                    batch.push(*seq, &[choice.token]).map_err(failed)?;
                    left.push(*seq);
                }
            }
            passed = batch.rows();
            active = left;
            if active.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// An error of a pass; where one prompt's numbers are to blame, that prompt is shown.
    fn blame(&self, graph: &Graph, error: EngineError) -> RunError {
        let EngineError::NotFinite { site, seq, position, value } = error else { return failed(error) };
        let Some(prompt) = graph.groups[self.group].prompts.get(seq) else { return failed(error) };
        RunError::Prompt {
            prompt: Box::new(prompt.clone()),
            shown: beginning(prompt, &self.engine.words),
            problem: format!("makes `{site}` {value} at its token {position}, counted from 0"),
            refused: false,
            hint: Some(self.engine.precision.not_finite().to_owned()),
        }
    }

    /// Whether the log-probabilities of drawn tokens are asked for.
    fn wants_logprobs(&self, state: &NodeValues<'g>) -> bool {
        let checked = state.checked();
        checked.graph().nodes.iter().enumerate().any(|(i, op)| {
            #[allow(clippy::cast_possible_truncation, reason = "the check caps the node count")]
            let live = checked.live(i as u32);
            matches!(op, Op::GeneratedLogProb { .. }) && live
        })
    }

    /// The values of the generation and of the nodes that are made of it.
    fn finish_generation(
        &self,
        state: &mut NodeValues<'g>,
        node: usize,
        params: &Sampling,
        drawn: DrawnTokens,
    ) -> Result<(), RunError> {
        let steps = params.max_new_tokens as usize;
        let shape = vec![drawn.0.len(), steps];
        let padded = |seq: &[(u32, f32)]| -> Vec<i64> {
            let tokens = seq.iter().map(|(t, _)| i64::from(*t));
            tokens.chain(std::iter::repeat(-1)).take(steps).collect()
        };
        let tokens = drawn.0.iter().flat_map(|s| padded(s)).collect();
        let logprobs = drawn
            .0
            .iter()
            .flat_map(|s| {
                s.iter().map(|(_, l)| *l).chain(std::iter::repeat(0.0)).take(steps).collect::<Vec<_>>()
            })
            .collect();
        let graph = state.checked().graph();
        for (i, op) in graph.nodes.iter().enumerate() {
            #[allow(clippy::cast_possible_truncation, reason = "the check caps the node count")]
            let live = state.checked().live(i as u32);
            match op {
                Op::GeneratedLogProb { generate } if live && generate.0 as usize == node => {
                    state.put(i, Val::f32(shape.clone(), Vec::clone(&logprobs)));
                }
                Op::Decode { generate } if live && generate.0 as usize == node => {
                    let texts = drawn
                        .0
                        .iter()
                        .map(|s| self.engine.words.decode(&s.iter().map(|(t, _)| *t).collect::<Vec<_>>()))
                        .collect::<Result<_, _>>()?;
                    state.put(i, Val::text(texts));
                }
                _ => {}
            }
        }
        state.put(node, Val::int(shape, tokens));
        Ok(())
    }
}

/// Prompts as a tree of shared beginnings.
fn branches(prompts: &[Vec<u32>]) -> Branches {
    let mut tree = PromptTree::default();
    prompts.iter().for_each(|tokens| tree.add(tokens));
    tree.branches()
}

/// Tokens drawn for each prompt of a group, with their log-probabilities.
#[derive(Default)]
struct DrawnTokens(Vec<Vec<(u32, f32)>>);

impl DrawnTokens {
    fn start(&mut self, more: usize) {
        self.0.extend(std::iter::repeat_with(Vec::new).take(more));
    }

    #[allow(clippy::cast_possible_truncation)]
    fn push(&mut self, prompt: usize, token: u32, logprob: f64) {
        self.0[prompt].push((token, logprob as f32));
    }
}

/// Draws the next token of each sequence, from the logits after its last one; their
/// log-probabilities are zeros where they are not asked for.
fn pick(
    logits: &Logits,
    sequences: &[usize],
    samplers: &mut [Sampler],
    likely: bool,
) -> Result<Vec<Pick>, EngineError> {
    let width = *logits.tensor.dims().last().expect("logits are rows of numbers");
    logits.with(|all| {
        let due = samplers.iter_mut().enumerate().filter(|(seq, _)| sequences.binary_search(seq).is_ok());
        let rows = logits.rows.len();
        // A sequence left out would hand its neighbour's token on.
        let due: Vec<(&mut Sampler, &[f32])> = due
            .map(|(seq, sampler)| {
                let row = logits.rows.last_of(seq).ok_or(EngineError::UnknownRow { row: seq, rows })?;
                Ok((sampler, &all[row * width..(row + 1) * width]))
            })
            .collect::<Result<_, EngineError>>()?;
        due.into_par_iter()
            .map(|(sampler, row)| match likely {
                true => sampler.pick(row),
                false => sampler.token(row).map(|token| Pick { token, logprob: 0.0 }),
            })
            .collect()
    })?
}

fn failed(source: EngineError) -> RunError {
    let hint = source.hint();
    RunError::Failed {
        what: "the engine could not run the graph".into(),
        source: Some(Box::new(source)),
        hint,
    }
}

fn tensor(source: TensorError) -> RunError {
    RunError::Failed {
        what: "a value of the graph has no tensor".into(),
        source: Some(Box::new(source)),
        hint: None,
    }
}
