//! Where a service may lead us, and who may hear the key on the way.

use std::net::IpAddr;

use reqwest::Url;

use super::address::{host, is_loopback, same_origin};

/// Whether a link of a service may be followed: a service out in the world does not send us to this
/// machine or into its network, where addresses are trusted that it could not reach itself.
pub(super) async fn allowed(base: &Url, link: &Url) -> bool {
    same_origin(base, link) || !inside(link).await || inside(base).await
}

/// Whether a host is on this machine or in a private network, by its address or any that its name has.
async fn inside(url: &Url) -> bool {
    if is_loopback(url) {
        return true;
    }
    let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if let Ok(ip) = name.parse() {
        return private(ip);
    }
    let port = url.port_or_known_default().unwrap_or(80);
    // A name without an address leads nowhere; asking it will say so.
    tokio::net::lookup_host((name, port)).await.is_ok_and(|mut all| all.any(|a| private(a.ip())))
}

/// Whether an address is not one of the world's.
fn private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || shared
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

/// Who else may read the key on its way to a service, if anybody may: http is open to the network, and so
/// is a proxy for it.
pub(super) fn overheard(base: &Url, proxied: bool) -> Option<String> {
    if base.scheme() != "http" || is_loopback(base) {
        return None;
    }
    let to = host(base);
    Some(match proxied {
        true => format!(
            "the API key goes to {to} over plain http and through the proxy of http_proxy, which can read it; use https"
        ),
        false => {
            format!("the API key goes to {to} over plain http, where the network can read it; use https")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_service_of_the_world_leads_to_no_private_place() {
        let world = url("https://93.184.216.34/api");
        for bad in [
            "http://127.0.0.1:8080/x",
            "http://localhost/x",
            "http://10.1.2.3/x",
            "http://192.168.0.1/x",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/x",
            "http://[::1]/x",
            "http://[fe80::1]/x",
            "http://[fd00::1]/x",
            "http://[::ffff:127.0.0.1]/x",
            "http://0.0.0.0/x",
        ] {
            assert!(!allowed(&world, &url(bad)).await, "{bad}");
            // One that is in there itself may.
            assert!(allowed(&url("http://10.0.0.9:5000"), &url(bad)).await, "{bad}");
        }
        for good in ["https://93.184.216.35/x", "https://[2606:4700::1]/x", "https://93.184.216.34/result"] {
            assert!(allowed(&world, &url(good)).await, "{good}");
        }
    }

    #[test]
    fn a_key_in_plain_words_is_warned_of() {
        assert!(overheard(&url("http://ndif.example"), false).unwrap().contains("plain http"));
        assert!(overheard(&url("http://ndif.example"), true).unwrap().contains("http_proxy"));
        for quiet in ["https://ndif.example", "http://127.0.0.1:7997", "http://localhost"] {
            assert_eq!(overheard(&url(quiet), true), None, "{quiet}");
        }
    }
}
