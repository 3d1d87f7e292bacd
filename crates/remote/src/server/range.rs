//! One range of bytes out of a file, as RFC 9110 section 14 has it.

use axum::http::{HeaderMap, header};

/// What part of a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WantedBytes {
    Whole,
    /// These bytes, both ends included.
    Part(u64, u64),
    /// Nothing that is there.
    Outside,
}

/// What a request asks of a file of so many bytes with this tag. What can't be understood, several
/// ranges, and a range of something that has changed since, ask for all of it.
pub(super) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> WantedBytes {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|tag| tag != etag) {
        return WantedBytes::Whole;
    }
    let Some((unit, range)) = text(header::RANGE).and_then(|r| r.split_once('=')) else {
        return WantedBytes::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return WantedBytes::Whole;
    }
    parse(range.trim(), size).unwrap_or(WantedBytes::Whole)
}

fn parse(range: &str, size: u64) -> Option<WantedBytes> {
    // Signs are no part of the grammar, though numbers are read with them.
    if !range.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    if start.is_empty() {
        let last: u64 = end.parse().ok()?;
        let part = WantedBytes::Part(size.saturating_sub(last), size.saturating_sub(1));
        return Some(if last == 0 || size == 0 { WantedBytes::Outside } else { part });
    }
    let start: u64 = start.parse().ok()?;
    let end: u64 = if end.is_empty() { u64::MAX } else { end.parse().ok()? };
    if end < start {
        return None;
    }
    Some(if start >= size { WantedBytes::Outside } else { WantedBytes::Part(start, end.min(size - 1)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &str, size: u64) -> WantedBytes {
        let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
        wanted(&headers, size, "\"t\"")
    }

    #[test]
    fn ranges_are_those_of_the_rfc() {
        use WantedBytes::{Outside, Part, Whole};
        for (range, want) in [
            ("bytes=0-0", Part(0, 0)),
            ("bytes=2-4", Part(2, 4)),
            ("BYTES=2-", Part(2, 9)),
            ("bytes=2-99", Part(2, 9)),
            ("bytes=-3", Part(7, 9)),
            ("bytes=-99", Part(0, 9)),
            ("bytes=10-", Outside),
            ("bytes=-0", Outside),
            ("bytes=4-2", Whole),
            ("bytes=0-1,4-5", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=99999999999999999999-", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("pages=1-2", Whole),
        ] {
            assert_eq!(of(range, 10), want, "{range}");
        }
        assert_eq!((of("bytes=0-", 0), of("bytes=-1", 0)), (Outside, Outside));
    }

    #[test]
    fn a_range_of_what_has_changed_is_all_of_it() {
        let mut headers = HeaderMap::from_iter([(header::RANGE, "bytes=2-".parse().unwrap())]);
        headers.insert(header::IF_RANGE, "\"t\"".parse().unwrap());
        assert_eq!(wanted(&headers, 10, "\"t\""), WantedBytes::Part(2, 9));
        assert_eq!(wanted(&headers, 10, "\"u\""), WantedBytes::Whole);
    }
}
