//! The worker: takes what waits in batches, scores each, and writes down what came of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use truenorth_boards::board::{Lined, Scorer, Sequence};
use truenorth_protocol::clock;
use truenorth_protocol::run::{RunError, Watch};
use truenorth_reading::AnalysisError;

use super::Live;
use crate::error::ArenaError;
use crate::season::open_scorer;
use crate::store::{Queued, Scores, ScoringOutcome};

/// Submissions of a batch at most; on NDIF it is a job or a few.
const BATCH: usize = 64;
/// How long the worker rests when nothing waits.
const REST: Duration = Duration::from_secs(2);
/// The longest that it rests after the model could not be asked.
const LONGEST: Duration = Duration::from_secs(60);

/// A thread that scores what waits.
pub struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    live: Arc<Live>,
}

/// Stops a run when the worker is to stop; what it computed is not lost, as its batch is written down.
struct Stops(Arc<AtomicBool>);

impl Watch for Stops {
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Worker {
    /// Begins to score. `notice` hears what an operator may want to know; no text and no address is in it.
    pub fn start(live: Arc<Live>, notice: impl Fn(&str) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, of) = (stop.clone(), live.clone());
        let thread = std::thread::spawn(move || work(&of, &stopped, &notice));
        Self { stop, thread: Some(thread), live }
    }

    /// Ends it; what it has at work is scored when it is started again.
    pub fn end(mut self) {
        self.stop.store(true, Ordering::Release);
        self.live.wake();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the worker was told by the thread itself.
            let _ = thread.join();
        }
    }
}

fn work(live: &Live, stop: &Arc<AtomicBool>, notice: &dyn Fn(&str)) {
    let (mut seen, mut rest) = (0, Duration::from_millis(500));
    let mut scorer: Option<Scorer> = None;
    while !stop.load(Ordering::Acquire) {
        let worked = step(live, &mut scorer, &Stops(stop.clone()));
        if stop.load(Ordering::Acquire) {
            return;
        }
        match worked {
            Ok(0) => {
                if live.health().trouble.is_some() {
                    live.set_health(|h| h.trouble = None);
                }
                live.wait(&mut seen, REST);
            }
            Ok(n) => {
                rest = Duration::from_millis(500);
                live.set_health(|h| h.trouble = None);
                notice(&format!("{n} submissions scored"));
            }
            Err(e) => {
                let why = said(&e);
                if live.health().trouble.as_ref().is_none_or(|(told, _)| *told != why) {
                    notice(&format!("can't score now, tried again: {why}"));
                }
                live.set_health(|h| h.trouble = Some((why, clock::seconds())));
                std::thread::park_timeout(rest);
                rest = (rest * 2).min(LONGEST);
            }
        }
    }
}

/// An error with its causes in a line.
pub(crate) fn said(e: &ArenaError) -> String {
    let mut text = e.to_string();
    let mut cause = std::error::Error::source(e);
    while let Some(e) = cause {
        let next = e.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = e.source();
    }
    text
}

/// Scores one batch. How many submissions were brought to an end.
fn step(live: &Live, scorer: &mut Option<Scorer>, watch: &dyn Watch) -> Result<usize, ArenaError> {
    let store = &live.season.store;
    let batch = store.next_batch(BATCH)?;
    if batch.is_empty() {
        return Ok(0);
    }
    if scorer.is_none() {
        match open_scorer(&live.season, live.backend()) {
            Ok(opened) => *scorer = Some(opened),
            Err(e) => {
                store.untried(&batch)?;
                return Err(e);
            }
        }
    }
    let Some(scorer) = scorer else { return Ok(0) };
    live.set_health(|h| h.at_work = batch.len());
    let done = scored(live, scorer, &batch, watch);
    live.set_health(|h| h.at_work = 0);
    let outcomes = match done {
        Ok(outcomes) => outcomes,
        // One of several is at fault: each goes by itself, and only that one fails.
        Err(e) if batch.len() > 1 && of_a_text(&e) => {
            store.part(&batch)?;
            return Ok(0);
        }
        Err(e) if of_a_text(&e) => vec![(batch[0].id, ScoringOutcome::Failed(said(&e)))],
        Err(e) => {
            store.untried(&batch)?;
            return Err(e);
        }
    };
    let n = store.finish(&outcomes, clock::seconds())?;
    for (id, outcome) in &outcomes {
        if matches!(outcome, ScoringOutcome::Failed(_)) {
            live.forget(*id);
        }
    }
    live.changed();
    Ok(n)
}

/// Whether a text is at fault, and not what should have scored it.
fn of_a_text(e: &ArenaError) -> bool {
    match e {
        ArenaError::Analysis(AnalysisError::Run(e)) => matches!(e, RunError::Prompt { .. }),
        ArenaError::Analysis(e) => {
            matches!(e, AnalysisError::Estimate(_) | AnalysisError::Input(_)) || e.prompt().is_some()
        }
        _ => false,
    }
}

fn scored(
    live: &Live,
    scorer: &Scorer,
    batch: &[Queued],
    watch: &dyn Watch,
) -> Result<Vec<(i64, ScoringOutcome)>, ArenaError> {
    let sequences: Vec<Sequence> = batch.iter().map(|q| Sequence::new(q.id.to_string(), &*q.text)).collect();
    let lanes = scorer.score(&live.backend().reader(), &sequences, watch)?;
    Ok(batch.iter().zip(lanes).map(|(q, lanes)| (q.id, outcome(lanes))).collect())
}

fn outcome(lanes: Vec<Lined>) -> ScoringOutcome {
    let mut lanes = lanes.into_iter();
    let Some(Lined { line, along }) = lanes.next() else {
        return ScoringOutcome::Failed("the season has no direction".into());
    };
    let row = line.row;
    ScoringOutcome::Scored(Box::new(Scores {
        score: row.score,
        low: line.high_score.unwrap_or(row.score),
        score_alt: lanes.next().map(|l| l.line.row.score),
        z: row.z,
        coherence: row.coherence,
        shift_norm: row.shift_norm,
        p_random: row.p_random,
        along,
    }))
}

/// Scores all that waits, for a command that ends then. How many were brought to an end.
///
/// # Errors
/// When the model can't be asked, or the database fails; what was scored by then is written down.
pub fn score_all(live: &Live, watch: &dyn Watch) -> Result<usize, ArenaError> {
    let (mut scorer, mut total) = (None, 0);
    loop {
        let n = step(live, &mut scorer, watch)?;
        total += n;
        if n == 0 && live.season.store.counts()?.queued == 0 {
            return Ok(total);
        }
        if watch.interrupted() {
            return Err(ArenaError::Analysis(RunError::Interrupted.into()));
        }
    }
}
