//! Requests and jobs that are small to send and large to take.

use serde_json::json;
use truenorth::run::Runner;
use truenorth_protocol::graph::Sampling;
use truenorth_protocol::{Builder, Graph, ReadAt, Site, frame};
use uuid::Uuid;

use super::support::*;

/// A graph that saves a row and has `wide` to the third of them in between.
pub fn nested_stacks(wide: usize) -> Graph {
    let mut b = Builder::new();
    let g = b.tokens([vec![1]]);
    let mut value = b.read(g, Site::Embed, ReadAt::Last);
    for _ in 0..3 {
        value = b.stack(&vec![value; wide]);
    }
    for _ in 0..3 {
        value = b.sum(value, 0);
    }
    b.save("x", value);
    b.finish()
}

/// The bytes of a graph with so many empty prompts: two bytes each, thirty-two in memory.
pub fn empty_prompts(count: u32) -> Vec<u8> {
    let mut bytes = b"TNgr\x01\x00\x01\xfc".to_vec();
    bytes.extend(count.to_le_bytes());
    bytes.extend(std::iter::repeat_n([1, 0], count as usize).flatten());
    bytes.extend([1, 0]);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_that_grows_in_the_run_is_refused_before_it_is_queued() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |o| o.limits.memory = Some(1 << 30)).await;
    let client = server.client();
    let graph = nested_stacks(300);
    assert!(graph.to_bytes().unwrap().len() < 2_000);
    let (status, why) = detail(client.send(&graph, &Send::default()).await).await;
    assert!(status == 422 && why.contains("node 3 (stack)") && why.contains("bytes of memory"), "{why}");

    let mut b = Builder::new();
    let g = b.texts(["a".repeat(32 << 20)]);
    let r = b.read(g, Site::Embed, ReadAt::Last);
    b.save("r", r);
    let (status, why) = detail(client.send(&b.finish(), &Send::default()).await).await;
    assert!(status == 422 && why.contains("33554432 bytes of text") && why.contains("shorten"), "{why}");
    assert!(model.runs().is_empty());
    client.end(&client.submit(&nested_stacks(3), &Send::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_unpacks_to_more_than_there_is_memory_for_is_refused_while_it_does() {
    let (server, _dir) = fresh(Held::new(), |o| o.limits.memory = Some(256 << 20)).await;
    let client = server.client();
    let packed = envelope(&Send { compress: true, ..Send::default() });
    for (bomb, says) in [
        (vec![0; 200 << 20], "of memory"),
        (empty_prompts(14 << 20), "of memory"),
        (empty_prompts(2 << 20), "of memory"),
    ] {
        let bomb = frame::compress(&bomb).unwrap();
        assert!(bomb.len() < 64 << 10);
        let (status, why) = detail(client.form(form(&packed, bomb)).await).await;
        assert!(status == 413 && why.contains(says), "{status} {why}");
    }
    // A frame of a few bytes that wants to look back 128 MiB.
    let wide = [&frame::MAGIC[..], &[0x00, 0x88, 0x01, 0, 0]].concat();
    assert_eq!(detail(client.form(form(&packed, wide)).await).await.0, 422);
    client.end(&client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_to_encode_are_bounded_as_prompts_are() {
    let engine = truenorth::engine::Engine::open(
        &gguf(),
        &truenorth::engine::EngineOptions { name: "tiny".into(), ..Default::default() },
    )
    .unwrap();
    let (server, _dir) = fresh(std::sync::Arc::new(engine), |o| o.limits.memory = Some(64 << 20)).await;
    let client = server.client();
    let encode = |texts: Vec<String>| {
        let request = client.ask(reqwest::Method::POST, "/encode");
        request.json(&json!({ "texts": texts, "special": false })).send()
    };
    let (status, why) = detail(encode(vec!["a".into(), "a ".repeat(2 << 20)]).await.unwrap()).await;
    assert!(status == 413 && (why.contains("text 1 has") || why.contains("of memory")), "{status} {why}");
    let (status, why) = detail(encode(vec![String::new(); 1 << 20]).await.unwrap()).await;
    assert!(status == 413 && why.contains("of memory"), "{status} {why}");
    assert_eq!(encode(vec!["the hat".into(); 100]).await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_has_so_many_tokens_and_so_much_time() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |o| {
        o.limits.job_tokens = 1000;
        o.limits.job_time = std::time::Duration::from_millis(100);
    })
    .await;
    let client = server.client();
    let mut b = Builder::new();
    let g = b.tokens(vec![vec![1]; 100]);
    let t = b.generate(g, Sampling::greedy(11));
    b.save("t", t);
    let (status, why) = detail(client.send(&b.finish(), &Send::default()).await).await;
    assert!(
        status == 422 && why.contains("1100 tokens may go through the model, the limit is 1000"),
        "{why}"
    );
    model.hold();
    let long = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    let end = client.end(&long).await;
    let why = end["description"].as_str().unwrap();
    assert!(why.contains("100ms, the most that one job may") && why.contains("\nhint: "), "{why}");
    model.release();
    client.answer(&client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await).await;
}

/// A job as a server that did not look leaves it behind, with so many runs begun.
fn left_behind(spool: &std::path::Path, graph: &Graph, attempts: usize) -> String {
    let id = Uuid::new_v4().to_string();
    let folder = spool.join(&id);
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = graph.to_bytes().unwrap();
    std::fs::write(folder.join("payload"), &bytes).unwrap();
    let path = Held::new().info().path.clone();
    let record = json!({
        "version": 1, "id": id, "client": "at-127.0.0.1", "idempotency_key": null,
        "asked": truenorth::files::sha256_hex(&bytes), "model": ["tiny", "r1", path], "payload": "graph",
        "compress": false, "received": 1, "finished": null, "state": "pending", "description": "",
        "answer": null,
    });
    std::fs::write(folder.join("job.json"), record.to_string()).unwrap();
    if attempts > 0 {
        std::fs::write(folder.join("attempts"), ".".repeat(attempts)).unwrap();
    }
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_ended_the_server_twice_is_set_aside_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = read(Site::Embed, &[&[1]]);
    let grows = left_behind(dir.path(), &nested_stacks(300), 0);
    let twice = left_behind(dir.path(), &good, 2);
    let once = left_behind(dir.path(), &read(Site::Embed, &[&[2]]), 1);
    let never = left_behind(dir.path(), &read(Site::Embed, &[&[3]]), 0);
    let log = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = log.clone();
    let mut o = options(dir.path());
    o.limits.memory = Some(1 << 30);
    o.notice = std::sync::Arc::new(move |text| heard.lock().unwrap().push(text.to_owned()));
    let model = Held::new();
    let server = start(model.clone(), o).await;
    let client = server.client();
    let why = client.end(&grows).await["description"].as_str().unwrap().to_owned();
    assert!(why.contains("node 3 (stack)") && why.contains("bytes of memory"), "{why}");
    let why = client.end(&twice).await["description"].as_str().unwrap().to_owned();
    assert!(why.starts_with("set aside: the server ended 2 times while this job ran"), "{why}");
    assert!(log.lock().unwrap().iter().any(|l| l.contains(&twice) && l.contains("set aside")));
    for id in [&once, &never] {
        client.answer(id).await;
    }
    // What may be at fault runs alone, after what is not.
    assert_eq!(model.runs(), [[3], [2]]);
    client.answer(&client.submit(&good, &Send::default()).await).await;
}
