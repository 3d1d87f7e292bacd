//! Whose turn it is: clients go round, and each one's jobs go in order.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A queue of items of several clients that take turns.
#[derive(Debug)]
pub(super) struct FairQueue<C, T> {
    /// Clients that have something waiting; the first has the next turn.
    ring: VecDeque<C>,
    lanes: HashMap<C, VecDeque<T>>,
    /// The client that had the latest turn.
    served: Option<C>,
}

impl<C, T> Default for FairQueue<C, T> {
    fn default() -> Self {
        Self { ring: VecDeque::new(), lanes: HashMap::new(), served: None }
    }
}

impl<C: Clone + Eq + Hash, T: Copy + Eq> FairQueue<C, T> {
    /// Puts an item behind the others of its client. A client that had nothing waiting goes before
    /// the one whose turn it is now, which is being served already.
    pub fn push(&mut self, client: &C, item: T) {
        let lane = self.lanes.entry(client.clone()).or_default();
        if lane.is_empty() {
            let last = self.ring.back().filter(|c| Some(*c) == self.served.as_ref() && *c != client);
            self.ring.insert(self.ring.len() - usize::from(last.is_some()), client.clone());
        }
        lane.push_back(item);
    }

    /// Puts items back where they were taken from: before the others of their client.
    pub fn put_back(&mut self, client: &C, item: T) {
        let lane = self.lanes.entry(client.clone()).or_default();
        if lane.is_empty() {
            self.ring.push_front(client.clone());
        }
        lane.push_front(item);
    }

    /// Takes the item whose turn it is, of those that `may` be taken; its client then waits until all
    /// others had theirs. A client whose next item may not be taken keeps its place.
    pub fn next_of(&mut self, may: impl Fn(&C, T) -> bool) -> Option<T> {
        let lanes = &self.lanes;
        let due = |c: &C| lanes.get(c).and_then(VecDeque::front).is_some_and(|item| may(c, *item));
        let at = self.ring.iter().position(due)?;
        let client = self.ring.remove(at)?;
        self.served = Some(client.clone());
        let lane = self.lanes.get_mut(&client)?;
        let item = lane.pop_front();
        if lane.is_empty() {
            self.lanes.remove(&client);
        } else {
            self.ring.push_back(client);
        }
        item
    }

    #[cfg(test)]
    pub fn next(&mut self) -> Option<T> {
        self.next_of(|_, _| true)
    }

    /// Takes an item out, wherever it is; says whether it was there.
    pub fn remove(&mut self, client: &C, item: T) -> bool {
        let Some(lane) = self.lanes.get_mut(client) else { return false };
        let before = lane.len();
        lane.retain(|i| *i != item);
        let found = lane.len() < before;
        if lane.is_empty() {
            self.lanes.remove(client);
            self.ring.retain(|c| c != client);
        }
        found
    }

    /// Everything in the order in which it will be taken if nothing else comes.
    pub fn order(&self) -> Vec<(&C, T)> {
        let mut out = Vec::with_capacity(self.len());
        for round in 0.. {
            let before = out.len();
            out.extend(self.ring.iter().filter_map(|c| Some((c, *self.lanes.get(c)?.get(round)?))));
            if out.len() == before {
                break;
            }
        }
        out
    }

    /// The items of a client, in order.
    pub fn of(&self, client: &C) -> impl Iterator<Item = T> {
        self.lanes.get(client).into_iter().flatten().copied()
    }

    pub fn len(&self) -> usize {
        self.lanes.values().map(VecDeque::len).sum()
    }

    /// How many clients have something waiting.
    pub fn clients(&self) -> usize {
        self.ring.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(items: &[(&'static str, u32)]) -> FairQueue<&'static str, u32> {
        let mut q = FairQueue::default();
        items.iter().for_each(|(c, i)| q.push(c, *i));
        q
    }

    #[test]
    fn clients_take_turns_and_the_order_foretells_them() {
        let mut q = queue(&[("a", 1), ("a", 2), ("a", 3), ("b", 10), ("c", 20), ("b", 11)]);
        let foretold: Vec<u32> = q.order().into_iter().map(|(_, i)| i).collect();
        assert_eq!(foretold, [1, 10, 20, 2, 11, 3]);
        let taken: Vec<u32> = std::iter::from_fn(|| q.next()).collect();
        assert_eq!(taken, foretold);
        assert_eq!((q.len(), q.clients()), (0, 0));
    }

    #[test]
    fn one_that_comes_late_waits_for_the_running_job_only() {
        let mut q = queue(&[("a", 1), ("a", 2), ("a", 3)]);
        assert_eq!(q.next(), Some(1));
        q.push(&"b", 10);
        q.push(&"c", 20);
        assert_eq!([q.next(), q.next(), q.next(), q.next()], [Some(10), Some(20), Some(2), Some(3)]);
    }

    #[test]
    fn newcomers_do_not_keep_anybody_from_a_turn() {
        let mut q = queue(&[("a", 1), ("a", 2)]);
        assert_eq!(q.next(), Some(1));
        for i in 0..3 {
            q.push(&["x", "y", "z"][i], 10);
        }
        let turns: Vec<u32> = std::iter::from_fn(|| {
            // Whoever was served comes back at once with more.
            let next = q.next();
            if next == Some(10) {
                q.push(&q.served.unwrap(), 10);
            }
            next
        })
        .take(8)
        .collect();
        assert_eq!(turns, [10, 10, 10, 2, 10, 10, 10, 10]);
    }

    #[test]
    fn what_was_taken_out_or_put_back_is_where_it_should_be() {
        let mut q = queue(&[("a", 1), ("a", 2), ("b", 10)]);
        assert!(q.remove(&"a", 2) && !q.remove(&"a", 2) && !q.remove(&"z", 2));
        assert!(q.remove(&"a", 1));
        assert_eq!(q.clients(), 1);
        q.put_back(&"a", 1);
        assert_eq!(q.order(), [(&"a", 1), (&"b", 10)]);
        // Whose next may not be taken keeps its place.
        assert_eq!(q.next_of(|c, _| *c == "b"), Some(10));
        assert_eq!(q.next_of(|_, item| item > 1), None);
        assert_eq!(q.next(), Some(1));
    }
}
