//! `GET /result/{id}`: the bytes of an answer, streamed from disk, whole or in part.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use uuid::Uuid;

use super::auth::ClientId;
use super::board::no_job;
use super::connect::{Connection, out_of_descriptors};
use super::range::{WantedBytes, wanted};
use super::record::AnswerFile;
use super::refusal::RefusedRequest;
use super::routes::JobId;
use super::send;
use super::shared::ServerParts;
use super::submit::blocking;
use super::vouch::{Unfit, Vouching};

/// Sends an answer.
pub(super) async fn result(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    Extension(connection): Extension<Connection>,
    JobId(id): JobId,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, RefusedRequest> {
    let answer = shared.board.answer(id, &client).ok_or_else(|| no_job(id))?.map_err(|update| {
        let status = update.status.as_str();
        RefusedRequest::new(
            StatusCode::CONFLICT,
            format!("job {id} is {status} and has no answer: {}", update.description),
        )
    })?;
    let sending = To { shared: &shared, id, client: &client, connection: &connection };
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
            WantedBytes::Outside => {
                let detail =
                    format!("the answer has {} bytes; the range asks for none of them", answer.bytes);
                let mut response =
                    RefusedRequest::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", answer.bytes));
                return Ok(response);
            }
            WantedBytes::Whole => body(&sending, &answer, 0, answer.bytes, &method).await?,
            WantedBytes::Part(start, end) => {
                let mut response = body(&sending, &answer, start, end - start + 1, &method).await?;
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

struct To<'a> {
    shared: &'a Arc<ServerParts>,
    id: Uuid,
    client: &'a ClientId,
    connection: &'a Connection,
}

/// Bytes of the file as a stream, each chunk looked at before it is sent: who was told a length and gets
/// less knows that something is wrong.
async fn body(
    to: &To<'_>,
    answer: &AnswerFile,
    start: u64,
    length: u64,
    method: &Method,
) -> Result<Response, RefusedRequest> {
    let mut response = if *method == Method::HEAD {
        Response::new(Body::empty())
    } else {
        let To { shared, id, client, connection } = *to;
        let turn = send::turn(&shared.results, client).await?;
        let held = (turn, send::memory(&shared.sending, connection).await?);
        let mut sending = Sending { shared: shared.clone(), id, at: start, end: start + length };
        let (file, first) = sending.open(answer).await?;
        sending.at += first.len() as u64;
        let first = futures_util::stream::iter([Ok(Bytes::from(first))]);
        let rest = futures_util::stream::try_unfold((sending, file), |(mut sending, file)| async move {
            if sending.at >= sending.end {
                return Ok(None);
            }
            let (file, chunk) = sending.next(file).await?;
            sending.at += chunk.len() as u64;
            Ok::<_, std::io::Error>(Some((Bytes::from(chunk), (sending, file))))
        });
        let (here, mut sent, bytes) = (shared.clone(), start, answer.bytes);
        let stream = first.chain(rest).inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                here.metrics.bytes_out.inc_by(chunk.len() as u64);
                sent += chunk.len() as u64;
                if sent == bytes {
                    here.board.fetched(id);
                }
            }
        });
        Response::new(send::body(stream, connection, held))
    };
    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
    set(&mut response, header::CONTENT_TYPE, "application/octet-stream");
    Ok(response)
}

/// An answer that is being sent, and how far.
struct Sending {
    shared: Arc<ServerParts>,
    id: Uuid,
    at: u64,
    end: u64,
}

impl Sending {
    /// The file, seen to be what was written, and its first bytes.
    async fn open(&self, answer: &AnswerFile) -> Result<(Vouching, Vec<u8>), RefusedRequest> {
        let (shared, answer) = (self.shared.clone(), answer.clone());
        let (id, at, end) = (self.id, self.at, self.end);
        blocking(move || {
            let opened = shared.vouched.open(id, &shared.spool.answer(id), &answer);
            let read = opened.and_then(|mut file| file.read(at, end).map(|first| (file, first)));
            read.map_err(|e| unfit(&shared, id, &e))
        })
        .await?
    }

    async fn next(&self, mut file: Vouching) -> std::io::Result<(Vouching, Vec<u8>)> {
        let (shared, id, at, end) = (self.shared.clone(), self.id, self.at, self.end);
        blocking(move || {
            let read = file.read(at, end).map_err(|e| unfit(&shared, id, &e));
            read.map(|chunk| (file, chunk))
        })
        .await
        .and_then(|read| read)
        .map_err(|refused| std::io::Error::other(refused.detail))
    }
}

/// What is told of an answer that can't be sent. A job whose answer is damaged is one that failed from then
/// on.
fn unfit(shared: &ServerParts, id: Uuid, e: &Unfit) -> RefusedRequest {
    (shared.notice)(&format!("the answer of job {id} can't be sent: {e}"));
    let cause = match e {
        Unfit::Io(cause) => cause,
        Unfit::Damaged { .. } | Unfit::Length { .. } | Unfit::Changed { .. } => {
            let why = format!(
                "the answer on the server's disk can't be sent: {e}\nhint: send the job again under a new key"
            );
            if let Some(record) = shared.board.spoil(id, &why) {
                shared.finish(&record);
            }
            return RefusedRequest::new(StatusCode::GONE, why);
        }
    };
    if out_of_descriptors(cause) {
        let detail = "the server is out of file descriptors";
        let after = Some(Duration::from_secs(5));
        return RefusedRequest {
            retry_after: after,
            ..RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        };
    }
    RefusedRequest::internal("the answer can't be read from the server's disk")
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
