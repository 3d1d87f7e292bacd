//! A run as its clients see it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use truenorth_protocol::{CheckedGraph, Prompt};
use uuid::Uuid;

use super::board::TakenJob;
use super::shared::ServerParts;
use super::turns::ModelTurn;
use truenorth_protocol::run::Watch;

/// Tells the jobs of a run how far it is, and the run when none of them wants it any more.
pub(super) struct RunProgress<'a> {
    shared: &'a ServerParts,
    turn: &'a ModelTurn,
    jobs: Vec<&'a TakenJob>,
    expected: AtomicU64,
    done: AtomicU64,
    said: Mutex<Instant>,
}

impl<'a> RunProgress<'a> {
    pub fn new(
        shared: &'a ServerParts,
        turn: &'a ModelTurn,
        jobs: Vec<&'a TakenJob>,
        checked: &CheckedGraph,
    ) -> Self {
        let expected = AtomicU64::new(tokens(shared, checked));
        Self { shared, turn, jobs, expected, done: AtomicU64::new(0), said: Mutex::new(Instant::now()) }
    }

    fn tell(&self, text: &str) {
        let ids: Vec<Uuid> = self.jobs.iter().map(|j| j.record.id).collect();
        self.shared.board.progress(&ids, text);
    }

    /// Whether it is time to say something again.
    fn due(&self) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.elapsed() >= self.shared.limits.progress_every;
        if due {
            *said = Instant::now();
        }
        due
    }
}

impl Watch for RunProgress<'_> {
    fn say(&self, text: &str) {
        self.tell(text);
    }

    fn expect(&self, more: u64) {
        self.expected.fetch_add(more, Ordering::Relaxed);
    }

    fn tokens(&self, more: u64) {
        let done = self.done.fetch_add(more, Ordering::Relaxed) + more;
        self.shared.metrics.tokens.inc_by(more);
        if self.due() {
            let expected = self.expected.load(Ordering::Relaxed).max(done);
            self.tell(&format!("{done} of at most {expected} tokens"));
        }
        // Two passes are a good place to let others have the model.
        if self.turn.pass(self.shared.limits.slice) {
            self.shared.board.work.notify_one();
        }
    }

    fn interrupted(&self) -> bool {
        self.shared.halt.load(Ordering::SeqCst)
            || self.turn.used() >= self.shared.limits.job_time
            || self.jobs.iter().all(|j| j.cancelled.load(Ordering::SeqCst))
    }
}

/// Bytes of texts that are worth counting the tokens of, only to say how many there are.
const COUNTED: usize = 64 << 10;

/// The tokens that a graph can take through the model; where it has much text, as many as it has bytes.
fn tokens(shared: &ServerParts, checked: &CheckedGraph) -> u64 {
    let graph = checked.graph();
    let texts = graph.groups.iter().flat_map(|g| &g.prompts).map(|p| match p {
        Prompt::Text(t) => t.len(),
        Prompt::Tokens(_) => 0,
    });
    if texts.sum::<usize>() > COUNTED {
        return checked.size().tokens;
    }
    let mut total = checked.size().tokens;
    for group in &graph.groups {
        for prompt in &group.prompts {
            // A text that can't be encoded will fail in the run and say why there.
            if let Prompt::Text(t) = prompt
                && let Ok(Some(tokens)) = shared.runner.encode(t, group.special_tokens)
            {
                let bound = checked.room().most_tokens(t);
                total = total.saturating_sub(bound).saturating_add(tokens.len() as u64);
            }
        }
    }
    total
}
