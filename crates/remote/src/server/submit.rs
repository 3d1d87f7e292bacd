//! `POST /request`: from a form to a queued job.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

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
use super::connect::{Connection, out_of_descriptors};
use super::memory::Share;
use super::payload;
use super::record::{JobRecord, RecordedState, VERSION, now};
use super::refusal::{RefusedRequest, told};
use super::seats::BodySeat;
use super::shared::ServerParts;
use super::spool::full;
use truenorth_files::sha256_hex;

/// The most bytes of an envelope.
const ENVELOPE_BYTES: usize = 256 << 10;
/// A byte of a payload makes at most so many in memory, as far as is looked ahead; what makes more is
/// counted to its end and refused.
const GROWTH: u64 = 64;
/// What the smallest payload may take.
const BASE: u64 = 64 << 10;
/// Bytes that are unpacked at a time.
const STEP: usize = 64 << 10;
/// When it is worth trying again, as a guess.
const AGAIN: Duration = Duration::from_secs(30);
/// The most bytes of an idempotency key.
const KEY_BYTES: usize = 256;

/// Takes a job.
pub(super) async fn submit(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Json<Update>, RefusedRequest> {
    let (parts, body) = request.into_parts();
    let idempotency_key = idempotency_key(&parts.headers)?;
    // Held until the job is on disk: it bounds the memory of everything that is being received.
    let mut seat = shared.seat(&client, &connection).await?;
    let bytes = body::read(&parts.headers, body, &shared.limits, &mut seat.memory, &connection).await?;
    shared.metrics.bytes_in.inc_by(bytes.len() as u64);
    let form = body::form(parts, bytes).await?;
    seat.memory.shrink_to((form.blob.len() + form.data.len()) as u64);
    let envelope = envelope(&form.data)?;
    serves(&shared, &envelope.model_key)?;
    let here = shared.clone();
    let checked = move || check(&here, client, idempotency_key, &envelope, form.blob, seat);
    let CheckedJob { new, payload, free, seat } = blocking(checked).await??;
    let record = new.record.clone();
    if let Some(known) = shared.board.reserve(new, free).await? {
        return Ok(Json(known));
    }
    // On its own, so that a client that hangs up now leaves no job half received.
    tokio::spawn(keep(shared.clone(), record, payload, seat))
        .await
        .map_err(|_| RefusedRequest::internal("the job could not be taken"))?
        .map(Json)
}

/// Writes a job down and queues it.
async fn keep(
    shared: Arc<ServerParts>,
    record: JobRecord,
    payload: Bytes,
    seat: BodySeat,
) -> Result<Update, RefusedRequest> {
    let (id, here) = (record.id, shared.clone());
    let kept = blocking(move || {
        let _seat = seat;
        here.spool.keep(&record, &payload)
    })
    .await;
    match kept {
        Ok(Ok(())) => shared.board.admit(id).ok_or_else(|| RefusedRequest::internal("the job is gone")),
        Ok(Err(e)) => {
            shared.board.reject(id);
            (shared.notice)(&format!("a job can't be written to the spool: {e}"));
            Err(unkept(&e))
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
) -> Result<T, RefusedRequest> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| RefusedRequest::internal("the request made the server fail"))
}

/// What a client is told whose job can't be written down.
fn unkept(e: &std::io::Error) -> RefusedRequest {
    let (status, why) = if out_of_descriptors(e) {
        (StatusCode::SERVICE_UNAVAILABLE, "the server can't keep the job now: it is out of file descriptors")
    } else if full(e) {
        (StatusCode::INSUFFICIENT_STORAGE, "the server can't keep the job now: its disk is full")
    } else {
        return RefusedRequest::internal("the server can't keep the job; its log says why");
    };
    RefusedRequest { retry_after: Some(AGAIN), ..RefusedRequest::new(status, why) }
}

/// A job that was checked.
struct CheckedJob {
    new: NewJob,
    payload: Bytes,
    /// Bytes that the disk has.
    free: Option<u64>,
    seat: BodySeat,
}

/// Unpacks, decodes and checks a payload, and makes room for its job.
fn check(
    shared: &ServerParts,
    client: ClientId,
    idempotency_key: Option<String>,
    envelope: &Envelope,
    blob: Bytes,
    mut seat: BodySeat,
) -> Result<CheckedJob, RefusedRequest> {
    let bytes = if envelope.compress { unpack(&blob, &mut seat.memory)? } else { blob };
    seat.memory.shrink_to(bytes.len() as u64);
    let payload = payload::of_bytes(&bytes)?;
    let before = seat.memory.bytes();
    let most = (bytes.len() as u64).saturating_mul(GROWTH).saturating_add(BASE).min(seat.memory.room());
    seat.memory.grow(most)?;
    let memory = usize::try_from(most).unwrap_or(usize::MAX);
    let checked = payload.read(&bytes, shared.runner.info(), &shared.check_limits(), memory)?;
    let mut asked = sha256_hex(&bytes);
    // The same graph with the answer packed differently is another job.
    asked.push_str(if envelope.compress { "-zstd" } else { "" });
    let record = JobRecord {
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
        state: RecordedState::Pending,
        description: String::new(),
        answer: None,
    };
    let session = Uuid::try_parse(&envelope.session_id).ok();
    let new = NewJob::new(record, &checked, bytes.len() as u64, session);
    drop(checked);
    seat.memory.shrink_to(before);
    shared.fits(&new).map_err(RefusedRequest::too_large)?;
    shared.remove(shared.board.make_room(&new.record.client, new.weight.disk, shared.spool.free()));
    Ok(CheckedJob { new, payload: bytes, free: shared.spool.free(), seat })
}

/// Unpacks a payload; every byte that comes out is counted before there is memory for it.
fn unpack(packed: &[u8], memory: &mut Share) -> Result<Bytes, RefusedRequest> {
    let damaged = |e: frame::FrameError| RefusedRequest::unprocessable(told(&e, None));
    memory.grow(frame::window(packed) as u64)?;
    let mut reader = frame::FrameReader::narrow(packed, limits::GRAPH_BYTES).map_err(damaged)?;
    let mut out = Vec::new();
    let mut step = vec![0; STEP];
    loop {
        let read = reader.read(&mut step).map_err(|e| match e.downcast::<frame::FrameError>() {
            Ok(large) => RefusedRequest::too_large(told(&large, None)),
            Err(e) => damaged(frame::FrameError::Damaged(e)),
        })?;
        if read == 0 {
            break;
        }
        if out.capacity() - out.len() < read {
            let more = out.capacity().max(STEP);
            memory.grow(more as u64)?;
            out.try_reserve_exact(more)
                .map_err(|_| RefusedRequest::busy("the server is out of memory", AGAIN))?;
        }
        out.extend_from_slice(&step[..read]);
    }
    out.shrink_to_fit();
    Ok(out.into())
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, RefusedRequest> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= KEY_BYTES => Ok(Some(key.to_owned())),
        _ => Err(RefusedRequest::bad_request(format!(
            "the header idempotency-key is to be 1 to {KEY_BYTES} visible ASCII characters"
        ))),
    }
}

fn envelope(data: &[u8]) -> Result<Envelope, RefusedRequest> {
    if data.len() > ENVELOPE_BYTES {
        return Err(RefusedRequest::too_large(format!(
            "the field `data` has more than {ENVELOPE_BYTES} bytes"
        )));
    }
    serde_json::from_slice(data)
        .map_err(|e| RefusedRequest::bad_request(format!("the field `data` is not a job's envelope: {e}")))
}

/// Refuses any model but the one that is served.
fn serves(shared: &ServerParts, key: &str) -> Result<(), RefusedRequest> {
    let name = &shared.runner.info().name;
    if key == name {
        return Ok(());
    }
    let shown: String = key.chars().take(200).collect();
    Err(RefusedRequest::not_found(format!("the model {shown:?} is not served here; served are: {name:?}")))
}
