//! What people expect of a command line: JSON of every verb, a quiet end on a closed pipe, completions, a manual, a doctor.

use std::process::{Command, Stdio};

use serde_json::Value as Json;

use crate::goldens;
use crate::support::{self, MODEL, ok, run};

fn help(verb: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
    String::from_utf8(ok(dir.path(), &args).stdout).unwrap()
}

#[test]
fn every_verb_takes_json_and_verbose() {
    for verb in goldens::verbs() {
        let help = help(&verb);
        assert!(help.contains("--json") && help.contains("--verbose"), "{verb}");
    }
}

#[test]
fn a_verbs_own_flags_stand_before_those_that_verbs_share() {
    let mut headed = 0;
    for verb in goldens::verbs() {
        let help = help(&verb);
        let at =
            |flag: &str| help.find(&format!("\n      {flag}")).or_else(|| help.find(&format!("\n  {flag}")));
        let Some(shared) = at("--cache <") else { continue };
        headed += 1;
        let own = help.find("\nOptions:").or_else(|| help.find("\nArguments:")).unwrap_or(0);
        assert!(own < shared, "{verb}");
        for flag in ["--out <", "--direction <", "--site <", "--pairs <"] {
            assert!(at(flag).is_none_or(|at| at < shared), "{verb}: {flag}");
        }
    }
    assert!(headed > 15, "{headed}");
}

#[test]
fn the_table_that_is_the_answer_is_on_stdout_and_json_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    for verb in [
        &["models", "list"][..],
        &["models", "show", MODEL],
        &["jobs", "list"],
        &["cache", "stats"],
        &["doctor", "--offline"],
    ] {
        let table = ok(dir.path(), verb);
        assert!(!table.stdout.is_empty(), "{verb:?}");
        let json = ok(dir.path(), &[verb, &["--json"]].concat());
        serde_json::from_slice::<Json>(&json.stdout).unwrap_or_else(|e| panic!("{verb:?}: {e}"));
    }
}

#[test]
fn what_was_written_is_said_in_json() {
    let dir = tempfile::tempdir().unwrap();
    support::write_pairs(&dir.path().join("pairs.jsonl"), 24);
    std::fs::write(dir.path().join("p.txt"), "the hat\nno\n").unwrap();
    let json = |args: &[&str]| -> Json {
        let out = ok(dir.path(), &[args, &["--json"]].concat());
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{args:?}: {e}"))
    };
    let site = ["--site", "resid_post.1", "--out"];
    let read =
        json(&[&["read", "--model", MODEL, "--input", "p.txt"], &site[..], &["a.safetensors"]].concat());
    assert_eq!((read["out"].as_str(), read["ids"][1].as_str()), (Some("a.safetensors"), Some("2")));
    let made = ["direction", "extract", "--model", MODEL, "--pairs", "pairs.jsonl", "--permutations", "19"];
    let made = json(&[&made[..], &site, &["d.safetensors"]].concat());
    assert_eq!(made["directions"][0]["site"], "resid_post.1");
    let steer =
        ["steer", "--model", MODEL, "--direction", "d.safetensors", "--input", "p.txt", "--alpha", "0,0.1"];
    let steered = json(&[&steer[..], &["--max-new-tokens", "2", "--out", "s.jsonl"]].concat());
    assert_eq!((steered["out"].as_str(), steered["rows"].as_u64()), (Some("s.jsonl"), Some(4)));
    let check = json(&["data", "check", "--pairs", "pairs.jsonl", "--out", "c.json"]);
    let written: Json = serde_json::from_slice(&std::fs::read(dir.path().join("c.json")).unwrap()).unwrap();
    assert_eq!(check, written);
    // Without --json the table is on stdout, as the numbers are in the file.
    let out = ok(dir.path(), &["data", "check", "--pairs", "pairs.jsonl", "--out", "c.json"]);
    assert!(serde_json::from_slice::<Json>(&out.stdout).is_err() && !out.stdout.is_empty());
    // Without a file the numbers are on stdout, and the table is not among them.
    let out = ok(dir.path(), &["data", "check", "--pairs", "pairs.jsonl"]);
    assert_eq!(serde_json::from_slice::<Json>(&out.stdout).unwrap(), written);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_a_verb_quietly() {
    let dir = tempfile::tempdir().unwrap();
    for args in
        [&["study", "reference"][..], &["models", "list", "--json"], &["completions", "bash"], &["--help"]]
    {
        let mut child = Command::new(support::binary())
            .args(args)
            .env("TRUENORTH_CACHE", dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Nobody reads: the pipe is closed before anything is written, or after what it holds.
        drop(child.stdout.take());
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(said.is_empty(), "{args:?}: {said}");
        assert_eq!(out.status.code(), Some(0), "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_stderr_does_not_end_the_work() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.txt"), "the hat\n").unwrap();
    let mut child = Command::new(support::binary())
        .current_dir(dir.path())
        .args([
            "read",
            "--model",
            MODEL,
            "--input",
            "p.txt",
            "--site",
            "embed",
            "--out",
            "a.safetensors",
            "-v",
        ])
        .env("TRUENORTH_CACHE", dir.path().join("cache"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert!(dir.path().join("a.safetensors").exists());
}

#[test]
fn verbose_says_build_settings_and_model_and_no_key() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.txt"), "the hat\n").unwrap();
    let args =
        ["read", "--model", MODEL, "--input", "p.txt", "--site", "embed", "--out", "a.safetensors", "-v"];
    let mut command = Command::new(support::binary());
    command.current_dir(dir.path()).args(args).env("TRUENORTH_CACHE", dir.path().join("cache"));
    let out = command.env("NDIF_API_KEY", "a-secret-key").output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    for part in ["CPU path", "TRUENORTH_CACHE", "NDIF_API_KEY", "activations are kept in", "computed by"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("a-secret-key"));
}

#[test]
fn the_version_says_build_and_path() {
    let dir = tempfile::tempdir().unwrap();
    let said = String::from_utf8(ok(dir.path(), &["--version"]).stdout).unwrap();
    let path = truenorth::engine::cpu_path();
    assert!(said.contains("build: ") && said.contains(&format!("CPU path: {path}")), "{said}");
    let short = String::from_utf8(ok(dir.path(), &["-V"]).stdout).unwrap();
    assert_eq!(short.lines().count(), 1);
}

#[test]
fn completions_name_every_verb() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(ok(dir.path(), &["completions", shell]).stdout).unwrap();
        for verb in goldens::verbs() {
            let name = verb.rsplit(' ').next().unwrap();
            assert!(script.contains(name), "{shell}: {verb}");
        }
    }
    assert_eq!(run(dir.path(), &["completions", "tcsh"]).status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_every_verb() {
    let dir = tempfile::tempdir().unwrap();
    ok(dir.path(), &["man", "--out", "man1"]);
    for verb in goldens::verbs() {
        let page = dir.path().join(format!("man1/truenorth-{}.1", verb.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        assert!(text.contains(".SH SYNOPSIS") && text.contains("Example"), "{verb}");
    }
    let first = std::fs::read_to_string(dir.path().join("man1/truenorth.1")).unwrap();
    for (name, _) in truenorth::settings::VARIABLES {
        assert!(first.contains(name), "{name}");
    }
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    let checks = |args: &[&str]| -> (Option<i32>, Json) {
        let mut command = Command::new(support::binary());
        command.current_dir(dir.path()).args(["doctor", "--json"]).args(args);
        command.env_clear().env("HOME", dir.path()).env("TRUENORTH_CACHE", dir.path().join("cache"));
        let out = command.output().unwrap();
        (out.status.code(), serde_json::from_slice(&out.stdout).unwrap())
    };
    let state = |report: &Json, name: &str| -> (String, bool) {
        let check = report["checks"].as_array().unwrap().iter().find(|c| c["check"] == name).unwrap();
        (check["state"].as_str().unwrap().to_owned(), check["remedy"].is_string())
    };
    let (code, report) = checks(&["--offline"]);
    assert_eq!((code, report["ok"].as_bool()), (Some(0), Some(true)));
    assert_eq!(state(&report, "models"), ("warn".into(), true));
    assert_eq!(state(&report, "key"), ("skipped".into(), true));
    assert_eq!(state(&report, "python"), ("warn".into(), true));
    assert_eq!(state(&report, "cache"), ("ok".into(), false));
    assert!(report["program"]["cpu_path"].is_string());
    // Nothing listens there.
    let (code, report) = checks(&["--on", "http://127.0.0.1:9"]);
    assert_eq!((code, state(&report, "server").0), (Some(1), "fail".into()));
    // A folder that is a file.
    std::fs::write(dir.path().join("cache"), "no folder").unwrap();
    let (code, report) = checks(&["--offline"]);
    assert_eq!((code, state(&report, "cache")), (Some(1), ("fail".into(), true)));
}
