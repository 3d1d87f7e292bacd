//! The verb `arena`: seasons by the command line, and a board that is served, killed and served again.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rand::Rng as _;
use rand::SeedableRng as _;
use serde_json::{Value, json};
use truenorth::artifact::{Direction, Metadata};
use truenorth_protocol::Site;

use crate::support::{MODEL, binary, run};

fn season(dir: &Path, name: &str, rules: &str) {
    let width = {
        let engine = truenorth::engine::Engine::open(Path::new(MODEL), &Default::default()).unwrap();
        truenorth::run::Runner::info(&engine).hidden as usize
    };

    let vector: ndarray::Array1<f64> = (0..width).map(|i| ((i * 3) % 7) as f64 - 3.0).collect();
    let said = Metadata::new("imported", Site::ResidPost(1), "higher is kinder", &"0".repeat(64));
    Direction::new(vector.view(), said).unwrap().save(&dir.join("values.safetensors")).unwrap();
    std::fs::write(dir.join("probes.txt"), "the old hat\nan old tin\na red cup on the shelf\n").unwrap();
    let text = format!(
        "name = \"{name}\"\ntitle = \"Words\"\n[model]\nname = {model:?}\n[scoring]\ndirections = \
         [\"values.safetensors\"]\nprobes = \"probes.txt\"\n[rules]\ntokens = 40\n{rules}\n[consent]\nversion = \"1\"\ntext = \
         \"I agree.\"\n",
        model = MODEL
    );
    std::fs::write(dir.join(format!("{name}.toml")), text).unwrap();
}

fn done(dir: &Path, args: &[&str]) -> (String, String) {
    let out = run(dir, args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{args:?}: {said}");
    (String::from_utf8_lossy(&out.stdout).into_owned(), said)
}

fn refused(dir: &Path, args: &[&str], code: i32) -> String {
    let out = run(dir, args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains("hint:"), "{said}");
    said
}

fn opened(dir: &Path, name: &str, rules: &str) {
    season(dir, name, rules);
    done(dir, &["arena", "season", "new", &format!("{name}.toml")]);
    done(dir, &["arena", "season", "open", name, "--quiet"]);
}

/// An arena that is served in a process of its own.
struct Served {
    child: Child,
    host: String,
}

impl Served {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(binary())
            .current_dir(dir)
            .args(["arena", "serve", "arena", "--listen", "127.0.0.1:0", "--hops", "1", "--quiet"])
            .env("TRUENORTH_CACHE", dir.join("cache"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http://"), "it listens: {line:?}");
        Self { child, host: line.trim().trim_start_matches("http://").to_owned() }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Status and body of an answer; none where there is none, as when the other end dies.
fn ask(host: &str, method: &str, path: &str, client: usize, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-forwarded-for: 10.0.{}.{}\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n",
        client / 250,
        client % 250,
        body.len()
    );
    stream.write_all((head + body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

fn submit(host: &str, client: usize, text: &str) -> Option<(u16, String)> {
    let body = json!({ "handle": "ada", "text": text, "consent": "1" }).to_string();
    ask(host, "POST", "/api/submissions", client, &body)
}

fn board(host: &str) -> Value {
    let (status, text) = ask(host, "GET", "/api/leaderboard?limit=1000", 0, "").unwrap();
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

fn until_scored(host: &str) {
    for _ in 0..1200 {
        let (_, text) = ask(host, "GET", "/api/season", 0, "").unwrap();
        let season: Value = serde_json::from_str(&text).unwrap();
        if season["counts"]["queued"] == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("something waits for ever");
}

fn text(i: usize) -> String {
    let words = ["hat", "tin", "cup", "old", "new", "red", "shelf", "cat"];
    format!("{} {} {} {i}x {}y", words[i % 8], words[i / 8 % 8], words[i / 3 % 8], i * 7)
}

#[test]
fn seasons_are_made_opened_listed_and_closed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert!(refused(dir, &["arena", "serve", "arena"], 2).contains("arena season new"));
    opened(dir, "one", "");
    let list: Value = serde_json::from_str(&done(dir, &["arena", "season", "list", "--json"]).0).unwrap();
    assert_eq!(
        (&list[0]["name"], &list[0]["state"], list[0]["seal"].as_str().unwrap().len()),
        (&json!("one"), &json!("open"), 64)
    );
    assert!(done(dir, &["arena", "season", "list"]).0.contains("open"));
    season(dir, "two", "");
    done(dir, &["arena", "season", "new", "two.toml"]);
    assert!(refused(dir, &["arena", "season", "open", "two"], 2).contains("`one` is open"));
    assert!(refused(dir, &["arena", "season", "new", "one.toml"], 2).contains("never edited"));
    assert!(refused(dir, &["arena", "season", "open", "three"], 2).contains("one, two"));
    assert!(refused(dir, &["arena", "serve", "arena", "--dry-run"], 2).contains("no dry run"));
    let probes = dir.join("arena/seasons/one/probes.txt");
    let was = std::fs::read(&probes).unwrap();
    std::fs::write(&probes, "another probe\n").unwrap();
    assert!(refused(dir, &["arena", "serve", "arena"], 1).contains("probes.txt has the SHA-256"));
    std::fs::write(&probes, was).unwrap();
    done(dir, &["arena", "season", "close", "one"]);
    refused(dir, &["arena", "season", "close", "one"], 2);
    assert!(refused(dir, &["arena", "report", "--season", "one"], 2).contains("0 entries"));
}

/// Killed at random moments while many submit, and served again: every text that was sent is there once, with the score
/// that it has where nothing was killed.
#[test]
fn what_was_accepted_is_scored_once_whatever_is_killed() {
    const TEXTS: usize = 60;
    const KILLS: usize = 6;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&first, &second] {
        opened(dir.path(), "one", "per_minute = 1000");
    }
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(20);
    let served = Mutex::new(Served::start(first.path()));
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let served = &served;
                scope.spawn(move || {
                    for i in (sender..TEXTS).step_by(4) {
                        // Whoever gets no answer sends again: taken once, it is a copy then.
                        for attempt in 0.. {
                            assert!(attempt < 400, "text {i} is never taken");
                            let host = served.lock().unwrap().host.clone();
                            match submit(&host, i, &text(i)) {
                                Some((202 | 409, _)) => break,
                                Some((status, body)) => panic!("{status} {body}"),
                                None => std::thread::sleep(Duration::from_millis(25)),
                            }
                        }
                    }
                })
            })
            .collect();
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(rng.random_range(5..120)));
            let mut held = served.lock().unwrap();
            held.child.kill().unwrap();
            held.child.wait().unwrap();
            *held = Served::start(first.path());
        }
        senders.into_iter().for_each(|s| s.join().unwrap());
    });
    let served = served.into_inner().unwrap();
    until_scored(&served.host);
    let killed = board(&served.host);
    served.kill();
    let calm = Served::start(second.path());
    for i in 0..TEXTS {
        assert_eq!(submit(&calm.host, i, &text(i)).unwrap().0, 202);
    }
    until_scored(&calm.host);
    let wanted = board(&calm.host);
    calm.kill();
    let scores = |board: &Value| -> std::collections::BTreeMap<String, String> {
        let rows = board["entries"].as_array().unwrap();
        assert_eq!(rows.len(), TEXTS);
        let of = |r: &Value| {
            (
                r["sequence"].as_str().unwrap().to_owned(),
                format!("{} {} {}", r["score"], r["specificity"], r["coherence"]),
            )
        };
        let all: std::collections::BTreeMap<_, _> = rows.iter().map(of).collect();
        assert_eq!(all.len(), TEXTS, "no text twice");
        all
    };
    assert_eq!(scores(&killed), scores(&wanted));

    // The season as it is goes elsewhere by copying its folder, and is the same there.
    let moved = tempfile::tempdir().unwrap();
    let to = moved.path().join("backup");
    done(first.path(), &["arena", "backup", "--to", to.to_str().unwrap()]);
    let dir = to.to_str().unwrap();
    let checked = done(moved.path(), &["arena", "check", "--dir", dir, "--entries", "10", "--quiet"]).0;
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!(
        (&checked["board"]["inversions"], &checked["baselines"], &checked["entries"]),
        (&json!(0), &json!(0.0), &json!(TEXTS))
    );
    for (out, at_least) in [("board.jsonl", TEXTS), ("board.csv", TEXTS), ("board.parquet", 1), ("set/", 0)] {
        done(moved.path(), &["arena", "export", "--dir", dir, "--out", out]);
        let path = moved.path().join(out);
        let bytes = if path.is_dir() {
            std::fs::read(path.join("README.md")).unwrap()
        } else {
            std::fs::read(&path).unwrap()
        };
        assert!(bytes.iter().filter(|b| **b == b'\n').count() >= at_least, "{out}");
        assert!(!bytes.windows(3).any(|w| w == b"ada"), "{out} has a handle");
    }
    assert!(moved.path().join("set/data/train-00000-of-00001.parquet").is_file());
    let args = [
        "arena",
        "report",
        "--dir",
        dir,
        "--out",
        "report.json",
        "--report",
        "page/",
        "--held-out",
        "probes2.txt",
        "--board",
        "other=board.jsonl",
        "--draws",
        "0",
        "--null-draws",
        "50",
        "--permutations",
        "99",
        "--quiet",
    ];
    std::fs::write(moved.path().join("probes2.txt"), "no hat at all\nthe cup and the tin\n").unwrap();
    done(moved.path(), &args);
    let report: Value =
        serde_json::from_slice(&std::fs::read(moved.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(report["result"]["board"]["sequences"], TEXTS);
    assert!(report["result"]["board"]["rank_changes"]["correlation"]["value"].is_f64());
    assert!(
        (report["result"]["transfer"]["pairs"][0]["spearman"]["value"].as_f64().unwrap() - 1.0).abs() < 1e-12
    );
    assert!(
        std::fs::read_to_string(moved.path().join("page/report.html")).unwrap().contains("probes held out")
    );
}
