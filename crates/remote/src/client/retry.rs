//! What may be repeated, and when.
//!
//! Questions and polls may be: they change nothing. Sending a job may not, unless it is certain that
//! the service did not take it; [`super::submit`] decides that.

use std::time::{Duration, Instant, SystemTime};

use rand::Rng as _;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// The longest wait that a service may ask for.
const LONGEST: Duration = Duration::from_secs(3600);

/// How often something is tried, and how far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Bound of the first wait; the bound doubles each time.
    pub first: Duration,
    /// The largest bound of a wait.
    pub most: Duration,
    /// The most tries, the first included.
    pub attempts: u32,
    /// The most time over all tries; a wait that would end later is not begun.
    pub total: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            most: Duration::from_secs(30),
            attempts: 8,
            total: Duration::from_secs(600),
        }
    }
}

#[derive(Debug)]
pub(super) struct RetryState {
    policy: Backoff,
    made: u32,
    since: Instant,
}

impl RetryState {
    pub(super) fn new(policy: Backoff) -> Self {
        Self { policy, made: 0, since: Instant::now() }
    }

    /// There was progress: what failed before does not count any more.
    pub(super) fn renew(&mut self) {
        *self = Self::new(self.policy);
    }

    /// After a failed try, how long to wait before the next; none when enough was tried.
    ///
    /// The wait is drawn from all of `0..bound` ("full jitter"), so that clients which failed together
    /// do not come back together. What the service asked for is waited for in full.
    pub(super) fn again(&mut self, asked: Option<Duration>) -> Option<Duration> {
        self.made += 1;
        if self.made >= self.policy.attempts {
            return None;
        }
        let doublings = (self.made - 1).min(20);
        let bound = self.policy.first.saturating_mul(1 << doublings).min(self.policy.most);
        let jitter = bound.mul_f64(rand::rng().random::<f64>());
        let wait = asked.map_or(jitter, |asked| asked + jitter.min(self.policy.first));
        (self.since.elapsed() + wait <= self.policy.total).then_some(wait)
    }
}

/// The wait that a `Retry-After` asks for, in seconds or as a date. A date is held against the
/// service's own `Date`, because the clocks of the two sides may differ.
pub(super) fn asked(headers: &HeaderMap) -> Option<Duration> {
    asked_at(headers, SystemTime::now())
}

fn asked_at(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let date = headers.get(DATE).and_then(|d| httpdate::parse_http_date(d.to_str().ok()?).ok());
    Some(until.duration_since(date.unwrap_or(now)).unwrap_or_default().min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.insert(*name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_date_is_held_against_the_clock_of_the_service() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let date = |s: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(s));
        let at = |pairs: &[_]| asked_at(&headers(pairs), now).map(|d| d.as_secs());
        assert_eq!(at(&[("retry-after", "7".into())]), Some(7));
        assert_eq!(at(&[("retry-after", date(1_800_000_030))]), Some(30));
        // The service's clock is two days behind, or a year ahead.
        for service in [1_800_000_000 - 172_800, 1_831_536_000] {
            let pairs = [("retry-after", date(service + 30)), ("date", date(service))];
            assert_eq!(at(&pairs), Some(30));
        }
        assert_eq!(at(&[("retry-after", date(1_799_999_000))]), Some(0));
        assert_eq!(at(&[("retry-after", "99999999".into())]), Some(3600));
        for bad in ["-3", "soon", ""] {
            assert_eq!(at(&[("retry-after", bad.into())]), None, "{bad}");
        }
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn waits_grow_are_spread_and_end() {
        let policy = Backoff {
            first: Duration::from_millis(10),
            most: Duration::from_millis(40),
            attempts: 6,
            total: Duration::from_secs(60),
        };
        let mut longest = [Duration::ZERO; 5];
        for _ in 0..300 {
            let mut tries = RetryState::new(policy);
            for most in &mut longest {
                *most = (*most).max(tries.again(None).unwrap());
            }
            assert_eq!(tries.again(None), None);
        }
        for (most, bound) in longest.iter().zip([10, 20, 40, 40, 40]) {
            let bound = Duration::from_millis(bound);
            assert!(*most <= bound && *most > bound / 2, "{longest:?}");
        }
    }

    #[test]
    fn what_a_service_asks_for_is_waited_for_or_given_up() {
        let policy = Backoff { total: Duration::from_secs(5), ..Backoff::default() };
        let wait = RetryState::new(policy).again(Some(Duration::from_secs(3))).unwrap();
        assert!(wait >= Duration::from_secs(3) && wait < Duration::from_secs(4));
        assert_eq!(RetryState::new(policy).again(Some(Duration::from_secs(30))), None);
    }
}
