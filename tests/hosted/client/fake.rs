//! A service that keeps to a script: both wires' job life, with faults put in where a test wants them.

mod routes;

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Multipart, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value as Json, json};
use tokio::sync::mpsc;
use truenorth_protocol::graph::{CheckLimits, Dim, Op, ValueKind, answer_to_bytes};
use truenorth_protocol::job::{Envelope, JobStatus, Update};
use truenorth_protocol::{Answer, CheckedGraph, Graph, ModelInfo, Prompt, Tensor, Value, frame};

use routes::{
    cancel, connected, encode, env, model, note, request, response, result, status, subscribe, whoami,
};

/// What happens to one `POST /request`.
#[derive(Clone, Debug)]
pub enum Post {
    /// The job is taken.
    Take,
    /// The job is not taken, and this is said instead.
    Refuse(u16, Vec<(&'static str, String)>, &'static str),
    /// The job is taken, and the answer is this instead of a receipt.
    TakeAndSay(u16, &'static str),
    /// The job is taken, and the answer never comes.
    TakeAndHang,
    /// The job is taken, and the receipt comes late.
    TakeSlowly(Duration),
    /// Nothing is taken, and the answer never comes.
    Hang,
}

/// What happens to one `GET /response/{id}`.
#[derive(Clone, Debug)]
pub enum Poll {
    Missing,
    At(JobStatus, &'static str),
    Say(u16, Vec<(&'static str, String)>, &'static str),
}

/// What happens to one `GET /result/{id}`.
#[derive(Clone, Debug)]
pub enum Fetch {
    Whole,
    /// So many bytes, then the connection breaks; the length was announced.
    Cut(usize),
    /// So many bytes, and an orderly end, without a length.
    Short(usize),
    /// A byte now and then.
    Drip(Duration),
    /// Another length in the header than bytes in the body.
    Claims(u64),
    Say(u16, &'static str),
    Redirect(String),
    /// These bytes instead.
    Instead(Vec<u8>),
}

/// What the socket does.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// There is none.
    None,
    /// It tells everything.
    Tells,
    /// It tells everything up to `RUNNING`, then it drops.
    Drops,
    /// It opens and says nothing but its session.
    Silent,
    /// It stays open, and nobody is there to answer a ping.
    Dead,
    /// The last frame is this.
    Ends(Vec<u8>),
}

pub struct Script {
    pub posts: VecDeque<Post>,
    pub polls: VecDeque<Poll>,
    pub fetches: VecDeque<Fetch>,
    pub line: Line,
    /// The key without which there is only 401.
    pub key: Option<&'static str>,
    /// Whether parts of results are given.
    pub ranges: bool,
    pub etag: bool,
    /// Whether a job ends in this.
    pub error: Option<&'static str>,
    /// What `/status` says.
    pub status: Option<Json>,
    /// The nnsight that `/env` tells of.
    pub nnsight: &'static str,
    /// Whether `/connected` says that the models can be reached.
    pub connected: bool,
    /// A result for wires whose payload the fake can't run.
    pub result: Option<Vec<u8>>,
    /// Between frames of a socket.
    pub pace: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            nnsight: "0.8.1",
            connected: true,
            posts: VecDeque::new(),
            polls: VecDeque::new(),
            fetches: VecDeque::new(),
            line: Line::Tells,
            key: None,
            ranges: true,
            etag: true,
            error: None,
            status: None,
            result: None,
            pace: Duration::from_millis(2),
        }
    }
}

#[derive(Clone, Debug)]
struct Kept {
    result: Vec<u8>,
    session: String,
}

/// What the fake has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub headers: HeaderMap,
}

#[derive(Default)]
pub struct Board {
    pub script: Mutex<Script>,
    pub posts: AtomicUsize,
    pub taken: AtomicUsize,
    pub most: AtomicUsize,
    now: AtomicUsize,
    jobs: Mutex<HashMap<String, Kept>>,
    repeats: Mutex<HashMap<String, String>>,
    sockets: Mutex<HashMap<String, mpsc::UnboundedSender<Message>>>,
    pub seen: Mutex<Vec<Seen>>,
    /// Envelopes of the jobs taken.
    pub envelopes: Mutex<Vec<Envelope>>,
}

/// A running fake.
pub struct Fake {
    pub url: String,
    pub board: Arc<Board>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn info() -> ModelInfo {
    ModelInfo {
        name: "toy/model".into(),
        revision: "main".into(),
        family: "llama".into(),
        layers: 2,
        hidden: 4,
        vocab: 50_000,
        context: 64,
        path: "fake/f32".into(),
    }
}

/// The numbers that the fake answers a graph with: the first token of the first prompt everywhere.
pub fn answer(checked: &CheckedGraph) -> Answer {
    let graph = checked.graph();
    let first = match &graph.groups[0].prompts[0] {
        Prompt::Tokens(tokens) => tokens[0] as f32,
        Prompt::Text(text) => text.len() as f32,
    };
    let mut answer = Answer::default();
    for op in &graph.nodes {
        let Op::Save { name, value } = op else { continue };
        let ValueKind::Tensor { shape, .. } = &checked.kinds()[value.0 as usize] else { panic!("no tensor") };
        let shape: Vec<usize> =
            shape.0.iter().map(|d| if let Dim::Fixed(n) = d { *n } else { panic!("packed") }).collect();
        let count = shape.iter().product();
        let tensor = Tensor::from_f32(shape, &vec![first; count]).unwrap();
        answer.values.insert(name.clone(), Value::Tensor { tensor, rows: None });
    }
    answer
}

impl Fake {
    pub fn new(script: Script) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let board = Arc::new(Board { script: Mutex::new(script), ..Board::default() });
        let app = Router::new()
            .route("/model", get(model))
            .route("/encode", post(encode))
            .route("/request", post(request))
            .route("/request/{id}", axum::routing::delete(cancel))
            .route("/subscribe", get(subscribe))
            .route("/response/{id}", get(response))
            .route("/result/{id}", get(result))
            .route("/status", get(status))
            .route("/env", get(env))
            .route("/connected", get(connected))
            .route("/whoami", get(whoami))
            .layer(axum::middleware::from_fn_with_state(board.clone(), note))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(board.clone());
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, board, runtime: Some(runtime) }
    }

    pub fn posts(&self) -> usize {
        self.board.posts.load(Ordering::SeqCst)
    }

    pub fn taken(&self) -> usize {
        self.board.taken.load(Ordering::SeqCst)
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.board.script.lock().unwrap());
    }

    pub fn seen(&self, start: &str) -> Vec<Seen> {
        self.board.seen.lock().unwrap().iter().filter(|s| s.path.starts_with(start)).cloned().collect()
    }
}

type Shared = State<Arc<Board>>;
