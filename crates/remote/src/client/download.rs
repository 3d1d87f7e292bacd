//! Fetching a result into a temporary file: resumed where it broke if the service can, begun again if
//! it can't.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, LAST_MODIFIED};
use reqwest::{Response, StatusCode, Url};
use tokio::time::{Instant, timeout};

use super::ClientError;
use super::address::{host, same_origin};
use super::http::Http;
use super::job_watch::JobWatch;
use super::retry::{RetryState, asked};
use super::temp::{ResultBody, Temp};

const DOING: &str = "fetching a result";

/// A result on its way.
struct Download<'a> {
    http: &'a Http,
    url: Url,
    temp: &'a Temp,
    cap: u64,
    file: File,
    /// Bytes in the file.
    have: u64,
    /// Bytes that the whole has, where the service said so.
    total: Option<u64>,
    /// What shows that it is still the same result.
    validator: Option<String>,
}

/// Fetches what is at `url`.
///
/// # Errors
/// When it is refused, larger than `cap`, stays in pieces, can't be kept, or the user wants to stop.
pub(super) async fn fetch(
    http: &Http,
    url: Url,
    temp: &Temp,
    cap: usize,
    job_watch: &JobWatch<'_>,
) -> Result<ResultBody, ClientError> {
    let file = temp.file()?;
    let cap = cap as u64;
    let mut it = Download { http, url, temp, cap, file, have: 0, total: None, validator: None };
    let mut tries = RetryState::new(http.times.backoff);
    let mut best = 0;
    loop {
        let mut after = None;
        let failed = match job_watch.until(it.attempt(&mut after)).await? {
            Ok(()) => break,
            Err(error) if error.passes() => error,
            Err(error) => return Err(error),
        };
        // A little more each time is progress only at a rate that ends some day.
        if it.have >= best + http.times.slowest {
            best = it.have;
            tries.renew();
        }
        let Some(wait) = tries.again(after) else { return Err(failed) };
        job_watch.say(&format!("{failed}; fetching on in {:.1} s", wait.as_secs_f32()));
        job_watch.sleep(wait).await?;
    }
    http.moved.received.fetch_add(it.have, Ordering::Relaxed);
    it.file.rewind().map_err(|e| temp.fail(e))?;
    Ok(ResultBody::File(it.file))
}

impl Download<'_> {
    async fn attempt(&mut self, after: &mut Option<Duration>) -> Result<(), ClientError> {
        let range = format!("bytes={}-", self.have);
        let range = self.validator.as_deref().filter(|_| self.have > 0).map(|v| (range.as_str(), v));
        let response = self.http.follow(self.url.clone(), range, false, DOING).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if self.goes_on(&response) => {}
            StatusCode::OK => self.begin(&response)?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                // Another part than was asked for, or of another result: from the start, then.
                self.restart()?;
                return Err(ClientError::Half { got: 0, expected: self.total });
            }
            _ => {
                *after = asked(response.headers());
                return Err(self.refused(response).await);
            }
        }
        self.body(response).await
    }

    /// Whether the answer begins where the file ends, and is of the same result.
    fn goes_on(&self, response: &Response) -> bool {
        let range = response.headers().get(CONTENT_RANGE).and_then(|r| parse_range(r.to_str().ok()?));
        let Some((start, total)) = range else { return false };
        let same = validator(response.headers()).is_none_or(|v| Some(v) == self.validator);
        start == self.have && same && self.total.zip(total).is_none_or(|(a, b)| a == b)
    }

    fn begin(&mut self, response: &Response) -> Result<(), ClientError> {
        self.restart()?;
        self.total = response.content_length();
        self.validator = validator(response.headers());
        self.check(self.total.unwrap_or(0))
    }

    fn restart(&mut self) -> Result<(), ClientError> {
        self.have = 0;
        self.validator = None;
        self.file.set_len(0).and_then(|()| self.file.rewind()).map_err(|e| self.temp.fail(e))
    }

    fn check(&self, bytes: u64) -> Result<(), ClientError> {
        if bytes > self.cap {
            return Err(ClientError::TooMuch { what: "the result", limit: self.cap });
        }
        Ok(())
    }

    async fn body(&mut self, mut response: Response) -> Result<(), ClientError> {
        let times = self.http.times;
        let host = host(response.url());
        // Bytes of the present window; a window without enough of them ends the attempt.
        let (mut since, mut bytes) = (Instant::now(), 0_u64);
        let least = (times.slowest as f64 * times.idle.as_secs_f64()) as u64;
        loop {
            let slow =
                |bytes| ClientError::Slow { host: host.clone(), doing: DOING, bytes, waited: times.idle };
            match timeout(times.idle, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    self.check(self.have + chunk.len() as u64)?;
                    self.file.write_all(&chunk).map_err(|e| self.temp.fail(e))?;
                    self.have += chunk.len() as u64;
                    bytes += chunk.len() as u64;
                    if since.elapsed() >= times.idle {
                        if bytes < least {
                            return Err(slow(bytes));
                        }
                        (since, bytes) = (Instant::now(), 0);
                    }
                }
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(self.http.explain(error, DOING)),
                Err(_) => return Err(slow(bytes)),
            }
        }
        match self.total {
            Some(total) if total != self.have => {
                let got = self.have;
                if got > total {
                    self.restart()?;
                }
                Err(ClientError::Half { got, expected: Some(total) })
            }
            _ => Ok(()),
        }
    }

    async fn refused(&self, response: Response) -> ClientError {
        let home = same_origin(response.url(), &self.http.base);
        match self.http.read(response, DOING).await {
            Ok(got) if home || matches!(got.status.as_u16(), 429 | 503) => self.http.refusal(&got, DOING),
            // A store of results knows nothing of the service's key.
            Ok(got) => {
                let reason = got.status.canonical_reason().unwrap_or("no reason given");
                let detail =
                    code(&got.body).map_or_else(|| reason.to_owned(), |code| format!("{reason}, {code}"));
                ClientError::Refused { status: got.status.as_u16(), doing: DOING, detail }
            }
            Err(error) => error,
        }
    }
}

/// What an object store calls its refusal, such as `NoSuchKey`.
fn code(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let code = text.split_once("<Code>")?.1.split_once("</Code>")?.0;
    let plain = code.len() <= 60 && code.chars().all(|c| c.is_ascii_alphanumeric());
    plain.then(|| code.to_owned())
}

/// A strong entity tag, or else the date of the last change. A weak tag does not vouch for bytes.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| tag.starts_with('"')).or_else(|| text(LAST_MODIFIED))
}

/// First byte and total of `bytes 5-9/10`; the total may be `*`.
fn parse_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    match total {
        "*" => Some((start, None)),
        total => Some((start, Some(total.parse().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(parse_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse_range("bytes 5-9/*"), Some((5, None)));
        for bad in ["", "bytes */10", "bytes 5-9", "lines 5-9/10", "bytes -9/10", "bytes 5-9/x"] {
            assert_eq!(parse_range(bad), None, "{bad}");
        }
    }
}
