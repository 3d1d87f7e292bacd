//! The verbs on a server: the same files as in this process, jobs in a journal, nothing sent twice.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use safetensors::SafeTensors;
use serde_json::Value as Json;

use crate::support::{MODEL, ok, run, study_place};

/// A server of the tiny model on a free port.
pub struct Server {
    child: Child,
    pub url: String,
    _cache: tempfile::TempDir,
}

impl Server {
    pub fn start(spool: &Path, more: &[&str]) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let mut child = Command::new(crate::support::binary())
            .args(["serve", "--model", MODEL, "--listen", "127.0.0.1:0", "--quiet", "--spool"])
            .arg(spool)
            .args(more)
            .env("TRUENORTH_CACHE", cache.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { child, url: url.trim().to_owned(), _cache: cache }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn floats(path: &Path, tensor: &str) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor(tensor).unwrap().data().to_vec();
    data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn rows(path: &Path) -> Vec<Json> {
    std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn jobs(dir: &Path) -> Vec<Json> {
    serde_json::from_slice(&ok(dir, &["jobs", "list", "--json"]).stdout).unwrap()
}

#[test]
fn every_verb_gives_the_same_here_and_on_a_server() {
    let server = Server::start(tempfile::tempdir().unwrap().path(), &[]);
    let (here, there) = (study_place(), study_place());
    for (dir, on) in [(here.path(), "local"), (there.path(), server.url.as_str())] {
        let model = ["--model", MODEL, "--on", on];
        let all = |args: &[&str]| ok(dir, &[args, &model[..]].concat());
        all(&[
            "read",
            "--input",
            "prompts.txt",
            "--site",
            "resid_post.0..1",
            "--site",
            "logits",
            "--out",
            "a.safetensors",
        ]);
        all(&[
            "read",
            "--input",
            "prompts.txt",
            "--site",
            "mlp_out.1",
            "--positions",
            "mean",
            "--out",
            "m.safetensors",
        ]);
        all(&[
            "direction",
            "extract",
            "--site",
            "resid_post.1",
            "--pairs",
            "pairs.jsonl",
            "--permutations",
            "19",
            "--out",
            "d.safetensors",
        ]);
        all(&[
            "steer",
            "--direction",
            "d.safetensors",
            "--input",
            "prompts.txt",
            "--alpha",
            "-2,0,2",
            "--max-new-tokens",
            "6",
            "--out",
            "s.jsonl",
        ]);
        // More rows than one graph takes here; every one of them draws its own.
        std::fs::write(dir.join("rep.txt"), "the hat\n".repeat(70)).unwrap();
        let sampled = ["steer", "--direction", "d.safetensors", "--input", "rep.txt", "--alpha", "0"];
        let how = ["--temperature", "3", "--max-new-tokens", "8", "--ignore-eos", "--no-damage"];
        all(&[&sampled[..], &how[..], &["--out", "sampled.jsonl"]].concat());
        all(&[
            "score",
            "--direction",
            "d.safetensors",
            "--probes",
            "prompts.txt",
            "--sequences",
            "seq.txt",
            "--out",
            "b.jsonl",
        ]);
        let watched = ["monitor", "--direction", "d.safetensors", "--input", "prompts.txt"];
        all(&[&watched[..], &["--max-new-tokens", "3", "--out", "w.json"]].concat());
        ok(dir, &["study", "run", "study.toml", "--on", on]);
    }
    // To the bit: numbers depend on neither where they are computed nor what else is there.
    for (file, tensor) in [
        ("a.safetensors", "resid_post.0"),
        ("a.safetensors", "resid_post.1"),
        ("a.safetensors", "logits"),
        ("m.safetensors", "mlp_out.1"),
        ("d.safetensors", "direction"),
        ("runs/tiny/directions/lda.safetensors", "direction"),
    ] {
        let [here, there] = [&here, &there].map(|dir| floats(&dir.path().join(file), tensor));
        assert!(here.iter().map(|v| v.to_bits()).eq(there.iter().map(|v| v.to_bits())), "{file} {tensor}");
    }
    let sampled = rows(&here.path().join("sampled.jsonl"));
    let texts: std::collections::HashSet<String> =
        sampled.iter().map(|row| row["tokens"].to_string()).collect();
    assert_eq!((sampled.len(), texts.len()), (70, 70), "rows repeat each other's draws");
    for file in ["s.jsonl", "sampled.jsonl", "b.jsonl", "runs/tiny/board.jsonl", "runs/tiny/steered.jsonl"] {
        assert_eq!(rows(&there.path().join(file)), rows(&here.path().join(file)), "{file}");
    }
    // The server tells the text of each token, as the tokenizer here does.
    let watched = [&here, &there].map(|dir| {
        let text = std::fs::read(dir.path().join("w.json")).unwrap();
        serde_json::from_slice::<Json>(&text).unwrap()["result"]["texts"].clone()
    });
    assert!(watched[0][0]["tokens"][0]["piece"].is_string() && watched[0] == watched[1], "{watched:?}");
    // What was asked is in the store, and every job in the journal is fetched.
    let sent = jobs(there.path());
    assert!(!sent.is_empty() && sent.iter().all(|j| j["state"] == "done"), "{sent:?}");
    ok(there.path(), &["study", "run", "study.toml", "--on", &server.url]);
    assert_eq!(jobs(there.path()).len(), sent.len());
}

#[test]
fn a_study_that_is_killed_while_it_waits_sends_no_job_twice() {
    let spool = tempfile::tempdir().unwrap();
    let dir = study_place();
    let server = Server::start(spool.path(), &[]);
    for delay in [60, 120, 200, 300] {
        let mut child = Command::new(crate::support::binary())
            .current_dir(dir.path())
            .args(["study", "run", "study.toml", "--cache", "cache", "--quiet", "--on", &server.url])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ok(dir.path(), &["study", "run", "study.toml", "--on", &server.url]);
    let metrics = metrics(&server.url);
    let done = jobs(dir.path());
    assert!(done.iter().all(|j| j["state"] == "done"), "{done:?}");
    assert_eq!(metrics, done.len(), "jobs that the server ran beside those of the journal");
}

/// How many jobs the server took.
fn metrics(url: &str) -> usize {
    use std::io::{Read as _, Write as _};
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = std::net::TcpStream::connect(host).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|l| l.starts_with("truenorth_jobs_total{state=\"received\"}"));
    line.unwrap_or_else(|| panic!("{text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn what_can_not_be_is_said_before_anything_is_sent() {
    let dir = study_place();
    let server = Server::start(&dir.path().join("spool"), &[]);
    let read = ["read", "--input", "prompts.txt", "--site", "resid_post.0", "--out", "x.safetensors"];
    for (more, want) in [
        (vec!["--model", "another", "--on", &server.url], "serves model"),
        (vec!["--model", MODEL, "--on", &server.url, "--dtype", "bf16"], "not in bf16"),
        (vec!["--model", MODEL, "--on", &server.url, "--threads", "2"], "--threads"),
        (vec!["--model", MODEL, "--on", "nowhere"], "neither local nor ndif nor a URL"),
        (vec!["--model", MODEL, "--on", &server.url, "--site", "resid_post.7"], "resid_post.7"),
    ] {
        let out = run(dir.path(), &[&read[..], &more[..]].concat());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(2), "{said}");
        assert!(said.contains(want), "{want}: {said}");
    }
    assert!(jobs(dir.path()).is_empty());
    assert!(!dir.path().join("x.safetensors").exists());
}

#[test]
fn a_study_of_conversations_is_the_same_here_and_on_a_server() {
    let spool = tempfile::tempdir().unwrap();
    let server = Server::start(spool.path(), &[]);
    let (here, there) = (study_place(), study_place());
    for (dir, on) in [(here.path(), "local"), (there.path(), server.url.as_str())] {
        let study = std::fs::read_to_string(dir.join("study.toml")).unwrap();
        let chat = "chat = \"chatml\"\nsystem = \"Be good.\"\npositions = \"mean:response\"\n";
        let study: String =
            study.lines().filter(|l| !l.starts_with("positions")).map(|l| format!("{l}\n")).collect();
        let beside = "[compare]\nchat = false\npositions = \"mean\"\n";
        std::fs::write(dir.join("study.toml"), format!("{chat}{study}{beside}")).unwrap();
        ok(dir, &["study", "run", "study.toml", "--on", on]);
        let model = ["--model", MODEL, "--on", on, "--chat=chatml"];
        let all = |args: &[&str]| ok(dir, &[args, &model[..]].concat());
        for (at, out) in
            [("last-user", "u.safetensors"), ("mean:user", "m.safetensors"), ("0..2", "r.safetensors")]
        {
            all(&[
                "read",
                "--input",
                "prompts.txt",
                "--site",
                "resid_post.0",
                "--positions",
                at,
                "--out",
                out,
            ]);
        }
        let steer =
            ["steer", "--direction", "runs/tiny/directions/lda.safetensors", "--input", "prompts.txt"];
        all(&[
            &steer[..],
            &["--positions", "user", "--alpha", "-2,2", "--max-new-tokens", "5", "--out", "s.jsonl"],
        ]
        .concat());
    }
    for (file, tensor) in [
        ("u.safetensors", "resid_post.0"),
        ("m.safetensors", "resid_post.0"),
        ("runs/tiny/directions/lda.safetensors", "direction"),
    ] {
        let [here, there] = [&here, &there].map(|dir| floats(&dir.path().join(file), tensor));
        assert!(here.iter().map(|v| v.to_bits()).eq(there.iter().map(|v| v.to_bits())), "{file} {tensor}");
    }
    for file in ["runs/tiny/check.json", "runs/tiny/compare.json"] {
        let [here, there] =
            [&here, &there].map(|dir| std::fs::read_to_string(dir.path().join(file)).unwrap());
        assert_eq!(there, here, "{file}");
    }
    for file in ["s.jsonl", "runs/tiny/board.jsonl", "runs/tiny/steered.jsonl"] {
        assert_eq!(rows(&there.path().join(file)), rows(&here.path().join(file)), "{file}");
    }
    let report = std::fs::read_to_string(there.path().join("runs/tiny/report.json")).unwrap();
    assert!(
        report.contains("chat template, SHA-256") && report.contains("Be good."),
        "no template in the report"
    );
    let direction = metadata(&there.path().join("runs/tiny/directions/lda.safetensors"));
    assert_eq!((direction["template"].as_str(), direction["positions"].as_str()), ("chat", "mean:response"));
}

/// Metadata of a safetensors file.
fn metadata(path: &Path) -> std::collections::HashMap<String, String> {
    let bytes = std::fs::read(path).unwrap();
    SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap()
}

#[test]
fn what_runs_here_in_place_of_a_service_says_so_in_every_result() {
    let dir = study_place();
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let local = format!("local:{MODEL}");
    let place = ["--on", "ndif", "--host", &host, "--config", MODEL];
    let on = [&["--model", "toy/llama", "--fallback", &local], &place[..]].concat();
    let all = |args: &[&str]| ok(dir.path(), &[args, &on[..]].concat());
    let read = ["read", "--input", "prompts.txt", "--site", "resid_post.0", "--out"];
    let out = all(&[&read[..], &["there.safetensors"]].concat());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        said.contains("warning: toy/llama can't be asked on") && said.contains("every result says so"),
        "{said}"
    );
    ok(dir.path(), &[&read[..], &["here.safetensors", "--model", MODEL]].concat());
    let (there, here) = (dir.path().join("there.safetensors"), dir.path().join("here.safetensors"));
    assert_eq!(floats(&there, "resid_post.0"), floats(&here, "resid_post.0"));
    assert!(!metadata(&here).contains_key("fallback"));
    let fallback: Json = serde_json::from_str(&metadata(&there)["fallback"]).unwrap();
    assert_eq!((&fallback["wanted"], &fallback["model"]), (&"toy/llama".into(), &MODEL.into()));
    assert!(fallback["because"].as_str().unwrap().contains("can't reach"), "{fallback}");

    let extract = ["direction", "extract", "--site", "resid_post.1", "--pairs", "pairs.jsonl"];
    all(&[&extract[..], &["--permutations", "19", "--out", "d.safetensors"]].concat());
    assert!(metadata(&dir.path().join("d.safetensors")).contains_key("fallback"));
    let steer = ["steer", "--direction", "d.safetensors", "--input", "prompts.txt", "--alpha", "0"];
    all(&[&steer[..], &["--max-new-tokens", "2", "--out", "s.jsonl"]].concat());
    assert!(rows(&dir.path().join("s.jsonl")).iter().all(|row| row["fallback"] == fallback));
    ok(
        dir.path(),
        &[&["study", "run", "study.toml", "--model", "toy/llama", "--fallback", &local], &place[..]].concat(),
    );
    let report = std::fs::read_to_string(dir.path().join("runs/tiny/report.json")).unwrap();
    assert!(report.contains("Not the model that was asked for"), "{report}");
    assert!(
        rows(&dir.path().join("runs/tiny/board.jsonl"))
            .iter()
            .all(|row| row["fallback"]["wanted"] == "toy/llama")
    );

    // A board that another model gave never stands beside this one's.
    let score =
        ["score", "--direction", "d.safetensors", "--probes", "prompts.txt", "--sequences", "seq.txt"];
    all(&[&score[..], &["--out", "fallen.jsonl"]].concat());
    ok(dir.path(), &[&score[..], &["--out", "own.jsonl", "--model", MODEL]].concat());
    let beside = ["--permutations", "19", "--out", "b.jsonl", "--summary", "sum.json", "--against"];
    let mixes = |args: &[&str]| {
        let out = run(dir.path(), args);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(2) && said.contains("two models' numbers"), "{said}");
        assert!(said.contains("hint:"), "{said}");
    };
    let other = "./copy.gguf";
    // Other weights: the same ones under another name would be the same model.
    let mut weights = std::fs::read(MODEL).unwrap();
    *weights.last_mut().unwrap() ^= 0x80;
    std::fs::write(dir.path().join(other), weights).unwrap();
    mixes(&[&score[..], &beside[..], &["fallen.jsonl", "--model", other]].concat());
    mixes(&[&score[..], &beside[..], &["own.jsonl"], &on[..]].concat());
    assert!(!dir.path().join("sum.json").exists());
    // Nor is its direction used on another.
    mixes(&[&score[..], &["--out", "b.jsonl", "--model", other]].concat());
    // The same model on both sides, by either way.
    all(&[&score[..], &beside[..], &["fallen.jsonl"]].concat());
    ok(dir.path(), &[&score[..], &beside[..], &["fallen.jsonl", "--model", MODEL]].concat());
    let summary: Json = serde_json::from_slice(&std::fs::read(dir.path().join("sum.json")).unwrap()).unwrap();
    assert_eq!(summary["choices"]["against, by --fallback"], fallback);
    let both = ["own.jsonl", "fallen.jsonl"].map(|f| std::fs::read_to_string(dir.path().join(f)).unwrap());
    // Under ids of their own: a sequence that is there twice is refused for that.
    let both = [both[0].clone(), both[1].replace("\"id\":\"", "\"id\":\"fallen-")];
    std::fs::write(dir.path().join("both.jsonl"), both.concat()).unwrap();
    let out = run(dir.path(), &[&score[..], &beside[..], &["both.jsonl", "--model", MODEL]].concat());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(2) && said.contains("one model's rows"), "{said}");

    for (more, want) in [
        (vec!["--model", "toy/llama", "--fallback", "local"], "no named model is toy/llama"),
        (vec!["--model", "toy/llama", "--fallback", "there"], "local:MODEL"),
    ] {
        let out = run(dir.path(), &[&read[..], &["x.safetensors"], &more[..], &place[..]].concat());
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(2) && said.contains(want), "{want}: {said}");
    }
    let two =
        ["geometry", "--checkpoint", "toy/a", "toy/b", "--classes", "c.jsonl", "--site", "resid_post.1"];
    let classes: String = (0..8)
        .map(|i| format!("{{\"id\": \"{i}\", \"text\": \"the hat {i}\", \"label\": {}}}\n", i % 2))
        .collect();
    std::fs::write(dir.path().join("c.jsonl"), classes).unwrap();
    let out = run(dir.path(), &[&two[..], &["--fallback", &local], &place[..]].concat());
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(2) && said.contains("two models' numbers"), "{said}");
}

#[test]
fn a_key_is_asked_for_and_never_kept() {
    let dir = study_place();
    std::fs::write(dir.path().join("keys"), "s3cret-k3y\n").unwrap();
    let keys = dir.path().join("keys");
    let server = Server::start(&dir.path().join("spool"), &["--api-key-file", keys.to_str().unwrap()]);
    let read =
        ["read", "--model", MODEL, "--input", "prompts.txt", "--site", "resid_post.0", "--on", &server.url];
    let refused = run(dir.path(), &[&read[..], &["--out", "x.safetensors"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    ok(dir.path(), &[&read[..], &["--out", "x.safetensors", "--api-key-file", "keys"]].concat());
    // In none of the files that the client wrote.
    for entry in walk(dir.path()).into_iter().filter(|p| !p.ends_with("keys")) {
        let bytes = std::fs::read(&entry).unwrap();
        assert!(!bytes.windows(10).any(|w| w == b"s3cret-k3y"), "{}", entry.display());
    }
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    entries.flat_map(|p| if p.is_dir() { walk(&p) } else { vec![p] }).collect()
}
