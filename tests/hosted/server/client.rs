//! The project's own client over this server: the engine's answers, also across a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use truenorth::client::{Client, ServiceOptions};
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::{Runner, Unwatched};
use truenorth_protocol::graph::CheckLimits;
use truenorth_protocol::{Answer, CheckedGraph, Graph, Site};

use super::support::*;

fn checked(model: &Held, graph: Graph) -> CheckedGraph {
    graph.check(model.engine.info(), &CheckLimits::default()).unwrap()
}

/// Runs graphs on a client, in a thread where that may wait.
async fn ask(client: Arc<Client>, graphs: Vec<CheckedGraph>) -> Vec<Answer> {
    tokio::task::spawn_blocking(move || {
        let mut answers = vec![Answer::default(); graphs.len()];
        client
            .run_each(&graphs, &Unwatched, &mut |i, answer| {
                answers[i] = answer;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        answers
    })
    .await
    .unwrap()
}

async fn connect(url: &str, socket: bool) -> Arc<Client> {
    let options = ServiceOptions { socket: Some(socket), ..ServiceOptions::new(url) };
    tokio::task::spawn_blocking(move || Arc::new(Client::truenorth(options).unwrap())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ways_of_waiting_give_the_engines_answers() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |_| {}).await;
    let graphs = [
        read(Site::ResidPost(0), &[&[1, 2], &[3]]),
        read(Site::ResidPost(1), &[&[4]]),
        steer(&[&[5, 6, 7], &[8]], &[1.0, -2.0]),
    ];
    for socket in [true, false] {
        let client = connect(&server.url, socket).await;
        assert_eq!(client.info(), model.engine.info());
        let asked = graphs.iter().map(|g| checked(&model, g.clone())).collect();
        let answers = ask(client, asked).await;
        for (answer, graph) in answers.iter().zip(&graphs) {
            assert_eq!(answer, &model.alone(graph));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_knows_whether_the_servers_model_can_tell_texts() {
    let families = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families");
    let wordless = Engine::open(
        &families.join("llama"),
        &EngineOptions { name: "w".into(), ..EngineOptions::default() },
    );
    // A client has threads of its own, which must not end in a thread that may not wait.
    let decodes = |client: Arc<Client>| tokio::task::spawn_blocking(move || client.decodes());
    let (server, _dir) = fresh(Arc::new(wordless.unwrap()), |_| {}).await;
    let told = decodes(connect(&server.url, false).await).await.unwrap();
    assert!(!told, "it would be asked for texts, and refuse");
    let (server, _dir) = fresh(Held::new(), |_| {}).await;
    assert!(decodes(connect(&server.url, false).await).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_sees_a_restart_through() {
    let dir = tempfile::tempdir().unwrap();
    let model = Held::new();
    model.hold();
    let mut hasty = options(dir.path());
    hasty.grace = Duration::ZERO;
    let server = start(model.clone(), hasty).await;
    let (url, client) = (server.url.clone(), connect(&server.url, true).await);
    let graph = read(Site::ResidPost(0), &[&[1, 2], &[3]]);
    let asking = tokio::spawn(ask(client, vec![checked(&model, graph.clone())]));
    model.begun(1).await;
    server.stop().await;
    let mut again = options(dir.path());
    again.listen = url.trim_start_matches("http://").parse().unwrap();
    let _server = start(model.clone(), again).await;
    model.release();
    let answers = tokio::time::timeout(PATIENCE, asking).await.unwrap().unwrap();
    assert_eq!(answers, [model.alone(&graph)]);
    // Cut short once, run once; not sent twice.
    assert_eq!(model.runs(), [[1, 3], [1, 3]]);
}
