//! Sockets by the session that jobs name.

use std::collections::HashMap;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use truenorth_protocol::job::{JobStatus, Update};
use uuid::Uuid;

use super::super::auth::ClientId;
use super::super::options::ServerLimits;

/// Frames that may wait for a slow reader before its socket is given up.
const FRAMES: usize = 1024;

struct SocketEntry {
    client: ClientId,
    frames: Sender<String>,
}

#[derive(Default)]
pub(super) struct Sockets(HashMap<Uuid, SocketEntry>);

impl Sockets {
    /// Adds a socket; none if there are too many.
    pub fn open(&mut self, client: &ClientId, limits: &ServerLimits) -> Option<(Uuid, Receiver<String>)> {
        let own = self.0.values().filter(|s| s.client == *client).count();
        if self.0.len() >= limits.sockets || own >= limits.sockets_per_client {
            return None;
        }
        let (id, (frames, reader)) = (Uuid::new_v4(), channel(FRAMES));
        self.0.insert(id, SocketEntry { client: client.clone(), frames });
        Some((id, reader))
    }

    pub fn close(&mut self, id: Uuid) {
        self.0.remove(&id);
    }

    pub fn close_all(&mut self) {
        self.0.clear();
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether a session is open, and this client's where that matters.
    pub fn belongs(&self, id: Uuid, client: Option<&ClientId>) -> bool {
        self.0.get(&id).is_some_and(|s| client.is_none_or(|c| s.client == *c))
    }

    /// Sends an update to sockets. One that does not read is given up, as its client would miss
    /// how a job ended; it can ask for that. Lines of progress are left out before it comes to that.
    pub fn send(&mut self, sessions: &[Uuid], update: &Update) {
        if sessions.is_empty() {
            return;
        }
        let Ok(frame) = serde_json::to_string(update) else { return };
        for id in sessions {
            let Some(socket) = self.0.get(id) else { continue };
            if update.status == JobStatus::Log && socket.frames.capacity() < FRAMES / 2 {
                continue;
            }
            if let Err(TrySendError::Full(_) | TrySendError::Closed(_)) =
                socket.frames.try_send(frame.clone())
            {
                self.0.remove(id);
            }
        }
    }
}
