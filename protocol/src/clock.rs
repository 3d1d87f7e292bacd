//! The time as files, journals and stores keep it.

use std::time::{Duration, SystemTime};

/// The time since 1970; none for a clock set before that.
#[must_use]
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Whole seconds since 1970, as databases count them.
#[must_use]
pub fn seconds() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Whole milliseconds since 1970.
#[must_use]
pub fn millis() -> u64 {
    u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)
}
