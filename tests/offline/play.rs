//! `play` beside `steer` and `monitor`: with the same settings the same tokens, numbers and damage.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{MODEL, binary, ok, run, write_pairs};

/// A server that ends with its test.
struct Served(Child, String);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn served(dir: &Path, more: &[&str]) -> Served {
    let mut child = Command::new(binary())
        .current_dir(dir)
        .env("TRUENORTH_CACHE", dir.join("cache"))
        .args(["play", "--model", MODEL, "--listen", "127.0.0.1:0", "--quiet"])
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
    Served(child, url.trim().to_owned())
}

async fn asked(url: &str, form: &[(&str, &str)]) -> Vec<Value> {
    truenorth_remote::tls::provider();
    let client = reqwest::Client::new();
    let body: String = form
        .iter()
        .map(|(k, v)| format!("{k}={}", v.replace(' ', "+").replace('\n', "%0D%0A")))
        .collect::<Vec<_>>()
        .join("&");
    let answer = client
        .post(format!("{url}/run"))
        .header("accept", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let found: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(status, 200, "{found}");
    found["events"].as_array().unwrap().clone()
}

fn event<'a>(events: &'a [Value], name: &str, side: Option<&str>) -> &'a Value {
    let is = |e: &&Value| e["event"] == name && side.is_none_or(|s| e["side"] == s);
    events.iter().find(is).unwrap_or_else(|| panic!("no {name} in {events:?}"))
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 24);
    std::fs::write(dir.path().join("neutral.txt"), "the old hat\na new tin\nred cups\n").unwrap();
    std::fs::write(dir.path().join("prompt.jsonl"), "{\"id\":\"p\",\"text\":\"the old\\nhat\"}\n").unwrap();
    for (name, site) in [("one", "resid_post.0"), ("two", "resid_post.1")] {
        ok(
            dir.path(),
            &[
                "direction",
                "extract",
                "--model",
                MODEL,
                "--site",
                site,
                "--pairs",
                "pairs.jsonl",
                "--neutral",
                "neutral.txt",
                "--estimator",
                "mean-diff",
                "--permutations",
                "0",
                "--quiet",
                "--out",
                &format!("{name}.safetensors"),
            ],
        );
    }
    dir
}

#[tokio::test]
async fn tokens_numbers_and_damage_are_those_of_steer_and_monitor() {
    let dir = place();
    let here = dir.path();
    let served = served(here, &["--direction", "one.safetensors", "--direction", "two.safetensors"]);
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: [Case<'_>; 3] = [
        (&[("direction", "one"), ("alpha", "0.7")], &["--direction", "one.safetensors", "--alpha", "0.7"]),
        (
            &[
                ("direction", "one"),
                ("direction", "two"),
                ("coefficient-two", "-0.5"),
                ("alpha", "-0.6"),
                ("temperature", "0.9"),
                ("seed", "11"),
            ],
            &[
                "--direction",
                "one.safetensors",
                "--direction",
                "two.safetensors",
                "--coefficient",
                "1,-0.5",
                "--alpha",
                "-0.6",
                "--temperature",
                "0.9",
                "--seed",
                "11",
            ],
        ),
        (
            &[("direction", "two"), ("alpha", "0"), ("ablate", "on"), ("positions", "generated")],
            &["--direction", "two.safetensors", "--ablate", "--positions", "generated"],
        ),
    ];
    for (form, flags) in cases {
        let form = [&[("prompt", "the old\nhat"), ("max-new-tokens", "10")], form].concat();
        let events = asked(&served.1, &form).await;
        let steer = [
            "steer",
            "--model",
            MODEL,
            "--input",
            "prompt.jsonl",
            "--max-new-tokens",
            "10",
            "--quiet",
            "--out",
            "s.jsonl",
        ];
        ok(here, &[&steer[..], flags].concat());
        let row = lines(&here.join("s.jsonl")).remove(0);
        let steered = event(&events, "written", Some("steered"));
        for key in
            ["tokens", "text", "alpha", "site", "positions", "stopped", "alpha_norm", "pushes", "ablate"]
        {
            assert_eq!(steered.get(key), row.get(key), "{key}");
        }
        let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-6;
        assert!(near(&steered["logprob_mean"], &row["logprob_mean"]));
        let doses = event(&events, "doses", None)["doses"].as_array().unwrap();
        let own = doses.iter().find(|d| d["alpha"] == row["alpha"]).unwrap();
        assert!(near(&own["kl"], &row["damage"]["kl"]), "{own} {}", row["damage"]);

        // What the model writes by itself is what the monitor goes on with, and both read it alike.
        let names: Vec<&str> = flags.iter().filter(|f| f.ends_with(".safetensors")).copied().collect();
        let directions: Vec<&str> = names.iter().flat_map(|n| ["--direction", n]).collect();
        let drawn: Vec<&str> = flags
            .windows(2)
            .filter(|w| ["--temperature", "--seed"].contains(&w[0]))
            .flatten()
            .copied()
            .collect();
        let monitor = ["monitor", "--model", MODEL, "--quiet", "--out", "m.json"];
        ok(
            here,
            &[&monitor[..], &["--input", "prompt.jsonl", "--max-new-tokens", "10"], &directions, &drawn]
                .concat(),
        );
        let colours = event(&events, "colours", None);
        same(&colours["plain"], &read(&here.join("m.json")));
        // And the steered text, given as tokens.
        let ids: Vec<Value> =
            colours["steered"].as_array().unwrap().iter().map(|t| t["id"].clone()).collect();
        std::fs::write(here.join("t.jsonl"), json!({"id": "t", "tokens": ids}).to_string()).unwrap();
        ok(here, &[&monitor[..], &["--input", "t.jsonl"], &directions].concat());
        same(&colours["steered"], &read(&here.join("m.json")));
    }
}

fn read(path: &Path) -> Value {
    let whole: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    whole["result"]["texts"][0]["tokens"].clone()
}

fn same(found: &Value, want: &Value) {
    let (found, want) = (found.as_array().unwrap(), want.as_array().unwrap());
    assert_eq!(found.len(), want.len());
    for (found, want) in found.iter().zip(want) {
        assert_eq!(found["id"], want["id"]);
        for key in ["projection", "cosine"] {
            for (a, b) in found[key].as_array().unwrap().iter().zip(want[key].as_array().unwrap()) {
                assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-5, "{key}: {a} {b}");
            }
        }
    }
}

#[test]
fn what_can_not_be_served_is_refused_with_a_remedy() {
    let dir = place();
    let refused = |more: &[&str]| {
        let out = run(
            dir.path(),
            &[&["play", "--model", MODEL, "--listen", "127.0.0.1:0", "--quiet"], more].concat(),
        );
        assert_eq!(out.status.code(), Some(2), "{more:?}");
        String::from_utf8(out.stderr).unwrap()
    };
    let one = ["--direction", "one.safetensors"];
    for (more, says) in [
        (&["--listen", "0.0.0.0:0"][..], "--open"),
        (&["--alpha", "nan"], "NaN"),
        (&["--alpha-unit", "absolute"], "--alpha"),
        (&["--temperature=-1"], "--temperature"),
        (&["--max-new-tokens", "0"], "--max-tokens"),
        (&["--max-new-tokens", "300"], "300"),
        (&["--dry-run"], "no dry run"),
        (&["--direction", "none.safetensors"], "none.safetensors"),
        (&["--alpha-unit", "raw", "--alpha", "1"], "raw"),
    ] {
        let listen = more.contains(&"--listen");
        let text = if listen {
            let out = run(dir.path(), &[&["play", "--model", MODEL, "--quiet"], &one[..], more].concat());
            assert_eq!(out.status.code(), Some(2));
            String::from_utf8(out.stderr).unwrap()
        } else {
            refused(&[&one[..], more].concat())
        };
        assert!(text.contains(says), "{more:?}: {text}");
    }
}
