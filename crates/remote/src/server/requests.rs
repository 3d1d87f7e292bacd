//! How many requests of a client are being answered, results that are being sent included.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::auth::ClientId;
use super::refusal::RefusedRequest;

#[derive(Clone, Debug)]
pub(super) struct Requests {
    of: Arc<Mutex<HashMap<ClientId, usize>>>,
    each: usize,
    what: &'static str,
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Requests, ClientId);

impl Requests {
    pub fn new(each: usize, what: &'static str) -> Self {
        Self { of: Arc::default(), each: each.max(1), what }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, usize>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one more request of a client.
    ///
    /// # Errors
    /// 429 when it has too many.
    pub fn begin(&self, client: &ClientId) -> Result<Answering, RefusedRequest> {
        let mut of = self.lock();
        let own = of.entry(client.clone()).or_default();
        if *own >= self.each {
            let detail = format!("{own} {}, the most at a time", self.what);
            return Err(RefusedRequest::busy(detail, Duration::from_secs(1)));
        }
        *own += 1;
        Ok(Answering(self.clone(), client.clone()))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut of = self.0.lock();
        if let Some(own) = of.get_mut(&self.1) {
            *own -= 1;
            if *own == 0 {
                of.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_so_many_at_a_time() {
        let requests = Requests::new(2, "requests");
        let (ada, bob) = (ClientId::named("ada"), ClientId::named("bob"));
        let both = [requests.begin(&ada).unwrap(), requests.begin(&ada).unwrap()];
        assert_eq!(requests.begin(&ada).unwrap_err().status, 429);
        requests.begin(&bob).unwrap();
        drop(both);
        requests.begin(&ada).unwrap();
        assert!(requests.lock().is_empty());
    }
}
