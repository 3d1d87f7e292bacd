//! The hub's protocol: what is in a repository, where a file of it lies, and the file.
//!
//! Redirects are followed by hand: the hub's own answer names the file's hash, the host that it leads to doesn't, and
//! the token is for the hub's origin alone.

use std::io::Read as _;
use std::time::Duration;

use reqwest::blocking::{Client as Http, Response};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderMap, HeaderValue, LOCATION, RANGE,
};
use reqwest::{Method, Url, redirect};
use serde::Deserialize;

use super::super::HubOptions;
use super::cache::is_commit;
use super::error::HubError;

const ENDPOINT: &str = "https://huggingface.co";
/// How many redirects are followed.
const HOPS: usize = 10;
/// How long a connection may take to be made, and then each answer and each piece of a body to come.
const CONNECT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(60);
/// The most bytes of a list of files, and of the words of a refusal.
const LIST: u64 = 64 << 20;
const WORDS: u64 = 16 << 10;
/// The most characters of the hub's own words that are shown.
const SHOWN: usize = 400;

pub(super) struct Client {
    http: Http,
    endpoint: Url,
    token: Option<HeaderValue>,
}

/// A repository at a revision.
#[derive(Deserialize)]
pub(super) struct Info {
    /// The commit.
    pub sha: String,
    /// Its files.
    #[serde(default)]
    pub siblings: Vec<RepositoryFile>,
}

#[derive(Deserialize)]
pub(super) struct RepositoryFile {
    #[serde(rename = "rfilename")]
    pub name: String,
}

/// Where a file lies.
pub(super) struct Found {
    /// What the hub names its content by: SHA-256 of a large file, git's hash of a small one.
    pub etag: String,
    /// In bytes, where it is told.
    pub size: Option<u64>,
    /// Which host has it.
    pub url: Url,
}

impl Client {
    pub(super) fn new(options: &HubOptions) -> Result<Self, HubError> {
        let wrong =
            |what, found: &str, expected| HubError::Setting { what, found: found.to_owned(), expected };
        let endpoint = options.endpoint.as_deref().unwrap_or(ENDPOINT);
        let endpoint = Url::parse(endpoint)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| {
                wrong("the address of the hub", endpoint, "a URL that starts with https:// or http://")
            })?;
        let bearer = |token: &String| {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            let mut value =
                value.map_err(|_| wrong("the token of the hub", "…", "one line of plain characters"))?;
            value.set_sensitive(true);
            Ok::<_, HubError>(value)
        };
        let token = options.token.as_ref().map(bearer).transpose()?;
        // reqwest takes what is installed. Fails where there is one, which then stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Http::builder()
            .user_agent(concat!("truenorth/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(|source| HubError::Setup { source })?;
        Ok(Self { http, endpoint, token })
    }

    /// The commit that a revision stands for, and its files.
    pub(super) fn info(&self, id: &str, revision: &str) -> Result<Info, HubError> {
        let parts = ["api", "models"].into_iter().chain(id.split('/')).chain(["revision", revision]);
        let url = self.url(parts);
        let response = self.get(&url, 0)?;
        let broke =
            |source| HubError::BrokeOff { url: shown(&url), done: 0, total: None, source: Some(source) };
        let mut body = Vec::new();
        response.take(LIST).read_to_end(&mut body).map_err(|e| broke(without_url(e)))?;
        let info: Info = serde_json::from_slice(&body).map_err(|e| answer(&url, e.to_string()))?;
        if !is_commit(&info.sha) {
            return Err(answer(&url, format!("the commit {:?} is not 40 hex digits", info.sha)));
        }
        Ok(info)
    }

    /// Where a file of a commit lies.
    pub(super) fn find(&self, id: &str, commit: &str, name: &str) -> Result<Found, HubError> {
        let parts = id.split('/').chain(["resolve", commit]).chain(name.split('/'));
        let mut url = self.url(parts);
        let (mut linked, mut size) = (None, None);
        for _ in 0..HOPS {
            let response = self.hop(Method::HEAD, &url, 0)?;
            let headers = response.headers();
            linked = linked.or_else(|| text(headers, "x-linked-etag"));
            size = size.or_else(|| number(headers, "x-linked-size"));
            let next = next(&response)?;
            // Another name of the same repository on the hub: its hash comes from where it leads.
            if let Some(next) = next.as_ref().filter(|next| linked.is_none() && self.is_hub(next)) {
                url = next.clone();
                continue;
            }
            let etag = linked.or_else(|| text(headers, ETAG.as_str()));
            let etag = etag.ok_or_else(|| answer(&url, "it has no ETag".to_owned()))?;
            let etag = etag.strip_prefix("W/").unwrap_or(&etag).trim_matches('"').to_owned();
            // It becomes the name of a file.
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            if etag.is_empty() || etag.len() > 128 || !etag.bytes().all(plain) {
                return Err(answer(&url, format!("the ETag {etag:?} is no hash")));
            }
            if next.is_none() {
                size = size.or_else(|| number(headers, CONTENT_LENGTH.as_str()));
            }
            return Ok(Found { etag, size, url: next.unwrap_or(url) });
        }
        Err(answer(&url, format!("it leads on more than {HOPS} times")))
    }

    /// What lies at an address, from a byte on where the host can do so.
    pub(super) fn get(&self, url: &Url, from: u64) -> Result<Response, HubError> {
        let mut url = url.clone();
        for _ in 0..HOPS {
            let response = self.hop(Method::GET, &url, from)?;
            match next(&response)? {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err(answer(&url, format!("it leads on more than {HOPS} times")))
    }

    /// One request, whose answer is a success or leads on.
    fn hop(&self, method: Method, url: &Url, from: u64) -> Result<Response, HubError> {
        let mut request = self.http.request(method.clone(), url.clone()).header(ACCEPT_ENCODING, "identity");
        if let Some(token) = self.token.as_ref().filter(|_| self.is_hub(url)) {
            request = request.header(AUTHORIZATION, token);
        }
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let no_answer = |source: reqwest::Error| HubError::NoAnswer {
            method,
            url: shown(url),
            source: source.without_url(),
        };
        let response = request.send().map_err(no_answer)?;
        let status = response.status();
        match status.is_success() || status.is_redirection() {
            true => Ok(response),
            false => Err(self.refused(url, response)),
        }
    }

    fn refused(&self, url: &Url, response: Response) -> HubError {
        let status = response.status();
        let code = text(response.headers(), "x-error-code");
        let said = text(response.headers(), "x-error-message").or_else(|| {
            #[derive(Deserialize)]
            struct Refusal {
                error: String,
            }
            let mut body = Vec::new();
            response.take(WORDS).read_to_end(&mut body).ok()?;
            serde_json::from_slice::<Refusal>(&body).ok().map(|refusal| refusal.error)
        });
        let clean = |said: String| said.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        HubError::Refused { url: shown(url), status, code, said: said.map(clean), by_hub: self.is_hub(url) }
    }

    fn is_hub(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    fn url<'a>(&self, parts: impl Iterator<Item = &'a str>) -> Url {
        let mut url = self.endpoint.clone();
        // Of a URL with a host, as this one, there always is a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }
}

/// Where an answer leads on to.
fn next(response: &Response) -> Result<Option<Url>, HubError> {
    if !response.status().is_redirection() {
        return Ok(None);
    }
    let from = response.url();
    let to = text(response.headers(), LOCATION.as_str());
    let to = to.and_then(|to| from.join(&to).ok()).filter(|to| matches!(to.scheme(), "http" | "https"));
    to.map(Some).ok_or_else(|| answer(from, format!("{} leads nowhere", response.status())))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

pub(super) fn answer(url: &Url, reason: String) -> HubError {
    HubError::Answer { url: shown(url), reason }
}

/// An address without what may be secret in it: a name, a password, a signature.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fail only on a URL without a host, which has none to be shown.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

/// An error of a body without the address, which may have a signature in it.
pub(super) fn without_url(error: std::io::Error) -> std::io::Error {
    let kind = error.kind();
    match error.into_inner().map(|inner| inner.downcast::<reqwest::Error>()) {
        Some(Ok(inner)) => std::io::Error::new(kind, inner.without_url()),
        Some(Err(inner)) => std::io::Error::new(kind, inner),
        None => kind.into(),
    }
}
