//! What needs no network, no accelerator and no model but the fixtures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "../support/alone.rs"]
mod alone;
#[path = "../support/scarce.rs"]
mod scarce;
#[path = "../support/mod.rs"]
mod support;

mod analyses;
mod any_graph;
mod arena;
mod arena_play;
mod cases;
mod cases_data;
mod cases_models;
mod chat;
mod choices;
mod cli;
mod cli_manners;
mod docs;
mod edits;
mod engine;
mod example_data;
mod field;
mod floors;
mod fuzzed;
mod goldens;
mod hostile;
mod kept;
mod ladder;
mod moves;
mod no_memory;
mod nuisance_texts;
mod off_network;
mod outputs;
mod play;
mod registered;
mod remedies;
mod repeng;
mod unprompted;
mod unreached;
mod verify;
mod wordless;
