//! Who may have a body in memory: so many at a time, and so many of one client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::auth::ClientId;
use super::memory::{Memory, Share};
use super::refusal::Refused;

/// Clients that are remembered before those without a body are forgotten.
const CLIENTS: usize = 1024;

/// The places for bodies.
#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    of: Mutex<HashMap<ClientId, Arc<Semaphore>>>,
    each: usize,
    memory: Arc<Memory>,
}

/// A place for a body, held by the work on it: who hangs up does not free it before that work ends.
#[derive(Debug)]
pub(super) struct Seat {
    /// What the request has taken.
    pub memory: Share,
    _own: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Seats {
    pub fn new(all: usize, each: usize, memory: Arc<Memory>) -> Self {
        let all = all.max(1);
        let each = each.clamp(1, all);
        Self { all: Arc::new(Semaphore::new(all)), of: Mutex::default(), each, memory }
    }

    /// Waits for a place. A client first waits for its own others, so that it takes up no more than its
    /// part of the line.
    ///
    /// # Errors
    /// 429 when there is none for too long.
    pub async fn seat(&self, client: &ClientId, patience: Duration) -> Result<Seat, Refused> {
        let own = self.own(client);
        let both = async {
            let own = own.acquire_owned().await.ok()?;
            Some((own, self.all.clone().acquire_owned().await.ok()?))
        };
        match timeout(patience, both).await {
            Ok(Some((own, of_all))) => Ok(Seat { memory: self.memory.share(), _own: own, _of_all: of_all }),
            Ok(None) => Err(Refused::draining()),
            Err(_) => {
                let detail = "too many requests are being received at the same time";
                Err(Refused::busy(detail, patience))
            }
        }
    }

    fn own(&self, client: &ClientId) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if of.len() >= CLIENTS {
            of.retain(|_, s| Arc::strong_count(s) > 1 || s.available_permits() < self.each);
        }
        of.entry(client.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_leaves_places_for_others() {
        let seats = Seats::new(3, 2, Memory::new(1 << 20));
        let (ada, bob) = (ClientId::named("ada"), ClientId::named("bob"));
        let now = Duration::from_millis(20);
        let first = seats.seat(&ada, now).await.unwrap();
        let _second = seats.seat(&ada, now).await.unwrap();
        assert_eq!(seats.seat(&ada, now).await.unwrap_err().status, 429);
        let _of_bob = seats.seat(&bob, now).await.unwrap();
        assert_eq!(seats.seat(&bob, now).await.unwrap_err().status, 429);
        drop(first);
        seats.seat(&bob, now).await.unwrap();
    }
}
