//! What reading takes in memory, and what comes of it where there is too little.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../tests/support/alone.rs"]
mod alone;
#[path = "../support/archive.rs"]
mod archive;
#[path = "../../../tests/support/scarce.rs"]
mod scarce;

mod cost;
mod no_memory;
