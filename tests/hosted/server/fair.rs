//! Long jobs that let others have the model, and operators who end them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use truenorth::run::{RunError, Runner, Watch};
use truenorth::server::ServerKeys;
use truenorth_protocol::{Answer, CheckedGraph, ModelInfo, Prompt, Site};

use super::support::*;

/// A model whose runs go on, a token at a time, as long as their first token is 1 and it is not told to end.
struct Endless {
    model: Arc<Held>,
    over: AtomicBool,
}

impl Runner for Endless {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn encode(&self, text: &str, special: bool) -> Result<Option<Vec<u32>>, RunError> {
        self.model.encode(text, special)
    }

    fn stop_tokens(&self) -> Vec<u32> {
        vec![]
    }

    fn run(&self, graph: &CheckedGraph, watch: &dyn Watch) -> Result<Answer, RunError> {
        let endless = matches!(&graph.graph().groups[0].prompts[0], Prompt::Tokens(t) if t[0] == 1);
        while endless && !self.over.load(Ordering::SeqCst) {
            if watch.interrupted() {
                return Err(RunError::Interrupted);
            }
            std::thread::sleep(Duration::from_millis(1));
            watch.tokens(1);
        }
        self.model.run(graph, watch)
    }
}

fn endless() -> Arc<Endless> {
    Arc::new(Endless { model: Held::new(), over: AtomicBool::new(false) })
}

fn hasty(o: &mut truenorth::server::ServerOptions) {
    keys(o);
    o.limits.slice = Duration::from_millis(10);
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_served_in_the_middle_of_a_long_job() {
    let model = endless();
    let (server, _dir) = fresh(model.clone(), hasty).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let long = ada.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    for token in 2..6 {
        let id = bob.submit(&read(Site::Embed, &[&[token]]), &Send::default()).await;
        bob.answer(&id).await;
    }
    assert_eq!(ada.json(&format!("/response/{long}")).await["status"], "RUNNING");
    // Two long ones take turns, and what is short still comes in between only of those who have no run.
    let other = bob.submit(&read(Site::ResidPost(0), &[&[1]]), &Send::default()).await;
    while bob.json(&format!("/response/{other}")).await["status"] != "RUNNING" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let waits = ada.submit(&read(Site::Embed, &[&[7]]), &Send::default()).await;
    model.over.store(true, Ordering::SeqCst);
    for (client, id) in [(&ada, &long), (&bob, &other), (&ada, &waits)] {
        client.answer(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_cancels_what_others_sent() {
    let model = endless();
    let (server, _dir) = fresh(model.clone(), |o| {
        hasty(o);
        o.operators = ServerKeys::parse("key-of-root").unwrap();
    })
    .await;
    let (ada, bob, root) =
        (server.keyed("key-of-ada"), server.keyed("key-of-bob"), server.keyed("key-of-root"));
    let long = ada.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    assert_eq!(detail(bob.cancel(&long).await).await.0, 404);
    assert_eq!(detail(bob.get("/jobs").await).await.0, 403);
    assert_eq!(detail(server.client().get("/jobs").await).await.0, 401);
    // What all do together is nothing for one of them.
    let (status, why) = detail(bob.get("/metrics").await).await;
    assert!(status == 403 && why.contains("--operator-key-file"), "{status} {why}");
    assert!(root.get("/metrics").await.text().await.unwrap().contains("truenorth_jobs_running 1"));
    assert_eq!(bob.json("/whoami").await["tags"], serde_json::json!([]));
    // However often it asks, an operator's key is no guess.
    for _ in 0..40 {
        assert_eq!(root.json("/whoami").await["tags"], serde_json::json!(["operator"]));
    }
    assert_eq!(server.keyed("wrong").json("/whoami").await["email"], serde_json::Value::Null);
    let jobs = root.json("/jobs").await;
    let jobs = jobs["jobs"].as_array().unwrap();
    assert_eq!((jobs.len(), &jobs[0]["id"], &jobs[0]["tokens"]), (1, &long.clone().into(), &1.into()));
    assert_eq!(root.cancel(&long).await.status(), 200);
    assert_eq!(ada.end(&long).await["description"], "cancelled by the operator of the server");
    bob.answer(&bob.submit(&read(Site::Embed, &[&[2]]), &Send::default()).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_stops_in_good_order_with_several_runs_begun() {
    let model = endless();
    let dir = tempfile::tempdir().unwrap();
    let mut o = options(dir.path());
    hasty(&mut o);
    o.grace = Duration::ZERO;
    let server = start(model.clone(), o).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let ids = [
        (0, ada.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await),
        (1, bob.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await),
    ];
    while bob.json(&format!("/response/{}", ids[1].1)).await["status"] != "RUNNING" {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    server.stop().await;
    model.over.store(true, Ordering::SeqCst);
    let mut o = options(dir.path());
    keys(&mut o);
    let server = start(model, o).await;
    let clients = [server.keyed("key-of-ada"), server.keyed("key-of-bob")];
    for (of, id) in ids {
        clients[of].answer(&id).await;
    }
}
