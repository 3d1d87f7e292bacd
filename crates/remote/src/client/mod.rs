//! Hosted models: the same graphs, sent away.
//!
//! A [`Client`] is a [`Runner`](truenorth_protocol::run::Runner) over a service: one of NDIF's, or truenorth's own
//! server. Both lead a job through the same life; what differs is behind one small trait (`wire`).
//!
//! What holds throughout:
//! - A job is in the journal before it is sent, with its id before it is waited for. It is sent once:
//!   again only where the service says that it did not take it, nothing left this machine, or the
//!   service recognises the repeat by its `idempotency-key`. Where none of these is known, the job is
//!   left alone and the caller told ([`ClientError::Uncertain`]).
//! - A dropped socket, a restarted service, half a result or a wish to stop lose nothing: the job runs
//!   on, and the next one to ask picks it up.
//! - The API key goes to the service's own origin and nowhere else, and is in no message.
//! - Whatever a service sends has a cap and a time limit, and nothing of it is executed.

mod address;
mod architecture;
mod completions;
mod concurrency;
mod download;
mod error;
mod http;
mod job_watch;
mod journal;
mod key;
mod life;
mod links;
pub mod ndif;
mod options;
mod ready;
mod rehearsal;
mod retry;
mod runner;
mod seconds;
mod service;
mod socket;
mod submit;
mod temp;
mod tokenizer_source;
mod wait;
mod wire;

#[cfg(test)]
mod tests;

pub use error::ClientError;
pub use key::ApiKey;
pub use options::{Hosted, NNSIGHT, Patience, ServiceOptions};
pub use rehearsal::Rehearsal;
pub use retry::Backoff;
pub use runner::Client;
pub use seconds::MachineSpeed;
pub use service::Service;
