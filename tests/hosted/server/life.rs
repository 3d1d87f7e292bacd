//! A job from submitting to its answer, watched in both ways.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};
use serde_json::json;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::Runner;
use truenorth_protocol::graph::{Sampling, answer_from_bytes, answer_to_bytes};
use truenorth_protocol::{Builder, Site, frame};

use super::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_hears_every_stage_and_the_answer_is_the_engines() {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), |o| o.limits.progress_every = Duration::ZERO).await;
    let client = server.client();
    let (mut socket, session) = client.subscribe().await;
    let how = Send { session, ..Send::default() };
    let graphs = [read(Site::ResidPost(0), &[&[1, 2, 3], &[4]]), read(Site::ResidPost(1), &[&[5, 6]])];
    let first = client.submit(&graphs[0], &how).await;
    model.begun(1).await;
    let second = client.submit(&graphs[1], &how).await;
    assert_eq!(client.json(&format!("/response/{first}")).await["status"], "RUNNING");
    let waits = client.json(&format!("/response/{second}")).await;
    assert_eq!((&waits["status"], &waits["meta"]), (&json!("QUEUED"), &json!({ "place": 1, "of": 1 })));
    model.release();
    // The second may end while the answer of the first is written down.
    let mut both = socket.stages_of(&[&first, &second]).await;
    let (of_second, of_first) = (both.pop().unwrap(), both.pop().unwrap());
    let names = |stages: &[serde_json::Value]| -> Vec<String> {
        stages.iter().map(|s| s["status"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&of_first), ["RECEIVED", "QUEUED", "RUNNING", "COMPLETED"]);
    assert_eq!(of_first[1]["description"], "place 1 of 1 in the queue");
    assert_eq!(of_first[3]["data"], format!("/result/{first}"));
    assert_eq!(names(&of_second), ["RECEIVED", "QUEUED", "RUNNING", "COMPLETED"]);
    for (id, graph) in [(first, &graphs[0]), (second, &graphs[1])] {
        assert_eq!(client.answer(&id).await, model.alone(graph));
    }
    server.stop().await;
    // A stopping server says goodbye.
    assert!(socket.maybe().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn places_move_up_and_progress_comes_as_log_lines() {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), |o| o.limits.progress_every = Duration::ZERO).await;
    let client = server.client();
    client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    model.begun(1).await;
    client.submit(&read(Site::ResidPost(0), &[&[1]]), &Send::default()).await;
    let (mut socket, session) = client.subscribe().await;
    let last =
        client.submit(&read(Site::ResidPost(1), &[&[1, 2, 3]]), &Send { session, ..Send::default() }).await;
    model.release();
    let mut said = Vec::new();
    loop {
        let frame = socket.next().await;
        assert_eq!(frame["id"], last.as_str());
        said.push((frame["status"].clone(), frame["description"].clone()));
        if frame["status"] == "COMPLETED" {
            break;
        }
    }
    let want = [
        ("RECEIVED", ""),
        ("QUEUED", "place 2 of 2 in the queue"),
        ("QUEUED", "place 1 of 1 in the queue"),
        ("RUNNING", ""),
        ("LOG", "3 of at most 3 tokens"),
        ("COMPLETED", ""),
    ];
    assert_eq!(said, want.map(|(s, d)| (json!(s), json!(d))));
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_and_compression_give_the_same_bytes() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |_| {}).await;
    let client = server.client();
    let graph = steer(&[&[1, 2, 3, 4], &[5]], &[1.0, -3.0]);
    let plain = client.submit(&graph, &Send::default()).await;
    let packed = client.submit(&graph, &Send { compress: true, ..Send::default() }).await;
    assert_ne!(plain, packed);
    assert_eq!(client.answer(&plain).await, model.alone(&graph));
    client.end(&packed).await;
    let bytes = client.get(&format!("/result/{packed}")).await.bytes().await.unwrap();
    let unpacked = frame::decompress(&bytes, 1 << 20).unwrap();
    assert!(bytes.len() < unpacked.len());
    assert_eq!(unpacked, answer_to_bytes(&model.alone(&graph)).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_where_it_broke_off() {
    let (server, _dir) = fresh(Held::new(), |_| {}).await;
    let client = server.client();
    let id = client.submit(&steer(&[&[1, 2, 3, 4]], &[1.0]), &Send::default()).await;
    client.end(&id).await;
    let path = format!("/result/{id}");
    let get = |headers: Vec<(HeaderName, String)>| {
        let request = client.ask(Method::GET, &path);
        async { headers.into_iter().fold(request, |r, (k, v)| r.header(k, v)).send().await.unwrap() }
    };
    let whole = get(vec![]).await;
    let (etag, length) =
        (whole.headers()[ETAG].to_str().unwrap().to_owned(), whole.content_length().unwrap());
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len() as u64, length);

    let part = get(vec![(RANGE, "bytes=0-99".into())]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()[CONTENT_RANGE], format!("bytes 0-99/{length}").as_str());
    assert_eq!(part.headers()[CONTENT_LENGTH], "100");
    let mut joined = part.bytes().await.unwrap().to_vec();
    let rest = get(vec![(RANGE, "bytes=100-".into()), (IF_RANGE, etag.clone())]).await;
    assert_eq!(rest.status(), 206);
    joined.extend(rest.bytes().await.unwrap());
    assert_eq!(joined, whole);
    answer_from_bytes(&joined).unwrap();

    let changed = get(vec![(RANGE, "bytes=100-".into()), (IF_RANGE, "\"other\"".into())]).await;
    assert_eq!((changed.status().as_u16(), changed.bytes().await.unwrap()), (200, whole.clone()));
    let outside = get(vec![(RANGE, format!("bytes={length}-"))]).await;
    assert_eq!(outside.headers()[CONTENT_RANGE], format!("bytes */{length}").as_str());
    assert_eq!(detail(outside).await.0, 416);
    assert_eq!(get(vec![(IF_NONE_MATCH, etag)]).await.status(), 304);
    let head = client.ask(Method::HEAD, &path).send().await.unwrap();
    assert_eq!(head.headers()[CONTENT_LENGTH], length.to_string().as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_and_its_tokenizer_are_told() {
    let engine = Arc::new(
        Engine::open(&gguf(), &EngineOptions { name: "tiny".into(), ..EngineOptions::default() }).unwrap(),
    );
    let (server, _dir) = fresh(engine.clone(), |_| {}).await;
    let client = server.client();
    let model = client.json("/model").await;
    assert_eq!(model["info"], serde_json::to_value(engine.info()).unwrap());
    assert_eq!(model["stop_tokens"], json!(engine.stop_tokens()));
    assert_eq!(model["protocol"], 1);
    assert_eq!(model["decodes"], true);
    for special in [true, false] {
        let texts = ["the hat", "", "é 漢"];
        let body = json!({ "texts": texts, "special": special });
        let response = client.ask(Method::POST, "/encode").json(&body).send().await.unwrap();
        let tokens: Vec<Vec<u32>> =
            serde_json::from_value(response.json::<serde_json::Value>().await.unwrap()["tokens"].clone())
                .unwrap();
        let want: Vec<Vec<u32>> = texts.iter().map(|t| engine.encode(t, special).unwrap().unwrap()).collect();
        assert_eq!(tokens, want);
        let body = json!({ "tokens": tokens });
        let response = client.ask(Method::POST, "/decode").json(&body).send().await.unwrap();
        let told = response.json::<serde_json::Value>().await.unwrap()["texts"].clone();
        let ids: Vec<&[u32]> = want.iter().map(Vec::as_slice).collect();
        assert_eq!(told, json!(engine.spell(&ids).unwrap().unwrap()));
    }
    let beyond = json!({ "tokens": [[1, engine.info().vocab]] });
    let refused = client.ask(Method::POST, "/decode").json(&beyond).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
    let mut b = Builder::new();
    let g = b.texts(["the hat"]);
    let t = b.generate(g, Sampling::greedy(3));
    let text = b.node(truenorth_protocol::graph::Op::Decode { generate: t });
    b.save("text", text);
    let id = client.submit(&b.finish(), &Send::default()).await;
    assert_eq!(client.answer(&id).await.values["text"].text().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_nnsight_asks_and_what_an_operator_wants_to_know() {
    let (server, _dir) = fresh(Held::new(), |_| {}).await;
    let client = server.client();
    let status = client.json("/status").await;
    let deployments = status["deployments"].as_object().unwrap();
    assert_eq!(deployments.len(), 1);
    let one = deployments.values().next().unwrap();
    for (key, want) in [
        ("model_key", "tiny"),
        ("repo_id", "tiny"),
        ("revision", "r1"),
        ("task", "text-generation"),
        ("deployment_level", "HOT"),
        ("application_state", "RUNNING"),
    ] {
        assert_eq!(one[key], want, "{key}");
    }
    let env = client.json("/env").await;
    assert!(env["python_version"].as_str().unwrap().split(' ').next().is_some());
    assert_eq!(env["packages"]["truenorth"], env!("CARGO_PKG_VERSION"));
    assert_eq!(client.json("/whoami").await, json!({ "email": null, "tags": [] }));
    assert_eq!(client.get("/healthz").await.status(), 200);

    let id = client.submit(&read(Site::Embed, &[&[1, 2, 3]]), &Send::default()).await;
    let bytes = client.end(&id).await;
    let sent = client.get(bytes["data"].as_str().unwrap()).await.bytes().await.unwrap().len();
    let (_socket, _) = client.subscribe().await;
    let text = client.get("/metrics").await.text().await.unwrap();
    let value = |name: &str| -> f64 {
        let line = text
            .lines()
            .find(|l| l.starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(value("truenorth_jobs_total{state=\"completed\"}"), 1.0);
    assert_eq!(value("truenorth_jobs_total{state=\"error\"}"), 0.0);
    assert_eq!(value("truenorth_queue_length"), 0.0);
    assert_eq!(value("truenorth_jobs_running"), 0.0);
    assert_eq!(value("truenorth_tokens_total"), 3.0);
    assert_eq!(value("truenorth_bytes_out_total"), sent as f64);
    assert!(value("truenorth_bytes_in_total") > 0.0);
    assert_eq!(value("truenorth_sockets"), 1.0);
    assert_eq!(value("truenorth_job_running_seconds_count"), 1.0);
    assert_eq!(value("truenorth_job_queued_seconds_count"), 1.0);
    assert!(text.ends_with("# EOF\n"));
}
