//! Models elsewhere: the client of services (NDIF, vLLM, our own server), and the server.

pub mod client;
pub mod server;
