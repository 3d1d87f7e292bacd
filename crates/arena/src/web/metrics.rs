//! What is counted, in the text format of OpenMetrics; no label is a text, a handle or an address.

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::app::App;

/// What [`ArenaMetrics::text`] is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AnswerLabel {
    page: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WhatLabel {
    what: &'static str,
}

pub(super) struct ArenaMetrics {
    registry: Registry,
    answers: Family<AnswerLabel, Counter>,
    submissions: Family<WhatLabel, Counter>,
    entries: Family<WhatLabel, Gauge>,
    trouble: Gauge,
}

impl Default for ArenaMetrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("arena"),
            answers: Family::default(),
            submissions: Family::default(),
            entries: Family::default(),
            trouble: Gauge::default(),
        };
        let r = &mut metrics.registry;
        r.register("http_responses", "Answers by kind of page and status", metrics.answers.clone());
        r.register("submissions", "Submissions by what came of them", metrics.submissions.clone());
        r.register("entries", "Entries by state", metrics.entries.clone());
        r.register("scoring_trouble", "1 while the model can't be asked", metrics.trouble.clone());
        metrics
    }
}

/// A kind of page, of which there are few.
fn kind(path: &str) -> &'static str {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or("");
    const KNOWN: [&str; 15] = [
        "board",
        "submit",
        "entry",
        "plot",
        "how",
        "limitations",
        "seasons",
        "season",
        "operator",
        "api",
        "static",
        "healthz",
        "readyz",
        "metrics",
        "play",
    ];
    if first.is_empty() {
        return "home";
    }
    KNOWN.into_iter().find(|k| *k == first).unwrap_or("other")
}

impl ArenaMetrics {
    /// Counts an answer.
    pub fn answered(&self, path: &str, status: StatusCode) {
        self.answers.get_or_create(&AnswerLabel { page: kind(path), status: status.as_u16() }).inc();
    }

    /// Counts a submission by what came of it.
    pub fn submitted(&self, what: &'static str) {
        self.submissions.get_or_create(&WhatLabel { what }).inc();
    }

    pub fn text(&self, app: &App) -> Result<String, crate::ArenaError> {
        let counts = app.season().store.counts()?;
        for (what, n) in [
            ("scored", counts.scored),
            ("queued", counts.queued),
            ("failed", counts.failed),
            ("hidden", counts.hidden),
        ] {
            self.entries.get_or_create(&WhatLabel { what }).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
        self.trouble.set(i64::from(app.live.health().trouble.is_some()));
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|e| crate::ArenaError::Serve(std::io::Error::other(e)))?;
        Ok(text)
    }
}
