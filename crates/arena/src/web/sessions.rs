//! Visits and the operator's sessions: cookies, and the tokens of forms that go with them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use truenorth_protocol::hash::hex;

use super::app::App;
use crate::store;

/// Name of the cookie of a visit.
pub(super) const VISIT: &str = "arena_visit";
/// Name of the cookie of the operator.
pub(super) const OPERATOR: &str = "arena_operator";
/// How long the operator stays let in.
const SESSION: Duration = Duration::from_secs(12 * 3600);
/// Wrong keys of one address that are answered as such in a minute.
const GUESSES: u32 = 10;
/// Addresses whose guesses are counted at a time.
const GUESSERS: usize = 10_000;
/// For how long they are.
const MINUTE: Duration = Duration::from_secs(60);

/// Operators that are let in, by the hash of their cookie.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<SessionTable>);

#[derive(Debug, Default)]
struct SessionTable {
    until: HashMap<[u8; 32], Instant>,
    /// In memory alone, and for a minute.
    guesses: HashMap<IpAddr, (Instant, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyCheck {
    /// The key is the operator's.
    Right,
    /// Not the operator's.
    Wrong,
    /// Not the operator's, and too many were wrong before.
    Later,
}

impl Sessions {
    /// Whether a key is the operator's.
    pub fn key(&self, app: &App, from: IpAddr, key: &str) -> KeyCheck {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.guesses.retain(|_, (since, _)| since.elapsed() < MINUTE);
        let given: [u8; 32] = Sha256::digest(key).into();
        // Every key is looked at in full: time tells nothing.
        let found = app.options.operator_keys.iter().fold(false, |found, known| {
            let differs = known.iter().zip(&given).fold(0_u8, |d, (a, b)| std::hint::black_box(d | (a ^ b)));
            std::hint::black_box(found | (differs == 0))
        });
        // A right key is served also from an address that guesses: else whoever guesses could keep out who shares it.
        if found {
            return KeyCheck::Right;
        }
        let tried = held.guesses.get(&from).map_or(0, |(_, n)| *n);
        if tried >= GUESSES || held.guesses.len() >= GUESSERS {
            return KeyCheck::Later;
        }
        held.guesses.entry(from).or_insert((Instant::now(), 0)).1 += 1;
        KeyCheck::Wrong
    }

    /// Lets the operator in; the value of the cookie.
    pub fn begin(&self) -> String {
        let cookie = store::secret();
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.until.retain(|_, until| *until > Instant::now());
        held.until.insert(Sha256::digest(&cookie).into(), Instant::now() + SESSION);
        cookie
    }

    /// Whether a cookie is one that was given.
    pub fn holds(&self, cookie: &str) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let digest: [u8; 32] = Sha256::digest(cookie).into();
        held.until.get(&digest).is_some_and(|until| *until > Instant::now())
    }

    /// Lets an operator out.
    pub fn end(&self, cookie: &str) {
        let digest: [u8; 32] = Sha256::digest(cookie).into();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).until.remove(&digest);
    }
}

/// The value of a cookie, if it is one of ours by its form.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, v)| *n == name && v.len() == 64 && v.bytes().all(|b| b.is_ascii_hexdigit()))
        .map(|(_, v)| v)
}

/// A `Set-Cookie` header.
pub(super) fn set(name: &str, value: &str, secure: bool, seconds: u64) -> String {
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// The token of a form that goes with a cookie.
pub(super) fn token(app: &App, cookie: &str) -> String {
    hex(&mac(app, cookie).finalize().into_bytes())
}

/// Whether a token goes with a cookie.
pub(super) fn goes_with(app: &App, cookie: &str, token: &str) -> bool {
    let bytes: Option<Vec<u8>> = (token.len() == 64)
        .then(|| {
            (0..32)
                .map(|i| token.get(2 * i..2 * i + 2).and_then(|b| u8::from_str_radix(b, 16).ok()))
                .collect()
        })
        .flatten();
    bytes.is_some_and(|bytes| mac(app, cookie).verify_slice(&bytes).is_ok())
}

fn mac(app: &App, cookie: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(app.secret.as_bytes()).expect("a key may have any length");
    mac.update(b"form\n");
    mac.update(cookie.as_bytes());
    mac
}
