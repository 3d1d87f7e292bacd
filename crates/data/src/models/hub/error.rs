//! What can go wrong between the hub and its cache.

use std::io;
use std::path::PathBuf;

use reqwest::{Method, StatusCode};

use super::super::{HubFailure, ModelsError};

#[derive(Debug, thiserror::Error)]
pub(super) enum HubError {
    #[error("{what} {found:?} is not {expected}")]
    Setting { what: &'static str, found: String, expected: &'static str },
    #[error("no client of HTTP can be made")]
    Setup { source: reqwest::Error },
    #[error("no answer to {method} {url}")]
    NoAnswer { method: Method, url: String, source: reqwest::Error },
    #[error("{url} broke off after {done} of {} bytes", total.map_or("an unknown number of".to_owned(), |n| n.to_string()))]
    BrokeOff { url: String, done: u64, total: Option<u64>, source: Option<io::Error> },
    #[error("{url} answered {status}{}", said.as_ref().map_or(String::new(), |said| format!(": {said}")))]
    Refused {
        url: String,
        status: StatusCode,
        /// What the hub calls it, such as `GatedRepo`.
        code: Option<String>,
        /// The hub's own words.
        said: Option<String>,
        /// Whether the hub itself said so, not a host that it led to.
        by_hub: bool,
    },
    #[error("the answer of {url} is not as the hub's should be: {reason}")]
    Answer { url: String, reason: String },
    #[error("there is no {}", path.display())]
    NotCached { path: PathBuf },
    #[error("cannot {doing} {}", path.display())]
    Disk { doing: &'static str, path: PathBuf, source: io::Error },
    /// What is of no repository, such as an end that the user wished.
    #[error(transparent)]
    Other(ModelsError),
}

impl From<ModelsError> for HubError {
    fn from(error: ModelsError) -> Self {
        match error {
            ModelsError::Io { doing, path, source } => Self::Disk { doing, path, source },
            other => Self::Other(other),
        }
    }
}

impl HubError {
    /// What kind of failure it is.
    pub(super) fn failure(&self) -> HubFailure {
        match self {
            Self::NoAnswer { .. } | Self::BrokeOff { .. } => HubFailure::Unreachable,
            Self::Refused { status, code, by_hub: true, .. } => match (status.as_u16(), code.as_deref()) {
                // So it answers one without a token of what is private or not there.
                (404, _) | (401, Some("RepoNotFound")) => HubFailure::NotFound,
                (401 | 403, _) => HubFailure::Denied,
                (429, _) => HubFailure::Limited,
                _ => HubFailure::Failed,
            },
            Self::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. } => HubFailure::Limited,
            Self::NotCached { .. } => HubFailure::NotCached,
            Self::Disk { .. } => HubFailure::Disk,
            Self::Setting { .. }
            | Self::Setup { .. }
            | Self::Refused { .. }
            | Self::Answer { .. }
            | Self::Other(_) => HubFailure::Failed,
        }
    }

    /// Whether it may pass by itself, so that it is worth another try.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::BrokeOff { .. } => true,
            Self::Refused { status, by_hub, .. } => {
                matches!(status.as_u16(), 408 | 416 | 500 | 502 | 503 | 504)
                    // The address that the hub gave holds for a while only.
                    || (!by_hub && *status == StatusCode::FORBIDDEN)
            }
            _ => false,
        }
    }
}
