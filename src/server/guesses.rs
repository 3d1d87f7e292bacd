//! Wrong keys, counted by address.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::auth::ClientId;
use super::refusal::Refused;

/// Wrong keys that an address may try within a window.
const TRIES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses that are remembered.
const ADDRESSES: usize = 4096;

/// Who tried how often.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<ClientId, (u32, Instant)>>);

impl Guesses {
    /// Counts a wrong key of an address.
    pub fn wrong(&self, address: &ClientId) {
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
    }

    /// Refuses an address that tried too often, whatever it says now.
    ///
    /// # Errors
    /// 429 until its window ends.
    pub fn patient(&self, address: &ClientId) -> Result<(), Refused> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(address).map(|(tries, since)| (*tries, WINDOW.saturating_sub(since.elapsed()))) {
            Some((tries, left)) if tries >= TRIES && !left.is_zero() => {
                Err(Refused::busy("too many wrong API keys came from this address", left))
            }
            _ => Ok(()),
        }
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
            guesses.patient(&here).unwrap();
            guesses.wrong(&here);
        }
        assert_eq!(guesses.patient(&here).unwrap_err().status, 429);
        guesses.patient(&there).unwrap();
        for i in 0..2 * ADDRESSES {
            guesses.wrong(&ClientId::named(&i.to_string()));
        }
        assert!(guesses.0.lock().unwrap().len() <= ADDRESSES);
    }
}
