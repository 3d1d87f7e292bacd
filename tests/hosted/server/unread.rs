//! Clients that ask and do not take, or send and do not end.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use truenorth::server::ServerKeys;

use super::support::*;

/// A job whose answer no buffer of the system takes.
async fn large(client: &Client) -> String {
    let prompts: Vec<Vec<u32>> = vec![vec![1; 64]; 40];
    let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let id = client.submit(&steer(&prompts, &vec![1.0; prompts.len()]), &Send::default()).await;
    assert_eq!(client.end(&id).await["status"], "COMPLETED");
    id
}

/// Asks for a result from an address of this machine and reads nothing.
async fn unread(server: SocketAddr, from: u8, id: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(2048)?;
    socket.bind(SocketAddr::from(([127, 0, 0, from], 0)))?;
    let mut stream = socket.connect(server).await?;
    stream.write_all(format!("GET /result/{id} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes()).await?;
    Ok(stream)
}

fn address(server: &Running) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn results_that_nobody_takes_give_way_to_who_asks() {
    let (server, _dir) = fresh(Held::new(), |o| o.limits.connections = 48).await;
    let (address, id) = (address(&server), large(&server.client()).await);
    let crowd: Vec<_> = (0..64)
        .map(|i| {
            let id = id.clone();
            tokio::spawn(async move {
                loop {
                    if let Ok(mut stream) = unread(address, 2 + i % 4, &id).await {
                        // Until it is closed, but for what fits into its buffer.
                        while !matches!(stream.peek(&mut [0]).await, Ok(0) | Err(_)) {
                            tokio::time::sleep(Duration::from_millis(500)).await;
                            if stream.try_write(b" ").is_err() {
                                break;
                            }
                        }
                        let _ = stream.shutdown().await;
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..10 {
        assert_eq!(server.client().get("/model").await.status(), 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn results_being_sent_are_bounded_by_client_and_by_memory() {
    // Room for five results at a time, of which one client has one.
    let (server, _dir) = fresh(Held::new(), |o| o.limits.memory = Some(16 << 20)).await;
    let (address, id) = (address(&server), large(&server.client()).await);
    let mut held = Vec::new();
    for from in 2..7 {
        let mut stream = unread(address, from, &id).await.unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        held.push(stream);
    }
    let mut second = unread(address, 2, &id).await.unwrap();
    let mut head = [0; 12];
    second.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 429");
    // Who does not take what was asked for gives way to who does.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.client().answer(&id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bodies_that_drip_leave_a_place_to_others() {
    let (server, _dir) = fresh(Held::new(), |o| {
        o.keys = ServerKeys::parse("ada\nbob\neve\n").unwrap();
        o.limits.bodies = 4;
    })
    .await;
    let address = address(&server);
    let drip = |key: &'static str| async move {
        let head = format!(
            "POST /encode HTTP/1.1\r\nhost: x\r\nndif-api-key: {key}\r\ncontent-length: 900000\r\n\r\n"
        );
        loop {
            let Ok(mut stream) = TcpStream::connect(address).await else { continue };
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                sent = stream.write_all(&[b' '; 1000]).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let drips: Vec<_> = (0..12).map(|i| tokio::spawn(drip(["ada", "bob"][i % 2]))).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..3 {
        let client = server.keyed("eve");
        let texts = serde_json::json!({ "texts": ["a"], "special": false });
        let answer = client.ask(reqwest::Method::POST, "/encode").json(&texts).send().await.unwrap();
        // The model has a tokenizer or not; either way the body was read.
        assert!([200, 422].contains(&answer.status().as_u16()), "{answer:?}");
    }
    drips.iter().for_each(tokio::task::JoinHandle::abort);
}
