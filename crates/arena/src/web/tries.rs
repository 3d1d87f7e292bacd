//! Tries that are counted in memory alone.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::live::place;

/// Tries in a minute, of each address.
#[derive(Debug)]
pub(super) struct Tries {
    held: Mutex<HashMap<Vec<u8>, (Instant, u32)>>,
    most: u32,
}

impl Tries {
    /// Addresses that are counted at a time.
    const HELD: usize = 50_000;

    /// So many tries of one address in a minute at most, taken or not.
    pub fn of(most: u32) -> Self {
        Self { held: Mutex::default(), most }
    }

    /// Whether one more is looked at.
    pub fn may(&self, address: IpAddr) -> bool {
        let minute = Duration::from_secs(60);
        let who = place(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= Self::HELD {
            held.retain(|_, (since, _)| since.elapsed() < minute);
            if held.len() >= Self::HELD && !held.contains_key(&who) {
                return false;
            }
        }
        let now = held.entry(who).or_insert_with(|| (Instant::now(), 0));
        if now.0.elapsed() >= minute {
            *now = (Instant::now(), 0);
        }
        now.1 = now.1.saturating_add(1);
        now.1 <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_counted_by_place() {
        let tries = Tries::of(2);
        let may = |a: &str| tries.may(a.parse().unwrap());
        assert!(may("10.0.0.1") && may("::ffff:10.0.0.1") && !may("10.0.0.1"));
        assert!(may("10.0.0.2"));
        // One machine has a whole /64.
        assert!(may("2001:db8:1:2::1") && may("2001:db8:1:2::2") && !may("2001:db8:1:2:ffff::3"));
        assert!(may("2001:db8:1:3::1"));
    }
}
