//! Who keeps the server waiting with a request, and gives way when others wait for what it holds.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::table::ConnectionSlot;

/// How far behind a connection may be while others wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes a second that keep a connection from falling behind.
const PACE: u32 = 32 << 10;

/// What a connection has the server wait with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum WaitCause {
    /// It waits for a place for its body.
    Seat,
    Body,
    /// It takes an answer.
    Answer,
}

#[derive(Debug, Default)]
pub(super) struct Clock(Mutex<Option<(WaitCause, Instant)>>);

impl Clock {
    fn set(&self, to: impl FnOnce(Option<(WaitCause, Instant)>) -> Option<(WaitCause, Instant)>) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = to(*now);
    }

    pub fn end(&self) {
        self.set(|_| None);
    }

    /// For how long it has been behind with this, or with anything.
    pub fn behind(&self, with: Option<WaitCause>) -> Option<Duration> {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.filter(|(what, _)| with.is_none_or(|w| w == *what)).map(|(_, since)| since.elapsed())
    }
}

#[derive(Clone, Debug)]
pub(in super::super) struct Connection(pub(super) Arc<ConnectionSlot>);

impl Connection {
    /// From now on the server waits, until what this returns is dropped.
    pub fn waits(&self, with: WaitCause) -> Waiting {
        self.0.clock().set(|_| Some((with, Instant::now())));
        Waiting(self.clone())
    }

    /// Closes the connection that is furthest behind with something, if it is by much.
    pub fn others_give_way(&self, with: WaitCause) {
        self.0.slowest_gives_way(with);
    }

    #[cfg(test)]
    pub fn alone() -> Self {
        Self(super::table::ConnectionTable::new(1, 1).admit(std::net::Ipv4Addr::LOCALHOST.into()))
    }
}

/// A wait for a client.
#[derive(Debug)]
pub(in super::super) struct Waiting(Connection);

impl Waiting {
    /// So many bytes came or went.
    pub fn moved(&self, bytes: usize) {
        let earned = Duration::from_secs(bytes as u64) / PACE;
        let ahead = |(what, since): (WaitCause, Instant)| {
            (what, since.checked_add(earned).unwrap_or(since).min(Instant::now()))
        };
        self.0.0.clock().set(|now| now.map(ahead));
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.clock().end();
    }
}
