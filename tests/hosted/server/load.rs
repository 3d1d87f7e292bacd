//! By hand: how much a server does at a time, and what it keeps.
//!
//! `cargo test --test hosted -- --ignored --nocapture server::load::`; `TRUENORTH_BIN` names the binary that is
//! measured, where it is not the one of the tests.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use truenorth_protocol::{Builder, ReadAt, Site};

use super::process::{command, name, served};
use super::support::*;

/// A client that submits, hears of the end over its socket, or asks for it where sockets run out, and
/// fetches the answer, again and again.
async fn work(url: String, model: String, jobs: usize, seed: u32) -> Vec<Duration> {
    let client = Client::new(&url, None);
    let mut socket = if seed < 32 { Some(client.subscribe().await) } else { None };
    let session = socket.as_ref().map_or("", |(_, session)| session).to_owned();
    let how = json!({ "model_key": model, "session_id": session });
    let mut times = Vec::with_capacity(jobs);
    for i in 0..jobs {
        let mut b = Builder::new();
        let g = b.tokens([vec![1 + seed % 40, 2 + (i % 40) as u32, 3]]);
        let r = b.read(g, Site::ResidPost(1), ReadAt::Last);
        b.save("r", r);
        let bytes = b.finish().to_bytes().unwrap();
        let start = Instant::now();
        let id = loop {
            let response = client.form(form(&how, bytes.clone())).await;
            if response.status() == 200 {
                break response.json::<Json>().await.unwrap()["id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let end = match &mut socket {
            Some((socket, _)) => socket.stages(&id).await.pop().unwrap(),
            None => client.end(&id).await,
        };
        assert_eq!(end["status"], "COMPLETED");
        let answer = client.get(&format!("/result/{id}")).await;
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
        times.push(start.elapsed());
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn load_at_1_8_32_and_200_clients() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--quiet", "--max-jobs", "1000", "--max-jobs-per-client", "1000"];
    let (process, url) = served(command(dir.path(), &flags));
    let model = name(&Client::new(&url, None)).await;
    work(url.clone(), model.clone(), 50, 0).await;
    println!("clients  jobs/s   p50 ms   p99 ms   MiB");
    for clients in [1_usize, 8, 32, 200] {
        let jobs = (2000 / clients).max(10);
        let start = Instant::now();
        let all: Vec<_> =
            (0..clients).map(|c| tokio::spawn(work(url.clone(), model.clone(), jobs, c as u32))).collect();
        let mut times = Vec::new();
        for one in all {
            times.extend(one.await.unwrap());
        }
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        times.sort();
        let at = |p: usize| times[(times.len() * p / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        println!("{clients:7} {rate:7.0} {:8.1} {:8.1} {:5}", at(50), at(99), process.resident() >> 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn load_of_20_000_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--quiet", "--max-jobs", "1000", "--max-jobs-per-client", "1000"];
    let (process, url) = served(command(dir.path(), &flags));
    let model = name(&Client::new(&url, None)).await;
    println!("  jobs  jobs/s   MiB");
    for round in 1..=10 {
        let start = Instant::now();
        let all: Vec<_> =
            (0..8).map(|c| tokio::spawn(work(url.clone(), model.clone(), 250, c as u32))).collect();
        for one in all {
            one.await.unwrap();
        }
        let rate = 2000.0 / start.elapsed().as_secs_f64();
        println!("{:6} {rate:7.0} {:5}", round * 2000, process.resident() >> 20);
    }
}
