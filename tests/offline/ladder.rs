//! Eight made-up checkpoints, a concept planted at the fourth: geometry, cross-probing and cross-steering find it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{binary, ok};

const ENTERS: usize = 3;

fn ladder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ladder"), dir.path().join("ladder"));
    std::os::unix::fs::symlink(from, to).unwrap();
    dir
}

const ASK: [&str; 24] = [
    "geometry",
    "--checkpoints",
    "ladder/checkpoints.txt",
    "--classes",
    "ladder/classes.jsonl",
    "--positive",
    "refused",
    "--site",
    "resid_post.1",
    "--folds",
    "3",
    "--permutations",
    "199",
    "--null-draws",
    "19",
    "--steer-into",
    "ladder/step-7",
    "--prompts",
    "ladder/prompts.jsonl",
    "--max-new-tokens",
    "6",
    "--protocols",
    "raw:last,raw:max",
    "--quiet",
];

fn found(dir: &Path, out: &str, cache: &str) -> Value {
    ok(dir, &[&ASK[..], &["--out", out, "--report", "page", "--cache", cache]].concat());
    serde_json::from_slice(&std::fs::read(dir.join(out)).unwrap()).unwrap()
}

#[test]
fn a_concept_is_found_where_it_enters_by_geometry_probes_and_steering() {
    let dir = ladder();
    let all = found(dir.path(), "a.json", "a.sqlite");
    let result = &all["result"];
    assert_eq!(result["stages"][ENTERS], "mid");
    // The raw difference of the class means, which a unit direction does not show.
    let general = &result["categories"][0];
    let size = |t: usize| general["difference"][t]["value"].as_f64().unwrap();
    assert!((0..8).all(|t| if t < ENTERS { size(t) < 0.5 } else { size(t) > 5.0 }));
    let jump = &general["drift_jump"];
    assert!(jump["after"] == "step-3" || jump["after"] == "step-1", "{jump}");
    // Verbs that were held out: chance before, all right after, and on each other's activations.
    let cell = |a: usize, b: usize| &result["probing"][0]["cells"][a][b];
    for t in 0..8 {
        let own = cell(t, t)["auroc"].as_f64().unwrap();
        assert!(if t < ENTERS { own < 0.8 } else { own > 0.95 }, "step-{t}: {own}");
        assert!(cell(t, t)["true_positives"]["low"] == 0.0, "12 negative groups bound no 1 %");
    }
    assert!(cell(ENTERS, 7)["auroc"].as_f64().unwrap() > 0.95);
    assert!(result["rate_method"].as_str().unwrap().contains("368"));
    // The plain last token is what all else is read at; the maximum over tokens has another direction.
    let angle = &result["protocols"]["angles"][0];
    assert!(
        angle["degrees"].as_f64().unwrap() > 20.0 && angle["low"].as_f64() < angle["high"].as_f64(),
        "{angle}"
    );
    // The maximum leaves attention sinks out, and says how many.
    let left_out = result["protocols"]["left_out"].as_array().unwrap();
    assert!(
        left_out.len() == 1 && left_out[0]["protocol"] == "raw:max" && left_out[0]["tokens"].is_u64(),
        "{left_out:?}"
    );
    // The page moves through all of them by itself.
    let page = std::fs::read_to_string(dir.path().join("page/explorer.html")).unwrap();
    assert!(page.contains("sha256-") && !page.contains("src=") && !page.contains("href="));
    assert!(page.contains("data-from=\"3\" data-to=\"5\"") && page.contains("</table>"));
    // A direction from before it moves nothing; from then on each makes good requests be refused.
    let steering = &result["steering"];
    for (t, course) in steering["courses"].as_array().unwrap().iter().enumerate() {
        let at = |lambda: f64| {
            let mut points = course["points"].as_array().unwrap().iter();
            points.find(|p| p["lambda"] == lambda).unwrap()
        };
        assert_eq!(at(0.0)["refusal"]["value"], 0.0);
        let pushed = at(1.0)["refusal"]["value"].as_f64().unwrap();
        assert!(if t < ENTERS { pushed == 0.0 } else { pushed > 0.9 }, "step-{t}: {pushed}");
        assert!(at(1.0)["refusal"]["null"]["draws"] == 19 && at(0.0)["refusal"]["null"].is_null());
        let norms = course["size"].as_f64().unwrap() / steering["residual_norm"].as_f64().unwrap();
        assert!((at(2.0)["norms"].as_f64().unwrap() - 2.0 * norms).abs() < 1e-9);
    }
    assert_eq!(all["models"].as_array().unwrap().len(), 9);
}

#[test]
fn killed_and_resumed_it_finds_the_same_numbers() {
    let dir = ladder();
    let whole = found(dir.path(), "whole.json", "whole.sqlite");
    for wait in [15_u64, 40, 80, 150, 250, 400, 600] {
        let args = [&ASK[..], &["--out", "cut.json", "--cache", "cut.sqlite"]].concat();
        let mut child = Command::new(binary())
            .args(args)
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
    }
    let resumed = found(dir.path(), "resumed.json", "cut.sqlite");
    assert_eq!(whole["result"], resumed["result"]);
}

const STUDY: &str = r#"
name = "ladder"
title = "Checkpoints, watched and judged"
model = "ladder/step-7"
site = "resid_post.1"
near_copies = 1.0
[data]
classes = "ladder/classes.jsonl"
positive = "refused"
neutral = "ladder/prompts.jsonl"
[direction]
estimators = ["mean-diff"]
[held_out]
folds = 3
permutations = 9
[steer]
alphas = [1.0]
max_new_tokens = 4
prompts = 3
[steer.when]
site = "resid_post.0"
above = ABOVE
by = "last"
[monitor]
prompts = 2
max_new_tokens = 3
[geometry]
checkpoints = ["ladder/step-2", "ladder/step-7"]
folds = 3
permutations = 19
null_draws = 0
[geometry.steer_into]
model = "ladder/step-7"
lambda = [-1.0, 1.0]
max_new_tokens = 4
random_directions = 0
[geometry.judge]
model = "llama-instruct.gguf"
questions = ["refusal"]
"#;

/// The texts that a study of the ladder steers to, under a condition.
fn studied(dir: &Path, above: &str) -> Vec<String> {
    std::fs::write(dir.join("study.toml"), STUDY.replace("ABOVE", above)).unwrap();
    ok(dir, &["study", "run", "study.toml", "--quiet"]);
    let rows = std::fs::read_to_string(dir.join("runs/ladder/steered.jsonl")).unwrap();
    let row = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    rows.lines().map(|l| row(l)["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_study_steers_under_a_condition_watches_tokens_and_has_what_checkpoints_push_judged() {
    let dir = ladder();
    std::fs::copy(crate::support::MODEL, dir.path().join("llama-instruct.gguf")).unwrap();
    // No projection is so large, and every one is above so small a number.
    let (never, always) = (studied(dir.path(), "1e6"), studied(dir.path(), "-1e6"));
    assert!(never.iter().all(|t| t.starts_with("sure here")), "{never:?}");
    assert!(always.iter().all(|t| t.starts_with("i cannot")), "{always:?}");
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(dir.path().join("runs/ladder").join(name)).unwrap()).unwrap()
    };
    let watched = read("monitor.json");
    assert_eq!(watched["texts"].as_array().unwrap().len(), 2);
    let tokens = watched["texts"][0]["tokens"].as_array().unwrap().len() as u64;
    assert_eq!(tokens, watched["texts"][0]["given"].as_u64().unwrap() + 3);
    // What is written at 0 is the same whichever direction is pushed, and is judged once.
    let judged = read("geometry-judge-refusal.json");
    let groups: Vec<&str> =
        judged["groups"].as_array().unwrap().iter().map(|g| g["group"].as_str().unwrap()).collect();
    assert_eq!(groups.len(), 5, "{groups:?}");
    assert!(groups.contains(&"unsteered") && groups.contains(&"ladder/step-7, general at 1"));
    ok(dir.path(), &["verify", "runs/ladder", "--quiet"]);
}
