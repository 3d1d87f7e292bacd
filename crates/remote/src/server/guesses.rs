//! Wrong keys, counted by address. A right key is served whatever else comes from its address, or whoever
//! guesses could keep others out; so guesses are only made slower, and long random keys are what makes them
//! hopeless.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::auth::ClientId;
use super::connect::{Connection, WaitCause};
use super::refusal::RefusedRequest;

/// Wrong keys that an address may try within a window.
const TRIES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);
/// How long the answer to one more takes.
const SLOW: Duration = Duration::from_millis(500);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<ClientId, (u32, Instant)>>);

impl Guesses {
    /// Counts a wrong key of an address; past so many, its answers are slow in coming.
    ///
    /// # Errors
    /// 429 until the window ends, from the one on that is too many.
    pub async fn wrong(&self, address: &ClientId, connection: &Connection) -> Result<(), RefusedRequest> {
        let Some(left) = self.too_many(address) else { return Ok(()) };
        let _waiting = connection.waits(WaitCause::Seat);
        sleep(SLOW).await;
        Err(RefusedRequest::busy("too many wrong API keys came from this address", left))
    }

    /// Counts a wrong key of an address; until when there are too many, if there are.
    fn too_many(&self, address: &ClientId) -> Option<Duration> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES {
            all.retain(|_, (_, since)| since.elapsed() < WINDOW);
        }
        if all.len() >= ADDRESSES {
            // More addresses than anybody has: who came first is forgotten.
            let oldest = all.iter().min_by_key(|(_, (_, since))| *since).map(|(a, _)| a.clone());
            oldest.and_then(|a| all.remove(&a));
        }
        let (tries, since) = all.entry(address.clone()).or_insert((0, Instant::now()));
        if since.elapsed() >= WINDOW {
            (*tries, *since) = (0, Instant::now());
        }
        *tries = tries.saturating_add(1);
        (*tries > TRIES).then(|| WINDOW.saturating_sub(since.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_guesses_has_to_wait_and_others_have_not() {
        let guesses = Guesses::default();
        let (here, there) = (ClientId::named("here"), ClientId::named("there"));
        for _ in 0..TRIES {
            assert_eq!(guesses.too_many(&here), None);
        }
        assert!(guesses.too_many(&here).is_some());
        assert_eq!(guesses.too_many(&there), None);
        for i in 0..2 * ADDRESSES {
            guesses.too_many(&ClientId::named(&i.to_string()));
        }
        assert!(guesses.0.lock().unwrap().len() <= ADDRESSES);
    }
}
