//! Who may ask what from where: hosts, origins, clients, and the headers that every answer has.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::app::App;
use super::refusal::{Inside, WebRefusal};

/// Lets a request through that is for us, and gives every answer its headers.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = match check(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) if path.starts_with("/api/") => refusal.into_response(),
        Err(refusal) => super::pages::refused(&app, refusal),
    };
    app.metrics.answered(&path, response.status());
    if let Some(Inside(what)) = response.extensions().get() {
        app.notice(what);
    }
    with_headers(&app, response)
}

fn check(app: &App, request: &Request) -> Result<(), WebRefusal> {
    let headers = request.headers();
    // Health is asked by whatever watches the process, under any name.
    if matches!(request.uri().path(), "/healthz" | "/readyz") {
        return Ok(());
    }
    let host = one(headers, &header::HOST)?;
    if !host.is_some_and(|host| allowed(app, host)) {
        return Err(WebRefusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this host is not served here; the operator names it with --public",
        ));
    }
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(());
    }
    let elsewhere = || WebRefusal::new(StatusCode::FORBIDDEN, "the request comes from another site");
    if let Some(origin) = one(headers, &header::ORIGIN)? {
        let (scheme, from) = origin.split_once("://").ok_or_else(elsewhere)?;
        // A page of the same host that is served some other way is not this one.
        let same = host.is_some_and(|h| h.eq_ignore_ascii_case(from)) && matches!(scheme, "http" | "https");
        if !same || !allowed(app, from) || (https(app, from) && scheme != "https") {
            return Err(elsewhere());
        }
    }
    match one(headers, &HeaderName::from_static("sec-fetch-site"))? {
        Some("cross-site" | "same-site") => Err(elsewhere()),
        _ => Ok(()),
    }
}

/// A header that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, WebRefusal> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    if all.next().is_some() {
        return Err(WebRefusal::bad(format!("the header {name} comes twice")));
    }
    first
        .map(|v| v.to_str().map_err(|_| WebRefusal::bad(format!("the header {name} is not plain text"))))
        .transpose()
}

/// Whether we are reached under a host.
fn allowed(app: &App, host: &str) -> bool {
    fn named(public: &str) -> &str {
        public.split_once("://").map_or(public, |(_, host)| host).trim_end_matches('/')
    }
    if app.options.public.iter().any(|p| named(p).eq_ignore_ascii_case(host)) {
        return true;
    }
    let name = host
        .rsplit_once(':')
        .map_or(host, |(name, port)| if port.bytes().all(|b| b.is_ascii_digit()) { name } else { host });
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|a| a.is_loopback() || a == app.options.listen.ip())
}

/// Whether people reach a host by TLS.
fn https(app: &App, host: &str) -> bool {
    app.options
        .public
        .iter()
        .any(|p| p.strip_prefix("https://").is_some_and(|h| h.trim_end_matches('/') == host))
}

/// Whether cookies go over TLS alone.
pub(super) fn secure(app: &App, headers: &HeaderMap) -> bool {
    headers.get(header::HOST).and_then(|h| h.to_str().ok()).is_some_and(|host| https(app, host))
}

/// The address of whoever asks: that of the connection, or, behind proxies that are trusted, what the outermost of them
/// says. What a client itself puts into the header stands further to the left, and is not looked at.
pub(super) fn client(
    app: &App,
    request_peer: Option<&ConnectInfo<SocketAddr>>,
    headers: &HeaderMap,
) -> IpAddr {
    let peer = request_peer.map_or(IpAddr::from([127, 0, 0, 1]), |c| c.0.ip());
    if app.options.hops == 0 {
        return peer;
    }
    let said: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .collect();
    let Some(at) = said.len().checked_sub(app.options.hops) else { return peer };
    let text = said[at];
    text.parse().or_else(|_| text.parse::<SocketAddr>().map(|a| a.ip())).unwrap_or(peer)
}

fn with_headers(app: &App, mut response: Response) -> Response {
    let captcha = app.options.captcha.as_ref().and_then(|c| c.script_origin());
    let policy = match captcha {
        None => {
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
                .to_owned()
        }
        Some(origin) => format!(
            "default-src 'none'; style-src 'self'; script-src 'self' {origin}; frame-src {origin}; connect-src 'self'; \
             img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    };
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    }
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: forms would come from the origin `null` then.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
