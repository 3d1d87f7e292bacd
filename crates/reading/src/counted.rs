//! A watch that never sees more done than was expected, nor less once an answer is there.

use std::sync::atomic::{AtomicU64, Ordering};

use truenorth_protocol::{Graph, Prompt};

use truenorth_protocol::run::Watch;

/// Work as it is told to a watch: what runs a graph may count fewer tokens (beginnings shared, generations
/// that stop) or others (a service's own).
pub(super) struct CountedWatch<'a> {
    inner: &'a dyn Watch,
    told: AtomicU64,
    most: AtomicU64,
    total: u64,
}

impl<'a> CountedWatch<'a> {
    /// Expects the work of some graphs.
    pub fn new(inner: &'a dyn Watch, graphs: &[u64]) -> Self {
        let total = graphs.iter().sum();
        inner.expect(total);
        Self { inner, told: AtomicU64::new(0), most: AtomicU64::new(0), total }
    }

    /// A graph of so much work is answered.
    pub fn answered(&self, graph: u64) {
        let due = self.most.fetch_add(graph, Ordering::Relaxed) + graph;
        let told = self.told.load(Ordering::Relaxed);
        if due > told {
            self.tell(due - told);
        }
    }

    fn tell(&self, more: u64) {
        let before = self.told.fetch_add(more, Ordering::Relaxed);
        let left = self.total.saturating_sub(before);
        if more.min(left) > 0 {
            self.inner.tokens(more.min(left));
        }
    }
}

impl Watch for CountedWatch<'_> {
    fn say(&self, text: &str) {
        self.inner.say(text);
    }

    fn warn(&self, text: &str) {
        self.inner.warn(text);
    }

    fn tokens(&self, more: u64) {
        self.tell(more);
    }

    fn drawn(&self, group: usize, prompt: usize, token: u32) {
        self.inner.drawn(group, prompt, token);
    }

    fn interrupted(&self) -> bool {
        self.inner.interrupted()
    }
}

/// The most tokens that go through a model for a graph.
pub(super) fn work(graph: &Graph) -> u64 {
    let groups = graph.groups.iter().enumerate();
    groups
        .map(|(g, group)| {
            let prompts: u64 = group.prompts.iter().map(|p| size(p) as u64).sum();
            let steps =
                u32::try_from(g).ok().and_then(|g| graph.generation(g)).map_or(0, |s| s.max_new_tokens);
            // The last generated token is never run.
            prompts + u64::from(steps.saturating_sub(1)) * group.prompts.len() as u64
        })
        .sum()
}

/// Tokens of a prompt; for text that is tokenized elsewhere, an estimate.
pub(super) fn size(prompt: &Prompt) -> usize {
    match prompt {
        Prompt::Tokens(t) => t.len(),
        Prompt::Text(t) => t.len() / 4 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        expected: AtomicU64,
        done: AtomicU64,
    }

    impl Watch for Seen {
        fn expect(&self, more: u64) {
            self.expected.fetch_add(more, Ordering::Relaxed);
        }
        fn tokens(&self, more: u64) {
            self.done.fetch_add(more, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_bar_ends_where_it_said() {
        // A runner that counts too few, and one that counts too many.
        for counts in [[3, 1], [70, 90]] {
            let seen = Seen::default();
            let watch = CountedWatch::new(&seen, &[10, 20]);
            for (graph, tokens) in [10, 20].into_iter().zip(counts) {
                watch.tokens(tokens);
                watch.answered(graph);
                assert!(seen.done.load(Ordering::Relaxed) <= seen.expected.load(Ordering::Relaxed));
            }
            assert_eq!((seen.expected.into_inner(), seen.done.into_inner()), (30, 30));
        }
    }
}
