//! A server of graphs: a [`Runner`](truenorth_protocol::run::Runner) behind the life of a job.
//!
//! | route | what it does |
//! | --- | --- |
//! | `GET /model` | `{"info": ModelInfo, "stop_tokens": [u32], "decodes": bool, "protocol": 1}` |
//! | `POST /encode` | `{"texts": [...], "special": bool}` to `{"tokens": [[...]]}`; with `"bytes": true` also the bytes of each |
//! | `POST /decode` | `{"tokens": [[...]]}` to `{"texts": [...]}`, special tokens included |
//! | `POST /request` | takes a job: a form with `data`, the JSON of [`job::Envelope`], and `blob`, a graph's bytes; answers the [`job::Update`] `RECEIVED` |
//! | `GET /subscribe` | a WebSocket: first `{"session_id"}`, then a [`job::Update`] whenever a job that named it moves on |
//! | `GET /response/{id}` | the latest [`job::Update`] of a job, for those who poll |
//! | `GET /result/{id}` | the answer's bytes, whole or a range of them |
//! | `DELETE /request/{id}` | cancels a job that waits or runs |
//! | `GET /jobs` | every job that waits or runs, for an operator's key, which may also cancel each of them |
//! | `GET /status`, `/env`, `/whoami` | what nnsight's client asks a service, answered in its shape |
//! | `GET /healthz` | whether it takes work |
//! | `GET /metrics` | what is counted, for an operator's key, or where no keys are asked for |
//!
//! Refusals are `{"detail": ...}`: 400 a request that is no request, 401 no known key, 403 a web
//! page without one, 404 no such job, model or path, 408 a body too slow, 409 an answer that is not
//! there (yet) or a job that is past cancelling, 410 an answer that is damaged on disk, 413 too large, 416 a range outside the answer, 422
//! a payload that is no graph, does not fit the model or asks for too much, 429 too many jobs, sockets or
//! requests, 503 a server that stops or lacks descriptors and 507 a full disk, all with `Retry-After`.
//!
//! A frame of a job may reach its socket before the answer to `POST /request` reaches its sender.
//! With the header `idempotency-key`, sending the same again gives the job that is there: however
//! far it came, nothing runs twice. A new try of a failed job wants a new key.
//!
//! What holds throughout:
//! - A graph is decoded with caps and checked against the model before it is queued, and so is what its
//!   run may cost in memory, tokens and disk; what a job was told to be is on disk before it is told (`spool`).
//! - Whatever a request makes the server take is counted before it is taken (`memory`, `seats`,
//!   `requests`, `connect`), and what counts it is held by the work, not by the client.
//! - Clients (by key, else by address) take turns, however many jobs each has (`queue`) and however long
//!   one of them runs (`turns`). Jobs of one client that ask the same of different prompts run as one and
//!   are cut apart again (`batch`); those of different clients share nothing.
//! - The model runs on threads that may block, one at a time, never on those that serve (`worker`); a panic
//!   there fails that job. A job whose own runs ended the server twice is set aside.
//! - An answer is what was written, by its SHA-256, or it is not sent (`vouch`).
//! - With keys, a job is its client's alone. Without, its id, which can't be guessed, is all it takes.
//! - How a payload is read and an answer is written is behind one trait (`payload`), where those of
//!   nnsight's own client would be a second kind.
//!
//! [`job::Envelope`]: truenorth_protocol::job::Envelope
//! [`job::Update`]: truenorth_protocol::job::Update

mod about;
mod auth;
mod batch;
mod board;
mod body;
mod connect;
mod error;
mod guesses;
mod held;
mod host;
mod keep;
mod memory;
mod metrics;
mod options;
mod payload;
mod private;
mod queue;
mod range;
mod record;
mod refusal;
mod requests;
mod result;
mod routes;
mod seats;
mod send;
mod serve;
mod shared;
mod socket;
mod spool;
mod submit;
mod turns;
mod vouch;
mod watch;
mod worker;

pub use auth::ServerKeys;
pub use error::ServerError;
pub use host::BoundedListener;
pub use options::{PORT, ServerLimits, ServerOptions};
pub use serve::Server;
