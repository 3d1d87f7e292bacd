//! What needs real models, or packages that are not Rust. The tests are ignored unless asked for:
//! `.ci/conformance`, `.ci/data-sets`, `.ci/edits` and `.ci/real-models` prepare what theirs need and run them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod data_sets;
mod edits;
mod nnsight_payload;
mod real_models;
