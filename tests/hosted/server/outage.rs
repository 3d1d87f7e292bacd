//! Servers that are killed again and again, and servers with little memory among hostile clients.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::{Builder, Graph, ReadAt, Site, frame};

use super::hostile::{empty_prompts, nested_stacks};
use super::process::{command, name, served};
use super::support::*;

/// Reads the last token of a prompt that is this job's own.
pub fn question(i: u32) -> Graph {
    let mut b = Builder::new();
    let g = b.tokens([vec![1 + i % 40, 2 + i / 40 % 40, 3 + i / 1600]]);
    let r = b.read(g, Site::ResidPost(1), ReadAt::Last);
    b.save("r", r);
    b.finish()
}

/// Sends a job under a key; none if the server is not there to hear it.
async fn send(client: &Client, model: &str, graph: &Graph, key: &str) -> Option<String> {
    let how = json!({ "model_key": model });
    let request = client.ask(reqwest::Method::POST, "/request").header("idempotency-key", key);
    let response = request.multipart(form(&how, graph.to_bytes().unwrap())).send().await.ok()?;
    if response.status() != 200 {
        return None;
    }
    Some(response.json::<Json>().await.ok()?["id"].as_str()?.to_owned())
}

/// What became of jobs over so many kills: sent, lost, doubled, set aside.
pub async fn kills(dir: &Path, count: u32, each: u32) -> [usize; 4] {
    let mut ids: HashMap<u32, Vec<String>> = HashMap::new();
    let model = {
        let (_process, url) = served(command(dir, &["--quiet"]));
        name(&Client::new(&url, None)).await
    };
    for kill in 0..count {
        let (process, url) = served(command(dir, &["--quiet"]));
        let client = Client::new(&url, None);
        let sending = async {
            for i in kill * each..(kill + 1) * each {
                if let Some(id) = send(&client, &model, &question(i), &format!("job-{i}")).await {
                    ids.entry(i).or_default().push(id);
                }
            }
        };
        // Somewhere between the first byte and the last answer.
        let _ = tokio::time::timeout(Duration::from_millis(u64::from(kill * 7 % 40)), sending).await;
        drop(process);
    }
    let (_process, url) = served(command(dir, &["--quiet"]));
    let client = Client::new(&url, None);
    let (mut lost, mut doubled, mut aside) = (0, 0, 0);
    for i in 0..count * each {
        // What was taken without our hearing of it is there under its key; what was not is taken now.
        let id = send(&client, &model, &question(i), &format!("job-{i}")).await.unwrap();
        doubled += usize::from(ids.get(&i).is_some_and(|known| known.iter().any(|k| *k != id)));
        let end = client.end(&id).await;
        if end["description"].as_str().unwrap_or_default().starts_with("set aside") {
            aside += 1;
        } else if client.get(&format!("/result/{id}")).await.status() != 200 {
            lost += 1;
        }
    }
    [ids.len(), lost, doubled, aside]
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let [_, lost, doubled, _] = kills(dir.path(), 6, 4).await;
    assert_eq!((lost, doubled), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_in_whose_runs_the_server_died_twice_is_answered_and_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let (process, url) = served(command(dir.path(), &["--quiet"]));
    let client = Client::new(&url, None);
    let model = name(&client).await;
    // Long enough to be caught in the middle: some 300 000 tokens.
    let mut b = Builder::new();
    let g = b.tokens((0..10_000).map(|i| vec![1 + i % 40]));
    let t = b.generate(g, Sampling::greedy(30));
    b.save("t", t);
    let long = send(&client, &model, &b.finish(), "long").await.unwrap();
    let spool = std::fs::read_dir(dir.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    let attempts = spool.join(&long).join("attempts");
    let begun = |runs: u64| std::fs::metadata(&attempts).is_ok_and(|m| m.len() == runs);
    eventually(|| begun(1)).await;
    drop(process);
    let (process, _) = served(command(dir.path(), &["--quiet"]));
    eventually(|| begun(2)).await;
    drop(process);
    let (_process, url) = served(command(dir.path(), &["--quiet"]));
    let client = Client::new(&url, None);
    let end = client.end(&long).await;
    let why = end["description"].as_str().unwrap();
    assert!(why.starts_with("set aside: the server ended 2 times while this job ran"), "{why}");
    let other = send(&client, &model, &question(1), "other").await.unwrap();
    client.answer(&other).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_two_gib_lives_among_hostile_clients() {
    use super::process::confined;
    let dir = tempfile::tempdir().unwrap();
    let (mut process, url) = served(confined(dir.path(), "-v 2097152", &["--quiet"]));
    let client = Client::new(&url, None);
    let model = name(&client).await;
    let mut poison = Builder::new();
    let g = poison.texts(["a".repeat(32 << 20)]);
    let r = poison.read(g, Site::Embed, ReadAt::Last);
    poison.save("r", r);
    let packed: Vec<(bool, Vec<u8>)> = vec![
        (true, frame::compress(&vec![0; 250 << 20]).unwrap()),
        (true, frame::compress(&empty_prompts(14 << 20)).unwrap()),
        (true, frame::compress(&poison.finish().to_bytes().unwrap()).unwrap()),
        (false, nested_stacks(1000).to_bytes().unwrap()),
        (false, vec![0; 60 << 20]),
    ];
    let packed = std::sync::Arc::new(packed);
    let mut hostile = tokio::task::JoinSet::new();
    for i in 0..32 {
        let (client, model, packed) = (Client::new(&url, None), model.clone(), packed.clone());
        hostile.spawn(async move {
            for round in 0..3 {
                let (compress, body) = &packed[(i + round) % packed.len()];
                let how = json!({ "model_key": model, "compress": compress });
                let request = client.http.post(format!("{}/request", client.url));
                let _ = request.multipart(form(&how, body.clone())).timeout(PATIENCE).send().await;
                let texts = json!({ "texts": ["a ".repeat(2 << 20)], "special": false });
                let request = client.http.post(format!("{}/encode", client.url)).json(&texts);
                // One that hangs up leaves its work behind.
                let _ = request.timeout(Duration::from_millis(50)).send().await;
            }
        });
    }
    let mut most = 0;
    while !hostile.is_empty() {
        let _ = tokio::time::timeout(Duration::from_millis(20), hostile.join_next()).await;
        most = most.max(process.resident());
    }
    assert!(process.0.try_wait().unwrap().is_none(), "the server is gone");
    println!("32 hostile clients under 2 GiB: at most {} MiB resident", most >> 20);
    let id = send(&client, &model, &question(1), "good").await.unwrap();
    client.answer(&id).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_few_descriptors_serves_in_a_crowd() {
    use super::process::confined;
    let dir = tempfile::tempdir().unwrap();
    let (_process, url) = served(confined(dir.path(), "-n 128", &["--quiet"]));
    let address = url.trim_start_matches("http://").to_owned();
    let crowd = super::slow::crowd(address, 200, super::slow::BACK).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let client = Client::new(&url, None);
    let model = name(&client).await;
    for i in 0..10 {
        let id = send(&client, &model, &question(i), &format!("{i}")).await.unwrap();
        client.answer(&id).await;
    }
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
}
