//! The socket on which a service tells how a job goes on. One socket a job: whatever comes on it is
//! about that job, even before its id is known here.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use truenorth_protocol::job::{SessionFrame, Update};
use truenorth_protocol::limits;

use super::address;
use super::http::Http;

type WsStream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The most bytes of a result that comes as one frame, which has to be held in memory.
const FRAME: usize = 1 << 30;
/// Frames that wait to be looked at.
const WAITING: usize = 64;

/// What came on a socket.
#[derive(Debug)]
pub(super) enum Frame {
    /// News of the job.
    Update(Update),
    /// An update in pickled form, which may hold the result.
    Binary(Bytes),
}

/// An open socket. It is read by a task of its own, so that pings are answered whatever else is done.
pub(super) struct Socket {
    pub session: String,
    frames: mpsc::Receiver<Frame>,
    task: JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Socket {
    /// Opens a socket and waits for its session.
    ///
    /// # Errors
    /// Why there is none, for people: the job is followed by polling then.
    pub(super) async fn open(http: &Http, cap: usize) -> Result<Self, String> {
        let time = http.times.connect + http.times.answer;
        timeout(time, Self::open_now(http, cap))
            .await
            .unwrap_or_else(|_| Err("it did not answer in time".into()))
    }

    async fn open_now(http: &Http, cap: usize) -> Result<Self, String> {
        let mut request =
            address::socket(&http.base).as_str().into_client_request().map_err(|e| e.to_string())?;
        if let Some(key) = http.key() {
            let (name, value) = key.header();
            request.headers_mut().insert(name, value);
        }
        let most = cap.saturating_add(limits::STATUS_BYTES).min(FRAME);
        let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
        let (mut stream, _) = connect_async_with_config(request, Some(config), true)
            .await
            .map_err(|e| http.shown(&explain(&e)))?;
        let session = loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) if text.len() <= limits::STATUS_BYTES => {
                    break serde_json::from_str::<SessionFrame>(&text).map_err(|e| e.to_string())?.session_id;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(error)) => return Err(http.shown(&explain(&error))),
                _ => return Err("it began without a session".into()),
            }
        };
        if session.is_empty() {
            return Err("its session has no name".into());
        }
        let (sender, frames) = mpsc::channel(WAITING);
        let task = tokio::spawn(pump(stream, sender, http.times.ping));
        Ok(Self { session, frames, task })
    }

    /// The next frame; none once the socket is gone.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        self.frames.recv().await
    }
}

/// Reads a socket until it ends, goes silent, or nobody listens.
async fn pump(mut stream: WsStream, frames: mpsc::Sender<Frame>, ping: Duration) {
    let mut heard = Instant::now();
    let mut asked = Instant::now();
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            () = frames.closed() => break,
            () = tokio::time::sleep_until(asked + ping) => {
                if heard.elapsed() > ping * 2 || stream.send(Message::Ping(Bytes::new())).await.is_err() {
                    return;
                }
                asked = Instant::now();
                continue;
            }
        };
        heard = Instant::now();
        let frame = match message {
            Some(Ok(Message::Text(text))) if text.len() <= limits::STATUS_BYTES => {
                match serde_json::from_str(&text) {
                    Ok(update) => Frame::Update(update),
                    // Words of a later version; polling tells the same.
                    Err(_) => continue,
                }
            }
            Some(Ok(Message::Binary(bytes))) => Frame::Binary(bytes),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None => return,
        };
        if frames.send(frame).await.is_err() {
            break;
        }
    }
    let _ = timeout(Duration::from_secs(1), stream.close(None)).await;
}

fn explain(error: &Error) -> String {
    match error {
        Error::Http(response) => format!("it answered {}", response.status().as_u16()),
        other => other.to_string(),
    }
}
