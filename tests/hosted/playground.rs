//! Playgrounds whose model is on a server, alone and in an arena: texts come whole, and no job is left in a journal.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::arena::{
    Served, ask_with, beside, board, opened, play, run_of, scores, season, until_scored,
};
use crate::support::{MODEL, binary, ok};
use crate::verbs::Server;

fn jobs(dir: &Path) -> usize {
    let all: Value = serde_json::from_slice(&ok(dir, &["jobs", "list", "--json"]).stdout).unwrap();
    all.as_array().unwrap().len()
}

#[test]
fn a_playground_on_a_server_writes_whole_texts_and_no_journal() {
    let spool = tempfile::tempdir().unwrap();
    let server = Server::start(spool.path(), &[]);
    let dir = tempfile::tempdir().unwrap();
    opened(dir.path(), "one", "per_minute = 1000");
    let served = Served::start(dir.path(), &["--on", &server.url, "--play"]);
    let before = jobs(dir.path());
    let stream = [("accept", "text/event-stream")];
    let form = run_of("the old hat", "");
    let (status, _, told) = ask_with(&served.host, "POST", "/play/run", 1, (&stream, &form)).unwrap();
    assert_eq!(status, 200, "{told}");
    assert!(!told.contains("\"event\":\"token\"") && told.contains("\"event\":\"done\""), "{told}");
    assert_eq!(told.matches("\"event\":\"written\"").count(), 2, "{told}");
    let (status, events) = play(&served.host, 2, &form);
    assert_eq!(status, 200, "{events}");
    assert_eq!(jobs(dir.path()), before, "what visitors type is in no journal");
    beside(&served.host, 6, 12);
    until_scored(&served.host);
    assert_eq!(scores(&board(&served.host)).len(), 12);
    served.kill();
    assert_eq!(Served::told_scored(dir.path()), 12);
    assert!(jobs(dir.path()) > before, "scoring has a journal");
}

#[test]
fn play_on_a_server_leaves_no_journal() {
    let spool = tempfile::tempdir().unwrap();
    let server = Server::start(spool.path(), &[]);
    let dir = tempfile::tempdir().unwrap();
    season(dir.path(), "one", "");
    let mut child = Command::new(binary())
        .current_dir(dir.path())
        .env("TRUENORTH_CACHE", dir.path().join("cache"))
        .args(["play", "--model", MODEL, "--on", &server.url, "--direction", "values.safetensors"])
        .args(["--neutral", "probes.txt", "--listen", "127.0.0.1:0", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let host = url.trim().trim_start_matches("http://");
    let form = run_of("the old hat", "").replace("direction-1", "values");
    let told = ask_with(host, "POST", "/run", 1, (&[], &form));
    child.kill().unwrap();
    child.wait().unwrap();
    let (status, _, told) = told.unwrap();
    assert!(status == 200 && told.contains("\"event\":\"done\""), "{status} {told}");
    assert_eq!(jobs(dir.path()), 0);
}
