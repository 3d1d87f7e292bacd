//! Bodies of answers, sent by the chunk and counted for as long as they are in memory.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::sleep;

use super::auth::ClientId;
use super::connect::{Connection, WaitCause};
use super::memory::{MemoryBudget, Share};
use super::refusal::RefusedRequest;
use super::requests::{Answering, Requests};
use super::vouch::CHUNK;

/// Bytes that an answer from disk has in memory while it is sent: what was just read, and what the
/// connection has of it.
pub(super) const EACH: u64 = 3 * CHUNK as u64;
/// How long is waited for memory before the client is told to come again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Memory to send an answer from disk. Where there is none, who takes its own too slowly gives way.
///
/// # Errors
/// 429 when there is none for too long.
pub(super) async fn memory(
    all: &Arc<MemoryBudget>,
    connection: &Connection,
) -> Result<Share, RefusedRequest> {
    let start = Instant::now();
    loop {
        if let Some(share) = all.take(EACH) {
            return Ok(share);
        }
        if start.elapsed() >= PATIENCE {
            return Err(RefusedRequest::busy("too many results are being sent at the same time", PATIENCE));
        }
        connection.others_give_way(WaitCause::Answer);
        sleep(LOOK).await;
    }
}

/// A client's turn to have one more answer sent: those of a crowd that is quick are not refused.
///
/// # Errors
/// 429 when none of its others ends for too long.
pub(super) async fn turn(results: &Requests, client: &ClientId) -> Result<Answering, RefusedRequest> {
    let start = Instant::now();
    loop {
        match results.begin(client) {
            Err(_) if start.elapsed() < PATIENCE => sleep(LOOK).await,
            turn => return turn,
        }
    }
}

/// A body; `held` is free again when all of it has been taken, or nobody takes more.
pub(super) fn body<H: Send + 'static>(
    chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    connection: &Connection,
    held: H,
) -> Body {
    let waiting = connection.waits(WaitCause::Answer);
    Body::from_stream(chunks.inspect(move |chunk| {
        let _ = &held;
        if let Ok(chunk) = chunk {
            waiting.moved(chunk.len());
        }
    }))
}

/// Bytes that are in memory, in chunks of their own: what the connection has of them does not keep the rest.
pub(super) fn chunks(bytes: Vec<u8>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold((bytes, 0), |(bytes, at)| async move {
        let chunk = Bytes::copy_from_slice(bytes.get(at..bytes.len().min(at + CHUNK))?);
        let next = at + chunk.len();
        (!chunk.is_empty()).then_some((Ok(chunk), (bytes, next)))
    })
}
