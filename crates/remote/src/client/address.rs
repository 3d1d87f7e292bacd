//! Addresses of services, and which of them are the same.

use reqwest::Url;

use super::ClientError;

/// The address as the user gave it, ready to have paths joined to it.
pub(super) fn parse(text: &str) -> Result<Url, ClientError> {
    let text = text.trim();
    let fail = |why| {
        // What stands before an `@` may be a password.
        let url = text.rsplit_once('@').map_or(text, |(_, rest)| rest).to_owned();
        Err(ClientError::Url { url, why })
    };
    let Ok(mut url) = Url::parse(text) else {
        return fail("expected a URL that starts with http:// or https://");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return fail("expected a URL that starts with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fail("it holds a user or a password, which would end up in the journal");
    }
    if url.host_str().is_none_or(str::is_empty) {
        return fail("it names no host");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return fail("it has a query or a fragment");
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// `path` below the service's address.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
    url
}

pub(super) fn socket(base: &Url) -> Url {
    let url = join(base, "/subscribe");
    let scheme = if base.scheme() == "https" { "wss" } else { "ws" };
    // `set_scheme` does not go from http to ws.
    let text = url.as_str().replacen(base.scheme(), scheme, 1);
    Url::parse(&text).unwrap_or(url)
}

/// Where a result is: a URL, or a path of the service.
pub(super) fn resolve(base: &Url, data: &str) -> Option<Url> {
    let url = match Url::parse(data) {
        Ok(url) => url,
        Err(_) if data.starts_with('/') && !data.starts_with("//") => {
            let (path, query) = data.split_once('?').map_or((data, None), |(p, q)| (p, Some(q)));
            let mut url = join(base, path);
            url.set_query(query);
            url
        }
        Err(_) => return None,
    };
    matches!(url.scheme(), "http" | "https").then_some(url)
}

pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Host and port, which may be shown.
pub(super) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("?");
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_services_are_taken() {
        assert_eq!(parse(" https://api.ndif.us/ ").unwrap().as_str(), "https://api.ndif.us/");
        assert_eq!(join(&parse("http://h:1/v1/").unwrap(), "/request").as_str(), "http://h:1/v1/request");
        for bad in ["", "api.ndif.us", "ftp://h", "http://", "https://h/?key=1", "localhost:8000"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        let error = parse("https://me:pass@h").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("pass@"), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("me:"), "{error:?}");
    }

    #[test]
    fn results_are_below_the_service_or_anywhere_on_the_web() {
        let base = parse("http://127.0.0.1:8000/v1").unwrap();
        let at = |data: &str| resolve(&base, data).map(|u| u.to_string());
        assert_eq!(at("/result/a").unwrap(), "http://127.0.0.1:8000/v1/result/a");
        assert_eq!(at("/result/a?x=1").unwrap(), "http://127.0.0.1:8000/v1/result/a?x=1");
        assert_eq!(at("https://s3/x?sig=1").unwrap(), "https://s3/x?sig=1");
        for bad in ["file:///etc/passwd", "//evil/x", "result", "", "data:text/plain,x"] {
            assert_eq!(at(bad), None, "{bad}");
        }
        assert_eq!(socket(&base).as_str(), "ws://127.0.0.1:8000/v1/subscribe");
        assert_eq!(socket(&parse("https://h").unwrap()).as_str(), "wss://h/subscribe");
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let url = |s: &str| Url::parse(s).unwrap();
        assert!(same_origin(&url("https://h/a"), &url("https://h:443/b")));
        for other in ["http://h/a", "https://h:444/a", "https://h.evil/a", "https://g/a"] {
            assert!(!same_origin(&url("https://h/a"), &url(other)), "{other}");
        }
        assert!(is_loopback(&url("http://127.0.0.1:1")) && is_loopback(&url("http://[::1]:1")));
        assert!(!is_loopback(&url("http://127.0.0.1.evil")));
    }
}
