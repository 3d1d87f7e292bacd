//! Memory that requests and runs decide: counted before it is taken, refused where there is none.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::refusal::RefusedRequest;

/// A request that takes no more than this may have what others have to leave.
const SMALL: u64 = 1 << 20;
/// When what is taken now will be free again, as a guess.
const SOON: Duration = Duration::from_secs(1);

/// So many bytes for all.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    left: Mutex<u64>,
    total: u64,
}

impl MemoryBudget {
    pub fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { left: Mutex::new(total), total })
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn left(&self) -> u64 {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, u64> {
        // A panic elsewhere leaves a number, which is whole.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes at once, if they are there.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Option<Share> {
        let mut left = self.lock();
        *left = left.checked_sub(bytes)?;
        Some(Share { memory: self.clone(), bytes, most: bytes })
    }

    /// A share that is empty and may grow to half of all, so that nobody takes everything.
    pub fn share(self: &Arc<Self>) -> Share {
        Share { memory: self.clone(), bytes: 0, most: self.total / 2 }
    }
}

/// What one request or run has; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<MemoryBudget>,
    bytes: u64,
    most: u64,
}

impl Share {
    /// Takes more bytes.
    ///
    /// # Errors
    /// 413 past what one request may have, 429 when others have it.
    pub fn grow(&mut self, more: u64) -> Result<(), RefusedRequest> {
        let wanted = self.bytes.saturating_add(more);
        if wanted > self.most {
            return Err(RefusedRequest::too_large(format!(
                "the request takes more than {} bytes of memory, the most that one may take; send less at a time",
                self.most
            )));
        }
        let mut left = self.memory.lock();
        let kept = if wanted > SMALL { self.memory.total / 8 } else { 0 };
        match left.checked_sub(more).filter(|l| *l >= kept) {
            Some(rest) => *left = rest,
            None => {
                let detail = "the server's memory for requests is taken; it is free again soon";
                return Err(RefusedRequest::busy(detail, SOON));
            }
        }
        self.bytes = wanted;
        Ok(())
    }

    /// Gives back all but so many bytes.
    pub fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        *self.memory.lock() += less;
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How much more one request may take, if nobody else has it.
    pub fn room(&self) -> u64 {
        self.most - self.bytes
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_and_given_back() {
        let memory = MemoryBudget::new(64 << 20);
        let mut large = memory.share();
        large.grow(30 << 20).unwrap();
        assert_eq!(large.grow(3 << 20).unwrap_err().status, 413);
        let mut other = memory.share();
        other.grow(26 << 20).unwrap();
        // An eighth is for small requests.
        let mut third = memory.share();
        assert_eq!(third.grow(2 << 20).unwrap_err().status, 429);
        third.grow(1 << 20).unwrap();
        assert_eq!(memory.left(), 7 << 20);
        large.shrink_to(1 << 20);
        third.grow(2 << 20).unwrap();
        drop((large, other, third));
        assert_eq!(memory.left(), memory.total());
        let run = memory.take(60 << 20).unwrap();
        assert!(memory.take(5 << 20).is_none());
        drop(run);
        assert!(memory.take(64 << 20).is_some());
    }
}
