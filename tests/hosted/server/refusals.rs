//! Bad input: each refused with its status and a reason, and the server goes on.

use std::time::Duration;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use truenorth::server::{Server, ServerError};
use truenorth_protocol::{Site, frame};
use uuid::Uuid;

use super::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_known_key_nothing_of_the_clients_is_there() {
    let (server, _dir) = fresh(Held::new(), keys).await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let id = ada.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    ada.end(&id).await;
    for stranger in [server.client(), server.keyed("key-of-ad"), server.keyed("")] {
        for path in ["/model", "/metrics", &format!("/response/{id}"), &format!("/result/{id}")] {
            assert_eq!(detail(stranger.get(path).await).await.0, 401, "{path}");
        }
        assert_eq!(stranger.send(&read(Site::Embed, &[&[1]]), &Send::default()).await.status(), 401);
        assert_eq!(stranger.cancel(&id).await.status(), 401);
        match stranger.try_subscribe().await {
            Err(SocketError::Http(response)) => assert_eq!(response.status(), 401),
            _ => panic!("a stranger has a socket"),
        }
        for path in ["/status", "/env", "/healthz"] {
            assert_eq!(stranger.get(path).await.status(), 200, "{path}");
        }
    }
    let bearer = server.client().ask(Method::GET, "/model").bearer_auth("key-of-bob").send().await.unwrap();
    assert_eq!(bearer.status(), 200);
    assert_eq!(ada.json("/whoami").await["email"], "Ada");

    // Another client's job is no job, and its session can't be listened in on.
    assert_eq!(detail(bob.get(&format!("/response/{id}")).await).await.0, 404);
    assert_eq!(detail(bob.get(&format!("/result/{id}")).await).await.0, 404);
    assert_eq!(detail(bob.cancel(&id).await).await.0, 404);
    let (mut of_bob, session) = bob.subscribe().await;
    let told = Send { session: session.clone(), ..Send::default() };
    let secret = ada.submit(&read(Site::ResidPost(0), &[&[1]]), &told).await;
    ada.end(&secret).await;
    let own = bob.submit(&read(Site::ResidPost(1), &[&[1]]), &Send { session, ..Send::default() }).await;
    assert_eq!(of_bob.next().await["id"], own.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_404() {
    let (server, _dir) = fresh(Held::new(), |_| {}).await;
    let client = server.client();
    let unknown = Uuid::new_v4();
    for path in [
        format!("/response/{unknown}"),
        format!("/result/{unknown}"),
        "/response/..%2f..%2fetc%2fpasswd".into(),
        "/result/%00".into(),
        "/response/%ff".into(),
        "/nothing".into(),
    ] {
        assert_eq!(detail(client.get(&path).await).await.0, 404, "{path}");
    }
    assert_eq!(detail(client.cancel(&unknown.to_string()).await).await.0, 404);
    assert_eq!(detail(client.ask(Method::PUT, "/model").send().await.unwrap()).await.0, 405);
    let graph = read(Site::Embed, &[&[1]]).to_bytes().unwrap();
    let other = json!({ "model_key": "gpt-9", "session_id": "", "compress": false });
    let (status, why) = detail(client.form(form(&other, graph)).await).await;
    assert!(status == 404 && why.contains("gpt-9") && why.contains("tiny"), "{why}");
    let (status, why) = detail(client.get("/subscribe").await).await;
    assert!(status == 400 && why.contains("WebSocket"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_that_are_none_are_400() {
    let (server, _dir) = fresh(Held::new(), |_| {}).await;
    let client = server.client();
    let graph = || read(Site::Embed, &[&[1]]).to_bytes().unwrap();
    let data = || envelope(&Send::default()).to_string();
    let blob = || Part::bytes(graph());
    for (form, why) in [
        (Form::new(), "incomplete"),
        (Form::new().text("data", data()), "`blob` is missing"),
        (Form::new().part("blob", blob()), "`data` is missing"),
        (Form::new().text("data", data()).part("blob", blob()).part("blob", blob()), "twice"),
        (Form::new().text("data", data()).text("date", data()), "unknown field \"date\""),
        (Form::new().text("data", "{").part("blob", blob()), "envelope"),
        (Form::new().text("data", "[]").part("blob", blob()), "envelope"),
        (Form::new().text("data", "{\"session_id\": \"\"}").part("blob", blob()), "model_key"),
    ] {
        let (status, detail) = detail(client.form(form).await).await;
        assert!(status == 400 && detail.contains(why), "{status} {detail}, expected {why}");
    }
    let post = |kind: &'static str, body: &'static str| {
        client.ask(Method::POST, "/request").header("content-type", kind).body(body).send()
    };
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=b", "no boundary at all"),
        ("multipart/form-data; boundary=b", "--b\r\ncontent-disposition: form-data; name=\"data\"\r\n\r\n{}"),
    ] {
        assert_eq!(detail(post(kind, body).await.unwrap()).await.0, 400, "{kind} {body}");
    }
    let encode = client.ask(Method::POST, "/encode").body("{\"texts\": 3}").send().await.unwrap();
    assert_eq!(detail(encode).await.0, 400);
    let long = Send { idempotency_key: Some("k".repeat(300)), ..Send::default() };
    assert_eq!(detail(client.send(&read(Site::Embed, &[&[1]]), &long).await).await.0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_do_not_fit_are_422_before_they_are_queued() {
    let model = Held::new();
    let (server, _dir) = fresh(model.clone(), |_| {}).await;
    let client = server.client();
    let (status, why) =
        detail(client.send(&read(Site::ResidPost(99), &[&[1]]), &Send::default()).await).await;
    assert!(status == 422 && why.contains("node 0 (read resid_post.99)"), "{why}");
    let (status, why) = detail(client.send(&read(Site::Embed, &[&[1 << 30]]), &Send::default()).await).await;
    assert!(status == 422 && why.contains("1073741824"), "{why}");
    let good = read(Site::Embed, &[&[1]]).to_bytes().unwrap();
    let mut bad =
        vec![vec![], b"\x80\x04pickle".to_vec(), good[..good.len() - 1].to_vec(), [&good[..], b"x"].concat()];
    for i in 0..good.len() {
        let mut flipped = good.clone();
        flipped[i] ^= 0x5a;
        bad.push(flipped);
    }
    for bytes in bad {
        let response = client.form(form(&envelope(&Send::default()), bytes.clone())).await;
        // A flipped bit may well say something else that is fine.
        let status = response.status().as_u16();
        assert!(matches!(status, 200 | 422), "{status} {bytes:02x?}");
        if status == 422 {
            detail(response).await;
        }
    }
    let packed = Send { compress: true, ..Send::default() };
    for bytes in [good.clone(), frame::compress(&good).unwrap()[..12].to_vec(), frame::MAGIC.to_vec()] {
        assert_eq!(detail(client.form(form(&envelope(&packed), bytes)).await).await.0, 422);
    }
    let id = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    assert_eq!(client.end(&id).await["status"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_413_packed_or_not() {
    let (server, _dir) = fresh(Held::new(), |o| {
        (o.limits.body_bytes, o.limits.memory) = (64 << 10, Some(8 << 30));
    })
    .await;
    let client = server.client();
    let how = envelope(&Send::default());
    let (status, why) = detail(client.form(form(&how, vec![0; 1 << 20])).await).await;
    assert!(status == 413 && why.contains("65536"), "{why}");
    // Without a length, it is seen only as it comes.
    let chunks = futures_util::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 16 << 10])));
    let endless = client
        .ask(Method::POST, "/request")
        .header("content-type", "multipart/form-data; boundary=b")
        .body(reqwest::Body::wrap_stream(chunks));
    assert_eq!(detail(endless.send().await.unwrap()).await.0, 413);
    let encode = client.ask(Method::POST, "/encode").body(vec![b' '; 1 << 20]).send().await.unwrap();
    assert_eq!(detail(encode).await.0, 413);
    // 300 MiB of zeros in a few kilobytes: cut at the cap of a graph.
    let bomb = frame::compress(&vec![0; 300 << 20]).unwrap();
    assert!(bomb.len() < 64 << 10);
    let packed = envelope(&Send { compress: true, ..Send::default() });
    let (status, why) = detail(client.form(form(&packed, bomb)).await).await;
    assert!(status == 413 && why.contains("unpacks"), "{why}");
    let id = client.submit(&read(Site::Embed, &[&[1]]), &Send::default()).await;
    assert_eq!(client.end(&id).await["status"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_jobs_or_sockets_are_429_with_a_time_to_wait() {
    let model = Held::new();
    model.hold();
    let (server, _dir) = fresh(model.clone(), |o| {
        keys(o);
        (o.limits.jobs_per_client, o.limits.jobs, o.limits.sockets_per_client) = (2, 3, 1);
    })
    .await;
    let (ada, bob) = (server.keyed("key-of-ada"), server.keyed("key-of-bob"));
    let graph = read(Site::Embed, &[&[1]]);
    let busy = |response: reqwest::Response| async {
        let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=600).contains(&after));
        detail(response).await
    };
    let mut ids =
        vec![ada.submit(&graph, &Send::default()).await, ada.submit(&graph, &Send::default()).await];
    let (status, why) = busy(ada.send(&graph, &Send::default()).await).await;
    assert!(status == 429 && why.contains("this client"), "{why}");
    ids.push(bob.submit(&graph, &Send::default()).await);
    let (status, why) = busy(bob.send(&graph, &Send::default()).await).await;
    assert!(status == 429 && why.starts_with("3 jobs"), "{why}");
    let (_socket, _) = ada.subscribe().await;
    match ada.try_subscribe().await {
        Err(SocketError::Http(response)) => {
            assert_eq!(response.status(), 429);
            assert!(response.headers().contains_key("retry-after"));
        }
        _ => panic!("one socket too many"),
    }
    drop(_socket);
    model.release();
    for (client, id) in [&ada, &ada, &bob].into_iter().zip(ids) {
        client.end(&id).await;
    }
    // Room again, for jobs and for sockets.
    ada.end(&ada.submit(&graph, &Send::default()).await).await;
    ada.subscribe().await;
}

/// What a server says to raw bytes that stop short, until it hangs up.
async fn raw(url: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut reply)).await;
    assert!(read.is_ok(), "the server holds on to a connection that does not move");
    String::from_utf8_lossy(&reply).into_owned()
}

/// As [`raw`], with a byte more every now and then.
async fn drip(url: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut reply = [0; 64];
    loop {
        match tokio::time::timeout(Duration::from_millis(20), stream.read(&mut reply)).await {
            Ok(read) => return String::from_utf8_lossy(&reply[..read.unwrap()]).into_owned(),
            Err(_) => stream.write_all(b"-").await.unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_and_connections_that_do_not_move_are_let_go() {
    let (server, _dir) = fresh(Held::new(), |o| {
        o.limits.pause = Duration::from_millis(150);
        o.limits.ping_every = Duration::from_millis(100);
        o.limits.bodies = 1;
    })
    .await;
    let head =
        "POST /request HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\n";
    let reply = raw(&server.url, &format!("{head}content-length: 1000\r\n\r\n--b\r\n")).await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    // Neither is one that drips: every piece comes in time, the whole would take for ever.
    let reply = drip(&server.url, &format!("{head}content-length: 1000\r\n\r\n")).await;
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    assert_eq!(raw(&server.url, "GET /model HTT").await, "");
    assert_eq!(raw(&server.url, "").await, "");
    // A socket that answers pings is not one of them.
    let client = server.client();
    let (mut socket, session) = client.subscribe().await;
    let mut heard = tokio::spawn(async move { (socket.maybe().await, socket) });
    assert!(tokio::time::timeout(Duration::from_millis(900), &mut heard).await.is_err(), "the socket ended");
    client.submit(&read(Site::Embed, &[&[1]]), &Send { session, ..Send::default() }).await;
    assert_eq!(heard.await.unwrap().0.unwrap()["status"], "RECEIVED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_in_a_browser_gets_nothing_without_a_key() {
    let (server, _dir) = fresh(Held::new(), |_| {}).await;
    let ask = |name: &'static str, value: &'static str| {
        let client = server.client();
        async move { detail(client.ask(Method::GET, "/model").header(name, value).send().await.unwrap()).await.0 }
    };
    assert_eq!(ask("origin", "https://evil.example").await, 403);
    assert_eq!(ask("host", "evil.example:7997").await, 403);
    assert_eq!(server.client().get("/model").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_does_not_listen_to_the_world_unless_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut o = options(dir.path());
    o.listen = "0.0.0.0:0".parse().unwrap();
    let model = Held::new();
    let error = Server::bind(model.clone(), o.clone()).await.err().unwrap();
    assert!(matches!(error, ServerError::Exposed { .. }) && error.is_request() && error.hint().is_some());
    let mut keyed = o.clone();
    keys(&mut keyed);
    drop(Server::bind(model.clone(), keyed).await.unwrap());
    o.open = true;
    drop(Server::bind(model, o).await.unwrap());
}
