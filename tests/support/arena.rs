//! An arena on the tiny model, served in a process of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use truenorth::artifact::{Direction, DirectionMetadata, Directions};
use truenorth_protocol::Site;

use super::{MODEL, binary, run};

/// Writes the file of a season and what it names: a direction at these sites, and three probes.
pub fn season(dir: &Path, name: &str, rules: &str) {
    season_at(dir, name, rules, &[Site::ResidPost(1)], "");
}

/// The same of other sites, with more of `scoring`.
pub fn season_at(dir: &Path, name: &str, rules: &str, sites: &[Site], scoring: &str) {
    let width = {
        let engine = truenorth::engine::Engine::open(Path::new(MODEL), &Default::default()).unwrap();
        truenorth::run::Runner::info(&engine).hidden as usize
    };

    let at = |(k, site): (usize, &Site)| {
        let vector: ndarray::Array1<f64> = (0..width).map(|i| ((i * (3 + 2 * k)) % 7) as f64 - 3.0).collect();
        let said = DirectionMetadata::new("imported", *site, "higher is kinder", &"0".repeat(64));
        Direction::new(vector.view(), said).unwrap()
    };
    let members = sites.iter().enumerate().map(at).collect();
    Directions::new(members).unwrap().save(&dir.join("values.safetensors")).unwrap();
    std::fs::write(dir.join("probes.txt"), "the old hat\nan old tin\na red cup on the shelf\n").unwrap();
    let text = format!(
        "name = \"{name}\"\ntitle = \"Words\"\n[model]\nname = {model:?}\n[scoring]\ndirections = \
         [\"values.safetensors\"]\nprobes = \"probes.txt\"\n{scoring}[rules]\ntokens = 40\n{rules}\n[consent]\nversion = \"1\"\ntext = \
         \"I agree.\"\n",
        model = MODEL
    );
    std::fs::write(dir.join(format!("{name}.toml")), text).unwrap();
}

/// Runs what has to go well; stdout and stderr.
pub fn done(dir: &Path, args: &[&str]) -> (String, String) {
    let out = run(dir, args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{args:?}: {said}");
    (String::from_utf8_lossy(&out.stdout).into_owned(), said)
}

/// Runs what has to be refused with this exit code and a remedy; stderr.
pub fn refused(dir: &Path, args: &[&str], code: i32) -> String {
    let out = run(dir, args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.contains("hint:"), "{said}");
    said
}

/// A season that is open.
pub fn opened(dir: &Path, name: &str, rules: &str) {
    season(dir, name, rules);
    done(dir, &["arena", "season", "new", &format!("{name}.toml")]);
    done(dir, &["arena", "season", "open", name, "--quiet"]);
}

/// An arena that is served in a process of its own.
pub struct Served {
    pub child: Child,
    pub host: String,
}

impl Served {
    pub fn start(dir: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(binary())
            .current_dir(dir)
            .args(["arena", "serve", "arena", "--listen", "127.0.0.1:0", "--hops", "1"])
            .args(more)
            .env("TRUENORTH_CACHE", dir.join("cache"))
            .stdout(Stdio::piped())
            .stderr(File::create(dir.join("arena.log")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http://"), "it listens: {line:?}");
        Self { child, host: line.trim().trim_start_matches("http://").to_owned() }
    }

    /// How many submissions it says that it scored.
    pub fn told_scored(dir: &Path) -> usize {
        let log = std::fs::read_to_string(dir.join("arena.log")).unwrap();
        let counts = log.lines().filter_map(|l| l.strip_suffix(" submissions scored"));
        counts.map(|n| n.parse::<usize>().unwrap()).sum()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Status and body of an answer; none where there is none, as when the other end dies.
pub fn ask(host: &str, method: &str, path: &str, client: usize, body: &str) -> Option<(u16, String)> {
    let kind = [("content-type", "application/json")];
    ask_with(host, method, path, client, (&kind, body)).map(|(status, _, body)| (status, body))
}

/// The same with headers of one's own, of which `host` is in place of the usual one; status, head and body.
pub fn ask_with(
    host: &str,
    method: &str,
    path: &str,
    client: usize,
    (headers, body): (&[(&str, &str)], &str),
) -> Option<(u16, String, String)> {
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
    let named = headers.iter().find(|(name, _)| *name == "host").map_or(host, |(_, named)| named);
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {named}\r\nconnection: close\r\nx-forwarded-for: 10.0.{}.{}\r\n\
         content-length: {}\r\n",
        client / 250,
        client % 250,
        body.len()
    );
    for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all((head + "\r\n" + body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((status, head.to_ascii_lowercase(), body.to_owned()))
}

/// What the playground is asked for, as a form.
pub fn run_of(prompt: &str, more: &str) -> String {
    let prompt: String = prompt.bytes().map(|b| format!("%{b:02X}")).collect();
    format!("prompt={prompt}&direction=direction-1&alpha=0.1&max-new-tokens=6{more}")
}

/// One run of the playground, as JSON.
pub fn play(host: &str, client: usize, form: &str) -> (u16, Value) {
    let (status, _, body) = ask_with(host, "POST", "/play/run", client, (&[], form)).unwrap();
    (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}")))
}

/// So many runs of the playground beside so many submissions, of many clients at once; whoever finds no place comes again.
pub fn beside(host: &str, runs: usize, texts: usize) {
    std::thread::scope(|scope| {
        for sender in 0..4 {
            scope.spawn(move || {
                for i in (sender..texts).step_by(4) {
                    assert_eq!(submit(host, i, &text(i)).unwrap().0, 202, "text {i}");
                }
            });
        }
        for i in 0..runs {
            scope.spawn(move || {
                for attempt in 0.. {
                    assert!(attempt < 2000, "run {i} never has its turn");
                    let (status, told) = play(host, 1000 + i, &run_of(&format!("the old hat {i}"), ""));
                    let events = |name: &str| {
                        let all = told["events"].as_array().unwrap();
                        all.iter().filter(|e| e["event"] == name).count()
                    };
                    match status {
                        200 => {
                            assert_eq!((events("written"), events("done")), (2, 1), "{told}");
                            break;
                        }
                        503 => std::thread::sleep(Duration::from_millis(50)),
                        _ => panic!("{status} {told}"),
                    }
                }
            });
        }
    });
}

/// What each text of a board came to; no text is there twice.
pub fn scores(board: &Value) -> std::collections::BTreeMap<String, String> {
    let rows = board["entries"].as_array().unwrap();
    let of = |r: &Value| {
        let scores = format!("{} {} {}", r["score"], r["specificity"], r["coherence"]);
        (r["sequence"].as_str().unwrap().to_owned(), scores)
    };
    let all: std::collections::BTreeMap<_, _> = rows.iter().map(of).collect();
    assert_eq!(all.len(), rows.len(), "no text twice");
    all
}

/// A text is sent in.
pub fn submit(host: &str, client: usize, text: &str) -> Option<(u16, String)> {
    let body = json!({ "handle": "ada", "text": text, "consent": "1" }).to_string();
    ask(host, "POST", "/api/submissions", client, &body)
}

pub fn board(host: &str) -> Value {
    let (status, text) = ask(host, "GET", "/api/leaderboard?limit=1000", 0, "").unwrap();
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

pub fn until_scored(host: &str) {
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

pub fn text(i: usize) -> String {
    let words = ["hat", "tin", "cup", "old", "new", "red", "shelf", "cat"];
    format!("{} {} {} {i}x {}y", words[i % 8], words[i / 8 % 8], words[i / 3 % 8], i * 7)
}
