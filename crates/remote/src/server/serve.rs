//! From start to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

use super::connect::{self, Tls};
use super::error::ServerError;
use super::options::ServerOptions;
use super::routes::router;
use super::shared::ServerParts;
use super::worker::work;
use truenorth_protocol::run::Runner;

/// How long a run that was told to end may take to do so.
const HALT: Duration = Duration::from_secs(10);
/// How long open connections may take to end.
const GOODBYE: Duration = Duration::from_secs(3);

/// A server that listens, but does not yet answer.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<ServerParts>,
    tls: Option<Tls>,
    options: ServerOptions,
}

impl Server {
    /// Takes the address and the spool.
    ///
    /// # Errors
    /// When the address can't be had or would let everybody in, or the spool or the certificate can't be
    /// used.
    pub async fn bind(runner: Arc<dyn Runner>, options: ServerOptions) -> Result<Self, ServerError> {
        let listen = options.listen;
        if !listen.ip().is_loopback() && options.keys.is_empty() && !options.open {
            return Err(ServerError::Exposed { listen });
        }
        let tls = options.tls.as_ref().map(|(cert, key)| Tls::load(cert, key)).transpose()?;
        let failed = |source| ServerError::Listen { listen, source };
        let listener = connect::listen(listen).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let opened = options.clone();
        let shared = tokio::task::spawn_blocking(move || ServerParts::open(runner, &opened))
            .await
            .map_err(|e| ServerError::Serve(std::io::Error::other(e)))??;
        Ok(Self { listener, address, shared: Arc::new(shared), tls, options })
    }

    /// The address that is listened on, its port included.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the server, as `--on` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `stop` is ready. Then it takes no more jobs, lets the running one reach its end
    /// or the limit of [`ServerOptions::grace`], answers questions meanwhile, and leaves the rest in
    /// the spool.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { listener, shared, tls, options, .. } = self;
        let worker = tokio::spawn(work(shared.clone()));
        let sweeper = tokio::spawn(sweep(shared.clone(), options.keep));
        let app = router(shared.clone());
        let closing = shared.closing.subscribe();
        let notice = shared.notice.clone();
        let mut serving = tokio::spawn(connect::serve(listener, app, options.limits, tls, closing, notice));
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = stop => None,
        };
        shared.board.drain();
        let finished = finish(&shared, worker, options.grace).await;
        sweeper.abort();
        shared.board.close_sockets();
        let _ = shared.closing.send(true);
        let ended = match ended {
            Some(ended) => Some(ended),
            None => timeout(GOODBYE, &mut serving).await.ok(),
        };
        if finished {
            shared.spool.release();
        }
        let Some(ended) = ended else {
            serving.abort();
            return Ok(());
        };
        ended.map_err(|e| ServerError::Serve(std::io::Error::other(e)))
    }
}

/// Waits for the running job, first patiently, then not, and for jobs that are being written down.
/// Whether nothing writes to the spool any more.
async fn finish(shared: &Arc<ServerParts>, mut worker: JoinHandle<()>, grace: Duration) -> bool {
    let mut ended = timeout(grace, &mut worker).await.is_ok();
    if !ended {
        (shared.notice)("the running job takes too long; it is left in the spool");
        shared.halt.store(true, Ordering::SeqCst);
        ended = timeout(HALT, worker).await.is_ok();
    }
    let received = async {
        while shared.board.receiving() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(GOODBYE, received).await.is_ok() && ended
}

/// Removes old jobs now and then.
async fn sweep(shared: Arc<ServerParts>, keep: Duration) {
    let mut tick = interval((keep / 10).clamp(Duration::from_millis(50), Duration::from_secs(60)));
    loop {
        tick.tick().await;
        let old = shared.board.sweep(keep);
        let here = shared.clone();
        let removing = move || here.remove(old);
        if tokio::task::spawn_blocking(removing).await.is_err() {
            return;
        }
    }
}
