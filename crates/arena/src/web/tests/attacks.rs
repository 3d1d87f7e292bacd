//! Attacks, and what has to come of each.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, COOKIE, ORIGIN};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// Each attack, and what has to come of it.
#[tokio::test(flavor = "multi_thread")]
async fn attacks_come_to_nothing() {
    let arena = arena("tokens = 500\nper_minute = 2\nhandle = \".{1,60}\"", |o| {
        o.hops = 1;
        o.public = vec!["https://arena.example.org".into()];
    })
    .await;
    let from = |address: &str| arena.post("/api/submissions").header("x-forwarded-for", address);
    // XSS: text is text, in every place where it is shown; what turns the order of text is named.
    let script = "<script>alert(1)</script>\u{202e}\" onmouseover=x";
    let handle = "<img src=x onerror=alert(2)>";
    let body = json!({ "handle": handle, "text": script, "consent": "1" });
    assert_eq!(from("10.0.0.1").json(&body).send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(
        from("10.0.0.1").json(&Arena::submission("b c d")).send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
    arena.score();
    for path in ["/", "/entry/1", "/board/top", "/plot", "/season/one"] {
        let answer = arena.get(path).await;
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("script-src 'self';")
                && !policy.contains("unsafe")
        );
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let page = answer.text().await.unwrap();
        assert!(
            !page.contains("<script>alert") && !page.contains("<img src=x") && !page.contains('\u{202e}'),
            "{path}"
        );
        assert!(page.contains("&lt;script"), "{path}");
    }
    assert!(arena.text("/entry/1").await.contains("[U+202E]"));
    // Header spoofing: what a client puts in front of the proxy's own word is not looked at.
    let status = from("1.2.3.4, 10.0.0.1").json(&Arena::submission("e f")).send().await.unwrap().status();
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    let status = from("10.0.0.2").json(&Arena::submission("e f")).send().await.unwrap().status();
    assert_eq!(status, StatusCode::ACCEPTED);
    for header in ["x-real-ip", "forwarded", "cf-connecting-ip", "true-client-ip"] {
        let r = from("10.0.0.1").header(header, "9.9.9.9").json(&Arena::submission("g h"));
        assert_eq!(r.send().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS, "{header}");
    }
    // CSRF: other origins, no token, a token of somebody else, a plain type that needs no preflight.
    let cross =
        |name: &str, value: &str| from("10.0.1.1").header(name, value).json(&Arena::submission("i j"));
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://arena.example.org"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(
            cross(name, value).send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{name} {value}"
        );
    }
    let plain =
        from("10.0.1.1").header(CONTENT_TYPE, "text/plain").body(Arena::submission("i j").to_string());
    assert_eq!(plain.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (cookie, token) = arena.form().await;
    let (_, other) = arena.form().await;
    for (cookie, token) in [(cookie.as_str(), other.as_str()), (cookie.as_str(), ""), ("a=b", token.as_str())]
    {
        let answer = arena.by_form(cookie, &Arena::fields("k l", token)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    }
    let good = arena
        .post("/submit")
        .header(COOKIE, &cookie)
        .header(CONTENT_TYPE, FORM)
        .header(ORIGIN, &arena.url)
        .body(encoded(&Arena::fields("k l", &token)))
        .send()
        .await
        .unwrap();
    assert_eq!(good.status(), StatusCode::SEE_OTHER);
    // Replay: the same form again is a copy.
    assert_eq!(arena.by_form(&cookie, &Arena::fields("k l", &token)).await.status(), StatusCode::CONFLICT);
    // Hosts: DNS that points a name of somebody's at us.
    let host = |host: &'static str| arena.client.get(format!("{}/", arena.url)).header("host", host);
    assert_eq!(host("evil.example").send().await.unwrap().status(), StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(
        host("evil.example@127.0.0.1").send().await.unwrap().status(),
        StatusCode::MISDIRECTED_REQUEST
    );
    assert_eq!(host("arena.example.org").send().await.unwrap().status(), StatusCode::OK);
    // Oversized: a body, a text within a body, a head.
    let big = json!({ "handle": "a", "text": "x".repeat(20_000), "consent": "1" });
    assert_eq!(from("10.0.2.1").json(&big).send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
    let long = json!({ "handle": "a", "text": "x".repeat(2_000), "consent": "1" });
    assert_eq!(from("10.0.2.1").json(&long).send().await.unwrap().status(), StatusCode::UNPROCESSABLE_ENTITY);
    let raw = arena.get("/").await;
    assert_eq!(raw.status(), StatusCode::OK);
    let mut stream = TcpStream::connect(arena.address).await.unwrap();
    stream
        .write_all(
            format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000)).as_bytes(),
        )
        .await
        .ok();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().ok();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    // JSON that is no submission, unknown fields, types that are none.
    for bad in [
        json!([]),
        json!({ "handle": 3, "text": "a", "consent": "1" }),
        json!({ "handle": "a", "text": "a", "consent": "1", "score": 9 }),
    ] {
        assert_eq!(from("10.0.3.1").json(&bad).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    }
    // Paths that lead elsewhere.
    for path in [
        "/static/../../etc/passwd",
        "/season/..%2f..%2fone",
        "/entry/-1",
        "/board/left",
        "/api/leaderboard?season=../one",
    ] {
        assert_ne!(arena.get(path).await.status(), StatusCode::OK, "{path}");
    }
    // None of it is an entry.
    let texts: Vec<String> = arena.live.season.store.all().unwrap().into_iter().map(|e| e.text).collect();
    assert_eq!(texts, [script, "b c d", "e f", "k l"]);
    // No address is in the database.
    for file in ["season.db", "season.db-wal"] {
        let bytes = std::fs::read(arena.live.season.folder().join(file)).unwrap_or_default();
        let found = |needle: &str| bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
        assert!(!found("10.0.0.1") && !found("127.0.0.1"), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_do_not_keep_others_waiting() {
    let arena = arena("", |o| {
        o.limits.connections = 32;
        o.limits.connections_per_address = 16;
        o.limits.head_time = Duration::from_millis(300);
    })
    .await;
    // Heads that never end, and bodies that never come.
    let mut held = Vec::new();
    for i in 0..40 {
        let Ok(mut stream) = TcpStream::connect(arena.address).await else { continue };
        let begun = if i % 2 == 0 {
            "GET / HTTP/1.1\r\nhost: localhost\r\nx-slow: ".to_owned()
        } else {
            "POST /api/submissions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 90\r\n\r\n{"
                .to_owned()
        };
        stream.write_all(begun.as_bytes()).await.ok();
        held.push(stream);
    }
    let answer = tokio::time::timeout(Duration::from_secs(30), arena.get("/")).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(arena.live.season.store.all().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captcha_that_says_no_or_nothing_lets_nobody_in() {
    use wiremock::matchers::body_partial_json;
    use wiremock::{Mock, MockServer, ResponseTemplate};
    let service = MockServer::start().await;
    Mock::given(body_partial_json(json!({ "response": "person" })))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({ "success": true })))
        .mount(&service)
        .await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret").unwrap();
    let captcha = Captcha::new(&service.uri(), secret.path(), "site-key", "https://c.example/a.js").unwrap();
    let arena = arena("", |o| o.captcha = Some(captcha)).await;
    let submit = async |text: &str, token: Value| {
        let mut body = Arena::submission(text);
        body["captcha"] = token;
        let body = if body["captcha"].is_null() { Arena::submission(text) } else { body };
        arena.post("/api/submissions").json(&body).send().await.unwrap().status()
    };
    assert_eq!(submit("a", Value::Null).await, StatusCode::FORBIDDEN);
    assert_eq!(submit("a", json!("robot")).await, StatusCode::FORBIDDEN);
    assert_eq!(submit("a", json!("person")).await, StatusCode::ACCEPTED);
    let page = arena.get("/submit").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self' https://c.example;"), "{policy}");
    assert!(page.text().await.unwrap().contains("data-sitekey=\"site-key\""));
    // It no longer knows the path, as when it is another's or broken.
    service.reset().await;
    assert_eq!(submit("b", json!("person")).await, StatusCode::FORBIDDEN);
}
