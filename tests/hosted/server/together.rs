//! Jobs of one client that run as one give what each gives alone.

use truenorth_protocol::graph::{Op, Sampling, Steps};
use truenorth_protocol::{Answer, Builder, Graph, Site, Tensor, WriteAt};

use super::support::*;

/// Asserts equal answers, floats to the bit: they do not depend on what else runs.
fn assert_same(got: &Answer, want: &Answer) {
    assert_eq!(got.values.keys().collect::<Vec<_>>(), want.values.keys().collect::<Vec<_>>());
    for (name, value) in &want.values {
        assert_eq!(&got.values[name], value, "{name}");
    }
}

/// Sends a job that blocks the model, then these, each of a client in turn; gives the runs that they
/// took and checks every answer.
async fn runs_of(graphs: &[Graph]) -> Vec<Vec<u32>> {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), keys).await;
    let clients = [server.keyed("key-of-ada"), server.keyed("key-of-bob")];
    let blocker = clients[0].submit(&read(Site::FinalNorm, &[&[63]]), &Send::default()).await;
    model.begun(1).await;
    let mut jobs = Vec::new();
    for (i, graph) in graphs.iter().enumerate() {
        let client = &clients[i % 2];
        jobs.push((client, client.submit(graph, &Send::default()).await, graph));
    }
    model.release();
    clients[0].end(&blocker).await;
    for (client, id, graph) in jobs {
        assert_same(&client.answer(&id).await, &model.alone(graph));
    }
    model.runs()[1..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_questions_run_once_and_are_cut_apart() {
    let reads = [
        read(Site::ResidPost(1), &[&[1, 2], &[3]]),
        read(Site::ResidPost(1), &[&[4, 5, 6]]),
        read(Site::ResidPost(1), &[&[7], &[8, 9], &[10]]),
    ];
    // Bob came while Ada's job was running, so his goes first, and alone: clients
    // share no run.
    assert_eq!(runs_of(&reads).await, [vec![4], vec![1, 3, 7, 8, 10]]);
    let doses = [
        steer(&[&[1, 2], &[3]], &[2.0, -8.0]),
        steer(&[&[4, 5, 6]], &[5.0]),
        steer(&[&[7], &[8, 9]], &[1.0]),
    ];
    assert_eq!(runs_of(&doses).await, [vec![4], vec![1, 3, 7, 8]]);
    let generated = [generate(&[&[1, 2]], 0.0), generate(&[&[3]], 0.0), generate(&[&[6], &[4, 5]], 0.0)];
    assert_eq!(runs_of(&generated).await, [vec![3], vec![1, 6, 4]]);
}

fn generate(prompts: &[&[u32]], temperature: f64) -> Graph {
    let mut b = Builder::new();
    let g = b.tokens(prompts.iter().map(|p| p.to_vec()));
    let d = b.constant(Tensor::vector(&vec![0.25; width()]));
    b.add(g, Site::ResidPost(0), WriteAt::Generated, Steps::ALL, d, &[2.0]);
    let tokens = b.generate(g, Sampling { temperature, ..Sampling::greedy(4) });
    b.save("tokens", tokens);
    let p = b.node(Op::GeneratedLogProb { generate: tokens });
    b.save("logprob", p);
    b.finish()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_questions_and_draws_run_alone() {
    let others = [read(Site::ResidPost(1), &[&[1]]), read(Site::ResidPost(0), &[&[2]])];
    assert_eq!(runs_of(&others).await, [[2], [1]]);
    assert_eq!(runs_of(&[generate(&[&[1]], 0.7), generate(&[&[2]], 0.7)]).await, [[2], [1]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_share_no_run_whatever_they_ask() {
    let same = |t: u32| read(Site::ResidPost(1), &[&[t]]);
    // Ada: 1, 3, 5; Bob: 2, then 4 asks something else.
    let graphs = [same(1), same(2), same(3), read(Site::ResidPost(0), &[&[4]]), same(5)];
    assert_eq!(runs_of(&graphs).await, [vec![2], vec![1, 3, 5], vec![4]]);
    let graphs = [same(1), read(Site::ResidPost(0), &[&[2]]), same(3), same(4), same(5)];
    assert_eq!(runs_of(&graphs).await, [vec![2], vec![1, 3, 5], vec![4]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_would_fail_the_others_fails_alone() {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), keys).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let blocker = bob.submit(&read(Site::FinalNorm, &[&[63]]), &Send::default()).await;
    model.begun(1).await;
    let good = ada.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    let bad = ada.submit(&read(Site::Embed, &[&[POISON]]), &Send::default()).await;
    // Cancelling one of a run leaves the others theirs.
    let gone = ada.submit(&read(Site::Embed, &[&[2]]), &Send::default()).await;
    assert_eq!(ada.cancel(&gone).await.status(), 200);
    model.release();
    bob.end(&blocker).await;
    assert_eq!(ada.end(&bad).await["status"], "ERROR");
    assert_eq!(ada.answer(&good).await, model.alone(&read(Site::Embed, &[&[1]])));
    assert_eq!(model.runs()[1..], [vec![1, POISON], vec![1], vec![POISON]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_one_of_a_run_leaves_the_others_theirs() {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), keys).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let blocker = bob.submit(&read(Site::FinalNorm, &[&[63]]), &Send::default()).await;
    model.begun(1).await;
    let kept = ada.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    let gone = ada.submit(&read(Site::Embed, &[&[2]]), &Send::default()).await;
    assert_eq!(bob.cancel(&blocker).await.status(), 200);
    model.begun(2).await;
    assert_eq!(ada.cancel(&gone).await.status(), 200);
    model.release();
    assert_same(&ada.answer(&kept).await, &model.alone(&read(Site::Embed, &[&[1]])));
    assert_eq!(ada.end(&gone).await["description"], "cancelled by its client");
    assert_eq!(model.runs()[1..], [[1, 2]]);
}
