//! The cryptography of TLS, of clients and the server alike.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

/// What this process does TLS with. Where nothing is installed yet, ring is: a client of reqwest takes what is installed
/// and can't be made without.
///
/// # Panics
/// Never: what it installs, or somebody installed before, is there.
pub fn provider() -> Arc<CryptoProvider> {
    // Fails where there is one, which then stays.
    let _ = ring::default_provider().install_default();
    CryptoProvider::get_default().expect("the line above installs one where there is none").clone()
}
