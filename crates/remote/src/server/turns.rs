//! Turns inside of runs: a long run stops between two passes and lets others have the model.
//!
//! Runs have threads of their own, and one of them has the model at a time. A run that had it for a
//! slice passes it on if others are in the line; if somebody waits who has no run yet, the worker starts
//! one, which goes ahead of those that had the model before, at most every second time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::auth::ClientId;

/// Who has the model, and who is next.
#[derive(Debug, Default)]
pub(super) struct ModelTurns {
    line: Mutex<TurnQueue>,
    moved: Condvar,
    /// Whether the run that has the model had it for a slice.
    overdue: AtomicBool,
}

#[derive(Debug, Default)]
struct TurnQueue {
    holder: Option<u64>,
    waiting: VecDeque<u64>,
    /// Clients of every run that has the model or waits for it.
    clients: HashMap<u64, HashSet<ClientId>>,
    next: u64,
    /// Whether the latest to get the model was new to it.
    newcomer: bool,
}

impl ModelTurns {
    fn lock(&self) -> MutexGuard<'_, TurnQueue> {
        // A panic elsewhere leaves the line whole: no step of a change can panic half way.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the line for a run of these clients.
    pub fn join(self: &Arc<Self>, clients: HashSet<ClientId>) -> ModelTurn {
        let mut line = self.lock();
        let id = line.next;
        line.next += 1;
        let at = usize::from(line.newcomer).min(line.waiting.len());
        line.waiting.insert(at, id);
        line.clients.insert(id, clients);
        drop(line);
        ModelTurn { turns: self.clone(), id, state: Mutex::default() }
    }

    /// Clients that have a run now.
    pub fn clients(&self) -> HashSet<ClientId> {
        self.lock().clients.values().flatten().cloned().collect()
    }

    /// Whether a run may be started: nobody has one, or who has the model had it for a while.
    pub fn open(&self) -> bool {
        let line = self.lock();
        line.clients.is_empty() || (self.overdue.load(Ordering::SeqCst) && line.waiting.is_empty())
    }
}

/// A run's place in the line.
#[derive(Debug)]
pub(super) struct ModelTurn {
    turns: Arc<ModelTurns>,
    id: u64,
    state: Mutex<TurnTime>,
}

#[derive(Debug, Default)]
struct TurnTime {
    /// Since when it has the model.
    since: Option<Instant>,
    /// How long it had it before.
    used: Duration,
}

impl ModelTurn {
    /// Waits until it is this run's turn.
    pub fn wait(&self) {
        self.get(true);
    }

    fn get(&self, newcomer: bool) {
        let mut line = self.turns.lock();
        while line.holder.is_some() || line.waiting.front() != Some(&self.id) {
            line = self.turns.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        line.waiting.pop_front();
        line.holder = Some(self.id);
        line.newcomer = newcomer;
        self.turns.overdue.store(false, Ordering::SeqCst);
        self.state().since = Some(Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, TurnTime> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn used(&self) -> Duration {
        let state = self.state();
        state.used + state.since.map_or(Duration::ZERO, |s| s.elapsed())
    }

    /// Called between two passes: lets the others in the line have the model if this run had it for a
    /// slice, and returns when it is its turn again. Whether it is worth starting another run now.
    pub fn pass(&self, slice: Duration) -> bool {
        if self.state().since.is_none_or(|s| s.elapsed() < slice) {
            return false;
        }
        let mut line = self.turns.lock();
        if line.waiting.is_empty() {
            self.turns.overdue.store(true, Ordering::SeqCst);
            return true;
        }
        line.waiting.push_back(self.id);
        self.stop(&mut line);
        drop(line);
        self.turns.moved.notify_all();
        self.get(false);
        false
    }

    /// Gives the model away for good.
    pub fn leave(&self) {
        let mut line = self.turns.lock();
        line.waiting.retain(|id| *id != self.id);
        if line.clients.remove(&self.id).is_none() {
            return;
        }
        if line.holder == Some(self.id) {
            self.stop(&mut line);
        }
        drop(line);
        self.turns.moved.notify_all();
    }

    fn stop(&self, line: &mut TurnQueue) {
        line.holder = None;
        let mut state = self.state();
        let since = state.since.take();
        state.used += since.map_or(Duration::ZERO, |s| s.elapsed());
    }
}

impl Drop for ModelTurn {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_take_turns_and_a_short_one_goes_ahead() {
        let turns = Arc::new(ModelTurns::default());
        let said = Arc::new(Mutex::new(String::new()));
        let one = |name: &'static str, passes: usize| {
            let turn = turns.join(HashSet::from([ClientId::named(name)]));
            let said = said.clone();
            std::thread::spawn(move || {
                turn.wait();
                for _ in 0..passes {
                    said.lock().unwrap().push_str(name);
                    turn.pass(Duration::ZERO);
                }
            })
        };
        let begin = turns.join(HashSet::from([ClientId::named("z")]));
        begin.wait();
        assert!(!turns.open() && begin.pass(Duration::ZERO) && turns.open());
        let all = [one("a", 4), one("b", 4)];
        assert!(!turns.open());
        begin.leave();
        all.into_iter().for_each(|t| t.join().unwrap());
        let said = said.lock().unwrap();
        assert!(*said == "abababab" || *said == "babababa", "{said}");
        assert!(turns.open() && turns.clients().is_empty());
    }

    #[test]
    fn what_waits_in_vain_leaves_the_line() {
        let turns = Arc::new(ModelTurns::default());
        let first = turns.join(HashSet::new());
        first.wait();
        drop(turns.join(HashSet::from([ClientId::named("gone")])));
        let last = turns.join(HashSet::new());
        drop(first);
        last.wait();
        assert!(turns.clients().is_empty());
        assert!(last.used() < Duration::from_secs(3600));
    }
}
