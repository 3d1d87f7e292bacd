//! Who asks: keys, compared in constant time, or else addresses.

use std::fmt;
use std::hint::black_box;
use std::net::IpAddr;
use std::path::Path;

use axum::http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use truenorth_protocol::hash::hex;

use super::error::ServerError;
use super::private;

/// A client: whoever shares a turn and a limit. Holds no key, so it can be written down.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ClientId(String);

impl ClientId {
    /// The client at an address, where no keys are asked for. One machine has a whole /64 of IPv6.
    pub fn at(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => format!("at-{v4}"),
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                format!("at-{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
        })
    }

    #[cfg(test)]
    pub fn named(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The keys that are let in. Only their hashes are kept.
#[derive(Clone, Default)]
pub struct ServerKeys(Vec<ServerKey>);

#[derive(Clone)]
struct ServerKey {
    digest: [u8; 32],
    id: ClientId,
    name: Option<String>,
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl ServerKeys {
    /// Reads a file: a key a line, with a name behind it if one is wanted; `#` starts a comment line.
    ///
    /// # Errors
    /// When the file can't be read, can be written by others, holds no key, or a line is not a key.
    pub fn load(path: &Path) -> Result<Self, ServerError> {
        private::check(path)?;
        let text = std::fs::read_to_string(path)
            .map_err(|source| ServerError::KeyFile { path: path.to_owned(), source })?;
        let keys = Self::parse(&text).map_err(|error| match error {
            ServerError::Key { line, problem, .. } => {
                ServerError::Key { path: Some(path.to_owned()), line, problem }
            }
            other => other,
        })?;
        if keys.is_empty() {
            return Err(ServerError::NoKeys { path: path.to_owned() });
        }
        Ok(keys)
    }

    /// Reads keys as [`ServerKeys::load`] does, from text.
    ///
    /// # Errors
    /// When a line is not a key, or a key comes twice.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let mut keys: Vec<ServerKey> = Vec::new();
        for (i, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let wrong = |problem| ServerError::Key { path: None, line: i + 1, problem };
            if !key.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(wrong("holds a character that a header can't carry"));
            }
            let digest: [u8; 32] = Sha256::digest(key).into();
            if keys.iter().any(|k| k.digest == digest) {
                return Err(wrong("repeats a key"));
            }
            let short = hex(&digest[..8]);
            let name = (!name.trim().is_empty()).then(|| name.trim().to_owned());
            keys.push(ServerKey { digest, id: ClientId(format!("key-{short}")), name });
        }
        Ok(Self(keys))
    }

    /// Whether no key is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The client of a request and its name, if its headers carry a key that is let in.
    pub(super) fn client(&self, headers: &HeaderMap) -> Option<(ClientId, Option<String>)> {
        let given: [u8; 32] = Sha256::digest(presented(headers)?).into();
        let mut found = None;
        // Every key is looked at in full, whatever was found before: time tells nothing.
        for key in &self.0 {
            let differs = key.digest.iter().zip(&given).fold(0_u8, |d, (a, b)| black_box(d | (a ^ b)));
            if black_box(differs) == 0 {
                found = Some((key.id.clone(), key.name.clone()));
            }
        }
        found
    }
}

/// Whether a request carries a key, right or wrong.
pub(super) fn carries_key(headers: &HeaderMap) -> bool {
    presented(headers).is_some()
}

/// The key that a request carries, in nnsight's header or in the standard one.
fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(key) = headers.get("ndif-api-key") {
        return key.to_str().ok().map(str::trim);
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())])
    }

    #[test]
    fn either_header_carries_a_key_and_each_key_is_a_client() {
        let keys = ServerKeys::parse("# ours\nalpha-key  Ada L.\n\nbeta-key\n").unwrap();
        let who = |h: HeaderMap| keys.client(&h);
        let (ada, name) = who(with("ndif-api-key", "alpha-key")).unwrap();
        assert_eq!(name.as_deref(), Some("Ada L."));
        assert_eq!(who(with("authorization", "bearer alpha-key")).unwrap().0, ada);
        assert_ne!(who(with("ndif-api-key", "beta-key")).unwrap().0, ada);
        for wrong in ["alpha-ke", "alpha-key2", "", "Ada L."] {
            assert!(who(with("ndif-api-key", wrong)).is_none(), "{wrong}");
        }
        assert!(who(with("authorization", "Basic alpha-key")).is_none());
        assert!(who(HeaderMap::new()).is_none());
        assert!(!format!("{ada} {keys:?}").contains("alpha"));
    }

    #[test]
    fn a_wrong_line_is_named_by_number_and_not_shown() {
        let error = ServerKeys::parse("good\nsch\u{f6}n\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("sch"), "{error}");
        assert!(ServerKeys::parse("same\nsame x\n").unwrap_err().to_string().contains("line 2"));
    }

    #[test]
    fn a_machine_is_one_client_however_it_comes() {
        let at = |s: &str| ClientId::at(s.parse().unwrap());
        assert_eq!(at("::ffff:10.0.0.1"), at("10.0.0.1"));
        assert_eq!(at("2001:db8:1:2::1"), at("2001:db8:1:2:ffff::9"));
        assert_ne!(at("2001:db8:1:2::1"), at("2001:db8:1:3::1"));
    }
}
