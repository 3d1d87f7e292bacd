//! Jobs sent twice, cancelled, failing, and taking turns.

use std::time::Duration;

use truenorth_protocol::Site;

use super::support::*;

fn with_key(key: &str) -> Send {
    Send { idempotency_key: Some(key.into()), ..Send::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_job_and_runs_once() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), keys).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let graph = read(Site::ResidPost(0), &[&[1, 2]]);
    model.hold();
    // At the same time, as a client that lost patience would.
    let how = with_key("k");
    let both = tokio::join!(ada.submit(&graph, &how), ada.submit(&graph, &how));
    assert_eq!(both.0, both.1);
    model.release();
    ada.end(&both.0).await;
    // A retry hears over its new socket what became of it.
    let (mut socket, session) = ada.subscribe().await;
    let again = ada.submit(&graph, &Send { session, ..with_key("k") }).await;
    assert_eq!(again, both.0);
    assert_eq!(socket.next().await["status"], "COMPLETED");
    assert_eq!(model.runs().len(), 1);

    let (status, why) = detail(ada.send(&read(Site::Embed, &[&[1]]), &with_key("k")).await).await;
    assert!(status == 422 && why.contains("idempotency-key"), "{why}");
    let packed = ada.send(&graph, &Send { compress: true, ..with_key("k") }).await;
    assert_eq!(packed.status(), 422);
    let other = bob.submit(&graph, &with_key("k")).await;
    assert_ne!(other, both.0);
    bob.end(&other).await;
    assert_eq!(model.runs().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_and_running_jobs_can_be_cancelled_and_done_ones_not() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |_| {}).await;
    let client = server.client();
    let done = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    client.end(&done).await;
    assert_eq!(detail(client.cancel(&done).await).await.0, 409);

    model.hold();
    let (mut socket, session) = client.subscribe().await;
    let how = Send { session, ..Send::default() };
    let running = client.submit(&read(Site::ResidPost(0), &[&[2]]), &how).await;
    model.begun(2).await;
    let waiting = client.submit(&read(Site::ResidPost(1), &[&[3]]), &how).await;
    let next = client.submit(&read(Site::Embed, &[&[4]]), &how).await;
    assert_eq!(detail(client.get(&format!("/result/{waiting}")).await).await.0, 409);
    for id in [&waiting, &running, &running] {
        let response = client.cancel(id).await;
        assert_eq!(response.status(), 200);
        let update: serde_json::Value = response.json().await.unwrap();
        assert_eq!(
            (&update["status"], &update["description"]),
            (&"ERROR".into(), &"cancelled by its client".into())
        );
        assert_eq!(client.json(&format!("/response/{id}")).await, update);
    }
    assert_eq!(socket.stages(&waiting).await.last().unwrap()["status"], "ERROR");
    // The next one begins though the model is held: the run that was cancelled has ended.
    model.begun(3).await;
    model.release();
    assert_eq!(client.end(&next).await["status"], "COMPLETED");
    assert_eq!(model.runs(), [[1], [2], [4]]);
    assert_eq!(detail(client.get(&format!("/result/{running}")).await).await.0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_or_panics_fails_alone_and_says_why() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |_| {}).await;
    let client = server.client();
    let poisoned = client.submit(&read(Site::Embed, &[&[POISON]]), &Send::default()).await;
    // No tokenizer in this model's folder.
    let mut b = truenorth_protocol::Builder::new();
    let g = b.texts(["hello"]);
    let r = b.read(g, Site::Embed, truenorth_protocol::ReadAt::Last);
    b.save("r", r);
    let failing = client.submit(&b.finish(), &Send::default()).await;
    let good = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    let end = client.end(&poisoned).await;
    assert_eq!(end["status"], "ERROR");
    assert!(end["description"].as_str().unwrap().starts_with("the run panicked: poisoned\nhint: "), "{end}");
    let end = client.end(&failing).await;
    assert_eq!(end["status"], "ERROR");
    assert!(end["description"].as_str().unwrap().contains("tokenizer"), "{end}");
    assert!(end["description"].as_str().unwrap().contains("\nhint: "), "{end}");
    assert_eq!(client.end(&good).await["status"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_take_turns_however_much_each_asks() {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), keys).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let mut jobs = Vec::new();
    // Each asks something else, so that nothing is merged.
    let sites = [Site::Embed, Site::ResidPre(0), Site::ResidPost(0), Site::AttnOut(0), Site::MlpOut(0)];
    for (i, site) in sites.into_iter().enumerate() {
        jobs.push((&ada, ada.submit(&read(site, &[&[i as u32 + 1]]), &Send::default()).await));
        if i == 0 {
            model.begun(1).await;
        }
    }
    for (i, site) in [Site::ResidPost(1), Site::AttnOut(1)].into_iter().enumerate() {
        jobs.push((&bob, bob.submit(&read(site, &[&[i as u32 + 31]]), &Send::default()).await));
    }
    model.release();
    for (client, id) in jobs {
        client.end(&id).await;
    }
    assert_eq!(model.runs(), [[1], [31], [2], [32], [3], [4], [5]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_leaves_nothing_half_done() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |o| (o.limits.jobs, o.limits.bodies) = (1, 1)).await;
    let client = server.client();
    let (graph, how) = (read(Site::Embed, &[&[1]]), Send::default());
    for _ in 0..20 {
        let send = client.send(&graph, &how);
        let _ = tokio::time::timeout(Duration::from_millis(1), send).await;
    }
    // The only place is free again: nothing waits, runs, or is half received for ever.
    let free = async {
        loop {
            let response = client.send(&graph, &how).await;
            if response.status() == 200 {
                return response.json::<serde_json::Value>().await.unwrap();
            }
            assert_eq!(response.status(), 429);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let taken = tokio::time::timeout(PATIENCE, free).await.expect("a place gets free");
    client.end(taken["id"].as_str().unwrap()).await;
    let text = client.get("/metrics").await.text().await.unwrap();
    let jobs = |state: &str| count(&text, &format!("truenorth_jobs_total{{state=\"{state}\"}}"));
    assert_eq!(jobs("received"), jobs("completed"));
}

/// A whole number of the metrics.
fn count(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}
