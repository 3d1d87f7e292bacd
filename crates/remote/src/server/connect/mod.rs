//! Connections: taken, bounded, served with HTTP/1.1 and let go.
//!
//! A connection is *idle* until the head of a request is there whole, and again once that is answered.
//! Idle ones are bounded by address, and the longest idle gives way to a new one; so whoever sends its
//! head at once is served, whatever else comes from the same address. HTTP/2 is not spoken: its pings
//! keep a connection alive for nothing.
//!
//! One whose request is there, but whose body comes or whose answer is taken more slowly than 32 KiB a
//! second (`slow`), gives way as well when others wait.

mod descriptors;
mod listener;
mod slow;
mod stream;
mod table;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tower_service::Service as _;

use super::held::holding;
use super::options::ServerLimits;
use stream::TimedStream;
use table::{ConnectionSlot, ConnectionTable};

pub(super) use descriptors::out_of_descriptors;
pub(super) use slow::{Connection, WaitCause};
pub(super) use tls::Tls;

/// Bytes of the head of a request.
const HEAD_BYTES: usize = 64 << 10;
/// Connections that the system may have ready to be accepted: one that finds no room there tries again a
/// second later, one that does may have to wait for all of them.
const BACKLOG: u32 = 1024;
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(20);
/// How often an operator is told the same.
const AGAIN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub SocketAddr);

/// What every connection is served with.
struct Served {
    app: Router,
    limits: ServerLimits,
    tls: Option<Tls>,
    closing: watch::Receiver<bool>,
}

/// Takes an address.
///
/// # Errors
/// When it can't be had.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that is started again finds its port free; elsewhere that would let two share it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until `closing`, then waits for those that are open to end.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: ServerLimits,
    tls: Option<Tls>,
    mut closing: watch::Receiver<bool>,
    notice: Arc<dyn Fn(&str) + Send + Sync>,
) {
    listener::set_up(&listener);
    let most = descriptors::connections(limits.connections, &*notice);
    let table = ConnectionTable::new(most, limits.connections_per_address);
    let served = Arc::new(Served { app, limits, tls, closing: closing.clone() });
    let mut told: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = async {
                // Where every connection is at work, new ones wait to be accepted.
                table.room().await;
                listener.accept().await
            } => accepted,
            _ = closing.wait_for(|c| *c) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = table.admit(peer.ip());
                tokio::spawn(connection(served.clone(), stream, peer, place));
            }
            Err(e) => {
                if out_of_descriptors(&e) {
                    table.give_way();
                    if told.is_none_or(|t| t.elapsed() > AGAIN) {
                        told = Some(Instant::now());
                        notice(&descriptors::told());
                    }
                }
                sleep(REST).await;
            }
        }
    }
    drop(listener);
    table.empty().await;
}

async fn connection(served: Arc<Served>, stream: TcpStream, peer: SocketAddr, place: Arc<ConnectionSlot>) {
    // Frames and small answers should not wait for more to send.
    let _ = stream.set_nodelay(true);
    let limits = served.limits;
    // Two pings and what answers them fit into a stall, so a quiet socket is not a stalled one.
    let stall = limits.pause.max(limits.ping_every * 3);
    let stream = TimedStream::new(stream, stall, place.clone());
    match &served.tls {
        None => exchange(&served, stream, peer, place).await,
        Some(tls) => {
            let hands = tokio::time::timeout(limits.head_time, tls.accept(stream));
            tokio::select! {
                shaken = hands => if let Ok(Ok(stream)) = shaken {
                    exchange(&served, stream, peer, place.clone()).await;
                },
                () = place.given_up() => {}
            }
        }
    }
}

async fn exchange<S>(served: &Served, stream: S, peer: SocketAddr, place: Arc<ConnectionSlot>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = served.limits;
    let answer = service_fn(|mut request: Request<Incoming>| {
        let busy = place.busy();
        request.extensions_mut().insert(ConnectInfo(PeerAddress(peer)));
        // For routes of others, which know no type of ours.
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(Connection(place.clone()));
        let answered = served.app.clone().call(request.map(Body::new));
        let place = place.clone();
        async move {
            let response: Response = answered.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                place.stay();
            }
            Ok::<_, std::convert::Infallible>(holding(response, busy))
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle.max(limits.head_time))
        .max_buf_size(HEAD_BYTES);
    let mut exchange = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), answer).with_upgrades());
    let mut first = std::pin::pin!(sleep(limits.head_time));
    let mut closing = served.closing.clone();
    let (mut waits, mut open) = (true, true);
    loop {
        tokio::select! {
            biased;
            // First of all: a head that is there already is served, though the connection had to give way.
            _ = &mut exchange => return,
            () = place.given_up() => {
                if !place.works() || place.leaves() {
                    return;
                }
            }
            () = &mut first, if waits => {
                if !place.proven() {
                    return;
                }
                waits = false;
            }
            _ = closing.wait_for(|c| *c), if open => {
                exchange.as_mut().graceful_shutdown();
                open = false;
            }
        }
    }
}
