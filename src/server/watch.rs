//! A run as its clients see it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use truenorth_protocol::graph::Graph;
use truenorth_protocol::{Checked, Prompt};
use uuid::Uuid;

use super::board::Taken;
use super::shared::Shared;
use crate::run::Watch;

/// Tells the jobs of a run how far it is, and the run when none of them wants it any more.
pub(super) struct Progress<'a> {
    shared: &'a Shared,
    jobs: Vec<&'a Taken>,
    expected: AtomicU64,
    done: AtomicU64,
    said: Mutex<Instant>,
}

impl<'a> Progress<'a> {
    pub fn new(shared: &'a Shared, jobs: Vec<&'a Taken>, checked: &Checked) -> Self {
        let expected = AtomicU64::new(tokens(shared, checked.graph()));
        Self { shared, jobs, expected, done: AtomicU64::new(0), said: Mutex::new(Instant::now()) }
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

impl Watch for Progress<'_> {
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
    }

    fn interrupted(&self) -> bool {
        self.shared.halt.load(Ordering::SeqCst)
            || self.jobs.iter().all(|j| j.cancelled.load(Ordering::SeqCst))
    }
}

/// The tokens that a graph can take through the model.
fn tokens(shared: &Shared, graph: &Graph) -> u64 {
    let mut total = 0_usize;
    for (g, group) in graph.groups.iter().enumerate() {
        let steps = u32::try_from(g).map_or(1, |g| graph.steps(g)) as usize;
        for prompt in &group.prompts {
            let tokens = match prompt {
                Prompt::Tokens(t) => t.len(),
                // A text that can't be encoded will fail in the run and say why there.
                Prompt::Text(t) => match shared.runner.encode(t, group.special_tokens) {
                    Ok(Some(tokens)) => tokens.len(),
                    _ => 0,
                },
            };
            total = total.saturating_add(tokens).saturating_add(steps - 1);
        }
    }
    total as u64
}
