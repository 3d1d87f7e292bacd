//! The pages and the API over loopback, as browsers, programs and attackers ask them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::live::{Live, score_all};
use crate::season::tests::{Tiny, opened};
use crate::store::{Action, End};
use truenorth_protocol::run::Unwatched;

const KEY: &str = "a-long-enough-operators-key";

struct Arena {
    _dir: tempfile::TempDir,
    live: Arc<Live>,
    url: String,
    address: SocketAddr,
    client: Client,
    _stop: oneshot::Sender<()>,
}

/// An arena that is served; nothing is scored but by [`Arena::score`].
async fn arena(rules: &str, set: impl FnOnce(&mut Options)) -> Arena {
    let dir = tempfile::tempdir().unwrap();
    let (folder, season) = opened(dir.path(), "one", rules);
    let live = Live::new(season, Tiny::open()).unwrap();
    let mut options = Options::new("127.0.0.1:0".parse().unwrap());
    let keys = dir.path().join("keys");
    std::fs::write(&keys, format!("# ours\n{KEY}\n")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    options.operator_key_file(&keys).unwrap();
    options.notice = Arc::new(|told| eprintln!("{told}"));
    set(&mut options);
    let app = App::new(folder, live.clone(), options);
    let server = Server::bind(app, None).await.unwrap();
    let url = server.url();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let address = url.trim_start_matches("http://").parse().unwrap();
    Arena { _dir: dir, live, url, address, client, _stop: stop }
}

impl Arena {
    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.text(path).await).unwrap()
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    fn submission(text: &str) -> Value {
        json!({ "handle": "ada", "text": text, "consent": "1", "kind": "words" })
    }

    async fn submit(&self, text: &str) -> Response {
        self.post("/api/submissions").json(&Self::submission(text)).send().await.unwrap()
    }

    fn score(&self) {
        score_all(&self.live, &Unwatched).unwrap();
    }

    /// The cookie and the token of a form.
    async fn form(&self) -> (String, String) {
        let answer = self.get("/submit").await;
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let page = answer.text().await.unwrap();
        let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        (cookie.split(';').next().unwrap().to_owned(), token.to_owned())
    }

    fn fields<'a>(text: &'a str, token: &'a str) -> Vec<(&'static str, &'a str)> {
        vec![("text", text), ("handle", "ada"), ("kind", "prose"), ("consent", "1"), ("token", token)]
    }

    async fn by_form(&self, cookie: &str, fields: &[(&str, &str)]) -> Response {
        self.post("/submit")
            .header(COOKIE, cookie)
            .body(encoded(fields))
            .header(CONTENT_TYPE, FORM)
            .send()
            .await
            .unwrap()
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

fn encoded(fields: &[(&str, &str)]) -> String {
    let part = |text: &str| text.bytes().map(|b| format!("%{b:02X}")).collect::<String>();
    fields.iter().map(|(k, v)| format!("{k}={}", part(v))).collect::<Vec<_>>().join("&")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_goes_from_the_form_to_its_place() {
    let arena = arena("", |_| {}).await;
    assert!(arena.text("/").await.contains("Nothing here yet"));
    let (cookie, token) = arena.form().await;
    let answer = arena.by_form(&cookie, &Arena::fields("a cat on a hat", &token)).await;
    assert_eq!(
        (answer.status(), &answer.headers()[LOCATION]),
        (StatusCode::SEE_OTHER, &"/entry/1".parse().unwrap())
    );
    assert!(arena.text("/entry/1").await.contains("Waiting, place 1"));
    assert_eq!(arena.json("/api/submissions/1").await["place"], 1);
    for text in ["no", "the shelf", "an old tin and a red cup"] {
        assert_eq!(arena.submit(text).await.status(), StatusCode::ACCEPTED);
    }
    arena.score();
    let page = arena.text("/entry/1").await;
    for part in [
        "Its place",
        "of 4",
        "Its neighbours",
        "<svg",
        "class=\"mine\"",
        "Shift of each probe",
        "a red cup on the shelf",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    let told = arena.json("/api/submissions/1").await;
    let board = arena.json("/api/leaderboard").await;
    assert_eq!(board["entries"].as_array().unwrap().len(), 4);
    let row = &board["entries"][told["rank"].as_u64().unwrap() as usize - 1];
    assert_eq!(
        (&row["id"], &row["score"], &row["sequence"]),
        (&json!(1), &told["score"], &json!("a cat on a hat"))
    );
    for key in ["rank", "handle", "sequence", "score", "score_alt", "specificity", "at"] {
        assert!(!row[key].is_null(), "{key}");
    }
    // What the board says is what the analyses of boards read.
    let file = truenorth_data::read_table(board.to_string().as_bytes(), "board.json").unwrap();
    let read = truenorth_boards::board::saved::read(&file, ("x", "board.json"), &[]).unwrap();
    assert_eq!((read.len(), read[0].rows.len(), read[0].name.as_str()), (2, 4, "tiny"));
    let bottom = arena.json("/api/leaderboard?board=bottom&limit=1").await;
    assert_eq!(bottom["entries"][0]["id"], board["entries"][3]["id"]);
    for path in [
        "/",
        "/board/top",
        "/board/bottom?page=1",
        "/plot",
        "/how",
        "/limitations",
        "/seasons",
        "/season/one",
        "/submit",
    ] {
        let page = arena.text(path).await;
        assert!(page.contains("Words &lt;of&gt; &amp; kindness") && page.ends_with("</html>"), "{path}");
        assert!(!page.contains("style=\"") && !page.contains("onclick"), "{path}");
    }
    assert_eq!(arena.get("/board/top?page=9").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(arena.get("/entry/99").await.status(), StatusCode::NOT_FOUND);
    assert!(arena.get("/nowhere").await.text().await.unwrap().contains("no such page"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_with_its_reason() {
    let arena = arena("per_minute = 3", |_| {}).await;
    let (cookie, token) = arena.form().await;
    let by_form = async |text: &str, without: &str| {
        let mut fields = Arena::fields(text, &token);
        fields.retain(|(name, _)| *name != without);
        let answer = arena.by_form(&cookie, &fields).await;
        (answer.status(), answer.text().await.unwrap())
    };
    let long = "cat ".repeat(30);
    let (status, page) = by_form(&long, "").await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("24 are taken at most"), "{page}");
    assert!(page.contains("role=\"alert\"") && page.contains("cat cat"));
    let (status, page) = by_form("a cat", "consent").await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("agree to the consent text"));
    let (status, _) = by_form("the old hat on one tall shelf", "").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    arena.score();
    let (status, page) = by_form("The old HAT on one tall shelf", "").await;
    assert!(
        status == StatusCode::CONFLICT
            && page.contains("a copy of an earlier one")
            && page.contains("/entry/1")
    );
    let answer = arena.submit("the old hat on one tall shelf too").await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    let told: Value = answer.json().await.unwrap();
    assert_eq!((&told["exact"], &told["earlier"]["id"]), (&json!(false), &json!(1)));
    assert!(told["earlier"]["score"].is_f64());
    for text in ["no", "yes"] {
        assert_eq!(arena.submit(text).await.status(), StatusCode::ACCEPTED);
    }
    let answer = arena.submit("a fourth").await;
    assert_eq!(
        (answer.status(), &answer.headers()[RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"60".parse().unwrap())
    );
    arena.live.season.close().unwrap();
    arena.live.changed();
    let answer = arena.submit("a fifth").await;
    assert!(answer.status() == StatusCode::CONFLICT && answer.text().await.unwrap().contains("closed"));
    assert!(arena.text("/").await.contains("takes no more submissions"));
    assert!(arena.text("/submit").await.contains("is closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_hides_shows_closes_and_exports() {
    let arena = arena("", |_| {}).await;
    arena.submit("a rude text").await;
    arena.submit("a kind one").await;
    arena.score();
    let bearer = |r: RequestBuilder| r.header("authorization", format!("Bearer {KEY}"));
    let act = async |path: &str, key: bool| {
        let r = arena.post(path).json(&json!({ "why": "rude" }));
        let r = if key { bearer(r) } else { r };
        r.send().await.unwrap()
    };
    assert_eq!(act("/api/operator/entries/1/hide", false).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(act("/api/operator/entries/1/hide", true).await.status(), StatusCode::OK);
    assert_eq!(act("/api/operator/entries/77/hide", true).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(act("/api/operator/entries/1/delete", true).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(arena.get("/entry/1").await.status(), StatusCode::NOT_FOUND);
    assert!(!arena.text("/").await.contains("a rude text"));
    // A copy of what is hidden is refused, and the text is not told.
    let answer = arena.submit("a rude text").await;
    assert_eq!(answer.status(), StatusCode::CONFLICT);
    assert!(answer.json::<Value>().await.unwrap()["earlier"].is_null());
    assert_eq!(act("/api/operator/entries/1/unhide", true).await.status(), StatusCode::OK);
    assert!(arena.text("/").await.contains("a rude text"));
    // By the page.
    let login = arena.get("/operator").await;
    let visit = login.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let token_of = |page: &str| {
        page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let token = token_of(&login.text().await.unwrap());
    let enter = async |key: &str, token: &str| {
        arena
            .post("/operator/login")
            .header(COOKIE, &visit)
            .header(CONTENT_TYPE, FORM)
            .body(encoded(&[("key", key), ("token", token)]))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(enter(KEY, &"0".repeat(64)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(enter("wrong", &token).await.status(), StatusCode::UNAUTHORIZED);
    let inside = enter(KEY, &token).await;
    assert_eq!(inside.status(), StatusCode::SEE_OTHER);
    let cookie = inside.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page =
        arena.client.get(format!("{}/operator", arena.url)).header(COOKIE, &cookie).send().await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains("Close the season for good") && page.contains("hide entry 1: rude"), "{page}");
    let token = token_of(&page);
    let does = async |what: &str, token: &str, id: &str| {
        arena
            .post(&format!("/operator/{what}"))
            .header(COOKIE, &cookie)
            .header(CONTENT_TYPE, FORM)
            .body(encoded(&[("id", id), ("token", token), ("why", "again")]))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(does("hide", &"1".repeat(64), "2").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(does("hide", &token, "2").await.status(), StatusCode::SEE_OTHER);
    assert!(!arena.text("/").await.contains("a kind one"));
    let export = does("export", &token, "").await.text().await.unwrap();
    let rows: Vec<Value> = export.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["text"]), (1, &json!("a rude text")));
    assert!(!export.contains("ada") && rows[0].get("handle").is_none());
    assert_eq!(does("close", &token, "").await.status(), StatusCode::SEE_OTHER);
    assert!(arena.text("/").await.contains("takes no more"));
    assert_eq!(does("logout", &token, "").await.status(), StatusCode::SEE_OTHER);
    assert_eq!(does("close", &token, "").await.status(), StatusCode::UNAUTHORIZED);
    // Guessing is slow.
    let statuses: Vec<StatusCode> = {
        let mut all = vec![];
        for i in 0..14 {
            let r = arena.client.get(format!("{}/api/operator/entries", arena.url));
            all.push(r.header("authorization", format!("Bearer guess-{i}")).send().await.unwrap().status());
        }
        all
    };
    assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
}

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

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_of_the_api() {
    let arena = arena("", |_| {}).await;
    let told = arena.json("/openapi.json").await;
    assert_eq!(told["openapi"], "3.1.0");
    let own = include_str!("server.rs");
    let mut routes = 0;
    for line in own.lines().filter_map(|l| l.trim().strip_prefix(".route(\"/api/")) {
        let path = format!("/api/{}", line.split('"').next().unwrap());
        let method = if line.contains("post(") { "post" } else { "get" };
        assert!(told["paths"][&path][method].is_object(), "{method} {path}");
        routes += 1;
    }
    assert_eq!(routes, told["paths"].as_object().unwrap().keys().filter(|k| k.starts_with("/api/")).count());
    // What it refers to is there.
    let text = told.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(told["components"]["schemas"][name].is_object(), "{name}");
    }
    assert_eq!(arena.json("/healthz").await["alive"], true);
    assert_eq!(arena.json("/readyz").await["ready"], true);
    assert_eq!(arena.get("/metrics").await.status(), StatusCode::UNAUTHORIZED);
    let r =
        arena.client.get(format!("{}/metrics", arena.url)).header("authorization", format!("Bearer {KEY}"));
    let text = r.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("arena_http_responses_total") && text.ends_with("# EOF\n"), "{text}");
    assert_eq!(
        arena.json("/api/season").await["z_bound"].as_f64().unwrap().powi(2).round(),
        f64::from(arena.live.season.sealed.hidden)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_made_anew_when_something_changed() {
    let arena = arena("", |_| {}).await;
    arena.submit("a first text").await;
    assert!(!arena.text("/").await.contains("a first text"));
    arena.score();
    assert!(arena.text("/").await.contains("a first text"));
    arena.live.season.store.act(Action::Hide, 1, "").unwrap();
    // As it was made: hiding by the server's own ways says that something changed.
    assert!(arena.text("/").await.contains("a first text"));
    arena.live.changed();
    assert!(!arena.text("/").await.contains("a first text"));
    assert!(arena.live.season.store.board(End::Top, 0, 9).unwrap().is_empty());
}

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
