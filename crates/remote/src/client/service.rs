//! A service as such, whatever model is asked of it.

use std::future::Future;

use tokio::runtime::{Builder, Runtime};

use super::http::Http;
use super::{ClientError, ServiceOptions};
use truenorth_protocol::run::{Unwatched, Watch};

/// A service and the threads that speak to it. Its methods block, and must not be called from async
/// code.
pub struct Service {
    pub(super) http: Http,
    pub(super) watch: Box<dyn Watch + Send>,
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("url", &self.http.base.as_str()).finish_non_exhaustive()
    }
}

impl Service {
    /// Gets ready to speak to a service; nothing is sent yet.
    ///
    /// # Errors
    /// When the address is none, or the system gives no threads or certificates.
    pub fn open(options: &ServiceOptions) -> Result<Self, ClientError> {
        let http = Http::new(options)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("truenorth-client")
            .enable_all()
            .build()
            .map_err(|e| ClientError::Setup { what: "threads", source: e.into() })?;
        Ok(Self { http, watch: Box::new(Unwatched), runtime: Some(runtime) })
    }

    /// Tells a watch what is asked again, and lets it stop that.
    #[must_use]
    pub fn watched(mut self, watch: Box<dyn Watch + Send>) -> Self {
        self.watch = watch;
        self
    }

    /// The address of the service, which jobs name it by.
    #[must_use]
    pub fn url(&self) -> &str {
        self.http.base.as_str()
    }

    /// Runs a future to its end on this thread.
    pub(super) fn block<T>(
        &self,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(ClientError::Interrupted),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Waiting for the threads is neither needed nor allowed everywhere.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
