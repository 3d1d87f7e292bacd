//! `GET /result/{id}`: the bytes of an answer, streamed from disk, whole or in part.

use std::io::SeekFrom;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::auth::ClientId;
use super::board::no_job;
use super::connect::out_of_descriptors;
use super::range::{Wanted, wanted};
use super::record::AnswerFile;
use super::refusal::Refused;
use super::routes::JobId;
use super::shared::Shared;
use super::submit::blocking;
use super::vouch::Unfit;

/// Bytes read from disk at a time.
const CHUNK: usize = 256 << 10;

/// Sends an answer.
pub(super) async fn result(
    State(shared): State<Arc<Shared>>,
    Extension(client): Extension<ClientId>,
    JobId(id): JobId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let answer = shared.board.answer(id, &client).ok_or_else(|| no_job(id))?.map_err(|update| {
        let status = update.status.as_str();
        Refused::new(
            StatusCode::CONFLICT,
            format!("job {id} is {status} and has no answer: {}", update.description),
        )
    })?;
    let etag = format!("\"{}\"", answer.sha256);
    let matches = |name| {
        headers.get(name).and_then(|v| v.to_str().ok()).is_some_and(|all: &str| {
            all.split(',').map(|t| t.trim().trim_start_matches("W/")).any(|t| t == "*" || t == etag)
        })
    };
    let mut response = if matches(header::IF_NONE_MATCH) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match wanted(&headers, answer.bytes, &etag) {
            Wanted::Outside => {
                let detail =
                    format!("the answer has {} bytes; the range asks for none of them", answer.bytes);
                let mut response = Refused::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", answer.bytes));
                return Ok(response);
            }
            Wanted::Whole => body(&shared, id, &answer, 0, answer.bytes, &method).await?,
            Wanted::Part(start, end) => {
                let mut response = body(&shared, id, &answer, start, end - start + 1, &method).await?;
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                set(&mut response, header::CONTENT_RANGE, &format!("bytes {start}-{end}/{}", answer.bytes));
                response
            }
        }
    };
    set(&mut response, header::ETAG, &etag);
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    Ok(response)
}

/// Bytes of the file as a stream.
async fn body(
    shared: &Arc<Shared>,
    id: Uuid,
    answer: &AnswerFile,
    start: u64,
    length: u64,
    method: &Method,
) -> Result<Response, Refused> {
    let mut response = if *method == Method::HEAD {
        Response::new(Body::empty())
    } else {
        let mut file = File::from_std(open(shared, id, answer).await?);
        let gone = |e: std::io::Error| unfit(shared, id, &e.into());
        file.seek(SeekFrom::Start(start)).await.map_err(gone)?;
        let metrics = shared.metrics.clone();
        let stream = ReaderStream::with_capacity(file.take(length), CHUNK).inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                metrics.bytes_out.inc_by(chunk.len() as u64);
            }
        });
        Response::new(Body::from_stream(stream))
    };
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    Ok(response)
}

/// The file, seen to be what was written. A job whose answer is damaged is one that failed from then on.
async fn open(shared: &Arc<Shared>, id: Uuid, answer: &AnswerFile) -> Result<std::fs::File, Refused> {
    let (here, answer) = (shared.clone(), answer.clone());
    blocking(move || {
        here.vouched.open(id, &here.spool.answer(id), &answer).map_err(|e| {
            if matches!(e, Unfit::Damaged { .. })
                && let Some(record) = here.board.spoil(id, &damaged(&e))
            {
                here.finish(&record);
            }
            unfit(&here, id, &e)
        })
    })
    .await?
}

fn damaged(e: &Unfit) -> String {
    format!("the answer on the server's disk can't be sent: {e}\nhint: send the job again under a new key")
}

fn unfit(shared: &Shared, id: Uuid, e: &Unfit) -> Refused {
    (shared.notice)(&format!("the answer of job {id} can't be sent: {e}"));
    match e {
        Unfit::Damaged { .. } => Refused::new(StatusCode::GONE, damaged(e)),
        Unfit::Io(e) if out_of_descriptors(e) => {
            let detail = "the server is out of file descriptors";
            let after = Some(Duration::from_secs(5));
            Refused { retry_after: after, ..Refused::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
        }
        Unfit::Io(_) => Refused::internal("the answer can't be read from the server's disk"),
    }
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
