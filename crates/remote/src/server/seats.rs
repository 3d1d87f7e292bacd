//! Who may have a body in memory: so many at a time, and so many of one client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::auth::ClientId;
use super::connect::{Connection, WaitCause};
use super::memory::{MemoryBudget, Share};
use super::refusal::RefusedRequest;

/// Clients that are remembered before those without a body are forgotten.
const CLIENTS: usize = 1024;

/// How long is waited before who is behind with its body gives way.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Seats {
    all: Arc<Semaphore>,
    /// Places of clients that have one already. The rest is for those that have none.
    more: Arc<Semaphore>,
    of: Mutex<HashMap<ClientId, ClientSeats>>,
    each: usize,
    memory: Arc<MemoryBudget>,
}

/// The places that one client may have.
#[derive(Clone, Debug)]
struct ClientSeats {
    first: Arc<Semaphore>,
    more: Arc<Semaphore>,
}

/// A place for a body, held by the work on it: who hangs up does not free it before that work ends.
#[derive(Debug)]
pub(super) struct BodySeat {
    pub memory: Share,
    _permits: Permits,
}

/// Of the client, of clients that have more than one, and of all.
type Permits = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

impl Seats {
    pub fn new(all: usize, each: usize, memory: Arc<MemoryBudget>) -> Self {
        let all = all.max(1);
        let each = each.clamp(1, all);
        let places = |n| Arc::new(Semaphore::new(n));
        Self { all: places(all), more: places(all / 2), of: Mutex::default(), each, memory }
    }

    /// Waits for a place. A client first waits for its own others, so that it takes up no more than its
    /// part of the line. While one that has no place waits, who is furthest behind with its body gives way.
    ///
    /// # Errors
    /// 429 when there is none for too long.
    pub async fn seat(
        &self,
        client: &ClientId,
        patience: Duration,
        connection: &Connection,
    ) -> Result<BodySeat, RefusedRequest> {
        let _waiting = connection.waits(WaitCause::Seat);
        let own = self.own(client);
        let has_none = || own.first.available_permits() > 0;
        let first = async { Some((own.first.clone().acquire_owned().await.ok()?, None)) };
        let more = async {
            let own = own.more.clone().acquire_owned().await.ok()?;
            Some((own, Some(self.more.clone().acquire_owned().await.ok()?)))
        };
        let mut taken = std::pin::pin!(async {
            let alone = has_none();
            let (own, more) = tokio::select! { biased; own = first => own?, own = more => own? };
            let mut of_all = std::pin::pin!(self.all.clone().acquire_owned());
            loop {
                match timeout(LOOK, &mut of_all).await {
                    Ok(of_all) => return Some((own, more, of_all.ok()?)),
                    Err(_) if alone => connection.others_give_way(WaitCause::Body),
                    Err(_) => {}
                }
            }
        });
        match timeout(patience, &mut taken).await {
            Ok(Some(permits)) => Ok(BodySeat { memory: self.memory.share(), _permits: permits }),
            Ok(None) => Err(RefusedRequest::draining()),
            Err(_) => {
                let detail = "too many requests are being received at the same time";
                Err(RefusedRequest::busy(detail, patience))
            }
        }
    }

    fn own(&self, client: &ClientId) -> ClientSeats {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if of.len() >= CLIENTS {
            of.retain(|_, own| Arc::strong_count(&own.first) > 1 || Arc::strong_count(&own.more) > 1);
        }
        let places = |n| Arc::new(Semaphore::new(n));
        let new = || ClientSeats { first: places(1), more: places(self.each - 1) };
        of.entry(client.clone()).or_insert_with(new).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_leaves_places_for_others() {
        let seats = Seats::new(4, 3, MemoryBudget::new(1 << 20));
        let (ada, bob, eve) = (ClientId::named("ada"), ClientId::named("bob"), ClientId::named("eve"));
        let (now, here) = (Duration::from_millis(20), Connection::alone());
        let first = seats.seat(&ada, now, &here).await.unwrap();
        let _more =
            [seats.seat(&ada, now, &here).await.unwrap(), seats.seat(&ada, now, &here).await.unwrap()];
        assert_eq!(seats.seat(&ada, now, &here).await.unwrap_err().status, 429);
        // The last is for who has none.
        let of_bob = seats.seat(&bob, now, &here).await.unwrap();
        assert_eq!(seats.seat(&eve, now, &here).await.unwrap_err().status, 429);
        drop(first);
        assert_eq!(seats.seat(&bob, now, &here).await.unwrap_err().status, 429);
        seats.seat(&eve, now, &here).await.unwrap();
        drop(of_bob);
        seats.seat(&bob, now, &here).await.unwrap();
    }
}
