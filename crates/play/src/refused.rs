//! Why nothing was done.

use axum::http::StatusCode;
use serde::Serialize;
use truenorth_protocol::run::RunError;
use truenorth_reading::AnalysisError;

/// Why nothing was done, or no further.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct PlayRefusal {
    /// What is wrong, with the value and what was expected.
    pub message: String,
    /// A remedy for people, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The status of an answer that is this and nothing else.
    #[serde(skip)]
    pub status: StatusCode,
}

impl PlayRefusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, status }
    }

    pub(crate) fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message).hint(hint)
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Of an analysis that gave no result: its message with its causes.
    pub(crate) fn of(error: &AnalysisError) -> Self {
        if matches!(error, AnalysisError::Run(RunError::Interrupted)) {
            return Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopped before it was done");
        }
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            let text = error.to_string();
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            cause = error.source();
        }
        let status = match error.is_request() {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { message, hint: error.hint(), status }
    }
}

impl From<AnalysisError> for PlayRefusal {
    fn from(error: AnalysisError) -> Self {
        Self::of(&error)
    }
}
