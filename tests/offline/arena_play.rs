//! The playground of an arena: off by default, behind the arena's guard, with limits of its own, beside the scoring.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::arena::{
    Served, ask, ask_with, beside, board, done, opened, play, run_of, scores, submit, text, until_scored,
};
use crate::support::run;

/// Every file below a folder that has these bytes in it.
fn files_with(dir: &Path, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if std::fs::read(&path).unwrap().windows(bytes.len()).any(|w| w == bytes) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn get(host: &str, path: &str) -> (u16, String, String) {
    ask_with(host, "GET", path, 0, (&[], "")).unwrap()
}

#[test]
fn there_is_no_playground_unless_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    opened(dir.path(), "one", "");
    let alone = run(dir.path(), &["arena", "serve", "arena", "--play-max-tokens", "8"]);
    assert_eq!(alone.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("not provided:\n  --play"));
    let served = Served::start(dir.path(), &[]);
    for (method, path) in [("GET", "/play"), ("POST", "/play/run"), ("GET", "/play/lens")] {
        assert_eq!(ask(&served.host, method, path, 0, "").unwrap().0, 404, "{path}");
    }
    assert!(!get(&served.host, "/").2.contains("/play"));
    let told: Value = serde_json::from_str(&get(&served.host, "/openapi.json").2).unwrap();
    assert!(told["paths"]["/play/run"].is_null() && told["paths"]["/api/season"].is_object());
}

#[test]
fn the_playground_is_guarded_and_bounded_and_keeps_nothing() {
    let dir = tempfile::tempdir().unwrap();
    opened(dir.path(), "one", "");
    std::fs::write(dir.path().join("key"), "a-long-enough-operators-key\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(dir.path().join("key"), mode).unwrap();
    }
    let public = ["--public", "https://arena.example.org", "--operator-key-file", "key"];
    let limits = ["--play", "--play-max-tokens", "12", "--play-per-minute", "9"];
    let served = Served::start(dir.path(), &[&public[..], &limits].concat());
    let host = &served.host[..];
    assert!(get(host, "/").2.contains("href=\"/play\""));
    let (status, head, page) = get(host, "/play");
    assert_eq!(status, 200);
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'self'"), "{head}");
    assert!(
        head.contains("x-frame-options: deny") && head.contains("cross-origin-opener-policy: same-origin")
    );
    let page = page.replace("&#x2f;", "/");
    for part in [
        "<a href=\"/\">Words</a>",
        "action=\"/play/run\"",
        "max=\"12\"",
        "value=\"direction-1\"",
        "min=\"-0.2\"",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    let told: Value = serde_json::from_str(&get(host, "/openapi.json").2).unwrap();
    assert!(told["paths"]["/play/run"]["post"].is_object() && told["paths"]["/play/lens"]["get"].is_object());

    // Both texts with their numbers, and a link that asks the same again.
    let prompt = "the old hat and quokkas";
    let (status, told) = play(host, 1, &run_of(prompt, ""));
    assert_eq!(status, 200, "{told}");
    let events = told["events"].as_array().unwrap();
    let event = |name: &str| events.iter().find(|e| e["event"] == name).unwrap();
    assert_eq!(events.iter().filter(|e| e["event"] == "written").count(), 2);
    assert_eq!(event("colours")["directions"][0]["name"], "direction-1");
    assert_eq!(event("doses")["doses"].as_array().unwrap().len(), 7);
    let link = event("done")["link"].as_str().unwrap();
    assert!(link.starts_with("/play?prompt="));
    assert!(get(host, link).2.contains("quokkas</textarea>"));

    // Guards: hosts of others, other origins.
    let form = run_of(prompt, "");
    let from = |headers: &[(&str, &str)]| ask_with(host, "POST", "/play/run", 2, (headers, &form)).unwrap().0;
    assert_eq!(from(&[("host", "evil.example")]), 421);
    assert_eq!(from(&[("origin", "https://evil.example")]), 403);
    assert_eq!(from(&[("sec-fetch-site", "cross-site")]), 403);
    let own = [("host", "arena.example.org"), ("origin", "https://arena.example.org")];
    assert_eq!(from(&own), 200);

    // Limits: tokens, doses, sizes, and how often.
    for (form, status, says) in [
        (run_of(prompt, "&max-new-tokens=13"), 422, "twice"),
        (run_of("x", "").replace("tokens=6", "tokens=13"), 422, "give from 1 to 12"),
        (run_of("x", "").replace("alpha=0.1", "alpha=9"), 422, "9"),
        (run_of(&"x".repeat(2100), ""), 413, "2048"),
        (run_of(&"x".repeat(6000), ""), 413, "16384"),
    ] {
        let (found, told) = play(host, 3, &form);
        assert!(
            found == status && told.to_string().contains(says),
            "{found} {told}, expected {status} {says}"
        );
    }
    let answers: Vec<u16> =
        (0..11).map(|_| play(host, 4, &run_of("x", "").replace("tokens=6", "tokens=0")).0).collect();
    assert_eq!((answers[8], answers[9], answers[10]), (422, 429, 429));
    // Behind a proxy another client is another, whatever it says of itself.
    assert_eq!(play(host, 5, &run_of("the cup", "")).0, 200);
    let page = [("accept", "text/html,*/*")];
    let (status, _, told) = ask_with(host, "POST", "/play/run", 4, (&page, &form)).unwrap();
    assert!(status == 429 && told.contains("<!DOCTYPE html>") && told.contains("too many runs in a minute"));
    let operator = [("authorization", "Bearer a-long-enough-operators-key")];
    let (_, _, metrics) = ask_with(host, "GET", "/metrics", 0, (&operator, "")).unwrap();
    assert!(metrics.contains("page=\"play\",status=\"200\"") && !metrics.contains("quokka"), "{metrics}");
    served.kill();
    assert_eq!(files_with(dir.path(), b"quokka"), Vec::<String>::new());
}

/// Scoring goes first, and is not changed by what runs beside it.
#[test]
fn runs_beside_submissions_leave_each_scored_once() {
    const TEXTS: usize = 50;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&first, &second] {
        opened(dir.path(), "one", "per_minute = 1000");
    }
    let served = Served::start(first.path(), &["--play"]);
    beside(&served.host, 20, TEXTS);
    until_scored(&served.host);
    let busy = board(&served.host);
    served.kill();
    assert_eq!(Served::told_scored(first.path()), TEXTS);
    let calm = Served::start(second.path(), &[]);
    for i in 0..TEXTS {
        assert_eq!(submit(&calm.host, i, &text(i)).unwrap().0, 202);
    }
    until_scored(&calm.host);
    let wanted = board(&calm.host);
    calm.kill();
    assert_eq!((scores(&busy).len(), scores(&busy)), (TEXTS, scores(&wanted)));
    // The season is as whole as one without a playground.
    let checked = done(first.path(), &["arena", "check", "--dir", "arena", "--entries", "10", "--quiet"]).0;
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!((&checked["board"]["inversions"], &checked["entries"]), (&json!(0), &json!(TEXTS)));
}
