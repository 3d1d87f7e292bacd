//! The server as a raw client sees it: HTTP and WebSocket, nothing of the project's own client.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod binary;
mod client;
mod jobs;
mod life;
mod refusals;
mod restart;
mod support;
mod together;
