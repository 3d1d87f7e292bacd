//! Questions and answers over HTTP: time limits, caps, redirects by hand, the key to one host only.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect, retry as nacks};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};
use truenorth_protocol::job::RefusalBody;
use truenorth_protocol::limits;

use super::address::{host, same_origin};
use super::job_watch::{JobWatch, clean};
use super::options::{Patience, ServiceOptions};
use super::retry::{RetryState, asked};
use super::{ApiKey, ClientError, address, links};

/// How many redirects are followed.
const HOPS: usize = 5;
/// The most bytes of an answer that is not a result: `/encode` of a large batch, `/env`.
const SMALL: usize = 64 << 20;
/// How often a service is asked that each time takes a minute to say that it does not know.
const SLOW_TRIES: u32 = 2;
/// How often a server that nothing was sent to yet is sought where nobody answers: it is started by hand, so that waiting
/// rarely brings it up.
const GREETINGS: u32 = 3;

pub(super) struct Http {
    /// For questions, which may be asked again.
    questions: reqwest::Client,
    /// For jobs: each on a connection of its own, so that a stale one can't leave it in doubt.
    jobs: reqwest::Client,
    pub base: Url,
    key: Option<ApiKey>,
    pub times: Patience,
    /// What jobs say of this side: headers and their values.
    pub versions: [(&'static str, HeaderValue); 2],
    /// Bytes of jobs sent and of results received, for people who want to know what an answer costs.
    pub moved: ByteCounts,
}

/// Bytes that went each way.
#[derive(Debug, Default)]
pub(super) struct ByteCounts {
    pub sent: AtomicU64,
    pub received: AtomicU64,
}

/// An answer read to its end.
pub(super) struct Got {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Http {
    pub(super) fn new(options: &ServiceOptions) -> Result<Self, ClientError> {
        let base = address::parse(&options.url)?;
        let times = options.patience;
        let build = |idle: usize| {
            crate::tls::provider();
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("truenorth/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(times.connect)
                .redirect(redirect::Policy::none())
                .retry(nacks::never())
                .pool_max_idle_per_host(idle);
            if address::is_loopback(&base) {
                // A proxy has another loopback.
                builder = builder.no_proxy();
            }
            builder.build().map_err(|e| ClientError::Setup { what: "HTTP", source: e.into() })
        };
        let version = |name: &'static str, text: &str| {
            let value = HeaderValue::from_str(text)
                .map_err(|e| ClientError::Setup { what: "the versions that jobs tell", source: e.into() })?;
            Ok::<_, ClientError>((name, value))
        };
        let versions = [
            version("nnsight-version", &options.nnsight_version)?,
            version("python-version", &options.python_version)?,
        ];
        let (questions, jobs, key) = (build(8)?, build(0)?, options.key.clone());
        Ok(Self { questions, jobs, base, key, times, versions, moved: ByteCounts::default() })
    }

    pub(super) fn key(&self) -> Option<&ApiKey> {
        self.key.as_ref()
    }

    /// A service's words, fit to be shown.
    pub(super) fn shown(&self, text: &str) -> String {
        let text = clean(text);
        self.key.as_ref().map_or(text.clone(), |key| key.blot(&text))
    }

    fn keyed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.key {
            Some(key) => {
                let (name, value) = key.header();
                request.header(name, value)
            }
            None => request,
        }
    }

    /// Asks something that may be asked again, and does so while it may help. Statuses that a repeat
    /// would not change are returned.
    pub(super) async fn get(
        &self,
        path: &str,
        doing: &'static str,
        job_watch: &JobWatch<'_>,
    ) -> Result<Got, ClientError> {
        let url = address::join(&self.base, path);
        self.repeat(job_watch, u32::MAX, async || {
            self.read(self.follow(url.clone(), None, true, doing).await?, doing).await
        })
        .await
    }

    /// Gets and reads JSON as the first question to a service: one that can't be reached is given up after a few tries,
    /// as no job is lost by that.
    pub(super) async fn greet<T: DeserializeOwned>(
        &self,
        path: &str,
        doing: &'static str,
        job_watch: &JobWatch<'_>,
    ) -> Result<T, ClientError> {
        let url = address::join(&self.base, path);
        let got = self.repeat(job_watch, GREETINGS, async || {
            self.read(self.follow(url.clone(), None, true, doing).await?, doing).await
        });
        got.await?.json(self, doing)
    }

    /// [`Http::get`] once, for a caller that repeats by itself.
    pub(super) async fn get_once(
        &self,
        path: &str,
        doing: &'static str,
        job_watch: &JobWatch<'_>,
    ) -> Result<Got, ClientError> {
        let url = address::join(&self.base, path);
        job_watch.until(async { self.read(self.follow(url, None, true, doing).await?, doing).await }).await?
    }

    /// Puts a question that needs a body; it changes nothing on the service.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
        doing: &'static str,
        job_watch: &JobWatch<'_>,
    ) -> Result<T, ClientError> {
        let url = address::join(&self.base, path);
        let once = async || {
            let request = self.keyed(self.questions.post(url.clone())).json(question);
            self.read(self.send(request, doing).await?, doing).await
        };
        self.repeat(job_watch, u32::MAX, once).await?.json(self, doing)
    }

    /// Gets and reads JSON.
    pub(super) async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        doing: &'static str,
        job_watch: &JobWatch<'_>,
    ) -> Result<T, ClientError> {
        self.get(path, doing, job_watch).await?.json(self, doing)
    }

    /// Asks the service to drop a job; it may be asked again.
    pub(super) async fn delete(
        &self,
        path: &str,
        doing: &'static str,
        job_watch: &JobWatch<'_>,
    ) -> Result<Got, ClientError> {
        let url = address::join(&self.base, path);
        let once = async || {
            let request = self.keyed(self.questions.request(Method::DELETE, url.clone()));
            self.read(self.send(request, doing).await?, doing).await
        };
        self.repeat(job_watch, u32::MAX, once).await
    }

    /// A request for a job, without its body.
    pub(super) fn job(&self, path: &str) -> RequestBuilder {
        self.keyed(self.jobs.post(address::join(&self.base, path)))
    }

    /// Asks until there is an answer that a repeat would not change; `unreached` is the most tries of which no connection
    /// comes.
    async fn repeat(
        &self,
        job_watch: &JobWatch<'_>,
        unreached: u32,
        once: impl AsyncFn() -> Result<Got, ClientError>,
    ) -> Result<Got, ClientError> {
        let mut tries = RetryState::new(self.times.backoff);
        let (mut timed_out, mut missed) = (0, 0);
        loop {
            let (failed, after) = match job_watch.until(once()).await? {
                // It has waited for its own answer for a minute already.
                Ok(got) if got.status == StatusCode::GATEWAY_TIMEOUT && timed_out + 1 >= SLOW_TRIES => {
                    return Err(self.refusal(&got, "asking"));
                }
                Ok(got) if got.status == StatusCode::GATEWAY_TIMEOUT => {
                    timed_out += 1;
                    (self.refusal(&got, "asking"), asked(&got.headers))
                }
                Ok(got) if got.passes() => (self.refusal(&got, "asking"), asked(&got.headers)),
                Err(error @ ClientError::Unreachable { .. }) if missed + 1 >= unreached => return Err(error),
                Err(error) if error.passes() => {
                    missed += u32::from(matches!(error, ClientError::Unreachable { .. }));
                    (error, None)
                }
                done => return done,
            };
            let Some(wait) = tries.again(after) else { return Err(failed) };
            job_watch.say(&format!("{failed}; asking again in {:.1} s", wait.as_secs_f32()));
            job_watch.sleep(wait).await?;
        }
    }

    /// Sends a request and awaits the head of its answer.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        doing: &'static str,
    ) -> Result<Response, ClientError> {
        self.send_within(request, self.times.connect + self.times.answer, doing).await
    }

    pub(super) async fn send_within(
        &self,
        request: RequestBuilder,
        time: Duration,
        doing: &'static str,
    ) -> Result<Response, ClientError> {
        match timeout(time, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.explain(error, doing)),
            Err(_) => Err(ClientError::Slow { host: host(&self.base), doing, bytes: 0, waited: time }),
        }
    }

    /// What went wrong below HTTP. The URL is taken out: it may hold a signature.
    pub(super) fn explain(&self, error: reqwest::Error, doing: &'static str) -> ClientError {
        let host = error.url().map_or_else(|| host(&self.base), host);
        let connect = error.is_connect();
        let source = Some(error.without_url());
        if connect {
            ClientError::Unreachable { host, doing, source }
        } else {
            ClientError::Broken { host, doing, source }
        }
    }

    /// Gets `url` through its redirects. The key goes to the service's own origin alone; with `home`
    /// no other is asked at all.
    pub(super) async fn follow(
        &self,
        mut url: Url,
        range: Option<(&str, &str)>,
        home: bool,
        doing: &'static str,
    ) -> Result<Response, ClientError> {
        for _ in 0..=HOPS {
            if !links::allowed(&self.base, &url).await {
                let to = format!("{}://{}", url.scheme(), host(&url));
                return Err(ClientError::Redirect { from: host(&self.base), to, doing });
            }
            let mut request = self.questions.get(url.clone());
            if same_origin(&url, &self.base) {
                request = self.keyed(request);
            }
            if let Some((range, validator)) = range {
                request = request.header(RANGE, range).header(reqwest::header::IF_RANGE, validator);
            }
            let response = self.send(request, doing).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
            let Some(next) = location.and_then(|l| url.join(l).ok()) else {
                return Err(ClientError::Message { doing, source: None });
            };
            let safer = next.scheme() == "https" || (next.scheme() == "http" && url.scheme() == "http");
            if !safer || (home && !same_origin(&next, &self.base)) {
                let to = format!("{}://{}", next.scheme(), host(&next));
                return Err(ClientError::Redirect { from: host(&url), to, doing });
            }
            url = next;
        }
        Err(ClientError::Redirect { from: host(&self.base), to: "itself, again and again".into(), doing })
    }

    /// Reads an answer that is not a result, within a time that no drip of bytes extends.
    pub(super) async fn read(&self, response: Response, doing: &'static str) -> Result<Got, ClientError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let host = host(response.url());
        let cap = if status.is_success() { SMALL } else { limits::STATUS_BYTES };
        let mut body = Vec::new();
        let until = Instant::now() + self.times.answer;
        let mut response = response;
        loop {
            match tokio::time::timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= cap => body.extend_from_slice(&chunk),
                Ok(Ok(Some(_))) if status.is_success() => {
                    return Err(ClientError::TooMuch { what: "an answer", limit: cap as u64 });
                }
                // Of an error page the beginning is enough.
                Ok(Ok(Some(_) | None)) => return Ok(Got { status, headers, body }),
                Ok(Err(error)) => return Err(self.explain(error, doing)),
                Err(_) => {
                    let bytes = body.len() as u64;
                    return Err(ClientError::Slow { host, doing, bytes, waited: self.times.answer });
                }
            }
        }
    }

    /// The error that an answer other than success stands for.
    pub(super) fn refusal(&self, got: &Got, doing: &'static str) -> ClientError {
        let detail = self.shown(&got.detail());
        let with_key = self.key.is_some();
        let status = got.status.as_u16();
        let origin = || self.key.as_ref().and_then(ApiKey::origin).cloned();
        match status {
            400 if with_key && detail.contains("Invalid API key format") => {
                ClientError::KeyFormat { origin: origin() }
            }
            403 if with_key && detail.contains("Invalid API key") => {
                ClientError::KeyUnknown { origin: origin(), detail }
            }
            504 if detail.contains("Timed out waiting for") => ClientError::Gathering { detail },
            401 | 403 => ClientError::Unauthorized { with_key, origin: origin(), detail },
            426 => ClientError::Version { detail },
            400 if detail.to_lowercase().contains("version") => ClientError::Version { detail },
            429 | 503 => ClientError::Busy { status, detail, after: asked(&got.headers) },
            300..=399 => {
                let location = got.headers.get(LOCATION).and_then(|l| l.to_str().ok());
                let to = location.and_then(|l| self.base.join(l).ok());
                let to = to.map_or("nowhere".into(), |to| format!("{}://{}", to.scheme(), host(&to)));
                ClientError::Redirect { from: host(&self.base), to, doing }
            }
            _ => ClientError::Refused { status, doing, detail },
        }
    }
}

impl Got {
    fn passes(&self) -> bool {
        matches!(self.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504)
    }

    /// The body as JSON, if the service was willing.
    pub(super) fn json<T: DeserializeOwned>(
        &self,
        http: &Http,
        doing: &'static str,
    ) -> Result<T, ClientError> {
        if !self.status.is_success() {
            return Err(http.refusal(self, doing));
        }
        serde_json::from_slice(&self.body).map_err(|e| ClientError::Message { doing, source: Some(e) })
    }

    /// Whether an NDIF service itself refused a job, before its queue could have had it: it can't reach
    /// its models or its keys. A gateway in front of it has other words, and may have passed the job on.
    pub(super) fn is_before_queue(&self) -> bool {
        let own = ["compute backend", "Auth backend"];
        self.status == StatusCode::SERVICE_UNAVAILABLE
            && serde_json::from_slice::<RefusalBody>(&self.body)
                .is_ok_and(|refusal| own.iter().any(|words| refusal.detail.contains(words)))
    }

    /// Why the service refused, in its own words.
    fn detail(&self) -> String {
        if let Ok(refusal) = serde_json::from_slice::<RefusalBody>(&self.body) {
            return refusal.detail;
        }
        // FastAPI gives a list of problems where a field is wrong.
        if let Ok(body) = serde_json::from_slice::<serde_json::Value>(&self.body)
            && let Some(detail) = body.get("detail")
        {
            return detail.to_string();
        }
        let text = String::from_utf8_lossy(&self.body);
        let line = text.trim().lines().next().unwrap_or_default();
        let reason = self.status.canonical_reason().unwrap_or("no reason given");
        // A web page says nothing to a person at a terminal.
        if line.is_empty() || line.starts_with('<') { reason.to_owned() } else { line.to_owned() }
    }
}
