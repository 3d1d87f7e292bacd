//! Routes of another kind, such as pages, behind the bounded connections that the server of graphs has.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::connect;
use super::error::ServerError;
use super::options::ServerLimits;

/// How long open connections may take to end.
const GOODBYE: Duration = Duration::from_secs(3);

/// An address that is listened on, whose connections are bounded as [`ServerLimits`] says: of these the ones of connections,
/// heads and pauses. Requests carry `ConnectInfo<SocketAddr>`; what a body may take is the routes' own affair.
pub struct BoundedListener {
    listener: TcpListener,
    address: SocketAddr,
    limits: ServerLimits,
    notice: Arc<dyn Fn(&str) + Send + Sync>,
}

impl BoundedListener {
    /// Takes the address. `open` says that other machines may come.
    ///
    /// # Errors
    /// When the address can't be had, or other machines could come unasked.
    pub async fn bind(
        listen: SocketAddr,
        open: bool,
        limits: ServerLimits,
        notice: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> Result<Self, ServerError> {
        if !listen.ip().is_loopback() && !open {
            return Err(ServerError::Unasked { listen });
        }
        let failed = |source| ServerError::Listen { listen, source };
        let listener = connect::listen(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, limits, notice })
    }

    /// The address that is listened on, its port included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then lets open connections end.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, app: Router, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let (close, closing) = watch::channel(false);
        let serving = connect::serve(self.listener, app, self.limits, None, closing, self.notice);
        let mut serving = tokio::spawn(serving);
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = stop => None,
        };
        let _ = close.send(true);
        let ended = match ended {
            Some(ended) => ended,
            None => match timeout(GOODBYE, &mut serving).await {
                Ok(ended) => ended,
                Err(_) => {
                    serving.abort();
                    return Ok(());
                }
            },
        };
        ended.map_err(|e| ServerError::Serve(std::io::Error::other(e)))
    }
}
