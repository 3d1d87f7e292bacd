//! What goes over the wire, without Python: the nnsight codec, and whatever else may come.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fuzzed;
mod nnsight;
