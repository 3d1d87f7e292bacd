//! Refusals, as JSON or as a page.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::ArenaError;

/// Why a request is not answered with what it asked for.
#[derive(Debug)]
pub(super) struct WebRefusal {
    pub status: StatusCode,
    pub what: String,
    /// Seconds after which it may be tried again.
    pub wait: Option<i64>,
    pub more: Option<Value>,
    pub inside: Option<String>,
}

impl WebRefusal {
    pub fn new(status: StatusCode, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), wait: None, more: None, inside: None }
    }

    pub fn missing(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what)
    }

    pub fn bad(what: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what)
    }

    pub fn broken(what: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, what)
    }

    /// Something of ours failed: the operator is told what, everybody that it did.
    pub fn inside(what: impl Into<String>) -> Self {
        Self { inside: Some(what.into()), ..Self::broken("the arena failed; it has been noted") }
    }

    pub fn wait(mut self, seconds: Option<i64>) -> Self {
        self.wait = seconds;
        self
    }

    pub fn with(mut self, more: Value) -> Self {
        self.more = Some(more);
        self
    }
}

impl From<ArenaError> for WebRefusal {
    fn from(e: ArenaError) -> Self {
        let inside = crate::live::said(&e);
        match e {
            ArenaError::Asked { what, .. } => Self::new(StatusCode::NOT_FOUND, what),
            ArenaError::Analysis(e) if e.is_request() => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, e.to_string())
            }
            ArenaError::Analysis(_) => {
                let away = Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the model can't be asked now; try again later",
                );
                Self { inside: Some(inside), ..away.wait(Some(30)) }
            }
            ArenaError::Database { .. } | ArenaError::File { .. } => {
                let files = "the arena can't read or write its files now; try again later";
                Self {
                    inside: Some(inside),
                    ..Self::new(StatusCode::SERVICE_UNAVAILABLE, files).wait(Some(10))
                }
            }
            _ => Self::inside(inside),
        }
    }
}

/// What the operator is told of an answer.
#[derive(Clone, Debug)]
pub(super) struct Inside(pub String);

impl IntoResponse for WebRefusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "detail": self.what });
        if let (Some(Value::Object(more)), Some(into)) = (self.more, body.as_object_mut()) {
            into.extend(more);
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.wait {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(inside) = self.inside {
            response.extensions_mut().insert(Inside(inside));
        }
        response
    }
}
