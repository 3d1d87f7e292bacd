//! What is counted, in the text format of OpenMetrics.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// What [`ServerMetrics::text`] is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Code {
    status: u16,
}

pub(super) struct ServerMetrics {
    registry: Registry,
    jobs: Family<StateLabel, Counter>,
    responses: Family<Code, Counter>,
    /// Jobs that wait.
    pub queued: Gauge,
    /// Jobs that run.
    pub running: Gauge,
    pub sockets: Gauge,
    /// Runs that answered several jobs.
    pub merged_runs: Counter,
    /// Tokens through the model.
    pub tokens: Counter,
    /// Bytes of request bodies.
    pub bytes_in: Counter,
    /// Bytes of results sent.
    pub bytes_out: Counter,
    /// From the end of submitting to the start of running.
    pub seconds_queued: Histogram,
    /// From the start of running to its end.
    pub seconds_running: Histogram,
    /// Seconds a job as last seen, smoothed; bits of an f64.
    pace: AtomicU64,
}

impl ServerMetrics {
    pub fn new() -> Self {
        // 10 ms to about 3 hours.
        let seconds = || Histogram::new(exponential_buckets(0.01, 4.0, 11));
        let mut metrics = Self {
            registry: Registry::with_prefix("truenorth"),
            jobs: Family::default(),
            responses: Family::default(),
            queued: Gauge::default(),
            running: Gauge::default(),
            sockets: Gauge::default(),
            merged_runs: Counter::default(),
            tokens: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            seconds_queued: seconds(),
            seconds_running: seconds(),
            pace: AtomicU64::new(1.0_f64.to_bits()),
        };
        let r = &mut metrics.registry;
        r.register("jobs", "Jobs that reached a state", metrics.jobs.clone());
        r.register("http_responses", "Responses by status", metrics.responses.clone());
        r.register("queue_length", "Jobs that wait", metrics.queued.clone());
        r.register("jobs_running", "Jobs that run", metrics.running.clone());
        r.register("sockets", "Open sockets", metrics.sockets.clone());
        r.register("merged_runs", "Runs that answered several jobs", metrics.merged_runs.clone());
        r.register("tokens", "Tokens through the model", metrics.tokens.clone());
        r.register("bytes_in", "Bytes of request bodies", metrics.bytes_in.clone());
        r.register("bytes_out", "Bytes of results sent", metrics.bytes_out.clone());
        r.register("job_queued_seconds", "How long jobs waited", metrics.seconds_queued.clone());
        r.register("job_running_seconds", "How long jobs ran", metrics.seconds_running.clone());
        // Every state is there from the start, so that rates are right from the first job on.
        for state in ["received", "running", "completed", "error", "cancelled"] {
            let _ = metrics.jobs.get_or_create_owned(&StateLabel { state });
        }
        metrics
    }

    /// Counts a job that reached a state.
    pub fn reached(&self, state: &'static str) {
        self.jobs.get_or_create(&StateLabel { state }).inc();
    }

    /// Counts a response.
    pub fn responded(&self, status: u16) {
        self.responses.get_or_create(&Code { status }).inc();
    }

    /// Learns how long a job took.
    pub fn ran(&self, seconds: f64) {
        use std::sync::atomic::Ordering::Relaxed;
        let before = f64::from_bits(self.pace.load(Relaxed));
        self.pace.store((0.7 * before + 0.3 * seconds).to_bits(), Relaxed);
        self.seconds_running.observe(seconds);
    }

    /// About how many seconds a job takes.
    pub fn pace(&self) -> f64 {
        f64::from_bits(self.pace.load(std::sync::atomic::Ordering::Relaxed))
    }

    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
