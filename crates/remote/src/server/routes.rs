//! The routes, and what every request has to pass before it reaches one.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use truenorth_protocol::job::Update;
use uuid::Uuid;

use super::auth::{ClientId, carries_key};
use super::board::no_job;
use super::connect::{Connection, PeerAddress};
use super::held::holding;
use super::refusal::RefusedRequest;
use super::shared::ServerParts;
use super::submit::blocking;
use super::{about, result, socket, submit};

pub(super) fn router(shared: Arc<ServerParts>) -> Router {
    let of_clients = Router::new()
        .route("/model", get(about::model))
        .route("/encode", post(about::encode))
        .route("/decode", post(about::decode))
        .route("/request", post(submit::submit))
        .route("/request/{id}", delete(cancel))
        .route("/subscribe", get(socket::subscribe))
        .route("/response/{id}", get(response))
        .route("/result/{id}", get(result::result))
        .route("/jobs", get(about::jobs))
        .route("/metrics", get(about::metrics))
        .layer(from_fn_with_state(shared.clone(), identify));
    // nnsight asks for these without a key.
    let of_all = Router::new()
        .route("/status", get(about::status))
        .route("/env", get(about::env))
        .route("/whoami", get(about::whoami))
        .route("/healthz", get(about::healthz));
    of_clients
        .merge(of_all)
        .fallback(nowhere)
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(shared.clone(), guard))
        // Bodies are limited where they are read, with an answer in the form of all others.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// `GET /response/{id}`
async fn response(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    JobId(id): JobId,
) -> Result<Json<Update>, RefusedRequest> {
    shared.board.update(id, &client).map(Json).ok_or_else(|| no_job(id))
}

/// `DELETE /request/{id}`
async fn cancel(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    operator: Option<Extension<Operator>>,
    JobId(id): JobId,
) -> Result<Json<Update>, RefusedRequest> {
    let (update, changed) = shared.board.cancel(id, &client, operator.is_some())?;
    if let Some(record) = changed {
        blocking(move || shared.finish(&record)).await?;
    }
    Ok(Json(update))
}

/// Said of who runs the server: sees and cancels every job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator;

/// The id in a path; what is no id names no job.
pub(super) struct JobId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for JobId {
    type Rejection = RefusedRequest;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RefusedRequest> {
        let text = match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => text,
            Err(_) => return Err(RefusedRequest::not_found("there is no such job; ids are UUIDs")),
        };
        Uuid::try_parse(&text).map(Self).map_err(|_| {
            let shown: String = text.chars().take(80).collect();
            RefusedRequest::not_found(format!("there is no job {shown:?}; ids are UUIDs"))
        })
    }
}

async fn nowhere(uri: Uri) -> RefusedRequest {
    let shown: String = uri.path().chars().take(200).collect();
    RefusedRequest::not_found(format!("there is nothing at {shown}"))
}

async fn no_method() -> RefusedRequest {
    RefusedRequest::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method")
}

/// Finds out who asks; 401 for those without a key where one is asked for.
async fn identify(
    State(shared): State<Arc<ServerParts>>,
    ConnectInfo(PeerAddress(peer)): ConnectInfo<PeerAddress>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
    next: Next,
) -> Result<Response, RefusedRequest> {
    let address = ClientId::at(peer.ip());
    let client = if let Some((id, _)) = shared.operators.client(request.headers()) {
        request.extensions_mut().insert(Operator);
        id
    } else if shared.keys.is_empty() {
        address
    } else if let Some((id, _)) = shared.keys.client(request.headers()) {
        id
    } else {
        if carries_key(request.headers()) {
            shared.guesses.wrong(&address, &connection).await?;
        }
        let detail = "send an API key that this server knows, as `ndif-api-key` or `Authorization: Bearer`";
        return Err(RefusedRequest::new(StatusCode::UNAUTHORIZED, detail));
    };
    let answering = shared.requests.begin(&client)?;
    request.extensions_mut().insert(client);
    Ok(holding(next.run(request).await, answering))
}

/// Keeps web pages out of a server without keys, and counts responses.
async fn guard(State(shared): State<Arc<ServerParts>>, request: Request, next: Next) -> Response {
    let mut response = match refuse_browsers(&shared, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.into_response(),
    };
    shared.metrics.responded(response.status().as_u16());
    // Prompts and answers are nothing that a browser should take for a page.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A page in a browser on this machine reaches loopback too, with its own name in `Origin`, or,
/// when a name was made to point here, in `Host`. No client of ours sends either.
fn refuse_browsers(shared: &ServerParts, headers: &HeaderMap) -> Result<(), RefusedRequest> {
    let refuse = |what| Err(RefusedRequest::new(StatusCode::FORBIDDEN, what));
    if !shared.keys.is_empty() {
        return Ok(());
    }
    // Browsers say so of what a page asks for, even where they send no origin.
    let of_a_page = headers.get("sec-fetch-site").is_some_and(|site| site != "none");
    if headers.contains_key(header::ORIGIN) || of_a_page {
        return refuse("requests of web pages are not taken without an API key");
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    if shared.loopback && host.is_some_and(|h| !is_local(h)) {
        return refuse("this server is for this machine; ask for localhost or its address");
    }
    Ok(())
}

/// Whether a `Host` is an address or this machine's own name.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn hosts_that_a_page_can_be_served_from_are_not_local() {
        for host in ["localhost", "LOCALHOST:7997", "127.0.0.1:1", "[::1]:80", "[::1]", "10.0.0.2"] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:7997", "localhost.evil.example", "127.0.0.1.evil.example:80", ""]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}
