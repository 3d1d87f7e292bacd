//! What a caller decides about a service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use truenorth_protocol::nnsight::{ModelKey, Modules};
use truenorth_protocol::{DType, ModelInfo, limits};

use super::{ApiKey, Backoff, address, links};
use truenorth_protocol::journal::Journal;
use truenorth_protocol::run::Vocabulary;

/// The version of nnsight whose wire this client speaks.
pub const NNSIGHT: &str = "0.8.1";
/// Jobs are text, so any Python that the service takes is right; who we are stands behind it.
const PYTHON: &str = concat!("3.12.0 (truenorth ", env!("CARGO_PKG_VERSION"), ")");

/// Address, key, journal and limits of a client.
#[derive(Clone)]
pub struct ServiceOptions {
    /// Its address, such as `https://api.ndif.us` or `http://127.0.0.1:8000`, without credentials.
    pub url: String,
    /// The key that is sent; none sends none.
    pub key: Option<ApiKey>,
    /// Where jobs are written down; without one a job that is cut short is not picked up again.
    pub journal: Option<Arc<dyn Journal>>,
    /// The most jobs on the service at once.
    pub at_once: usize,
    /// Whether payloads and results are zstd-compressed.
    pub compress: bool,
    /// Whether to hear of jobs over a socket. NDIF services tell a job with a socket nowhere else, so
    /// that it can't be picked up by another process; `None` therefore polls there if there is a
    /// journal, and takes a socket everywhere else.
    pub socket: Option<bool>,
    /// Whether to ask an NDIF service if the model is up before anything is sent.
    pub check_up: bool,
    /// Whether a job may be sent for a model that is not on an accelerator, so that the service's queue
    /// brings it up; else that is [`ClientError::ModelDown`](super::ClientError::ModelDown).
    pub deploy: bool,
    /// What NDIF services are told of the Python of this side. Where they have a minimum, they read the
    /// first two parts.
    pub python_version: String,
    /// What services are told of the nnsight of this side; NDIF services read all of it as a version.
    pub nnsight_version: String,
    /// Where else the same can be had, said where the service can't take work.
    pub stand_in: Option<String>,
    /// The most bytes of a result, packed and unpacked.
    pub answer_bytes: usize,
    /// Folder of temporary files; the system's own when `None`.
    pub temp: Option<PathBuf>,
    /// How long each kind of answer is waited for.
    pub patience: Patience,
}

impl ServiceOptions {
    /// Options with an address and everything else as by default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: None,
            journal: None,
            at_once: 4,
            compress: true,
            socket: None,
            check_up: true,
            deploy: true,
            stand_in: None,
            python_version: PYTHON.into(),
            nnsight_version: NNSIGHT.into(),
            answer_bytes: limits::ANSWER_BYTES,
            temp: None,
            patience: Patience::default(),
        }
    }
}

impl ServiceOptions {
    /// What a user should know before the key is sent: that others on the way can read it. `proxied` says
    /// whether plain http goes through a proxy.
    #[must_use]
    pub fn warning(&self, proxied: bool) -> Option<String> {
        self.key.as_ref()?;
        links::overheard(&address::parse(&self.url).ok()?, proxied)
    }
}

impl std::fmt::Debug for ServiceOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceOptions")
            .field("url", &self.url)
            .field("key", &self.key)
            .field("journal", &self.journal.is_some())
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}

/// How long each kind of answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to a question; a payload gets as much time again for every [`Patience::slowest`]
    /// bytes a second.
    pub answer: Duration,
    /// For the next bytes of a result.
    pub idle: Duration,
    /// Bytes a second that a result has to bring, counted over [`Patience::idle`].
    pub slowest: u64,
    /// How often and how far apart what failed is tried again.
    pub backoff: Backoff,
    /// Before the first poll; the wait grows from there.
    pub poll_first: Duration,
    /// The longest wait between two polls.
    pub poll_most: Duration,
    /// How long a job may be unknown to its service before it counts as lost.
    pub missing: Duration,
    /// The same for a job that was taken and has had no status yet. NDIF services write the first one
    /// when their queue gets to it.
    pub first_status: Duration,
    /// How long a job may be at one stage without a word before it is no longer waited for.
    pub silent: Duration,
    /// How long a service may be out of reach while a job runs there.
    pub outage: Duration,
    /// How long to wait for the receipt of a job that is being sent, when the user wants to stop or the
    /// connection broke.
    pub receipt: Duration,
    /// Between pings of a socket; two without a sign of life end it.
    pub ping: Duration,
    /// Between looks at whether the user wants to stop.
    pub tick: Duration,
    /// Between reminders of what is being waited for.
    pub remind: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            answer: seconds(60),
            idle: seconds(30),
            slowest: 1024,
            backoff: Backoff::default(),
            poll_first: Duration::from_millis(250),
            poll_most: seconds(5),
            missing: seconds(90),
            first_status: seconds(900),
            silent: seconds(3600),
            outage: seconds(900),
            receipt: seconds(15),
            ping: seconds(20),
            tick: Duration::from_millis(100),
            remind: seconds(5),
        }
    }
}

/// A model hosted by an NDIF service, and what of it has to be known on this side.
#[derive(Clone)]
pub struct Hosted {
    /// The model as far as graphs are concerned.
    pub info: ModelInfo,
    /// The module paths of the model, as transformers names them.
    pub modules: Modules,
    /// The `config.json` that both were read from; null where nothing is to be compared with what the
    /// service says of its model.
    pub config: serde_json::Value,
    /// The name that the service knows the model by.
    pub key: ModelKey,
    /// Tokens after which it means to stop.
    pub stop: Vec<u32>,
    /// Its tokenizer: both sides have to agree on positions.
    pub vocabulary: Arc<dyn Vocabulary>,
    /// What floats are narrowed to before they are sent back: f32, bf16 or f16.
    pub reply: DType,
}
