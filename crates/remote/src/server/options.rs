//! How a server is set up, and what it takes from whom.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::auth::ServerKeys;

/// The port that is listened on unless another is named.
pub const PORT: u16 = 7997;

/// Where a server listens, whom it lets in and how much it takes.
#[derive(Clone)]
pub struct ServerOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who is let in; without keys everybody is.
    pub keys: ServerKeys,
    /// Whether to listen beyond loopback without keys.
    pub open: bool,
    /// The folder where jobs and answers are kept.
    pub spool: PathBuf,
    /// How long a finished job and its answer are kept.
    pub keep: Duration,
    /// How long the running job may go on after the server was asked to stop.
    pub grace: Duration,
    /// Who may see and cancel every job.
    pub operators: ServerKeys,
    /// Certificate chain and key in PEM, for TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The most that is taken, of one client and of all.
    pub limits: ServerLimits,
    /// Hears what an operator may want to know, a line at a time.
    pub notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("listen", &self.listen)
            .field("keys", &self.keys)
            .field("open", &self.open)
            .field("spool", &self.spool)
            .field("keep", &self.keep)
            .field("grace", &self.grace)
            .field("operators", &self.operators)
            .field("tls", &self.tls)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl ServerOptions {
    /// On loopback, everybody on this machine let in, finished jobs kept for a day.
    #[must_use]
    pub fn new(spool: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
            keys: ServerKeys::default(),
            open: false,
            spool: spool.into(),
            keep: Duration::from_secs(24 * 3600),
            grace: Duration::from_secs(30),
            operators: ServerKeys::default(),
            tls: None,
            limits: ServerLimits::default(),
            notice: Arc::new(|_| {}),
        }
    }
}

/// The most that a server takes, of one client and of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Bytes of one request's body.
    pub body_bytes: usize,
    /// Jobs that wait or run, of all clients.
    pub jobs: usize,
    /// Jobs that wait or run, of one client.
    pub jobs_per_client: usize,
    /// Sockets, of all clients.
    pub sockets: usize,
    /// Sockets of one client.
    pub sockets_per_client: usize,
    /// Connections, whatever they do.
    pub connections: usize,
    /// Connections of one address that wait for a request; the longest idle gives way to a new one.
    pub connections_per_address: usize,
    /// Requests of one client that are being answered.
    pub requests_per_client: usize,
    /// Of these, results that are being sent.
    pub results_per_client: usize,
    /// Bodies that are read and decoded at the same time; what comes on top waits.
    pub bodies: usize,
    /// Of these, bodies of one client.
    pub bodies_per_client: usize,
    /// Bytes of memory for requests and runs; none takes half of what the process may still have.
    pub memory: Option<u64>,
    /// Bytes of disk that jobs and answers may take; the oldest answers of who has most give way.
    pub spool_bytes: u64,
    /// Tokens through the model, of one job.
    pub job_tokens: u64,
    /// How long one job may have the model.
    pub job_time: Duration,
    /// How many runs of a job alone may end with the server, before it is set aside.
    pub attempts: usize,
    /// How long a run has the model before it lets others have it.
    pub slice: Duration,
    /// The longest that the head of a first request, or the handshake before it, may take.
    pub head_time: Duration,
    /// The longest that a connection may wait for its next request.
    pub idle: Duration,
    /// The longest pause within a body, and within a connection that should move.
    pub pause: Duration,
    /// The longest that one body may take.
    pub body_time: Duration,
    /// How often a running job says how far it is.
    pub progress_every: Duration,
    /// How often a socket is pinged; it is closed when two pings go unanswered.
    pub ping_every: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 20,
            jobs: 256,
            jobs_per_client: 64,
            sockets: 256,
            sockets_per_client: 32,
            connections: 2048,
            connections_per_address: 256,
            requests_per_client: 256,
            results_per_client: 32,
            bodies: 8,
            bodies_per_client: 3,
            memory: None,
            spool_bytes: 16 << 30,
            job_tokens: 1 << 22,
            job_time: Duration::from_secs(3600),
            attempts: 2,
            slice: Duration::from_millis(250),
            head_time: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            pause: Duration::from_secs(20),
            body_time: Duration::from_secs(300),
            progress_every: Duration::from_secs(1),
            ping_every: Duration::from_secs(20),
        }
    }
}
