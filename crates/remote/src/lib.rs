//! Models elsewhere: the client of services (NDIF, vLLM, our own server), and the server.
//!
//! [`client`] gives a [`Runner`](truenorth_protocol::run::Runner) for a graph that a service computes, and keeps a journal
//! of what was submitted. `server` (feature `serve`) lets others ask a model of this machine.

mod available;
pub mod client;
#[cfg(feature = "serve")]
pub mod server;
pub mod tls;

pub use available::{available as available_memory, free as available_disk};
