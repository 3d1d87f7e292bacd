//! Sending a job. The one thing that is never repeated, unless it is certain that the service did
//! not take it, or promised to notice.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use tokio::time::timeout;
use truenorth_protocol::clock::since_1970;
use truenorth_protocol::job::{Envelope, Update};

use super::ClientError;
use super::http::Http;
use super::job_watch::JobWatch;
use super::retry::{RetryState, asked};

const DOING: &str = "sending a job";

pub(super) struct JobUpload {
    pub envelope: String,
    /// The payload, compressed if the envelope says so.
    pub payload: Bytes,
    /// A name under which the service recognises a repeat; none where services know of no such thing.
    pub repeat: Option<String>,
}

impl JobUpload {
    pub(super) fn new(
        envelope: &Envelope,
        payload: Bytes,
        repeat: Option<String>,
    ) -> Result<Self, ClientError> {
        let envelope = serde_json::to_string(envelope)
            .map_err(|e| ClientError::Setup { what: "the envelope of a job", source: e.into() })?;
        Ok(Self { envelope, payload, repeat })
    }
}

/// How sending a job ended.
pub(super) enum Sent {
    Taken(Update),
    Unknown(ClientError),
}

pub(super) enum Between<'a> {
    /// The service has nothing of the job.
    Refused(&'a ClientError),
    /// It is sent again now.
    Again,
}

/// Sends a job. `between` learns what is known between tries; where it fails, nothing more is sent.
///
/// # Errors
/// Only where it is certain that the service did not take the job. Among them
/// [`ClientError::Interrupted`], when the user wanted to stop before anything was sent.
pub(super) async fn submit(
    http: &Http,
    job_upload: &JobUpload,
    job_watch: &JobWatch<'_>,
    between: &mut dyn FnMut(Between<'_>) -> Result<(), ClientError>,
) -> Result<Sent, ClientError> {
    let mut tries = RetryState::new(http.times.backoff);
    // Once a try ended in doubt, a later refusal does not mean that the service has nothing.
    let mut doubt = None;
    let end = |doubt: Option<ClientError>, error| doubt.map_or(Err(error), |doubt| Ok(Sent::Unknown(doubt)));
    loop {
        if job_watch.stopping() {
            return end(doubt, ClientError::Interrupted);
        }
        let (failed, after) = match once(http, job_upload, job_watch).await {
            Once::Taken(update) => return Ok(Sent::Taken(update)),
            Once::No(error) => return end(doubt, error),
            Once::NotYet(error, after) => (error, after),
            Once::Unknown(error) if job_upload.repeat.is_none() => return Ok(Sent::Unknown(error)),
            Once::Unknown(error) => (doubt.replace(error).unwrap_or(ClientError::Interrupted), None),
        };
        let Some(wait) = tries.again(after) else { return end(doubt, failed) };
        let refused = doubt.is_none();
        if refused {
            between(Between::Refused(&failed))?;
        }
        let why = doubt.as_ref().unwrap_or(&failed);
        job_watch.say(&format!("{why}; sending it in {:.1} s", wait.as_secs_f32()));
        if job_watch.sleep(wait).await.is_err() {
            return end(doubt, ClientError::Interrupted);
        }
        if refused {
            between(Between::Again)?;
        }
    }
}

enum Once {
    Taken(Update),
    /// Refused for good.
    No(ClientError),
    /// Not taken, and worth another try.
    NotYet(ClientError, Option<std::time::Duration>),
    Unknown(ClientError),
}

async fn once(http: &Http, job_upload: &JobUpload, job_watch: &JobWatch<'_>) -> Once {
    let bytes = job_upload.payload.len() as u64;
    let part = Part::stream_with_length(job_upload.payload.clone(), bytes).file_name("request");
    let part = match part.mime_str("application/octet-stream") {
        Ok(part) => part,
        Err(error) => return Once::No(ClientError::Setup { what: "a form", source: error.into() }),
    };
    let form = Form::new().text("data", job_upload.envelope.clone()).part("blob", part);
    let since = since_1970();
    let mut request =
        http.job("/request").header("ndif-timestamp", format!("{:.6}", since.as_secs_f64())).multipart(form);
    for (name, value) in &http.versions {
        request = request.header(*name, value);
    }
    if let Some(repeat) = &job_upload.repeat {
        request = request.header("idempotency-key", repeat);
    }
    http.moved.sent.fetch_add(bytes, Ordering::Relaxed);
    let upload = std::time::Duration::from_secs(bytes / http.times.slowest.max(1));
    let time = http.times.connect + http.times.answer + upload;
    let sending = async {
        let response = http.send_within(request, time, DOING).await?;
        http.read(response, DOING).await
    };
    tokio::pin!(sending);
    let got = tokio::select! {
        got = &mut sending => got,
        () = job_watch.stopped() => {
            // The receipt is worth a moment: without it nobody knows whether the job runs.
            job_watch.say("stopping as soon as the service confirms the job");
            match timeout(http.times.receipt, &mut sending).await {
                Ok(got) => got,
                Err(_) => return Once::Unknown(ClientError::Interrupted),
            }
        }
    };
    let got = match got {
        Ok(got) => got,
        Err(error @ ClientError::Unreachable { .. }) => return Once::NotYet(error, None),
        Err(error) => return Once::Unknown(error),
    };
    match got.status {
        status if status.is_success() => match got.json::<Update>(http, DOING) {
            Ok(update) if !update.id.is_empty() => Once::Taken(update),
            Ok(_) => Once::Unknown(ClientError::Message { doing: DOING, source: None }),
            Err(error) => Once::Unknown(error),
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let error = http.refusal(&got, DOING);
            match asked(&got.headers) {
                Some(after) => Once::NotYet(error, Some(after)),
                None if got.is_before_queue() => Once::NotYet(error, None),
                // A gateway that does not say when to come back may have passed the job on.
                None if job_upload.repeat.is_none() && got.status == StatusCode::SERVICE_UNAVAILABLE => {
                    Once::Unknown(error)
                }
                None => Once::No(error),
            }
        }
        StatusCode::PAYLOAD_TOO_LARGE => match http.refusal(&got, DOING) {
            ClientError::Refused { detail, .. } => Once::No(ClientError::PayloadTooLarge { bytes, detail }),
            other => Once::No(other),
        },
        // A server that fell over, or a gateway that heard nothing from it, may have passed the job on.
        status if status.is_server_error() => Once::Unknown(http.refusal(&got, DOING)),
        _ => Once::No(http.refusal(&got, DOING)),
    }
}
