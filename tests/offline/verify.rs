//! `verify`: a run comes back, and whatever was changed since is found and named.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value as Json;
use truenorth::engine::{Engine, EngineOptions};
use truenorth::run::Runner as _;
use truenorth::store::{Activation, ActivationKey, ReadingContext, Store, StoredPrompt};

use crate::support::{self, MODEL, ok, run, study_place};

fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// What `verify --json` says, with the exit code.
fn verified(dir: &Path, args: &[&str]) -> (Json, Option<i32>) {
    let done = run(dir, &[&["verify"], args, &["--json", "--quiet"]].concat());
    let json = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&done)));
    (json, done.status.code())
}

/// Where something did not come back, by file and pointer, in the page by what stands before.
fn places(json: &Json) -> Vec<String> {
    let of = |file: &Json| {
        let name = file["file"].as_str().unwrap().to_owned();
        let all = file["differ"].as_array().unwrap().clone();
        all.into_iter().map(move |d| format!("{name} {}", d["pointer"].as_str().unwrap()))
    };
    json["files"].as_array().unwrap().iter().flat_map(of).collect()
}

/// Every file below a folder with its bytes.
fn bytes(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        match entry.is_dir() {
            true => all.extend(bytes(&entry)),
            false => all.push((entry.clone(), std::fs::read(&entry).unwrap())),
        }
    }
    all.sort();
    all
}

/// Changes the first digit behind a point that follows `after` in a file.
fn change(file: &Path, after: &str) {
    let mut text = std::fs::read(file).unwrap();
    let find = |from: usize, what: &dyn Fn(&[u8]) -> bool, n: usize| {
        (from..text.len() - n).find(|i| what(&text[*i..*i + n])).unwrap_or_else(|| panic!("no {after}"))
    };
    let start = find(0, &|w| w == after.as_bytes(), after.len());
    let at = find(start, &|w| w[0] == b'.' && w[1].is_ascii_digit(), 2) + 1;
    text[at] = if text[at] == b'9' { b'1' } else { text[at] + 1 };
    std::fs::write(file, text).unwrap();
}

#[test]
fn a_run_comes_back_and_is_not_touched() {
    let (pairs, classes, means) = (study_place(), support::classes_place(), study_place());
    // What means leave out is told by a run that reads, and not by one that keeps its stages.
    let study = means.path().join("study.toml");
    let text = std::fs::read_to_string(&study).unwrap();
    std::fs::write(&study, text.replacen("[data]", "positions = \"mean\"\n[data]", 1)).unwrap();
    for (dir, name) in
        [(pairs.path(), "runs/tiny"), (classes.path(), "runs/tiny-classes"), (means.path(), "runs/tiny")]
    {
        ok(dir, &["study", "run", "study.toml"]);
        // A second run keeps every stage, and what it leaves is verified all the same.
        for _ in 0..2 {
            let before = bytes(&dir.join(name));
            let (json, code) = verified(dir, &[name]);
            assert_eq!((code, places(&json)), (Some(0), vec![]), "{json}");
            assert!(json["numbers"].as_u64().unwrap() > 1000 && json["numbers"] == json["came_back"]);
            assert_eq!((&json["did_not"], &json["near"]), (&0.into(), &0.into()));
            let files: Vec<&str> =
                json["files"].as_array().unwrap().iter().map(|f| f["file"].as_str().unwrap()).collect();
            assert!(files.contains(&"report.json") && files.contains(&"report.html"), "{files:?}");
            assert!(files.contains(&"directions/mean-diff.safetensors"), "{files:?}");
            assert!(bytes(&dir.join(name)) == before, "the run's folder was written to");
            ok(dir, &["study", "run", "study.toml"]);
        }
        // From elsewhere, and after the whole tree was moved.
        let elsewhere = tempfile::tempdir().unwrap();
        let moved = elsewhere.path().join("moved");
        std::fs::rename(dir, &moved).unwrap();
        let cache = moved.join("cache").display().to_string();
        let run = moved.join(name).display().to_string();
        let (json, code) = verified(elsewhere.path(), &[&run, "--cache", &cache]);
        assert_eq!((code, places(&json)), (Some(0), vec![]), "{json}");
        std::fs::rename(&moved, dir).unwrap();
    }
}

#[test]
fn a_number_that_was_changed_is_named_wherever_it_stands() {
    let dir = study_place();
    let root = dir.path();
    ok(root, &["study", "run", "study.toml"]);
    let folder = root.join("runs/tiny");
    for (file, after, pointer) in [
        ("report.json", "\"low\"", "/front/0/interval/low"),
        ("board.json", "\"score\"", "/rows/0/score/value"),
        ("board.jsonl", "\"score\"", "/0/score"),
        ("steered.jsonl", "\"damage\"", "/0/damage"),
        ("report.html", "<table", ""),
        ("directions/lda.safetensors", "residual_norm", "/metadata/"),
        ("stages/direction.json", "\"residual_norm\"", "/result/residual_norm"),
    ] {
        let path = folder.join(file);
        let good = std::fs::read(&path).unwrap();
        change(&path, after);
        let (json, code) = verified(root, &["runs/tiny"]);
        let found = places(&json);
        assert_eq!(code, Some(1), "{file}");
        assert!(found.iter().any(|f| f.starts_with(&format!("{file} {pointer}"))), "{file}: {found:?}");
        // The page is held against report.json, whichever of the two was changed.
        let others = found.iter().filter(|f| !f.starts_with(file) && !f.starts_with("report.html"));
        assert_eq!(others.count(), 0, "{file}: {found:?}");
        let text = said(&run(root, &["verify", "runs/tiny"]));
        assert!(
            text.contains(file) && text.contains("error: 1 of ") != file.ends_with("report.json"),
            "{text}"
        );
        std::fs::write(&path, good).unwrap();
    }
    // One number of a tensor.
    let path = folder.join("directions/mean-diff.safetensors");
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    let last = bad.len() - 2;
    bad[last] ^= 1;
    std::fs::write(&path, bad).unwrap();
    let (json, code) = verified(root, &["runs/tiny"]);
    assert_eq!((code, places(&json).len()), (Some(1), 1));
    assert!(
        places(&json)[0].starts_with("directions/mean-diff.safetensors /tensors/"),
        "{:?}",
        places(&json)
    );
    std::fs::write(&path, good).unwrap();
    // A word that holds no number, a file that is gone, one that is none of the study's, and one that is broken.
    let report = folder.join("report.json");
    let good = std::fs::read_to_string(&report).unwrap();
    std::fs::write(&report, good.replacen("\"supported\"", "\"unclear\"", 1)).unwrap();
    let (json, code) = verified(root, &["runs/tiny"]);
    assert_eq!((code, json["words_differ"].as_u64().unwrap() > 0), (Some(1), true));
    std::fs::write(&report, &good).unwrap();
    let board = folder.join("board.json");
    std::fs::rename(&board, root.join("aside")).unwrap();
    std::fs::write(folder.join("notes.txt"), "mine\n").unwrap();
    let (json, code) = verified(root, &["runs/tiny"]);
    assert_eq!((code, &json["not_compared"]["board.json"]["why"]), (Some(1), &"gone".into()));
    assert_eq!(json["not_compared"]["notes.txt"]["why"], "not_of_the_run");
    std::fs::write(&board, "{").unwrap();
    let (json, code) = verified(root, &["runs/tiny"]);
    assert_eq!((code, &json["not_compared"]["board.json"]["why"]), (Some(1), &"unreadable".into()));
    std::fs::rename(root.join("aside"), &board).unwrap();
    assert_eq!(verified(root, &["runs/tiny"]).1, Some(0));
}

#[test]
fn data_that_were_changed_are_named() {
    let dir = study_place();
    let root = dir.path();
    ok(root, &["study", "run", "study.toml"]);
    // Another order of the same texts: the store has all of them, and numbers are others.
    let pairs = root.join("pairs.jsonl");
    let good = std::fs::read_to_string(&pairs).unwrap();
    let turned: Vec<&str> = good.lines().rev().collect();
    std::fs::write(&pairs, turned.join("\n")).unwrap();
    let (json, code) = verified(root, &["runs/tiny"]);
    assert_eq!((code, &json["changed"][0]["role"]), (Some(1), &"pairs".into()), "{json}");
    assert!(json["changed"][0]["path"].as_str().unwrap().ends_with("pairs.jsonl"));
    assert!(json["stopped"].is_null() && json["did_not"].as_u64().unwrap() > 0);
    // A text that was never read.
    std::fs::write(&pairs, good.replacen("yes the hat", "yes the sea", 1)).unwrap();
    let text = said(&run(root, &["verify", "runs/tiny"]));
    assert!(
        text.contains("pairs.jsonl (pairs) was changed") && text.contains("lacks activations of 1 text"),
        "{text}"
    );
    assert!(text.contains("put the files of the data back"), "{text}");
    // Gone.
    std::fs::remove_file(&pairs).unwrap();
    let text = said(&run(root, &["verify", "runs/tiny"]));
    assert!(text.contains("pairs.jsonl (pairs) can't be read"), "{text}");
    std::fs::write(&pairs, good).unwrap();
    assert_eq!(verified(root, &["runs/tiny"]).1, Some(0));
}

#[test]
fn a_store_that_was_changed_or_lacks_something_is_named_and_the_model_may_compute_again() {
    let dir = study_place();
    let root = dir.path();
    ok(root, &["study", "run", "study.toml", "--cache", "cache"]);
    let at = root.join("cache/activations");
    let info: Json =
        serde_json::from_slice(&std::fs::read(root.join("runs/tiny/run.json")).unwrap()).unwrap();
    let info = &info["models"][0]["info"];
    let word = |key: &str| info[key].as_str().unwrap().to_owned();
    let engine = Engine::open(Path::new(MODEL), &EngineOptions::default()).unwrap();
    let key = |text: &str| {
        let context =
            ReadingContext::new(word("name"), word("revision"), "", word("path"), "resid_post.1", "last");
        ActivationKey::new(context, StoredPrompt::Tokens(engine.encode(text, true).unwrap().unwrap()))
    };
    let first: Json = serde_json::from_str(
        std::fs::read_to_string(root.join("pairs.jsonl")).unwrap().lines().next().unwrap(),
    )
    .unwrap();
    let chosen = format!("{} {}", first["prompt"].as_str().unwrap(), first["chosen"].as_str().unwrap());
    let good = Store::open(&at).unwrap().get(&key(&chosen)).unwrap().expect("the run read it");
    // Another activation under the right checksum: numbers do not come back.
    let mut values = good.values().to_vec();
    values[3] += 0.5;
    Store::open(&at).unwrap().put(&key(&chosen), &Activation::new(1, values.len(), values).unwrap()).unwrap();
    let (json, code) = verified(root, &["runs/tiny"]);
    assert_eq!(code, Some(1));
    assert!(
        places(&json).iter().any(|p| p.starts_with("directions/mean-diff.safetensors /tensors")),
        "{json}"
    );
    // A byte on the disk: its checksum does not hold, and what it held is named as lacking.
    Store::open(&at).unwrap().put(&key(&chosen), &good).unwrap();
    assert_eq!(verified(root, &["runs/tiny"]).1, Some(0));
    let file = at.join("truenorth.db");
    let mut disk = std::fs::read(&file).unwrap();
    let wanted: Vec<u8> = good.values().iter().flat_map(|v| v.to_le_bytes()).collect();
    let places: Vec<usize> =
        (0..disk.len() - wanted.len()).filter(|i| disk[*i..].starts_with(&wanted)).collect();
    assert!(!places.is_empty(), "the activation lies in the file as it is");
    places.iter().for_each(|i| disk[*i] ^= 1);
    std::fs::write(&file, disk).unwrap();
    let done = run(root, &["verify", "runs/tiny"]);
    let text = said(&done);
    assert_eq!(done.status.code(), Some(1), "{text}");
    assert!(text.contains("an entry of the store is damaged") && text.contains("resid_post.1"), "{text}");
    assert!(text.contains("lacks activations of 1 text") && text.contains(&format!("`{chosen}`")), "{text}");
    assert!(text.contains("hint: --recompute"), "{text}");
    // The remedies work.
    ok(root, &["verify", "runs/tiny", "--recompute"]);
    ok(root, &["verify", "runs/tiny"]);
    // Another store has nothing, and one that is not there is not made.
    let text = said(&run(root, &["verify", "runs/tiny", "--cache", "elsewhere"]));
    assert!(text.contains("there is no store in elsewhere/activations"), "{text}");
    assert!(!root.join("elsewhere").exists());
    ok(root, &["verify", "runs/tiny", "--cache", "elsewhere", "--recompute"]);
}

#[test]
fn what_is_no_finished_run_is_told_with_what_to_do() {
    let dir = study_place();
    let root = dir.path();
    let refused = |args: &[&str], words: &[&str]| {
        let done = run(root, &[&["verify"], args].concat());
        let text = said(&done);
        assert_eq!(done.status.code(), Some(2), "{text}");
        words.iter().for_each(|word| assert!(text.contains(word), "no `{word}` in {text}"));
    };
    refused(
        &["runs/tiny"],
        &["runs/tiny is not there", "hint: name a folder that `truenorth study run` made"],
    );
    refused(&["pairs.jsonl"], &["is a file"]);
    refused(&["."], &["holds no run of a study"]);
    refused(&[], &["RUN"]);
    ok(root, &["study", "run", "study.toml"]);
    let folder = root.join("runs/tiny");
    let state = std::fs::read_to_string(folder.join("state.json")).unwrap();
    std::fs::write(folder.join("state.json"), state.replace("\"done\": true", "\"done\": false")).unwrap();
    refused(&["runs/tiny"], &["did not end", "it goes on where it stopped"]);
    std::fs::write(folder.join("state.json"), &state).unwrap();
    // A run of a version that kept no record; its remedy works.
    for damage in [None, Some("{"), Some("{\"version\": 99}")] {
        std::fs::remove_file(folder.join("run.json")).unwrap();
        if let Some(text) = damage {
            std::fs::write(folder.join("run.json"), text).unwrap();
        }
        let text = said(&run(root, &["verify", "runs/tiny"]));
        assert!(text.contains("run.json") && text.contains("run `truenorth study run`"), "{text}");
        let again = said(&ok(root, &["study", "run", "study.toml"]));
        assert!(again.contains("every stage runs again"), "{again}");
        ok(root, &["verify", "runs/tiny"]);
    }
    // Nothing was stored.
    ok(root, &["study", "run", "study.toml", "--no-cache"]);
    refused(&["runs/tiny"], &["--no-cache", "hint: --recompute"]);
    ok(root, &["verify", "runs/tiny", "--recompute"]);
}

#[test]
fn claims_are_held_against_the_files_of_a_run() {
    let dir = study_place();
    let root = dir.path();
    ok(root, &["study", "run", "study.toml"]);
    let report: Json =
        serde_json::from_slice(&std::fs::read(root.join("runs/tiny/report.json")).unwrap()).unwrap();
    let auroc = report["front"][0]["measure"]["value"].as_f64().unwrap();
    let claim = |value: f64| {
        format!(r#"{{"file": "report.json", "pointer": "/front/0/measure/value", "value": {value:.3}}}"#)
    };
    let words = format!("sequences is 9 in board.json\n{}\n", claim(auroc));
    std::fs::write(root.join("good.txt"), &words).unwrap();
    let done = ok(root, &["verify", "runs/tiny", "--claims", "good.txt"]);
    let text = said(&done);
    assert!(text.contains("2 of 2 claims hold") && text.contains("/front/0/measure/value = "), "{text}");
    std::fs::write(root.join("bad.txt"), format!("{words}{}\n", claim(auroc - 0.002))).unwrap();
    let done = run(root, &["verify", "runs/tiny", "--claims", "bad.txt"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(said(&done).contains("2 of 3 claims hold"), "{}", said(&done));
    let (json, code) = verified(root, &["runs/tiny", "--claims", "bad.txt"]);
    assert_eq!((code, &json[2]["outcome"], &json[2]["line"]), (Some(1), &"does_not".into(), &3.into()));
    // Without a run, with paths from here.
    std::fs::write(root.join("here.txt"), "sequences is 9 in runs/tiny/board.json\n").unwrap();
    ok(root, &["verify", "--claims", "here.txt"]);
    std::fs::write(root.join("none.txt"), "sequences is 9\n").unwrap();
    let done = run(root, &["verify", "--claims", "none.txt"]);
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
}
