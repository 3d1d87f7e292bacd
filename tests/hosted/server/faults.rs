//! Faults between a client and the server: what becomes of jobs whose connections break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use truenorth_protocol::graph::answer_from_bytes;
use truenorth_protocol::{Answer, Graph};

use super::outage::{kills, question};
use super::process::{Process, command, name, served};
use super::support::*;

/// What befalls every second connection, somewhere in its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Both sides lose the connection while the request is sent.
    RequestCut,
    /// The request arrives whole, and its reply never does.
    ReplyLost,
    /// The reply ends early.
    ReplyCut,
    /// Bytes stop for a while, in either direction.
    Stall,
    /// Everything is well, and the client forgets what it was told and asks again.
    Forgotten,
}

impl Fault {
    const ALL: [(Self, &'static str); 5] = [
        (Self::RequestCut, "request cut"),
        (Self::ReplyLost, "reply lost"),
        (Self::ReplyCut, "reply cut"),
        (Self::Stall, "bytes stall"),
        (Self::Forgotten, "reply forgotten"),
    ];

    /// Bytes of a request and of a reply that pass before it happens; none where it does not.
    fn passes(self, at: usize) -> (Option<usize>, Option<usize>) {
        match self {
            Self::RequestCut => (Some(at), None),
            Self::ReplyLost => (None, Some(0)),
            Self::ReplyCut => (None, Some(at)),
            Self::Stall => (Some(at), Some(at)),
            Self::Forgotten => (None, None),
        }
    }
}

/// How long bytes stall.
const STALL: Duration = Duration::from_millis(30);

/// Copies bytes until either side ends, or so many have passed; from there on it goes on after a while, or not.
async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut most: Option<usize>,
    stalls: bool,
) {
    let mut bytes = vec![0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let now = most.map_or(n, |most| most.min(n));
        if to.write_all(&bytes[..now]).await.is_err() {
            return;
        }
        match &mut most {
            Some(left) if now == *left => {
                if !stalls {
                    return;
                }
                tokio::time::sleep(STALL).await;
                if to.write_all(&bytes[now..n]).await.is_err() {
                    return;
                }
                most = None;
            }
            Some(left) => *left -= now,
            None => {}
        }
    }
}

/// One connection; when either direction ends, both do.
async fn pass(mut client: TcpStream, to: String, fault: Option<(Fault, usize)>) {
    let Ok(mut server) = TcpStream::connect(to).await else { return };
    let (request, reply) = fault.map_or((None, None), |(fault, at)| fault.passes(at));
    let stalls = fault.is_some_and(|(fault, _)| fault == Fault::Stall);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = copy(from_client, to_server, request, stalls) => {}
        () = copy(from_server, to_client, reply, stalls) => {}
    }
}

/// A way to a server on which every second connection meets a fault.
async fn way(to: &str, fault: Fault) -> (String, JoinHandle<()>) {
    let to = to.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        for n in 0_usize.. {
            let Ok((client, _)) = listener.accept().await else { return };
            // Heads, bodies and replies have some hundred bytes.
            let fault = n.is_multiple_of(2).then_some((fault, n * 7919 % 700));
            tokio::spawn(pass(client, to.clone(), fault));
        }
    });
    (url, task)
}

/// A client that asks again until it is answered, with a connection for each request.
struct Stubborn {
    http: reqwest::Client,
    url: String,
    requests: AtomicUsize,
}

impl Stubborn {
    fn new(url: String) -> Self {
        let http = http().pool_max_idle_per_host(0).build().unwrap();
        Self { http, url, requests: AtomicUsize::new(0) }
    }

    /// The body of a reply of 200; none where the way there broke.
    async fn try_once(&self, request: reqwest::RequestBuilder) -> Option<Vec<u8>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let reply = request.timeout(PATIENCE).send().await.ok()?;
        // What breaks on the way is no answer of the server; what is one has to be right.
        assert!(matches!(reply.status().as_u16(), 200 | 400 | 408 | 429), "{}", reply.status());
        if reply.status() != 200 {
            return None;
        }
        Some(reply.bytes().await.ok()?.to_vec())
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        loop {
            if let Some(body) = self.try_once(self.http.get(format!("{}{path}", self.url))).await {
                return body;
            }
        }
    }

    /// Sends a job under a key until its id is told, and as often again.
    async fn send(&self, model: &str, graph: &Graph, key: &str, times: usize) -> Vec<String> {
        let bytes = graph.to_bytes().unwrap();
        let mut ids = Vec::new();
        while ids.len() < times {
            let request = self.http.post(format!("{}/request", self.url)).header("idempotency-key", key);
            let request = request.multipart(form(&json!({ "model_key": model }), bytes.clone()));
            if let Some(body) = self.try_once(request).await {
                let told: Json = serde_json::from_slice(&body).unwrap();
                ids.push(told["id"].as_str().unwrap().to_owned());
            }
        }
        ids
    }

    /// The answer of a job; none where the server has none.
    async fn answer(&self, id: &str) -> Option<Answer> {
        loop {
            let update: Json = serde_json::from_slice(&self.get(&format!("/response/{id}")).await).unwrap();
            match update["status"].as_str() {
                Some("COMPLETED") => break,
                Some("ERROR") => return None,
                _ => tokio::time::sleep(Duration::from_millis(3)).await,
            }
        }
        answer_from_bytes(&self.get(&format!("/result/{id}")).await).ok()
    }
}

/// How many jobs of a server began to run.
async fn began(url: &str) -> u64 {
    let text = Client::new(url, None).get("/metrics").await.text().await.unwrap();
    let line = "truenorth_jobs_total{state=\"running\"} ";
    text.lines().find_map(|l| l.strip_prefix(line)).unwrap().trim().parse().unwrap()
}

/// What became of jobs: how many, the requests they took, how many were lost and doubled.
async fn befalls(server: &str, model: &str, fault: Fault, jobs: usize) -> [usize; 4] {
    let (url, task) = way(server, fault).await;
    let (client, plain) = (Arc::new(Stubborn::new(url)), Client::new(server, None));
    let before = began(server).await;
    let times = if fault == Fault::Forgotten { 2 } else { 1 };
    let (mut lost, mut doubled) = (0, 0);
    let mut known = Vec::new();
    for i in 0..jobs {
        let graph = question(i as u32);
        let ids = client.send(model, &graph, &format!("{fault:?}-{i}"), times).await;
        doubled += usize::from(ids.iter().any(|id| *id != ids[0]));
        match client.answer(&ids[0]).await {
            Some(answer) => known.push((graph, answer)),
            None => lost += 1,
        }
    }
    doubled += (began(server).await - before) as usize - jobs;
    task.abort();
    // The right answer is what the server says where nothing breaks.
    for (graph, answer) in known.iter().step_by(7) {
        let ids = Stubborn::new(server.to_owned()).send(model, graph, &uuid(), 1).await;
        lost += usize::from(plain.answer(&ids[0]).await != *answer);
    }
    [jobs, client.requests.load(Ordering::Relaxed), lost, doubled]
}

fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

async fn one() -> (Process, String, String, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (process, url) = served(command(dir.path(), &["--quiet"]));
    let model = name(&Client::new(&url, None)).await;
    (process, url, model, dir)
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_lose_nothing_and_double_nothing() {
    let (_process, url, model, _dir) = one().await;
    for (fault, name) in Fault::ALL {
        let [_, _, lost, doubled] = befalls(&url, &model, fault, 8).await;
        assert_eq!((lost, doubled), (0, 0), "{name}");
    }
}

/// By hand: every fault, so often, with what was lost and doubled.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn every_fault_many_times() {
    let (_process, url, model, _dir) = one().await;
    println!("fault             jobs  requests  lost  doubled  s");
    let row = |name: &str, [jobs, requests, lost, doubled]: [usize; 4], begun: Instant| {
        let seconds = begun.elapsed().as_secs_f64();
        println!("{name:16} {jobs:5} {requests:9} {lost:5} {doubled:8}  {seconds:.1}");
        assert_eq!((lost, doubled), (0, 0), "{name}");
    };
    for (fault, name) in Fault::ALL {
        let begun = Instant::now();
        row(name, befalls(&url, &model, fault, 300).await, begun);
    }
    let begun = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let [told, lost, doubled, aside] = kills(dir.path(), 100, 4).await;
    row("server killed", [400, told, lost, doubled], begun);
    println!("of those {told} were acknowledged before the kill, and {aside} set aside and told");
}
