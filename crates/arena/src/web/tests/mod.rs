//! The pages and the API over loopback, as browsers, programs and attackers ask them.

mod attacks;
mod load;

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, RETRY_AFTER, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::*;
use crate::live::{Live, score_all};
use crate::season::tests::{Tiny, opened};
use crate::store::{BoardEnd, OperatorAction};
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
async fn arena(rules: &str, set: impl FnOnce(&mut ArenaOptions)) -> Arena {
    let dir = tempfile::tempdir().unwrap();
    let (folder, season) = opened(dir.path(), "one", rules);
    let live = Live::new(season, Tiny::open()).unwrap();
    let mut options = ArenaOptions::new("127.0.0.1:0".parse().unwrap());
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
    let server = ArenaServer::bind(app).await.unwrap();
    let url = server.url();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(async {
        let _ = stopped.await;
    }));
    truenorth_remote::tls::provider();
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

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_of_the_api() {
    let arena = arena("", |_| {}).await;
    let told = arena.json("/openapi.json").await;
    assert_eq!(told["openapi"], "3.1.0");
    let own = include_str!("../server.rs");
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
    arena.live.season.store.act(OperatorAction::Hide, 1, "").unwrap();
    // As it was made: hiding by the server's own ways says that something changed.
    assert!(arena.text("/").await.contains("a first text"));
    arena.live.changed();
    assert!(!arena.text("/").await.contains("a first text"));
    assert!(arena.live.season.store.board(BoardEnd::Top, 0, 9).unwrap().is_empty());
}
