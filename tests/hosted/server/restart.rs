//! Stopping and starting again: nothing is lost, nothing is done twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use truenorth::server::{Server, ServerError};
use truenorth_protocol::Site;

use super::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_answers_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    let mut hasty = options(dir.path());
    hasty.grace = Duration::ZERO;
    let server = start(model.clone(), hasty).await;
    let client = server.client();
    let how = |key: &str| Send { idempotency_key: Some(key.into()), ..Send::default() };
    let graphs = [
        read(Site::Embed, &[&[1]]),
        read(Site::ResidPost(0), &[&[2], &[3, 4]]),
        read(Site::ResidPost(1), &[&[5]]),
        steer(&[&[6]], &[1.0]),
    ];
    let done = client.submit(&graphs[0], &how("0")).await;
    let bytes = client.get(client.end(&done).await["data"].as_str().unwrap()).await.bytes().await.unwrap();
    model.hold();
    let running = client.submit(&graphs[1], &how("1")).await;
    model.begun(2).await;
    let queued = client.submit(&graphs[2], &how("2")).await;
    let packed = client.submit(&graphs[3], &Send { compress: true, ..how("3") }).await;
    let gone = client.submit(&read(Site::Embed, &[&[9]]), &Send::default()).await;
    client.cancel(&gone).await;
    // The run is told to end, as there is no grace.
    server.stop().await;
    model.release();

    let server = start(model.clone(), options(dir.path())).await;
    let client = server.client();
    assert_eq!(client.get(&format!("/result/{done}")).await.bytes().await.unwrap(), bytes);
    for (id, graph) in [(&running, &graphs[1]), (&queued, &graphs[2])] {
        assert_eq!(client.answer(id).await, model.alone(graph));
    }
    assert_eq!(client.end(&packed).await["status"], "COMPLETED");
    assert_eq!(client.end(&gone).await["description"], "cancelled by its client");
    // In the order in which they came: the first, the one that was cut short, that again, the rest.
    assert_eq!(model.runs(), [vec![1], vec![2, 3], vec![2, 3], vec![5], vec![6]]);
    // A client that did not hear of its job sends it again.
    assert_eq!(client.submit(&graphs[2], &how("2")).await, queued);
    assert_eq!(client.submit(&graphs[0], &how("0")).await, done);
    assert_eq!(model.runs().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_running_job_may_end_and_is_told_while_nothing_new_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    model.hold();
    let server = start(model.clone(), options(dir.path())).await;
    let client = server.client();
    let (mut socket, session) = client.subscribe().await;
    let how = Send { session, ..Send::default() };
    let running = client.submit(&read(Site::Embed, &[&[1]]), &how).await;
    model.begun(1).await;
    let waiting = client.submit(&read(Site::ResidPost(0), &[&[2]]), &how).await;
    let stopping = server.begin_stop();
    let refused = loop {
        let response = client.send(&read(Site::Embed, &[&[3]]), &Send::default()).await;
        if response.status() != 200 {
            break response;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(detail(refused).await.0, 503);
    assert_eq!(client.get("/healthz").await.status(), 503);
    assert_eq!(client.json(&format!("/response/{waiting}")).await["status"], "QUEUED");
    model.release();
    assert_eq!(socket.stages(&running).await.last().unwrap()["status"], "COMPLETED");
    assert!(socket.maybe().await.is_none());
    tokio::time::timeout(PATIENCE, stopping).await.unwrap().unwrap().unwrap();
    assert_eq!(model.runs(), [[1]]);

    let server = start(model.clone(), options(dir.path())).await;
    assert_eq!(server.client().end(&waiting).await["status"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_for_another_model_ends_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    model.hold();
    let mut hasty = options(dir.path());
    hasty.grace = Duration::ZERO;
    let server = start(model.clone(), hasty).await;
    let id = server.client().submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    server.stop().await;
    let server = start(Held::named("other"), options(dir.path())).await;
    let end = server.client().end(&id).await;
    let why = end["description"].as_str().unwrap();
    assert!(end["status"] == "ERROR" && why.contains("other") && why.contains("tiny"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_takes_no_answer_away() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    let server = start(model.clone(), options(dir.path())).await;
    let client = server.client();
    let id = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    client.end(&id).await;
    server.stop().await;
    // As if it had ended in 1970, or in ten thousand years; in the version that had no hash.
    let path = dir.path().join(&id).join("job.json");
    for finished in [1_u64, 1 << 48] {
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let mut record = file["record"].clone();
        record["finished"] = finished.into();
        record["version"] = 1.into();
        std::fs::write(&path, record.to_string()).unwrap();
        let server = start(model.clone(), options(dir.path())).await;
        server.client().answer(&id).await;
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_record_is_told_of_left_alone_and_sends_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    let server = start(model.clone(), options(dir.path())).await;
    let how = Send { idempotency_key: Some("two".into()), ..Send::default() };
    let id = server.client().submit(&read(Site::Embed, &[&[1]]), &how).await;
    server.client().answer(&id).await;
    server.stop().await;
    let path = dir.path().join(&id).join("job.json");
    let good = std::fs::read_to_string(&path).unwrap();
    // The last digit of the answer's size.
    let bytes = good.find("\"bytes\": ").unwrap() + 9;
    let bytes = bytes + good[bytes..].find(',').unwrap() - 1;
    let digit = &good[bytes..=bytes];
    let smaller = (digit.parse::<u8>().unwrap() ^ 1).to_string();
    for flipped in [good.replace("\"two\"", "\"tvo\""), {
        let mut text = good.clone();
        text.replace_range(bytes..=bytes, &smaller);
        text
    }] {
        assert_ne!(flipped, good);
        std::fs::write(&path, flipped).unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let (hears, mut listening) = (told.clone(), options(dir.path()));
        listening.notice = Arc::new(move |text| hears.lock().unwrap().push(text.to_owned()));
        let server = start(model.clone(), listening).await;
        assert_eq!(server.client().get(&format!("/result/{id}")).await.status(), 404);
        server.stop().await;
        let told = told.lock().unwrap().join("\n");
        assert!(told.contains(&id) && told.contains("job.json is damaged"), "{told}");
        assert!(dir.path().join(&id).join("answer").exists());
    }
    std::fs::write(&path, good).unwrap();
    start(model, options(dir.path())).await.client().answer(&id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_jobs_go_and_a_spool_has_one_server() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    let mut short = options(dir.path());
    short.keep = Duration::from_millis(300);
    let server = start(model.clone(), short).await;
    let error = Server::bind(model.clone(), options(dir.path())).await.err().unwrap();
    assert!(matches!(error, ServerError::SpoolInUse { .. }));
    let client = server.client();
    let id = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    client.end(&id).await;
    let folder = dir.path().join(&id);
    assert!(folder.join("answer").exists() && !folder.join("payload").exists());
    eventually(|| !folder.exists()).await;
    assert_eq!(client.get(&format!("/response/{id}")).await.status(), 404);
}
