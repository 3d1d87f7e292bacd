//! Who has the model: one run at a time, in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

#[derive(Debug)]
pub struct Queue {
    line: Mutex<QueueState>,
    most: usize,
    each: usize,
    moved: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct QueueState {
    next: u64,
    /// Those that run or wait: the first has the model.
    held: VecDeque<(u64, Option<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    All(usize),
    /// Those of this visitor are.
    Own(usize),
}

impl Queue {
    /// A line of so many, `each` of them of one visitor.
    pub fn new(most: usize, each: usize) -> Arc<Self> {
        let moved = watch::Sender::new(0);
        Arc::new(Self { line: Mutex::default(), most, each, moved })
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // No step of a change can panic half way.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the last place; `who` counts against a visitor's own share.
    ///
    /// # Errors
    /// When there is none.
    pub fn enter(self: &Arc<Self>, who: Option<&str>) -> Result<Ticket, Full> {
        let mut line = self.lock();
        if line.held.len() >= self.most {
            return Err(Full::All(self.most));
        }
        let own = |(_, w): &&(u64, Option<String>)| w.as_deref() == who;
        if who.is_some() && line.held.iter().filter(own).count() >= self.each {
            return Err(Full::Own(self.each));
        }
        line.next += 1;
        let id = line.next;
        line.held.push_back((id, who.map(str::to_owned)));
        drop(line);
        Ok(Ticket { queue: self.clone(), id })
    }
}

/// A place in the line, left when it is dropped.
#[derive(Debug)]
pub struct Ticket {
    queue: Arc<Queue>,
    id: u64,
}

impl Ticket {
    /// How many are before it; 0 has the model.
    pub fn place(&self) -> usize {
        self.queue.lock().held.iter().position(|(id, _)| *id == self.id).unwrap_or(0)
    }

    /// Waits until it has the model, and tells every place on the way but the last.
    pub async fn turn(&self, mut told: impl FnMut(usize)) {
        let mut moved = self.queue.moved.subscribe();
        let mut last = None;
        loop {
            let place = self.place();
            if place == 0 {
                return;
            }
            if last != Some(place) {
                told(place);
                last = Some(place);
            }
            if moved.changed().await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.lock().held.retain(|(id, _)| *id != self.id);
        self.queue.moved.send_modify(|n| *n += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(30);

    #[tokio::test]
    async fn one_has_the_model_and_the_others_hear_their_places() {
        let queue = Queue::new(3, 2);
        let first = queue.enter(Some("a")).unwrap();
        let second = queue.enter(Some("b")).unwrap();
        let third = queue.enter(Some("b")).unwrap();
        assert_eq!(queue.enter(Some("b")).unwrap_err(), Full::All(3));
        first.turn(|_| panic!("it waits for nobody")).await;
        let mut heard = Vec::new();
        assert!(timeout(SOON, third.turn(|p| heard.push(p))).await.is_err());
        assert_eq!(queue.enter(None).unwrap_err(), Full::All(3));
        // One that gives up before its turn lets those behind it come nearer.
        drop(second);
        assert!(timeout(SOON, third.turn(|p| heard.push(p))).await.is_err());
        drop(first);
        timeout(SOON, third.turn(|p| heard.push(p))).await.unwrap();
        assert_eq!(heard, [2, 1]);
        let _fourth = queue.enter(Some("b")).unwrap();
        assert_eq!(queue.enter(Some("b")).unwrap_err(), Full::Own(2));
        assert_eq!(queue.enter(Some("a")).unwrap().place(), 2);
    }
}
