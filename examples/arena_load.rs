//! How an arena that is served bears load: pages a second with their latencies, and many clients that submit at once.
//!
//! `arena_load --url http://127.0.0.1:7998 --fill 10000 --requests 20000 --connections 16 --clients 200 [--pid N]`
//!
//! The arena has to trust one hop (`--hops 1`), so that each client is one of its own, and its season's limits have to
//! let so many in. Prints a JSON object a phase. With `--pid` it says how much memory the process holds after each.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "an example fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

struct Asked {
    host: String,
    fill: usize,
    requests: usize,
    connections: usize,
    clients: usize,
    pid: Option<u32>,
}

fn asked() -> Asked {
    let mut asked = Asked {
        host: String::new(),
        fill: 10_000,
        requests: 20_000,
        connections: 16,
        clients: 200,
        pid: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{flag} has no value"));
        let number = || value.parse::<usize>().unwrap_or_else(|_| panic!("{flag} {value} is no count"));
        match flag.as_str() {
            "--url" => value.trim_start_matches("http://").clone_into(&mut asked.host),
            "--fill" => asked.fill = number(),
            "--requests" => asked.requests = number(),
            "--connections" => asked.connections = number(),
            "--clients" => asked.clients = number(),
            "--pid" => asked.pid = Some(number() as u32),
            other => panic!("{other} is no flag"),
        }
    }
    assert!(!asked.host.is_empty(), "name the arena with --url");
    asked
}

/// A connection that is kept.
struct Line(BufReader<TcpStream>, String);

impl Line {
    async fn open(host: &str) -> Self {
        let stream = TcpStream::connect(host).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream), host.to_owned())
    }

    /// Sends a request; the status and the length of what comes back.
    async fn ask(&mut self, request: &str) -> (u16, Vec<u8>) {
        if self.0.get_mut().write_all(request.as_bytes()).await.is_err() {
            *self = Self::open(&self.1.clone()).await;
            self.0.get_mut().write_all(request.as_bytes()).await.unwrap();
        }
        let (mut status, mut length) = (0, 0);
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).await.unwrap() == 0 {
                panic!("the connection ended");
            }
            let text = line.trim_end();
            if status == 0 {
                status = text.split(' ').nth(1).unwrap().parse().unwrap();
            } else if text.is_empty() {
                break;
            } else if let Some(n) = text.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        (status, body)
    }

    async fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        let host = self.1.clone();
        self.ask(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")).await
    }

    async fn submit(&mut self, text: &str, client: usize) -> u16 {
        let body = json!({ "handle": format!("c{client}"), "text": text, "consent": "1" }).to_string();
        let from = format!("10.{}.{}.{}", client >> 16, client >> 8 & 255, client & 255);
        let head = format!(
            "POST /api/submissions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nx-forwarded-for: {from}\r\n\
             content-length: {}\r\n\r\n",
            self.1,
            body.len()
        );
        self.ask(&(head + &body)).await.0
    }
}

/// Resident memory of a process in MiB.
fn memory(pid: Option<u32>) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = text.lines().find(|l| l.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Texts none of which is a near copy of another.
fn text(i: usize) -> String {
    format!("hat{i} tin{} cup{} old", i * 7 + 1, i * 13 + 5)
}

async fn counts(host: &str) -> (u64, u64) {
    let (_, body) = Line::open(host).await.get("/api/season").await;
    let season: serde_json::Value = serde_json::from_slice(&body).unwrap();
    (season["counts"]["scored"].as_u64().unwrap(), season["counts"]["queued"].as_u64().unwrap())
}

/// Submits so many texts by so many clients at once; what came of them by status.
async fn submit(asked: &Asked, n: usize, clients: usize, first: usize) -> Vec<(u16, usize)> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for client in 0..clients {
        let (next, host) = (next.clone(), asked.host.clone());
        tasks.push(tokio::spawn(async move {
            let mut line = Line::open(&host).await;
            let mut seen = std::collections::BTreeMap::<u16, usize>::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= n {
                    return seen;
                }
                let mut status = line.submit(&text(first + i), 1 + first + client).await;
                // A full queue is asked again, as its answer says.
                while status == 503 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    status = line.submit(&text(first + i), 1 + first + client).await;
                }
                *seen.entry(status).or_default() += 1;
            }
        }));
    }
    let mut all = std::collections::BTreeMap::<u16, usize>::new();
    for task in tasks {
        for (status, n) in task.await.unwrap() {
            *all.entry(status).or_default() += n;
        }
    }
    all.into_iter().collect()
}

async fn pages(asked: &Asked, path: &'static str) -> serde_json::Value {
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..asked.connections {
        let (next, host, n) = (next.clone(), asked.host.clone(), asked.requests);
        tasks.push(tokio::spawn(async move {
            let mut line = Line::open(&host).await;
            let (mut took, mut bytes) = (Vec::new(), 0);
            while next.fetch_add(1, Ordering::Relaxed) < n {
                let from = Instant::now();
                let (status, body) = line.get(path).await;
                assert_eq!(status, 200, "{path}");
                took.push(from.elapsed());
                bytes = body.len();
            }
            (took, bytes)
        }));
    }
    let (mut took, mut bytes) = (Vec::new(), 0);
    for task in tasks {
        let (own, n) = task.await.unwrap();
        took.extend(own);
        bytes = bytes.max(n);
    }
    let seconds = begun.elapsed().as_secs_f64();
    took.sort();
    let at = |q: f64| took[((took.len() - 1) as f64 * q) as usize].as_secs_f64() * 1e3;
    json!({
        "page": path, "bytes": bytes, "requests": took.len(), "per_second": (took.len() as f64 / seconds).round(),
        "p50_ms": at(0.5), "p99_ms": at(0.99), "most_ms": at(1.0),
    })
}

#[tokio::main]
async fn main() {
    let asked = asked();
    let told = |what: serde_json::Value| println!("{what}");
    let begun = Instant::now();
    let came = submit(&asked, asked.fill, asked.clients, 0).await;
    let accepted = begun.elapsed().as_secs_f64();
    let mut held = vec![];
    loop {
        let (scored, queued) = counts(&asked.host).await;
        held.push((scored, memory(asked.pid)));
        if queued == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (scored, _) = counts(&asked.host).await;
    told(json!({
        "phase": "submit", "texts": asked.fill, "clients": asked.clients, "statuses": came, "seconds": accepted,
        "seconds_until_scored": begun.elapsed().as_secs_f64(), "scored": scored, "memory_mib": memory(asked.pid),
    }));
    for path in ["/", "/board/top?page=50", "/api/leaderboard", "/entry/1", "/plot", "/limitations"] {
        let mut found = pages(&asked, path).await;
        found["memory_mib"] = memory(asked.pid).into();
        told(found);
    }
}
