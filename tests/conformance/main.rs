//! The same graphs on the engine, on our server, and on a service around the real nnsight package;
//! that service under every fault of the list; and what our client moves beside nnsight's own.
//! `.ci/conformance` prepares what they need and runs them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod compare;
mod faults;
mod graphs;
mod measure;
mod random;
mod runners;
mod same;
mod service;
#[path = "../support/mod.rs"]
mod support;
mod verbs;
