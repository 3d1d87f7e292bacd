//! Activations by way of the store: what is there is not computed, what is computed is kept.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use truenorth_protocol::graph::{
    CheckLimits, CodecError, GraphProblem, Op, Turns, answer_from_bytes, answer_to_bytes,
};
use truenorth_protocol::prompt::{PromptRoom, has_part, has_position};
use truenorth_protocol::{Answer, Graph, ModelInfo, Prompt, ReadAt, Site};

use super::AnalysisError;
use super::chunk::{Chunk, assemble, parts, split};
use super::counted::{self, CountedWatch, size};
use super::memory::ActivationMemory;
use super::named::NamedPrompt;
use super::reading::{Reading, rows_of};
use super::speech::{EncodedPrompt, Spelled, Spoken};
use super::tally::{LeftOut, ReadingTally};
use super::wanted::{WantedValue, context, plain_reading};
use truenorth_data::store;
use truenorth_data::store::{Activation, ActivationKey, ReadingContext, ResultKey, Store};
use truenorth_protocol::run::{RunError, Runner, Watch};

/// A runner with the store before it.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    runner: &'a dyn Runner,
    store: Option<&'a Store>,
    memory: Option<&'a ActivationMemory>,
    pub(super) tally: Option<&'a ReadingTally>,
    spoken: Option<&'a Spoken>,
}

impl<'a> Reader<'a> {
    /// A reader that keeps what it computes in `store`, or keeps nothing.
    #[must_use]
    pub fn new(runner: &'a dyn Runner, store: Option<&'a Store>) -> Self {
        Self { runner, store, memory: None, tally: None, spoken: None }
    }

    /// The same reader, which counts in `tally` what its means leave out.
    #[must_use]
    pub fn with_tally(self, tally: &'a ReadingTally) -> Self {
        Self { tally: Some(tally), ..self }
    }

    /// The same reader, which puts texts before the model in this way.
    #[must_use]
    pub fn speaking<'b>(self, spoken: &'b Spoken) -> Reader<'b>
    where
        'a: 'b,
    {
        Reader { spoken: Some(spoken), ..self }
    }

    /// How texts are put before the model; none for as they are.
    #[must_use]
    pub fn spoken(&self) -> Option<&'a Spoken> {
        self.spoken
    }

    /// The same reader, which holds in `memory` what it reads, unless it has a store or a memory.
    #[must_use]
    pub fn remembering<'b>(self, memory: &'b ActivationMemory) -> Reader<'b>
    where
        'a: 'b,
    {
        match (self.store, self.memory) {
            (None, None) => Reader { memory: Some(memory), ..self },
            _ => self,
        }
    }

    /// What its means left out so far, where that is counted.
    #[must_use]
    pub fn left_out(&self) -> Vec<LeftOut> {
        self.tally.map_or_else(Vec::new, ReadingTally::counts)
    }

    /// The runner that computes what is not kept.
    #[must_use]
    pub fn runner(&self) -> &'a dyn Runner {
        self.runner
    }

    /// The store before it; with one, what was read once need not be computed again.
    #[must_use]
    pub fn store(&self) -> Option<&'a Store> {
        self.store
    }

    /// The prompts as token ids where the tokenizer is at hand, as they are elsewhere.
    ///
    /// # Errors
    /// When a text is refused or a prompt is longer than the model's context; the prompt is named.
    pub fn encode(&self, prompts: &[NamedPrompt]) -> Result<Vec<Prompt>, AnalysisError> {
        Ok(self.encode_turns(prompts, false)?.into_iter().map(|e| e.prompt).collect())
    }

    /// The text of a prompt as it goes in, before it is tokens; none of one that is given as token ids.
    ///
    /// # Errors
    /// When a chat template refuses it.
    pub fn spell(&self, named: &NamedPrompt) -> Result<Option<Spelled>, AnalysisError> {
        let raw = Spoken::raw();
        self.spoken.unwrap_or(&raw).spell(named, false)
    }

    /// The prompts as they go in, with the turns of conversations; with `goes_on` to be gone on with.
    ///
    /// # Errors
    /// As [`Reader::encode`].
    pub fn encode_turns(
        &self,
        prompts: &[NamedPrompt],
        goes_on: bool,
    ) -> Result<Vec<EncodedPrompt>, AnalysisError> {
        let raw = Spoken::raw();
        self.spoken.unwrap_or(&raw).encode(self.runner, prompts, goes_on)
    }

    /// Refuses encoded prompts that have no token at a position, or no room in the model's context for `new`
    /// tokens behind them; the prompt is named. What is tokenized elsewhere is checked there.
    ///
    /// # Errors
    /// With the first such prompt.
    pub fn fits(
        &self,
        prompts: &[NamedPrompt],
        encoded: &[EncodedPrompt],
        at: ReadAt,
        new: u32,
    ) -> Result<(), AnalysisError> {
        let room = PromptRoom::of(self.runner.info());
        for (named, EncodedPrompt { prompt, turns }) in prompts.iter().zip(encoded) {
            let Prompt::Tokens(t) = prompt else { continue };
            let has = match at {
                ReadAt::Index(index) => has_position(index, t.len()),
                ReadAt::In(part, take) => has_part(part, take, &turns.0, t.len()),
                _ => Ok(()),
            };
            has.and_then(|()| room.length(t.len(), new))
                .map_err(|problem| AnalysisError::Unfit { id: named.id.clone(), problem })?;
        }
        Ok(())
    }

    /// Reads sites of prompts. Equal prompts are computed once, sites of one prompt in one pass.
    ///
    /// # Errors
    /// When a prompt is refused, the run fails or is interrupted, or the store does.
    pub fn read(
        &self,
        prompts: &[NamedPrompt],
        sites: &[Site],
        at: ReadAt,
        watch: &dyn Watch,
    ) -> Result<Vec<Reading>, AnalysisError> {
        let (encoded, readings) = self.read_said(prompts, sites, at, watch)?;
        readings.iter().for_each(|reading| self.say_sinks(prompts, &encoded, reading, at, watch));
        Ok(readings)
    }

    /// [`Reader::read`] by one that has the say about texts of one token, with the prompts as they were read.
    pub(super) fn read_said(
        &self,
        prompts: &[NamedPrompt],
        sites: &[Site],
        at: ReadAt,
        watch: &dyn Watch,
    ) -> Result<(Vec<Prompt>, Vec<Reading>), AnalysisError> {
        let asked: Vec<(Site, ReadAt)> = sites.iter().map(|site| (*site, at)).collect();
        let (encoded, readings) = self.read_each(prompts, &asked, watch)?;
        if let Some(tally) = self.tally {
            readings.iter().for_each(|reading| tally.add(reading, &encoded));
        }
        Ok((encoded, readings))
    }

    /// Reads in one pass what is asked for later a site, or a kind of position, at a time. Without a store
    /// and a memory there is nowhere to keep it, and nothing is done.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn ahead(
        &self,
        prompts: &[NamedPrompt],
        asked: &[(Site, ReadAt)],
        watch: &dyn Watch,
    ) -> Result<(), AnalysisError> {
        match (self.store, self.memory) {
            (None, None) => Ok(()),
            _ => {
                let mut once: Vec<(Site, ReadAt)> = Vec::with_capacity(asked.len());
                for place in asked {
                    if !once.contains(place) {
                        once.push(*place);
                    }
                }
                self.read_each(prompts, &once, watch).map(drop)
            }
        }
    }

    /// The prompts as they were read, and a reading a place asked for.
    fn read_each(
        &self,
        prompts: &[NamedPrompt],
        asked: &[(Site, ReadAt)],
        watch: &dyn Watch,
    ) -> Result<(Vec<Prompt>, Vec<Reading>), AnalysisError> {
        let mut encoded = self.encode_turns(prompts, false)?;
        for (_, at) in asked {
            self.fits(prompts, &encoded, *at, 0)?;
        }
        let rows: Vec<Option<Vec<Vec<usize>>>> = asked.iter().map(|(_, at)| rows_of(*at, &encoded)).collect();
        if asked.iter().all(|(_, at)| at.part().is_none()) {
            // Where no turn is asked for, prompts of the same tokens are the same.
            encoded.iter_mut().for_each(|e| e.turns = Turns::default());
        }
        let (distinct, which) = distinct(&encoded);
        let wanted = WantedValue::all(asked);
        let info = self.runner.info();
        let keys: Vec<Vec<ActivationKey>> = wanted.iter().map(|w| keys(info, *w, &distinct)).collect();
        let mut found: Vec<Vec<Option<Activation>>> = keys
            .iter()
            .map(|k| match (self.store, self.memory) {
                (Some(store), _) => store.get_many(k),
                (None, Some(memory)) => Ok(memory.get_many(k)),
                (None, None) => Ok(vec![None; k.len()]),
            })
            .collect::<Result<_, _>>()?;
        let total: usize = distinct.iter().map(|e| size(&e.prompt)).sum();
        let missing = self.chunks(&distinct, &found, &wanted);
        let left: usize = missing.iter().flat_map(|c| &c.prompts).map(|p| size(&distinct[*p].prompt)).sum();
        // What is there already counts as done; the rest is counted as it runs.
        watch.expect((total - left) as u64);
        watch.tokens((total - left) as u64);
        let graphs: Vec<Graph> = missing.iter().map(|c| c.graph(&distinct, &wanted)).collect();
        let ran = self.run_each(graphs, watch, &mut |i, answer| {
            let chunk = &missing[i];
            let mut entries = Vec::new();
            let id = |p: &usize| which.iter().position(|w| w == p).map(|n| prompts[n].id.clone());
            let ids: Vec<String> = chunk.prompts.iter().filter_map(id).collect();
            for s in &chunk.wanted {
                let parts = parts(answer, &wanted[*s].name(), chunk.prompts.len(), &ids)?;
                for (p, part) in chunk.prompts.iter().zip(parts) {
                    entries.push((keys[*s][*p].clone(), part.clone()));
                    found[*s][*p] = Some(part);
                }
            }
            match (self.store, self.memory) {
                (Some(store), _) => store.put_many(&entries)?,
                (None, Some(memory)) => memory.put_many(&entries),
                (None, None) => {}
            }
            Ok(())
        });
        ran.map_err(|error| named_error(error, &encoded, prompts))?;
        let mut found = wanted.iter().zip(found).peekable();
        let mut readings = Vec::with_capacity(asked.len());
        while let Some((of, parts)) = found.next() {
            let sinks = found.next_if(|(w, _)| w.at.counts()).map(|(_, counts)| counts);
            let reading = assemble(of.site, &which, &parts, sinks.as_deref())?;
            readings.push(match rows.get(readings.len()) {
                Some(Some(rows)) => reading.only(rows),
                _ => reading,
            });
        }
        Ok((encoded.into_iter().map(|e| e.prompt).collect(), readings))
    }

    /// Answers graphs out of the store if they were answered before, and else runs them and keeps the
    /// answers.
    ///
    /// # Errors
    /// When a run or the store fails; the answers that were there by then are kept.
    pub fn ask_each(&self, graphs: Vec<Graph>, watch: &dyn Watch) -> Result<Vec<Answer>, AnalysisError> {
        let keys: Vec<ResultKey> =
            graphs.iter().map(|g| result_key(self.runner.info(), g)).collect::<Result<_, _>>()?;
        if graphs.iter().flat_map(|g| &g.nodes).any(|n| matches!(n, Op::Generate { .. }))
            && let Some(note) = self.runner.unfollowed()
        {
            watch.warn(&format!("note: {note}"));
        }
        let mut answers: Vec<Option<Answer>> = Vec::with_capacity(graphs.len());
        let (mut left, mut which) = (Vec::new(), Vec::new());
        for (i, graph) in graphs.into_iter().enumerate() {
            let known = match self.store {
                Some(store) => store.get_result(&keys[i])?,
                None => None,
            };
            answers.push(match known.map(|bytes| answer_from_bytes(&bytes)) {
                // Kept by a version of this program that wrote answers otherwise.
                None | Some(Err(CodecError::Version { .. })) => None,
                Some(answer) => Some(answer?),
            });
            if answers[i].is_none() {
                left.push(graph);
                which.push(i);
            }
        }
        self.run_each(left, watch, &mut |i, answer| {
            let i = which[i];
            if let Some(store) = self.store {
                store.put_result(&keys[i], &answer_to_bytes(answer)?)?;
            }
            answers[i] = Some(answer.clone());
            Ok(())
        })?;
        let lost = || AnalysisError::Answer { name: "graph".into(), prompts: 0 };
        answers.into_iter().map(|a| a.ok_or_else(lost)).collect()
    }

    /// Checks graphs, runs them, and hands on every answer as it comes. An error of `each` stops the rest.
    fn run_each(
        &self,
        graphs: Vec<Graph>,
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, &Answer) -> Result<(), AnalysisError>,
    ) -> Result<(), AnalysisError> {
        let info = self.runner.info();
        let limits = CheckLimits::default();
        let work: Vec<u64> = graphs.iter().map(counted::work).collect();
        let checked: Vec<_> =
            graphs.into_iter().map(|g| g.check(info, &limits)).collect::<Result<_, _>>().map_err(
                |e| match e.problem {
                    // Whoever asked named a site and no node.
                    GraphProblem::Layer { layer, layers } => {
                        AnalysisError::Block { what: e.label, layer, layers }
                    }
                    problem => AnalysisError::Graph { what: e.label, problem: Box::new(problem) },
                },
            )?;
        let mut failed = None;
        let counted = CountedWatch::new(watch, &work);
        self.runner.run_each(&checked, &counted, &mut |i, answer| match each(i, &answer) {
            Ok(()) => {
                counted.answered(work[i]);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// Packs prompts into chunks by the runner's budget, and leaves out of each what is there
    /// already. The packing does not look at what is there: a reading that goes on after a kill asks
    /// for the same chunks, and so finds the jobs that were sent for them.
    fn chunks(
        &self,
        distinct: &[&EncodedPrompt],
        found: &[Vec<Option<Activation>>],
        wanted: &[WantedValue],
    ) -> Vec<Chunk> {
        let batch = self.runner.batch();
        let row_bytes = self.runner.info().hidden as usize * size_of::<f32>();
        let every = wanted.iter().filter(|w| w.at.by_token()).count();
        let mut packs: Vec<Vec<usize>> = Vec::new();
        let (mut tokens, mut bytes) = (usize::MAX, 0);
        for (p, prompt) in distinct.iter().enumerate() {
            let more = size(&prompt.prompt);
            let more_bytes = row_bytes * (every * more + (wanted.len() - every));
            if tokens.saturating_add(more) > batch.tokens || bytes + more_bytes > batch.answer_bytes {
                packs.push(Vec::new());
                (tokens, bytes) = (0, 0);
            }
            if let Some(pack) = packs.last_mut() {
                pack.push(p);
            }
            tokens += more;
            bytes += more_bytes;
        }
        packs.iter().flat_map(|pack| split(pack, found)).collect()
    }
}

/// Keeps an answer that was fetched outside of a verb: the activations of a plain reading each under
/// its own key, so that any reading finds them, and any other answer under its graph.
///
/// # Errors
/// When the answer does not fit the graph, or the store fails.
pub fn keep(store: &Store, info: &ModelInfo, graph: &Graph, answer: &Answer) -> Result<(), AnalysisError> {
    let Some(wanted) = plain_reading(graph) else {
        return Ok(store.put_result(&result_key(info, graph)?, &answer_to_bytes(answer)?)?);
    };
    let of = |(i, prompt): (usize, &Prompt)| EncodedPrompt {
        prompt: prompt.clone(),
        turns: graph.turns(0).get(i).cloned().unwrap_or_default(),
    };
    let prompts: Vec<EncodedPrompt> = graph.groups[0].prompts.iter().enumerate().map(of).collect();
    let prompts: Vec<&EncodedPrompt> = prompts.iter().collect();
    let mut entries = Vec::new();
    for w in wanted {
        let parts = parts(answer, &w.name(), prompts.len(), &[])?;
        entries.extend(keys(info, w, &prompts).into_iter().zip(parts));
    }
    Ok(store.put_many(&entries)?)
}

fn result_key(info: &ModelInfo, graph: &Graph) -> Result<ResultKey, AnalysisError> {
    Ok(ResultKey {
        graph: graph.content_hash()?,
        model: info.name.clone(),
        revision: info.revision.clone(),
        // The numeric path names the dtype already.
        dtype: String::new(),
        path: info.path.clone(),
    })
}

/// The keys of a value of prompts: of a part of a prompt, by the tokens that it means there, so that no name is
/// part of what is kept.
fn keys(info: &ModelInfo, wanted: WantedValue, prompts: &[&EncodedPrompt]) -> Vec<ActivationKey> {
    let mut contexts: HashMap<String, Arc<ReadingContext>> = HashMap::new();
    let key = |e: &&EncodedPrompt| {
        let at = wanted.spelled(e);
        let context = contexts.entry(at).or_insert_with_key(|at| context(info, wanted, at.clone()));
        ActivationKey::new(context.clone(), stored(&e.prompt))
    };
    prompts.iter().map(key).collect()
}

fn stored(prompt: &Prompt) -> store::StoredPrompt {
    match prompt {
        Prompt::Tokens(t) => store::StoredPrompt::Tokens(t.clone()),
        Prompt::Text(t) => store::StoredPrompt::Text(t.clone()),
    }
}

/// An error of a run; a prompt at fault gets the name that it was asked about under.
fn named_error(error: AnalysisError, encoded: &[EncodedPrompt], prompts: &[NamedPrompt]) -> AnalysisError {
    let AnalysisError::Run(RunError::Prompt { prompt, shown, problem, refused, hint }) = error else {
        return error;
    };
    match encoded.iter().zip(prompts).find(|(e, _)| e.prompt == *prompt) {
        Some((_, named)) => AnalysisError::Prompt { id: named.id.clone(), problem, refused, hint },
        None => RunError::Prompt { prompt, shown, problem, refused, hint }.into(),
    }
}

/// The different prompts, and for each prompt given which of them it is.
fn distinct(prompts: &[EncodedPrompt]) -> (Vec<&EncodedPrompt>, Vec<usize>) {
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
