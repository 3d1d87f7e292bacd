//! Times as people and files write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 as `2026-11-01T12:00:00Z`.
#[must_use]
pub fn said(seconds: i64) -> String {
    let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    humantime::format_rfc3339_seconds(at).to_string()
}

/// Now, so written.
#[must_use]
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Seconds since 1970 of a time so written, or with a space for the `T`.
#[must_use]
pub fn read(text: &str) -> Option<i64> {
    let at = humantime::parse_rfc3339_weak(text.trim().trim_end_matches("+00:00")).ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read() {
        assert_eq!(said(1_777_777_777), "2026-05-03T03:09:37Z");
        assert_eq!(read("2026-05-03T03:09:37Z"), Some(1_777_777_777));
        assert_eq!(read("2026-05-03 03:09:37"), Some(1_777_777_777));
        assert_eq!(read("2026-05-03T03:09:37+00:00"), Some(1_777_777_777));
        assert_eq!(read("yesterday"), None);
    }
}
