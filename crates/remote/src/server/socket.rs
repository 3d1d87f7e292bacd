//! `GET /subscribe`: updates of jobs as they happen.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Duration, MissedTickBehavior, interval, timeout};
use truenorth_protocol::job::SessionFrame;
use uuid::Uuid;

use super::auth::ClientId;
use super::refusal::RefusedRequest;
use super::shared::ServerParts;

/// The most bytes of a message of a client, which has nothing to say.
const MESSAGE_BYTES: usize = 64 << 10;

/// Opens a socket.
pub(super) async fn subscribe(
    State(shared): State<Arc<ServerParts>>,
    Extension(client): Extension<ClientId>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, RefusedRequest> {
    let upgrade = upgrade
        .map_err(|e| RefusedRequest::new(e.status(), format!("this is a WebSocket: {}", e.body_text())))?;
    if shared.board.draining() {
        return Err(RefusedRequest::draining());
    }
    let (id, frames) = shared.board.open_socket(&client).ok_or_else(|| {
        let detail = "too many sockets are open; close one, or leave session_id empty and poll";
        RefusedRequest::busy(detail, Duration::from_secs(30))
    })?;
    let seat = SocketSeat { shared, id };
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES).max_frame_size(MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, seat, frames)))
}

/// A socket's place on the board, left when the socket ends in whatever way.
struct SocketSeat {
    shared: Arc<ServerParts>,
    id: Uuid,
}

impl Drop for SocketSeat {
    fn drop(&mut self) {
        self.shared.board.close_socket(self.id);
    }
}

async fn serve(mut socket: WebSocket, seat: SocketSeat, mut frames: Receiver<String>) {
    let limits = seat.shared.limits;
    let Ok(hello) = serde_json::to_string(&SessionFrame { session_id: seat.id.to_string() }) else { return };
    let mut ping = interval(limits.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    ping.tick().await;
    let mut unanswered = 0;
    let mut next = Some(Message::text(hello));
    loop {
        if let Some(message) = next.take()
            && !matches!(timeout(limits.pause, socket.send(message)).await, Ok(Ok(())))
        {
            return;
        }
        tokio::select! {
            frame = frames.recv() => match frame {
                Some(frame) => next = Some(Message::text(frame)),
                None => break,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                // Whatever a client says shows that it is there.
                Some(Ok(_)) => unanswered = 0,
            },
            _ = ping.tick() => {
                if unanswered == 2 {
                    return;
                }
                unanswered += 1;
                next = Some(Message::Ping(Default::default()));
            }
        }
    }
    // The board gave this socket up: the server stops, or its client reads too slowly.
    let close = CloseFrame { code: close_code::AWAY, reason: "poll for the rest".into() };
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(Some(close)))).await;
}
