//! Bodies, read whole within limits of size and time.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, Multipart};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::connect::{Connection, WaitCause};
use super::memory::Share;
use super::options::ServerLimits;
use super::refusal::RefusedRequest;

/// How long a body that is refused is still read, so that its sender sees the refusal rather
/// than a broken connection.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes a second that a body has to come with, once it took longer than a pause may: slower ones
/// keep others waiting for a place.
const PACE: f64 = 4096.0;

/// A body is in memory up to so many times while it is read and taken apart.
const COPIES: u64 = 3;

/// Reads a body.
///
/// # Errors
/// 413 when it is or says it is larger than the limit, 408 when it is too slow, 400 when it breaks off, 429
/// when there is no memory for it.
pub(super) async fn read(
    headers: &HeaderMap,
    body: Body,
    limits: &ServerLimits,
    memory: &mut Share,
    connection: &Connection,
) -> Result<Bytes, RefusedRequest> {
    let limit = limits.body_bytes;
    let mut stream = body.into_data_stream();
    let said = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|n| n > limit as u64) {
        discard(&mut stream, limit).await;
        return Err(too_large(limit));
    }
    // A body that is announced has to come at half the rate at least that brings all of it in time.
    #[allow(clippy::cast_precision_loss, reason = "a rate of a few digits")]
    let pace = PACE.max(said.unwrap_or(0) as f64 / limits.body_time.as_secs_f64() / 2.0);
    let waiting = connection.waits(WaitCause::Body);
    let start = Instant::now();
    let end = start + limits.body_time;
    let mut bytes = Vec::new();
    loop {
        let pause = limits.pause.min(end.saturating_duration_since(Instant::now()));
        let chunk = match timeout(pause, stream.next()).await {
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(e))) => return Err(RefusedRequest::bad_request(format!("the body broke off: {e}"))),
            Ok(None) => return Ok(bytes.into()),
            Err(_) => return Err(too_slow(limits, pace)),
        };
        if bytes.len() + chunk.len() > limit {
            drop(bytes);
            discard(&mut stream, limit).await;
            return Err(too_large(limit));
        }
        if let Err(refused) = memory.grow(COPIES * chunk.len() as u64) {
            drop(bytes);
            discard(&mut stream, limit).await;
            return Err(refused);
        }
        waiting.moved(chunk.len());
        bytes.extend_from_slice(&chunk);
        let took = start.elapsed();
        #[allow(clippy::cast_precision_loss, reason = "a rate of a few digits")]
        if took > limits.pause && (bytes.len() as f64) < pace * took.as_secs_f64() {
            return Err(too_slow(limits, pace));
        }
    }
}

/// Reads and forgets the rest of a body, up to a size and for a moment.
async fn discard(stream: &mut BodyDataStream, limit: usize) {
    let drain = async {
        let mut seen = 0_usize;
        while let Some(Ok(chunk)) = stream.next().await {
            seen = seen.saturating_add(chunk.len());
            if seen > limit.saturating_mul(2).max(1 << 20) {
                break;
            }
        }
    };
    let _ = timeout(PATIENCE, drain).await;
}

fn too_large(limit: usize) -> RefusedRequest {
    RefusedRequest::too_large(format!(
        "the body has more than {limit} bytes, the most that are taken at once"
    ))
}

fn too_slow(limits: &ServerLimits, pace: f64) -> RefusedRequest {
    RefusedRequest::new(
        StatusCode::REQUEST_TIMEOUT,
        format!(
            "the body did not come within {:?}, paused for {:?}, or came with less than {pace:.0} bytes a second",
            limits.body_time, limits.pause
        ),
    )
}

/// The fields `data` and `blob` of a form.
pub(super) struct FormFields {
    pub data: Bytes,
    pub blob: Bytes,
}

/// Takes a form apart.
///
/// # Errors
/// 400 when it is not a form, or one of the fields is missing, there twice, or unknown.
pub(super) async fn form(parts: Parts, bytes: Bytes) -> Result<FormFields, RefusedRequest> {
    let wrong = |what: String| RefusedRequest::bad_request(format!("the form can't be read: {what}"));
    let request = Request::from_parts(parts, Body::from(bytes));
    let mut multipart = Multipart::from_request(request, &()).await.map_err(|e| wrong(e.body_text()))?;
    let (mut data, mut blob) = (None, None);
    while let Some(field) = multipart.next_field().await.map_err(|e| wrong(e.body_text()))? {
        let name = field.name().unwrap_or_default().to_owned();
        let place = match name.as_str() {
            "data" => &mut data,
            "blob" => &mut blob,
            _ => {
                return Err(RefusedRequest::bad_request(format!(
                    "unknown field {name:?}; expected `data` and `blob`"
                )));
            }
        };
        if place.replace(field.bytes().await.map_err(|e| wrong(e.body_text()))?).is_some() {
            return Err(RefusedRequest::bad_request(format!("the field `{name}` comes twice")));
        }
    }
    let missing = |name| RefusedRequest::bad_request(format!("the field `{name}` is missing"));
    Ok(FormFields { data: data.ok_or_else(|| missing("data"))?, blob: blob.ok_or_else(|| missing("blob"))? })
}
