//! One model three times: in process, behind our server, and behind the package-backed service.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use truenorth::client::{ApiKey, Client, Hosted, ServiceOptions};
use truenorth::engine::{Choices, Engine, EngineOptions, Outline};
use truenorth::run::Runner;
use truenorth::server::{Server, ServerOptions};
use truenorth_protocol::DType;
use truenorth_protocol::nnsight::ModelKey;

use super::service::{KEY, Service};

/// The engine, with the name that the service gives the model.
pub fn engine(path: &Path, name: &str) -> Arc<Engine> {
    let options = EngineOptions { name: name.into(), revision: "main".into(), ..EngineOptions::default() };
    Arc::new(Engine::open(path, &options).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// How the package-backed services are spoken to.
pub fn options(service: &Service) -> ServiceOptions {
    options_with(service, KEY)
}

/// The same, with a key.
pub fn options_with(service: &Service, key: &str) -> ServiceOptions {
    ServiceOptions { key: Some(ApiKey::new(key).unwrap()), ..ServiceOptions::new(&service.url) }
}

/// What this side knows of a hosted model; its weights are not read.
pub fn hosted(path: &Path, name: &str, reply: DType) -> Hosted {
    let outline = Outline::open(path, name, "main", &Choices::default()).unwrap();
    Hosted {
        info: outline.info,
        modules: outline.modules,
        config: outline.stated,
        key: ModelKey { repo_id: name.into(), revision: None },
        stop: outline.words.stop().to_vec(),
        vocabulary: Arc::new(outline.words),
        reply,
    }
}

/// Our server around an engine, in this process.
pub struct Ours {
    pub client: Client,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _spool: tempfile::TempDir,
}

impl Ours {
    pub fn start(runner: Arc<dyn Runner>) -> Self {
        let spool = tempfile::tempdir().unwrap();
        let mut options = ServerOptions::new(spool.path());
        options.listen.set_port(0);
        let (stop, stopped) = oneshot::channel();
        let (sender, url) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(async move {
                let server = Server::bind(runner, options).await.unwrap();
                sender.send(server.url()).unwrap();
                server.serve(async move { drop(stopped.await) }).await.unwrap();
            });
        });
        let client = Client::truenorth(ServiceOptions::new(url.recv().unwrap())).unwrap();
        Self { client, stop: Some(stop), thread: Some(thread), _spool: spool }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The folders of all families, each with a tokenizer, as the service's scripts make them.
pub fn families() -> Vec<(String, PathBuf)> {
    let work = super::service::work().join("models");
    super::service::script("models.py", &["families", work.to_str().unwrap()]);
    let mut all: Vec<(String, PathBuf)> = std::fs::read_dir(&work)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (format!("tn/{}", path.file_name().unwrap().to_str().unwrap()), path)
        })
        .collect();
    all.sort();
    assert!(all.len() >= 21, "{all:?}");
    all
}

/// An error and what led to it.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        text = format!("{text}: {e}");
        cause = e.source();
    }
    text
}
