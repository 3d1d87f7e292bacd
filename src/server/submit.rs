//! `POST /request`: from a form to a queued job.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use truenorth_protocol::job::{Envelope, Update};
use truenorth_protocol::{frame, limits};
use uuid::Uuid;

use super::auth::ClientId;
use super::board::NewJob;
use super::body;
use super::payload;
use super::record::{Kept, Record, VERSION, now};
use super::refusal::{Refused, told};
use super::shared::Shared;
use crate::data::sha256_hex;

/// The most bytes of an envelope.
const ENVELOPE_BYTES: usize = 256 << 10;
/// The most bytes of an idempotency key.
const KEY_BYTES: usize = 256;

/// Takes a job.
pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<ClientId>,
    request: Request,
) -> Result<Json<Update>, Refused> {
    let (parts, body) = request.into_parts();
    let idempotency_key = idempotency_key(&parts.headers)?;
    // Held until the job is on disk: it bounds the memory of everything that is being received.
    let _permit = shared.bodies.acquire().await.map_err(|_| Refused::draining())?;
    let bytes = body::read(&parts.headers, body, &shared.limits).await?;
    shared.metrics.bytes_in.inc_by(bytes.len() as u64);
    let form = body::form(parts, bytes).await?;
    let envelope = envelope(&form.data)?;
    serves(&shared, &envelope.model_key)?;
    let here = shared.clone();
    let checked = move || check(&here, client, idempotency_key, &envelope, &form.blob);
    let (new, payload) = blocking(checked).await??;
    let record = new.record.clone();
    if let Some(known) = shared.board.reserve(new).await? {
        return Ok(Json(known));
    }
    // On its own, so that a client that hangs up now leaves no job half received.
    tokio::spawn(keep(shared.clone(), record, payload))
        .await
        .map_err(|_| Refused::internal("the job could not be taken"))?
        .map(Json)
}

/// Writes a job down and queues it.
async fn keep(shared: Arc<Shared>, record: Record, payload: Vec<u8>) -> Result<Update, Refused> {
    let (id, here) = (record.id, shared.clone());
    let kept = blocking(move || here.spool.keep(&record, &payload)).await;
    match kept {
        Ok(Ok(())) => shared.board.admit(id).ok_or_else(|| Refused::internal("the job is gone")),
        Ok(Err(e)) => {
            shared.board.reject(id);
            (shared.notice)(&format!("a job can't be written to the spool: {e}"));
            Err(Refused::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the server can't keep the job; its disk may be full",
            ))
        }
        Err(refused) => {
            shared.board.reject(id);
            Err(refused)
        }
    }
}

/// Runs something that takes long or waits for a disk, off the threads that serve.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Refused::internal("the request made the server fail"))
}

/// Unpacks, decodes and checks a payload.
fn check(
    shared: &Shared,
    client: ClientId,
    idempotency_key: Option<String>,
    envelope: &Envelope,
    blob: &Bytes,
) -> Result<(NewJob, Vec<u8>), Refused> {
    let bytes = if envelope.compress {
        frame::decompress(blob, limits::GRAPH_BYTES).map_err(|e| match e {
            frame::FrameError::TooLarge { .. } => Refused::too_large(told(&e, None)),
            e => Refused::unprocessable(told(&e, None)),
        })?
    } else {
        blob.to_vec()
    };
    let payload = payload::of_bytes(&bytes)?;
    let checked = payload.read(&bytes, shared.runner.info())?;
    let mut asked = sha256_hex(&bytes);
    // The same graph with the answer packed differently is another job.
    asked.push_str(if envelope.compress { "-zstd" } else { "" });
    let record = Record {
        version: VERSION,
        id: Uuid::new_v4(),
        client,
        idempotency_key,
        asked,
        model: shared.model(),
        payload: payload.name().to_owned(),
        compress: envelope.compress,
        received: now(),
        finished: None,
        state: Kept::Pending,
        description: String::new(),
        answer: None,
    };
    let session = Uuid::try_parse(&envelope.session_id).ok();
    Ok((NewJob::new(record, &checked, session), bytes))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES => Ok(Some(key.to_owned())),
        _ => Err(Refused::bad_request(format!(
            "the header idempotency-key is to be 1 to {KEY_BYTES} visible ASCII characters"
        ))),
    }
}

fn envelope(data: &[u8]) -> Result<Envelope, Refused> {
    if data.len() > ENVELOPE_BYTES {
        return Err(Refused::too_large(format!("the field `data` has more than {ENVELOPE_BYTES} bytes")));
    }
    serde_json::from_slice(data)
        .map_err(|e| Refused::bad_request(format!("the field `data` is not a job's envelope: {e}")))
}

/// Refuses any model but the one that is served.
fn serves(shared: &Shared, key: &str) -> Result<(), Refused> {
    let name = &shared.runner.info().name;
    if key == name {
        return Ok(());
    }
    let shown: String = key.chars().take(200).collect();
    Err(Refused::not_found(format!("the model {shown:?} is not served here; served are: {name:?}")))
}
