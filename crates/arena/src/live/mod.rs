//! A season that is served: submissions are checked and taken, and scored by a worker.

mod worker;
mod yields;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use truenorth_data::{FoundCopy, NearCopies, NearIndex};
use truenorth_protocol::clock;

pub(crate) use worker::said;
pub use worker::{Worker, score_all};
pub use yields::Yields;

use crate::backend::ScoringModel;
use crate::error::ArenaError;
use crate::rules::{self, RefusedSubmission, SubmissionChecks, TokenizedText};
use crate::season::Season;
use crate::store::{Accepted, NewSubmission, SeasonState, SubmitResult};

/// Similarity from which another entry is named beside one.
const ALIKE: f64 = 0.5;

/// A season that is served.
pub struct Live {
    /// The season that is served, with its entries.
    pub season: Season,
    backend: Arc<dyn ScoringModel>,
    checks: SubmissionChecks,
    near: Mutex<NearIndex>,
    threshold: NearCopies,
    /// Rises whenever a page may look different.
    version: AtomicU64,
    wake: (Mutex<u64>, Condvar),
    health: Mutex<Health>,
}

/// Whether the worker scores, and what keeps it from that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// What keeps it from scoring, and since when, in seconds since 1970.
    pub trouble: Option<(String, i64)>,
    /// Submissions that are being scored.
    pub at_work: usize,
}

/// A submission as somebody fills it in, before it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// The name that the sender goes by.
    pub handle: String,
    /// The text that is to be scored.
    pub text: String,
    /// The kind of text, one of the season's; none where it has none.
    pub kind: Option<String>,
    /// The version of the consent text that was agreed to.
    pub consent: Option<String>,
    /// Keyed hash of the client's address, by which limits are counted.
    pub client: String,
}

/// Whether a submission was taken, or why not.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// It was taken.
    Accepted(Accepted),
    /// A field is at fault.
    Refused(RefusedSubmission),
    /// It has more tokens than are taken.
    OverBudget(TokenizedText),
    /// It is a copy or near copy of an earlier one.
    Copy(FoundCopy),
    /// A limit, the queue, or a season that is closed.
    NotNow(SubmitResult),
}

impl Live {
    /// A season with what scores it; nothing is scored until a [`Worker`] is at work.
    ///
    /// # Errors
    /// When its entries can't be read.
    pub fn new(season: Season, backend: Arc<dyn ScoringModel>) -> Result<Arc<Self>, ArenaError> {
        let checks = SubmissionChecks::of(&season.sealed.file)?;
        let rules = &season.sealed.file.rules;
        let threshold = NearCopies::new(rules.near)
            .map_err(|e| ArenaError::asked(e.to_string(), "correct rules.near of the season's file"))?;
        let mut near = NearIndex::default();
        for (id, text) in season.store.texts()? {
            near.insert(id, &text);
        }
        Ok(Arc::new(Self {
            season,
            backend,
            checks,
            near: Mutex::new(near),
            threshold,
            version: AtomicU64::new(1),
            wake: (Mutex::new(0), Condvar::new()),
            health: Mutex::default(),
        }))
    }

    /// The model that submissions are scored by.
    #[must_use]
    pub fn backend(&self) -> &dyn ScoringModel {
        self.backend.as_ref()
    }

    /// Rises whenever a page may look different.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Says that pages look different now.
    pub fn changed(&self) {
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the worker scores, and what keeps it from that.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tokens of a text, beside the budget.
    ///
    /// # Errors
    /// When whoever has the tokenizer can't be asked, or refuses the text.
    pub fn tokens(&self, text: &str) -> Result<TokenizedText, ArenaError> {
        rules::tokens(self.backend(), text, self.season.sealed.file.rules.tokens)
    }

    /// Checks a submission, and takes it.
    ///
    /// # Errors
    /// When the tokenizer or the database fails; nothing is taken then.
    pub fn submit(&self, submission: &Submission) -> Result<Submitted, ArenaError> {
        let Submission { handle, text, kind, consent, client } = submission;
        let checked = self
            .checks
            .text(text)
            .and_then(|()| self.checks.handle(handle))
            .and_then(|()| self.checks.kind(kind.as_deref()))
            .and_then(|()| self.checks.consent(consent.as_deref()));
        if let Err(refused) = checked {
            return Ok(Submitted::Refused(refused));
        }
        if self.season.store.state()? != SeasonState::Open {
            return Ok(Submitted::NotNow(SubmitResult::Closed));
        }
        let counted = self.tokens(text)?;
        if counted.tokens.is_some_and(|n| n > counted.budget) {
            return Ok(Submitted::OverBudget(counted));
        }
        // Held until it is written down: of two copies at once one is the other's.
        let mut near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = near.copy_of(text, self.threshold) {
            return Ok(Submitted::Copy(found));
        }
        let new = NewSubmission {
            handle: handle.clone(),
            text: text.clone(),
            kind: kind.clone(),
            tokens: counted.tokens.and_then(|n| i64::try_from(n).ok()),
            consent: consent.clone(),
            at: clock::seconds(),
            client: Some(client.clone()),
            origin: None,
        };
        match self.season.store.submit(&new, &self.season.sealed.file.rules)? {
            SubmitResult::Accepted(accepted) => {
                near.insert(accepted.id, text);
                drop(near);
                self.wake();
                Ok(Submitted::Accepted(accepted))
            }
            other => Ok(Submitted::NotNow(other)),
        }
    }

    /// Entries that are alike, the most alike first, without this one.
    #[must_use]
    pub fn alike(&self, id: i64, text: &str) -> Vec<FoundCopy> {
        let Ok(threshold) = NearCopies::new(ALIKE) else { return vec![] };
        let near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = near.like(text, threshold);
        found.retain(|f| f.id != id);
        found
    }

    /// Texts by which copies are told.
    #[must_use]
    pub fn known_texts(&self) -> usize {
        self.near.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What a client is called: a keyed hash of its address, of which the season has the key.
    ///
    /// # Errors
    /// When the database fails.
    pub fn client(&self, address: IpAddr) -> Result<String, ArenaError> {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.season.store.salt()?)
            .expect("a key may have any length");
        mac.update(&place(address));
        Ok(truenorth_protocol::hash::hex(&mac.finalize().into_bytes()[..16]))
    }

    /// Learns of texts that were taken by another way than [`Live::submit`].
    pub(crate) fn known_again(&self) -> Result<(), ArenaError> {
        let texts = self.season.store.texts()?;
        let mut near = self.near.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, text) in texts {
            near.insert(id, &text);
        }
        drop(near);
        self.wake();
        Ok(())
    }

    fn forget(&self, id: i64) {
        self.near.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn wake(&self) {
        *self.wake.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.wake.1.notify_all();
    }

    /// Waits until something was submitted, or for so long.
    fn wait(&self, seen: &mut u64, at_most: Duration) {
        let now = self.wake.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, _) = self
            .wake
            .1
            .wait_timeout_while(now, at_most, |now| *now == *seen)
            .unwrap_or_else(PoisonError::into_inner);
        *seen = *now;
    }

    fn set_health(&self, set: impl FnOnce(&mut Health)) {
        set(&mut self.health.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The part of an address that is one client's: one machine has a whole /64 of IPv6.
pub(crate) fn place(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    }
}
