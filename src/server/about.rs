//! What the server says of itself, its model and its clients.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value as Json_, json};

use super::auth::ClientId;
use super::body;
use super::metrics::CONTENT_TYPE;
use super::refusal::{Refused, told};
use super::shared::Shared;
use super::submit::blocking;

/// The version of the routes and their messages.
const PROTOCOL: u32 = 1;

/// `GET /model`
pub(super) async fn model(State(shared): State<Arc<Shared>>) -> Json<Json_> {
    let runner = &shared.runner;
    Json(json!({ "info": runner.info(), "stop_tokens": runner.stop_tokens(), "protocol": PROTOCOL }))
}

/// Body of `POST /encode`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    texts: Vec<String>,
    special: bool,
}

/// `POST /encode`
pub(super) async fn encode(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<Json<Json_>, Refused> {
    let (parts, body) = request.into_parts();
    let _permit = shared.bodies.acquire().await.map_err(|_| Refused::draining())?;
    let bytes = body::read(&parts.headers, body, &shared.limits).await?;
    shared.metrics.bytes_in.inc_by(bytes.len() as u64);
    let here = shared.clone();
    let tokens = blocking(move || encoded(&here, &bytes)).await??;
    Ok(Json(json!({ "tokens": tokens })))
}

fn encoded(shared: &Shared, bytes: &Bytes) -> Result<Vec<Vec<u32>>, Refused> {
    let asked: Texts = serde_json::from_slice(bytes).map_err(|e| {
        Refused::bad_request(format!("expected {{\"texts\": [...], \"special\": bool}}: {e}"))
    })?;
    let tokens = |text: &String| match shared.runner.encode(text, asked.special) {
        Ok(Some(tokens)) => Ok(tokens),
        Ok(None) => Err(Refused::unprocessable(format!(
            "the model {} has no tokenizer here; send token ids",
            shared.runner.info().name
        ))),
        Err(e) => Err(Refused::unprocessable(told(&e, e.hint()))),
    };
    asked.texts.iter().map(tokens).collect()
}

/// `GET /status`, one deployment in the shape that nnsight reads.
pub(super) async fn status(State(shared): State<Arc<Shared>>) -> Json<Json_> {
    let info = shared.runner.info();
    // A stopping server is not one to send work to; nnsight knows no better word for that.
    let state = if shared.board.draining() { "UNHEALTHY" } else { "RUNNING" };
    let deployment = json!({
        "model_key": info.name,
        "repo_id": info.name,
        "revision": info.revision,
        "task": "text-generation",
        "deployment_level": "HOT",
        "application_state": state,
    });
    Json(json!({ "deployments": { info.name.as_str(): deployment } }))
}

/// `GET /env`
pub(super) async fn env() -> Json<Json_> {
    // nnsight takes the first word of the version, so there has to be one.
    Json(json!({ "python_version": "none", "packages": { "truenorth": env!("CARGO_PKG_VERSION") } }))
}

/// `GET /whoami`: the name behind a key, or the client's if it has none; nothing for an unknown key.
pub(super) async fn whoami(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Json<Json_> {
    let found = shared.keys.client(&headers);
    let name = found.map(|(id, name): (ClientId, _)| name.unwrap_or_else(|| id.to_string()));
    Json(json!({ "email": name, "tags": [] }))
}

/// `GET /healthz`
pub(super) async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    if shared.board.draining() {
        return Refused::draining().into_response();
    }
    (StatusCode::OK, "ok\n").into_response()
}

/// `GET /metrics`
pub(super) async fn metrics(
    State(shared): State<Arc<Shared>>,
    Extension(_): Extension<ClientId>,
) -> Result<Response, Refused> {
    let text = shared.metrics.text().map_err(|_| Refused::internal("the metrics can't be written"))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
