//! A server in this process over a model that can be held back, and a client that speaks raw HTTP.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{RunError, Runner, Unwatched, Watch};
use truenorth::server::{Server, ServerError, ServerKeys, ServerOptions};
use truenorth_protocol::graph::{CheckLimits, Steps, answer_from_bytes};
use truenorth_protocol::{
    Answer, Builder, CheckedGraph, Graph, ModelInfo, Prompt, ReadAt, Site, Tensor, WriteAt, frame,
};

/// A prompt with this token makes the model panic.
pub const POISON: u32 = 13;

/// How long anything here may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The engine, with runs that are written down and can be held back.
pub struct Held {
    pub engine: Engine,
    pub open: AtomicBool,
    /// The first tokens of the prompts of each run.
    pub runs: Mutex<Vec<Vec<u32>>>,
}

impl Held {
    pub fn new() -> Arc<Self> {
        Self::named("tiny")
    }

    pub fn named(name: &str) -> Arc<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families/llama");
        let options = EngineOptions { name: name.into(), revision: "r1".into(), ..EngineOptions::default() };
        let engine = Engine::open(&path, &options).unwrap();
        Arc::new(Self { engine, open: AtomicBool::new(true), runs: Mutex::default() })
    }

    pub fn hold(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.open.store(true, Ordering::SeqCst);
    }

    pub fn runs(&self) -> Vec<Vec<u32>> {
        self.runs.lock().unwrap().clone()
    }

    /// Waits until so many runs have begun.
    pub async fn begun(&self, runs: usize) {
        eventually(|| self.runs.lock().unwrap().len() >= runs).await;
    }

    pub fn alone(&self, graph: &Graph) -> Answer {
        let checked = graph.clone().check(self.engine.info(), &CheckLimits::default()).unwrap();
        self.engine.run(&checked, &Unwatched).unwrap()
    }
}

impl Runner for Held {
    fn info(&self) -> &ModelInfo {
        self.engine.info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.engine.encode(text, special)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        vec![7]
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        let first: Vec<u32> = graph
            .graph()
            .groups
            .iter()
            .flat_map(|g| &g.prompts)
            .map(|p| match p {
                Prompt::Tokens(t) => t[0],
                Prompt::Text(_) => 0,
            })
            .collect();
        self.runs.lock().unwrap().push(first.clone());
        while !self.open.load(Ordering::SeqCst) {
            if watch.interrupted() {
                return Err(RunError::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(!first.contains(&POISON), "poisoned");
        self.engine.run(graph, watch)
    }
}

/// Waits for something to become true.
pub async fn eventually(what: impl Fn() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it did not happen");
}

/// A server that runs.
pub struct Running {
    pub url: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    pub async fn stop(self) {
        let _ = self.stop.send(());
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap().unwrap();
    }

    /// Begins to stop; the rest is to be awaited.
    pub fn begin_stop(self) -> JoinHandle<Result<(), ServerError>> {
        let _ = self.stop.send(());
        self.task
    }

    pub fn client(&self) -> Client {
        Client::new(&self.url, None)
    }

    pub fn keyed(&self, key: &str) -> Client {
        Client::new(&self.url, Some(key))
    }
}

pub fn options(spool: &Path) -> ServerOptions {
    let mut options = ServerOptions::new(spool);
    options.listen.set_port(0);
    options.grace = PATIENCE;
    options
}

pub async fn start(runner: Arc<dyn Runner>, options: ServerOptions) -> Running {
    let server = Server::bind(runner, options).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let url = server.url();
    let task = tokio::spawn(server.serve(async move { drop(stopped.await) }));
    Running { url, stop, task }
}

/// A server with a spool of its own.
pub async fn fresh(runner: Arc<dyn Runner>, tweak: impl FnOnce(&mut ServerOptions)) -> (Running, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(dir.path());
    tweak(&mut options);
    (start(runner, options).await, dir)
}

pub fn keys(options: &mut ServerOptions) {
    options.keys = ServerKeys::parse("key-of-ada Ada\nkey-of-bob\n").unwrap();
}

/// What a job is sent with.
#[derive(Clone, Debug, Default)]
pub struct Send {
    pub session: String,
    pub compress: bool,
    pub idempotency_key: Option<String>,
}

/// A client of HTTP to be made.
pub fn http() -> reqwest::ClientBuilder {
    truenorth_remote::tls::provider();
    reqwest::Client::builder()
}

#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    pub url: String,
    pub key: Option<String>,
}

impl Client {
    pub fn new(url: &str, key: Option<&str>) -> Self {
        let http = http().build().unwrap();
        Self { http, url: url.to_owned(), key: key.map(str::to_owned) }
    }

    pub fn ask(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url)).timeout(PATIENCE);
        match &self.key {
            Some(key) => request.header("ndif-api-key", key),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.ask(reqwest::Method::GET, path).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> Json {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Sends any form to `/request`.
    pub async fn form(&self, form: Form) -> reqwest::Response {
        self.ask(reqwest::Method::POST, "/request").multipart(form).send().await.unwrap()
    }

    pub async fn send(&self, graph: &Graph, how: &Send) -> reqwest::Response {
        let mut request = self.ask(reqwest::Method::POST, "/request");
        if let Some(key) = &how.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let bytes = graph.to_bytes().unwrap();
        let bytes = if how.compress { frame::compress(&bytes).unwrap() } else { bytes };
        request.multipart(form(&envelope(how), bytes)).send().await.unwrap()
    }

    /// Sends a job that is taken; gives its id.
    pub async fn submit(&self, graph: &Graph, how: &Send) -> String {
        let response = self.send(graph, how).await;
        let (status, body) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Json>(&body).unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Polls until a job has ended.
    pub async fn end(&self, id: &str) -> Json {
        let poll = async {
            loop {
                let update = self.json(&format!("/response/{id}")).await;
                if update["status"] == "COMPLETED" || update["status"] == "ERROR" {
                    return update;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        tokio::time::timeout(PATIENCE, poll).await.expect("the job ends")
    }

    /// The answer of a job that completes, not compressed.
    pub async fn answer(&self, id: &str) -> Answer {
        let update = self.end(id).await;
        assert_eq!(update["status"], "COMPLETED", "{update}");
        let bytes = self.get(update["data"].as_str().unwrap()).await.bytes().await.unwrap();
        answer_from_bytes(&bytes).unwrap()
    }

    pub async fn cancel(&self, id: &str) -> reqwest::Response {
        self.ask(reqwest::Method::DELETE, &format!("/request/{id}")).send().await.unwrap()
    }

    /// Opens a socket; gives its session too.
    pub async fn subscribe(&self) -> (Socket, String) {
        let mut socket = self.try_subscribe().await.unwrap();
        let session = socket.next().await["session_id"].as_str().unwrap().to_owned();
        (socket, session)
    }

    pub async fn try_subscribe(&self) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
        let url = format!("{}/subscribe", self.url.replace("http", "ws"));
        let mut request = url.into_client_request().unwrap();
        if let Some(key) = &self.key {
            request.headers_mut().insert("ndif-api-key", key.parse().unwrap());
        }
        Ok(Socket(tokio_tungstenite::connect_async(request).await?.0))
    }
}

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The next text frame; panics when the socket ends.
    pub async fn next(&mut self) -> Json {
        self.maybe().await.expect("the socket is open")
    }

    /// The next text frame, or none when the socket ends.
    pub async fn maybe(&mut self) -> Option<Json> {
        let read = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => return None,
                }
            }
        };
        tokio::time::timeout(PATIENCE, read).await.expect("a frame in time")
    }

    /// The stages of a job up to its end, LOG lines left out.
    pub async fn stages(&mut self, id: &str) -> Vec<Json> {
        self.stages_of(&[id]).await.pop().unwrap()
    }

    /// The stages of jobs up to their ends, LOG lines left out.
    pub async fn stages_of(&mut self, ids: &[&str]) -> Vec<Vec<Json>> {
        let mut out = vec![Vec::new(); ids.len()];
        let mut open = ids.len();
        while open > 0 {
            let frame = self.next().await;
            let Some(at) = ids.iter().position(|id| frame["id"] == *id) else { continue };
            if frame["status"] == "LOG" {
                continue;
            }
            open -= usize::from(frame["status"] == "COMPLETED" || frame["status"] == "ERROR");
            out[at].push(frame);
        }
        out
    }
}

pub fn envelope(how: &Send) -> Json {
    json!({ "model_key": "tiny", "session_id": how.session, "compress": how.compress, "env": {} })
}

pub fn form(envelope: &Json, blob: Vec<u8>) -> Form {
    Form::new().text("data", envelope.to_string()).part("blob", Part::bytes(blob).file_name("request"))
}

/// Reads the last token of prompts at a site.
pub fn read(site: Site, prompts: &[&[u32]]) -> Graph {
    let mut b = Builder::new();
    let g = b.tokens(prompts.iter().map(|p| p.to_vec()));
    let r = b.read(g, site, ReadAt::Last);
    b.save("r", r);
    b.finish()
}

/// Logits under a dose a prompt.
pub fn steer(prompts: &[&[u32]], alpha: &[f64]) -> Graph {
    let mut b = Builder::new();
    let g = b.tokens(prompts.iter().map(|p| p.to_vec()));
    let d = b.constant(Tensor::vector(&vec![0.25; width()]));
    b.add(g, Site::ResidPost(0), WriteAt::All, Steps::ALL, d, alpha);
    let r = b.read(g, Site::Logits, ReadAt::All);
    b.save("logits", r);
    b.finish()
}

/// Width of the residual stream of the model in these tests.
pub fn width() -> usize {
    Held::new().info().hidden as usize
}

/// The text of the detail of a refusal.
pub async fn detail(response: reqwest::Response) -> (u16, String) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    let body: Json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{status} {text:?}: {e}"));
    (status, body["detail"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned())
}

pub fn gguf() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gguf/llama/model.gguf")
}
