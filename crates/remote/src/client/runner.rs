//! The client as a runner.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::job::Update;
use truenorth_protocol::{Answer, ChatTemplates, CheckedGraph, ModelInfo};

use super::address::host;
use super::job_watch::JobWatch;
use super::journal::ClientJournal;
use super::tokenizer_source::TokenizerSource;
use super::wire::{GraphWire, NnsightWire, Wire};
use super::{ClientError, Hosted, Service, ServiceOptions};
use truenorth_protocol::journal::Job;
use truenorth_protocol::run::{BatchLimits, RunError, Runner, Unwatched, Watch};

/// The version of the wire between client and server.
const PROTOCOL: u32 = 1;
/// The first question to a truenorth server, for people.
pub(super) const GREETING: &str = "asking for the model";

/// A model on a service. Its methods block, and must not be called from async code.
pub struct Client {
    pub(super) service: Service,
    pub(super) options: ServiceOptions,
    pub(super) wire: Box<dyn Wire>,
    pub(super) words: TokenizerSource,
    pub(super) journal: ClientJournal,
    /// Set once the service was asked whether the model is up: others that are, the nearest first.
    pub(super) up: OnceLock<Vec<String>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.service)
            .field("model", &self.wire.info().name)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ModelReply {
    info: ModelInfo,
    #[serde(default)]
    stop_tokens: Vec<u32>,
    #[serde(default)]
    chat: Option<ChatTemplates>,
    /// Whether it can tell the text of tokens; servers that do not say so were taken to.
    #[serde(default = "yes")]
    decodes: bool,
    protocol: u32,
}

fn yes() -> bool {
    true
}

impl Client {
    /// A model hosted by an NDIF service; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none, or the system gives no threads or certificates.
    pub fn ndif(options: ServiceOptions, hosted: Hosted) -> Result<Self, ClientError> {
        let service = Service::open(&options)?;
        let words = TokenizerSource::Local(hosted.vocabulary.clone());
        let mut wire = NnsightWire::new(hosted);
        // Two services may hold the same model in different numbers.
        wire.hosted.info.path.push_str(&format!("@{}", host(&service.http.base)));
        Ok(Self::new(service, options, Box::new(wire), words))
    }

    /// The model of a truenorth server, which is asked what it is.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn truenorth(options: ServiceOptions) -> Result<Self, ClientError> {
        Self::truenorth_watched(options, &Unwatched)
    }

    /// [`Client::truenorth`], telling a watch what is asked again, which may stop that.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn truenorth_watched(options: ServiceOptions, watch: &dyn Watch) -> Result<Self, ClientError> {
        let service = Service::open(&options)?;
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch, stop: &stop, tick: options.patience.tick };
        let model: ModelReply = service.block(service.http.greet("/model", GREETING, &job_watch))?;
        if model.protocol != PROTOCOL {
            let detail =
                format!("it speaks version {} of the wire, this program version {PROTOCOL}", model.protocol);
            return Err(ClientError::Version { detail });
        }
        let wire = GraphWire { info: model.info, stop: model.stop_tokens };
        Ok(Self::new(
            service,
            options,
            Box::new(wire),
            TokenizerSource::Remote { memory: Default::default(), chat: model.chat, decodes: model.decodes },
        ))
    }

    fn new(service: Service, options: ServiceOptions, wire: Box<dyn Wire>, words: TokenizerSource) -> Self {
        let journal = ClientJournal(options.journal.clone());
        Self { service, options, wire, words, journal, up: OnceLock::new() }
    }

    /// The service that the client asks.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// Bytes of jobs sent and of results fetched so far.
    #[must_use]
    pub fn moved(&self) -> (u64, u64) {
        let moved = &self.service.http.moved;
        (moved.sent.load(Ordering::Relaxed), moved.received.load(Ordering::Relaxed))
    }

    /// Waits for a job out of the journal and fetches its answer.
    ///
    /// # Errors
    /// As [`ClientError`]; also when the job is another service's or model's, or has no id.
    pub fn fetch(&self, job: &Job, watch: &dyn Watch) -> Result<Answer, ClientError> {
        let checked = self.graph_of(job)?;
        let mut job = job.clone();
        if job.id.is_none() {
            return Err(ClientError::Uncertain { key: job.key, source: None });
        }
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch, stop: &stop, tick: self.options.patience.tick };
        let answer = self.service.block(self.finish(&checked, &mut job, None, None, job_watch))?;
        Ok(answer)
    }

    /// What the service knows of a job out of the journal; none if it does not know it.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn state(&self, job: &Job) -> Result<Option<Update>, ClientError> {
        self.service.state(job)
    }

    /// Asks the service to drop a job, which may run or wait; not all services do.
    ///
    /// # Errors
    /// As [`ClientError`].
    pub fn cancel(&self, job: &Job) -> Result<(), ClientError> {
        let Some(id) = &job.id else {
            return Err(ClientError::Uncertain { key: job.key.clone(), source: None });
        };
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch: &Unwatched, stop: &stop, tick: self.options.patience.tick };
        let (http, doing) = (&self.service.http, "cancelling a job");
        let path = format!("/request/{}", super::wait::encode(id));
        let got = self.service.block(http.delete(&path, doing, &job_watch))?;
        if got.status.is_success() { Ok(()) } else { Err(http.refusal(&got, doing)) }
    }
}

impl Client {
    /// An error as a run's. Where the service can't take the work, it says what is up and where else the
    /// same can be had.
    fn told(&self, error: ClientError) -> RunError {
        if !error.is_absence() {
            return error.into();
        }
        let named = matches!(error, ClientError::ModelDown { .. } | ClientError::NotDeployed { .. });
        let near = self.up.get().filter(|near| !near.is_empty() && !named);
        let near = near.map(|near| format!("up are {}", near.join(", ")));
        let more: Vec<String> = near.into_iter().chain(self.options.stand_in.clone()).collect();
        if more.is_empty() {
            return error.into();
        }
        let more = more.join("; ");
        let with =
            |hint: Option<String>| Some(hint.map_or_else(|| more.clone(), |hint| format!("{hint}; {more}")));
        match error.into() {
            RunError::Request { what, hint } => RunError::Request { what, hint: with(hint) },
            RunError::Failed { what, source, hint } => RunError::Failed { what, source, hint: with(hint) },
            other => other,
        }
    }
}

impl Runner for Client {
    fn info(&self) -> &ModelInfo {
        self.wire.info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        Ok(self.words(&[text], special)?.pop())
    }

    fn encode_many(&self, texts: &[&str], special: bool) -> Result<Option<Vec<Vec<u32>>>, RunError> {
        Ok(Some(self.words(texts, special)?))
    }

    fn pieces(&self, texts: &[&str]) -> Result<Option<Vec<Pieces>>, RunError> {
        Ok(self.all_pieces(texts)?)
    }

    fn chat(&self) -> Option<&ChatTemplates> {
        match &self.words {
            TokenizerSource::Local(vocabulary) => vocabulary.chat(),
            TokenizerSource::Remote { chat, .. } => chat.as_ref(),
        }
    }

    fn spell(&self, tokens: &[&[u32]]) -> Result<Option<Vec<String>>, RunError> {
        match &self.words {
            TokenizerSource::Local(vocabulary) if vocabulary.speaks() => {
                tokens.iter().map(|t| vocabulary.spell(t).map(Some)).collect()
            }
            TokenizerSource::Remote { decodes: true, .. } => Ok(self.spelled_there(tokens)?),
            TokenizerSource::Local(_) | TokenizerSource::Remote { .. } => Ok(None),
        }
    }

    fn stop_tokens(&self) -> Vec<u32> {
        self.wire.stop_tokens()
    }

    fn decodes(&self) -> bool {
        match &self.words {
            TokenizerSource::Local(vocabulary) => vocabulary.speaks(),
            TokenizerSource::Remote { decodes, .. } => *decodes,
        }
    }

    fn unfollowed(&self) -> Option<String> {
        match &self.words {
            TokenizerSource::Local(vocabulary) => vocabulary.unfollowed(),
            TokenizerSource::Remote { .. } => None,
        }
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        let stop = AtomicBool::new(false);
        let job_watch = JobWatch { watch, stop: &stop, tick: self.options.patience.tick };
        let done = self.service.block(self.work(graph, job_watch));
        let (answer, job) = done.map_err(|error| self.told(error))?;
        self.keep(job, &job_watch);
        Ok(answer)
    }

    fn batch(&self) -> BatchLimits {
        BatchLimits::HOSTED
    }

    fn run_each(
        &self,
        graphs: &[CheckedGraph],
        watch: &dyn Watch,
        each: &mut dyn FnMut(usize, Answer) -> ControlFlow<()>,
    ) -> Result<(), RunError> {
        self.service.block(self.work_each(graphs, watch, each)).map_err(|error| self.told(error))
    }
}
