//! What the server says of itself, its model and its clients.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json_, json};
use truenorth_protocol::chat::Pieces;
use truenorth_protocol::prompt::PromptRoom;

use super::auth::{ClientId, carries_key};
use super::body;
use super::connect::{Connection, PeerAddress};
use super::memory::Share;
use super::metrics::CONTENT_TYPE;
use super::refusal::{RefusedRequest, told};
use super::routes::Operator;
use super::seats::BodySeat;
use super::send;
use super::shared::ServerParts;
use super::submit::blocking;

/// The version of the routes and their messages.
const PROTOCOL: u32 = 1;

/// `GET /model`
pub(super) async fn model(State(shared): State<Arc<ServerParts>>) -> Json<Json_> {
    let runner = &shared.runner;
    Json(json!({
        "info": runner.info(),
        "stop_tokens": runner.stop_tokens(),
        "chat": runner.chat(),
        "decodes": runner.decodes(),
        "protocol": PROTOCOL,
    }))
}

/// Body of `POST /encode`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EncodeBody {
    texts: Vec<String>,
    special: bool,
    /// The bytes of each token too, for which nothing may stand around a text.
    #[serde(default)]
    bytes: bool,
}

#[derive(Serialize)]
struct EncodedTexts {
    tokens: Vec<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<Vec<Vec<[u32; 2]>>>,
}

/// `POST /encode`
pub(super) async fn encode(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Response, RefusedRequest> {
    answered(shared, &client, connection, request, encoded).await
}

/// The JSON of an answer, and the memory that it takes.
type Told = fn(&ServerParts, &Bytes, BodySeat) -> Result<(Vec<u8>, Share), RefusedRequest>;

/// What is told of the tokenizer, of a body that has a place while it is read and worked on.
async fn answered(
    shared: Arc<ServerParts>,
    client: &ClientId,
    connection: Connection,
    request: Request,
    told: Told,
) -> Result<Response, RefusedRequest> {
    let (parts, body) = request.into_parts();
    let mut seat = shared.seat(client, &connection).await?;
    let bytes = body::read(&parts.headers, body, &shared.limits, &mut seat.memory, &connection).await?;
    shared.metrics.bytes_in.inc_by(bytes.len() as u64);
    let here = shared.clone();
    let (json, memory) = blocking(move || told(&here, &bytes, seat)).await??;
    let length = json.len();
    let body = send::body(send::chunks(json), &connection, memory);
    let head =
        [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((head, body).into_response())
}

/// The JSON of the tokens of texts. Texts are bounded as prompts are, and what they may become is counted
/// before it is.
fn encoded(
    shared: &ServerParts,
    bytes: &Bytes,
    mut seat: BodySeat,
) -> Result<(Vec<u8>, Share), RefusedRequest> {
    // A text of three bytes, quotes and comma, takes eight times that here, and twice while it grows.
    seat.memory.grow(bytes.len() as u64 * 16)?;
    let asked: EncodeBody = serde_json::from_slice(bytes).map_err(|e| {
        RefusedRequest::bad_request(format!("expected {{\"texts\": [...], \"special\": bool}}: {e}"))
    })?;
    let info = shared.runner.info();
    let room = PromptRoom::of(info);
    let tokens = |(i, text): (usize, &String)| {
        room.bytes(text.len()).map_err(|problem| {
            RefusedRequest::too_large(format!("text {i} {problem}; {}", problem.hint()))
        })?;
        // At most a token a byte, each of four bytes and of seven in JSON, and its place twice that.
        let each = if asked.bytes { 64 } else { 16 };
        seat.memory.grow(each * text.len() as u64 + 64)?;
        let found = match asked.bytes {
            true => shared.runner.pieces(&[text]).map(|all| all.and_then(|mut all| all.pop())),
            false => {
                let bare = |ids| Pieces { ids, bytes: vec![] };
                shared.runner.encode(text, asked.special).map(|ids| ids.map(bare))
            }
        };
        match found {
            Ok(Some(pieces)) => Ok(pieces),
            Ok(None) => Err(RefusedRequest::unprocessable(format!(
                "the model {} has no tokenizer here; send token ids",
                info.name
            ))),
            Err(e) => Err(RefusedRequest::unprocessable(told(&e, e.hint()))),
        }
    };
    if asked.bytes && asked.special {
        return Err(RefusedRequest::bad_request(
            "the bytes of tokens are those of a text with nothing around it: special is false",
        ));
    }
    let pieces: Vec<Pieces> = asked.texts.iter().enumerate().map(tokens).collect::<Result<_, _>>()?;
    let (tokens, bytes): (Vec<_>, Vec<_>) = pieces.into_iter().map(|p| (p.ids, p.bytes)).unzip();
    let json = serde_json::to_vec(&EncodedTexts { tokens, bytes: asked.bytes.then_some(bytes) })
        .map_err(|e| RefusedRequest::internal(e.to_string()))?;
    // The place is free again; who reads slowly keeps its own bytes.
    let BodySeat { mut memory, .. } = seat;
    memory.shrink_to(json.len() as u64);
    Ok((json, memory))
}

/// Bytes that a token's text may take while it is told, as JSON escapes it.
const TOLD: u64 = 256;

/// Body of `POST /decode`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodeBody {
    tokens: Vec<Vec<u32>>,
}

#[derive(Serialize)]
struct DecodedTokens {
    texts: Vec<String>,
}

/// `POST /decode`
pub(super) async fn decode(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Response, RefusedRequest> {
    answered(shared, &client, connection, request, decoded).await
}

/// The JSON of the texts of token ids, special tokens included; what they may become is counted before it is.
fn decoded(
    shared: &ServerParts,
    bytes: &Bytes,
    mut seat: BodySeat,
) -> Result<(Vec<u8>, Share), RefusedRequest> {
    seat.memory.grow(bytes.len() as u64 * 4)?;
    let asked: DecodeBody = serde_json::from_slice(bytes)
        .map_err(|e| RefusedRequest::bad_request(format!("expected {{\"tokens\": [[...]]}}: {e}")))?;
    let info = shared.runner.info();
    if let Some(id) = asked.tokens.iter().flatten().find(|id| **id >= info.vocab) {
        return Err(RefusedRequest::bad_request(format!(
            "token {id} of {} has no place in its vocabulary of {}",
            info.name, info.vocab
        )));
    }
    let count: u64 = asked.tokens.iter().map(|ids| ids.len() as u64).sum();
    seat.memory.grow(count.saturating_mul(TOLD))?;
    let ids: Vec<&[u32]> = asked.tokens.iter().map(Vec::as_slice).collect();
    let texts = match shared.runner.spell(&ids) {
        Ok(Some(texts)) => texts,
        Ok(None) => {
            return Err(RefusedRequest::unprocessable(format!(
                "the model {} has no tokenizer here; its tokens have no text",
                info.name
            )));
        }
        Err(e) => return Err(RefusedRequest::unprocessable(told(&e, e.hint()))),
    };
    let json =
        serde_json::to_vec(&DecodedTokens { texts }).map_err(|e| RefusedRequest::internal(e.to_string()))?;
    let BodySeat { mut memory, .. } = seat;
    memory.shrink_to(json.len() as u64);
    Ok((json, memory))
}

/// `GET /status`, one deployment in the shape that nnsight reads.
pub(super) async fn status(State(shared): State<Arc<ServerParts>>) -> Json<Json_> {
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

/// `GET /whoami`: the name behind a key, or the client's if it has none, and whether it is an operator's;
/// nothing for an unknown key.
pub(super) async fn whoami(
    State(shared): State<Arc<ServerParts>>,
    ConnectInfo(PeerAddress(peer)): ConnectInfo<PeerAddress>,
    Extension(connection): Extension<Connection>,
    headers: HeaderMap,
) -> Result<Json<Json_>, RefusedRequest> {
    let operator = shared.operators.client(&headers);
    let tags: &[&str] = if operator.is_some() { &["operator"] } else { &[] };
    let found = operator.or_else(|| shared.keys.client(&headers));
    if found.is_none() && carries_key(&headers) {
        shared.guesses.wrong(&ClientId::at(peer.ip()), &connection).await?;
    }
    let name = found.map(|(id, name): (ClientId, _)| name.unwrap_or_else(|| id.to_string()));
    Ok(Json(json!({ "email": name, "tags": tags })))
}

/// `GET /jobs`: every job that waits or runs, for an operator.
pub(super) async fn jobs(
    State(shared): State<Arc<ServerParts>>,
    operator: Option<Extension<Operator>>,
) -> Result<Json<Json_>, RefusedRequest> {
    if operator.is_none() {
        return Err(RefusedRequest::new(StatusCode::FORBIDDEN, "this takes the key of an operator"));
    }
    Ok(Json(json!({ "jobs": shared.board.open_jobs() })))
}

/// `GET /healthz`
pub(super) async fn healthz(State(shared): State<Arc<ServerParts>>) -> Response {
    if shared.board.draining() {
        return RefusedRequest::draining().into_response();
    }
    (StatusCode::OK, "ok\n").into_response()
}

/// `GET /metrics`: what all clients do together, for an operator where there are keys.
pub(super) async fn metrics(
    State(shared): State<Arc<ServerParts>>,
    operator: Option<Extension<Operator>>,
) -> Result<Response, RefusedRequest> {
    if !shared.keys.is_empty() && operator.is_none() {
        return Err(RefusedRequest::new(
            StatusCode::FORBIDDEN,
            "what all clients do together is told to the key of an operator alone (--operator-key-file)",
        ));
    }
    let text = shared.metrics.text().map_err(|_| RefusedRequest::internal("the metrics can't be written"))?;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}
