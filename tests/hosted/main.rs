//! What has a service on the other side: the client, the server, and the verbs on a server. All on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod experiment;
mod playground;
mod server;
mod verbs;
