//! Which requests are answered: those that come under a name of this page, and from this page where they change or cost
//! something. A page elsewhere can neither reach it by a name of its own nor have a visitor's browser run things here.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::refused::PlayRefusal;

/// The names by which a page may be reached, beside `localhost` and addresses in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(pub Vec<String>);

/// What every answer says: nothing is loaded from elsewhere, no script or style stands in the page itself.
pub(crate) const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; \
             base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // A form sends no origin at all where no referrer may be sent to its own page.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

impl Hosts {
    /// Refuses a request under another name.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), PlayRefusal> {
        let host = host(headers)?;
        let name = name(host).ok_or_else(|| strange(host))?;
        let known = name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.0.iter().any(|own| own.eq_ignore_ascii_case(name));
        if known { Ok(()) } else { Err(strange(host)) }
    }
}

/// Refuses a request that a page elsewhere sent. Programs, which are no browser, say nothing of either and may.
pub(crate) fn same_origin(headers: &HeaderMap) -> Result<(), PlayRefusal> {
    let foreign = || {
        PlayRefusal::new(StatusCode::FORBIDDEN, "a page elsewhere can't ask this one")
            .hint("open this page itself")
    };
    if let Some(origin) = headers.get(header::ORIGIN) {
        let from = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, from)| from);
        let own = host(headers)?;
        return if from.is_some_and(|from| from.eq_ignore_ascii_case(own)) { Ok(()) } else { Err(foreign()) };
    }
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(foreign()),
    }
}

fn host(headers: &HeaderMap) -> Result<&str, PlayRefusal> {
    let mut all = headers.get_all(header::HOST).iter();
    match (all.next().map(HeaderValue::to_str), all.next()) {
        (Some(Ok(host)), None) => Ok(host),
        _ => Err(PlayRefusal::new(StatusCode::BAD_REQUEST, "the request names no host, or several")),
    }
}

/// The name in `name`, `name:port`, or `[address]:port`.
fn name(host: &str) -> Option<&str> {
    if let Some(rest) = host.strip_prefix('[') {
        let (name, port) = rest.split_once(']')?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(digits)).then_some(name);
    }
    match host.rsplit_once(':') {
        Some((name, port)) => digits(port).then_some(name),
        None => Some(host),
    }
}

fn digits(port: &str) -> bool {
    !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
}

fn strange(host: &str) -> PlayRefusal {
    let shown: String = host.chars().take(80).collect();
    PlayRefusal::new(StatusCode::FORBIDDEN, format!("this page is not called `{shown}`"))
        .hint("name it with --host-name where it is to be reached so")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap())).collect()
    }

    #[test]
    fn a_page_goes_by_its_names_and_by_numbers() {
        let hosts = Hosts(vec!["play.example".into()]);
        for own in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]:80", "10.0.0.1", "Play.Example:443"]
        {
            assert!(hosts.check(&headers(&[("host", own)])).is_ok(), "{own}");
        }
        for other in
            ["evil.example", "play.example.evil.example", "localhost:x", "[::1", "", "127.0.0.1.evil.example"]
        {
            assert!(hosts.check(&headers(&[("host", other)])).is_err(), "{other}");
        }
        assert!(hosts.check(&HeaderMap::new()).is_err());
        let mut two = headers(&[("host", "localhost")]);
        two.append("host", HeaderValue::from_static("localhost"));
        assert!(hosts.check(&two).is_err());
    }

    #[test]
    fn what_costs_something_is_asked_from_the_page_itself() {
        let asked = |more: &[(&'static str, &str)]| {
            same_origin(&headers(&[&[("host", "127.0.0.1:80")], more].concat()))
        };
        assert!(asked(&[]).is_ok());
        assert!(asked(&[("origin", "http://127.0.0.1:80")]).is_ok());
        assert!(asked(&[("sec-fetch-site", "same-origin")]).is_ok());
        for other in
            ["null", "http://127.0.0.1:81", "http://evil.example", "127.0.0.1:80", "http://127.0.0.1:80/"]
        {
            assert_eq!(asked(&[("origin", other)]).unwrap_err().status, StatusCode::FORBIDDEN, "{other}");
        }
        assert!(asked(&[("sec-fetch-site", "cross-site")]).is_err());
        assert!(asked(&[("sec-fetch-site", "same-site")]).is_err());
    }
}
