//! Models elsewhere: the client of services (NDIF, vLLM, our own server), and the server.

mod available;
pub mod client;
#[cfg(feature = "serve")]
pub mod server;

pub use available::{available as available_memory, free as available_disk};
