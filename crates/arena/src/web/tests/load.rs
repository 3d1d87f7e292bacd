//! Many at once.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_lose_nothing_and_double_nothing() {
    let arena = Arc::new(arena("per_minute = 3\nqueue = 10000\nseason = 10000", |o| o.hops = 1).await);
    let mut tasks = Vec::new();
    for client in 0..200_u32 {
        let arena = arena.clone();
        tasks.push(tokio::spawn(async move {
            let mut accepted = 0;
            for text in 0..4 {
                // Every second client sends what another sends too.
                let words = format!("w{} x{text} y{}", client / 2 * 2 + (client % 4 == 0) as u32, client / 2);
                let r = arena
                    .post("/api/submissions")
                    .header("x-forwarded-for", format!("10.1.{}.{}", client / 250, client % 250))
                    .json(&json!({ "handle": "ada", "text": words, "consent": "1" }));
                let status = r.send().await.unwrap().status();
                accepted += u32::from(status == StatusCode::ACCEPTED);
                assert!(
                    [StatusCode::ACCEPTED, StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS]
                        .contains(&status),
                    "{status}"
                );
            }
            accepted
        }));
    }
    let mut accepted = 0;
    for task in tasks {
        let own = task.await.unwrap();
        assert!(own <= 3, "the limit of a client holds");
        accepted += own as usize;
    }
    arena.score();
    let all = arena.live.season.store.all().unwrap();
    assert_eq!(all.len(), accepted);
    let mut texts: Vec<&str> = all.iter().map(|e| e.text.as_str()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), accepted);
    assert!(all.iter().all(|e| e.score.is_some()));
}
