//! Experiments whose model is on a server, and whose judge is behind an endpoint of chat completions.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::support::{MODEL, ok, run, study_place};
use crate::verbs::Server;

/// A folder with pairs, a direction and an experiment of two edits and a prefix.
fn place(judged: bool, placebos: usize) -> tempfile::TempDir {
    let dir = study_place();
    let extract =
        ["direction", "extract", "--model", MODEL, "--site", "resid_post.1", "--pairs", "pairs.jsonl"];
    ok(dir.path(), &[&extract[..], &["--permutations", "19", "--out", "d.safetensors"]].concat());
    let prompts =
        ["the old hat on a shelf", "an old tin", "no cup", "red and new", "yes the hat", "a cat in a tin"];
    std::fs::write(dir.path().join("asked.txt"), prompts.join("\n")).unwrap();
    let outcome = if judged {
        "criterion = \"Which is longer?\""
    } else {
        "log_odds = 8\nproject = [\"d.safetensors\"]"
    };
    let file = format!(
        r#"
name = "tiny"
model = "{MODEL}"
[data]
prompts = "asked.txt"
pairs = "pairs.jsonl"
neutral = "prompts.txt"
[experiment]
max_new_tokens = 8
placebos = {placebos}
permutations = 19
{outcome}
[[experiment.arms]]
name = "prefix"
prefix = "yes yes the new cup"
[[experiment.arms]]
name = "push"
direction = "d.safetensors"
alpha = 1.5
[[experiment.arms]]
name = "clamp"
direction = "d.safetensors"
clamp = "-0.1..0.2"
"#
    );
    std::fs::write(dir.path().join("arms.toml"), file).unwrap();
    dir
}

fn found(dir: &Path) -> Json {
    let mut json: Json =
        serde_json::from_slice(&std::fs::read(dir.join("out/experiment.json")).unwrap()).unwrap();
    json["result"].take()
}

#[test]
fn an_experiment_gives_the_same_here_and_on_a_server() {
    let server = Server::start(tempfile::tempdir().unwrap().path(), &[]);
    let (here, there) = (place(false, 4), place(false, 4));
    let of = |dir: &Path, on: &str| ok(dir, &["experiment", "arms.toml", "--out", "out", "--on", on]);
    of(here.path(), "local");
    of(there.path(), &server.url);
    let (local, hosted) = (found(here.path()), found(there.path()));
    assert!(local["outcomes"].as_array().unwrap().len() == 2 && local["texts"][2][0]["text"].is_string());
    assert_eq!(local, hosted, "to the bit");
    // Everything is in the store: nothing is sent again, and the page says the same.
    let jobs = || ok(there.path(), &["jobs", "list", "--json"]).stdout;
    let before = jobs();
    of(there.path(), &server.url);
    assert_eq!((jobs(), found(there.path())), (before, hosted));
}

/// A judge who likes long replies, fails now and then, and counts how often it is asked.
struct Long(std::sync::Arc<AtomicUsize>);

impl Respond for Long {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let n = self.0.fetch_add(1, Ordering::SeqCst);
        if n % 7 == 3 {
            return ResponseTemplate::new(503).insert_header("retry-after", "0");
        }
        let body: Json = request.body_json().unwrap();
        let text = body["messages"][0]["content"].as_str().unwrap();
        let between = |from: &str, to: &str| text.split(from).nth(1).unwrap().split(to).next().unwrap().len();
        let (a, b) = (between("Reply A:\n", "\n\nReply B:"), between("Reply B:\n", "\n\nWhich"));
        // It knows that shuffled words are as long as the text, and then takes what reads as one.
        let a_wins = a > b;
        let [first, second] = if a_wins { ["A", "B"] } else { ["B", "A"] };
        let told =
            json!([{"token": first, "logprob": -0.2}, {"token": format!(" {second}"), "logprob": -1.8}]);
        ResponseTemplate::new(200).set_body_json(json!({
            "choices": [{"message": {"content": first}, "logprobs": {"content": [{"top_logprobs": told}]}}],
            "usage": {"total_tokens": 50},
        }))
    }
}

#[test]
fn a_judge_behind_an_endpoint_is_bounded_kept_and_told_no_arm_and_its_key_stands_nowhere() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (service, asked) = (runtime.block_on(MockServer::start()), std::sync::Arc::new(AtomicUsize::new(0)));
    let mock = Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .and(header("authorization", "Bearer s3cret-key"))
        .respond_with(Long(asked.clone()));
    runtime.block_on(mock.mount(&service));
    let dir = place(true, 19);
    std::fs::write(dir.path().join("key"), "s3cret-key\n").unwrap();
    let planted: String = (0..8)
        .map(|i| format!("{}\n", json!({"id": format!("d{i}"), "prompt": "p", "first": format!("a long reply {i} of words"), "second": format!("no {i}")})))
        .collect();
    std::fs::write(dir.path().join("planted.jsonl"), planted).unwrap();
    let file = dir.path().join("arms.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("max_new_tokens", "planted = \"planted.jsonl\"\nmax_new_tokens"))
        .unwrap();
    let url = format!("{}/v1", service.uri());
    let judge = ["--judge-url", url.as_str(), "--judge-model", "long-judge", "--judge-key-file", "key"];
    let of = |more: &[&str]| {
        run(dir.path(), &[&["experiment", "arms.toml", "--out", "out"], &judge[..], more].concat())
    };
    // Too few for the arms: refused, and nothing is asked.
    let few = of(&["--judge-calls", "30"]);
    assert_eq!(few.status.code(), Some(2), "{}", String::from_utf8_lossy(&few.stderr));
    assert!(String::from_utf8_lossy(&few.stderr).contains("the arms alone take 52"));
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // Too few for all placebos: those that there is room for, told, and no verdict.
    let some = of(&["--judge-calls", "150"]);
    assert!(some.status.success(), "{}", String::from_utf8_lossy(&some.stderr));
    let fewer = found(dir.path());
    assert!(fewer["fewer"].as_str().unwrap().contains("room for 4 placebos"), "{}", fewer["fewer"]);
    assert!(
        fewer["verdicts"]
            .as_array()
            .unwrap()
            .iter()
            .all(|v| v["arm"] == "prefix" || v["verdict"] == "not_shown")
    );
    let all = of(&["--judge-calls", "2000"]);
    assert!(all.status.success(), "{}", String::from_utf8_lossy(&all.stderr));
    let whole = found(dir.path());
    let rater = &whole["raters"][0];
    assert_eq!((&rater["rater"], &rater["planted"]["value"]), (&json!("long-judge"), &json!(1.0)));
    assert_eq!(rater["standing"]["standing"], "counts");
    let before = asked.load(Ordering::SeqCst);
    assert!(before > 52, "{before}");
    // What was answered is kept: the same again asks nothing, and finds the same.
    assert!(of(&["--judge-calls", "2000"]).status.success());
    assert_eq!((asked.load(Ordering::SeqCst), found(dir.path())), (before, whole));
    // Tokens are bounded too, and what was paid for is kept.
    let short = of(&["--judge-tokens", "100", "--cache", "other"]);
    assert!(String::from_utf8_lossy(&short.stderr).contains("of 100 allowed"), "{short:?}");
    assert!(asked.load(Ordering::SeqCst) < before + 20);
    // Neither key nor arm is anywhere that it should not be.
    let requests = runtime.block_on(service.received_requests()).unwrap();
    for request in &requests {
        let body = String::from_utf8_lossy(&request.body);
        assert!(!["push", "clamp", "placebo", "prefix", "base"].iter().any(|w| body.contains(w)), "{body}");
    }
    let mut stack = vec![dir.path().to_owned()];
    while let Some(folder) = stack.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                stack.push(entry);
            } else if entry.file_name().unwrap() != "key" {
                let bytes = std::fs::read(&entry).unwrap();
                let held = bytes.windows(10).any(|w| w == b"s3cret-key");
                assert!(!held, "{} holds the key", entry.display());
            }
        }
    }
    let wrong = run(
        dir.path(),
        &[&["experiment", "arms.toml", "--out", "o2"], &judge[..4], &["--cache", "none"]].concat(),
    );
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(said.contains("can't be asked") && said.contains("TRUENORTH_JUDGE_KEY"), "{said}");
}
