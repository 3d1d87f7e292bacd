//! Edits over bands, with ranges, conditions and schedules, an experiment with arms and an arena: with the model in
//! process, behind our server, and on the released service, which runs an ordinary user's programs in its sandbox.

use std::path::Path;

use truenorth_protocol::Site;

use super::compare::SAME;
use super::runners::{Ours, engine};
use super::service::{NEWEST, Service};
use super::verbs::{NAME, Place, same_json, same_tensors};
use crate::support::MODEL;
use crate::support::arena::{Served, board, done, season_at, submit, text, until_scored};

/// What is asked, in the order in which the verbs need each other's files.
const VERBS: &[&str] = &[
    "direction extract --model M --site resid_post.0..1 --pairs pairs.jsonl --estimator mean-diff --permutations 19 \
     --out band.safetensors",
    "direction extract --model M --site resid_post.0..1 --shared --pairs pairs.jsonl --estimator mean-diff \
     --permutations 19 --out shared.safetensors",
    "direction extract --model M --site resid_post.0 --pairs pairs.jsonl --estimator mean-diff --permutations 19 \
     --out early.safetensors",
    "steer --model M --direction band.safetensors --input prompts.txt --max-new-tokens 8 --alpha=-3,3 \
     --alpha-unit absolute --ignore-eos --out band.jsonl",
    "steer --model M --direction early.safetensors --at everywhere --ablate --input prompts.txt --max-new-tokens 8 \
     --ignore-eos --out everywhere.jsonl",
    "steer --model M --direction shared.safetensors --input prompts.txt --max-new-tokens 8 --clamp=-0.1..0.1 \
     --ignore-eos --out clamped.jsonl",
    "steer --model M --direction band.safetensors@resid_post.1 --when early.safetensors --when-above 0.01 \
     --when-by token --input prompts.txt --max-new-tokens 8 --alpha 4 --alpha-unit absolute --ignore-eos \
     --out by-token.jsonl",
    "steer --model M --direction band.safetensors@resid_post.1 --when early.safetensors --when-by last \
     --input prompts.txt --max-new-tokens 8 --alpha 4 --alpha-unit absolute --ignore-eos --out by-prompt.jsonl",
    "steer --model M --direction early.safetensors --direction shared.safetensors --coefficient 1,-0.5 \
     --input prompts.txt --max-new-tokens 8 --alpha 3 --alpha-unit absolute --decay 0.6 --ignore-eos \
     --out several.jsonl",
    "steer --model M --direction early.safetensors --input prompts.txt --max-new-tokens 8 --alpha 3 \
     --alpha-unit absolute --schedule 0,1,0.5 --ignore-eos --out schedule.jsonl",
    "monitor --model M --direction band.safetensors --input prompts.txt --max-new-tokens 4 --out monitor.json",
    "score --model M --direction band.safetensors --over worst --probes prompts.txt --sequences seq.txt \
     --out worst.jsonl",
    "score --model M --direction shared.safetensors --probes prompts.txt --sequences seq.txt --out shared.jsonl",
    "experiment arms.toml --out arms",
];

/// Three arms of every kind that a service is asked for; M is the model.
const ARMS: &str = r#"
name = "arms"
model = "M"
[data]
prompts = "asked.txt"
pairs = "pairs.jsonl"
neutral = "prompts.txt"
[experiment]
max_new_tokens = 6
placebos = 3
permutations = 19
log_odds = 6
project = ["early.safetensors"]
[[experiment.arms]]
name = "prefix"
prefix = "yes yes the new cup"
[[experiment.arms]]
name = "band"
direction = "shared.safetensors"
alpha = 0.7
[[experiment.arms]]
name = "clamp"
direction = "early.safetensors"
clamp = "-0.1..0.2"
"#;

const TEXTS: usize = 8;

fn all(place: &Place) {
    let dir = place.path();
    let prompts = "the old hat on a shelf\nan old tin\nno cup\nred and new\nyes the hat\na cat in a tin\n";
    std::fs::write(dir.join("asked.txt"), prompts).unwrap();
    std::fs::write(dir.join("arms.toml"), ARMS.replace("\"M\"", &format!("{:?}", place.model()))).unwrap();
    for verb in VERBS {
        place.verb(&verb.split_whitespace().collect::<Vec<_>>());
    }
}

/// A season over a band is made, opened and served there, texts are sent in, and the entries are scored anew.
fn arena(place: &Place) -> serde_json::Value {
    let dir = place.path();
    season_at(dir, "one", "per_minute = 1000", &[Site::ResidPost(0), Site::ResidPost(1)], "");
    let file = dir.join("one.toml");
    let own = format!("name = {:?}", place.model());
    let text_of = std::fs::read_to_string(&file).unwrap().replace(&format!("name = {MODEL:?}"), &own);
    std::fs::write(&file, text_of).unwrap();
    // A season's file is read and sealed where it lies.
    done(dir, &["arena", "season", "new", "one.toml"]);
    place.verb(&["arena", "season", "open", "one"]);
    let flags: Vec<&str> = place.flags().iter().map(String::as_str).collect();
    let served = Served::start(dir, &flags);
    for i in 0..TEXTS {
        assert_eq!(submit(&served.host, i, &text(i)).unwrap().0, 202, "text {i}");
    }
    until_scored(&served.host);
    let board = board(&served.host);
    served.kill();
    place.verb(&["arena", "check"]);
    board
}

fn same_boards(there: &serde_json::Value, here: &serde_json::Value) -> f64 {
    let rows = |board: &serde_json::Value| {
        let mut rows = board["entries"].as_array().unwrap().clone();
        rows.sort_by_key(|row| row["sequence"].as_str().unwrap().to_owned());
        rows
    };
    let (there, here) = (rows(there), rows(here));
    assert!(here.len() == TEXTS && there.len() == TEXTS);
    let mut worst = 0.0_f64;
    for (got, want) in there.iter().zip(&here) {
        assert_eq!(got["sequence"], want["sequence"]);
        for number in ["score", "specificity", "coherence"] {
            let of =
                |row: &serde_json::Value| row[number].as_f64().unwrap_or_else(|| panic!("{number}: {row}"));
            let far = (of(got) - of(want)).abs() / of(want).abs().max(1.0);
            assert!(far < f64::from(SAME), "{number}: {got} {want}");
            worst = worst.max(far);
        }
    }
    worst
}

fn same(there: &Place, here: &Place) -> f32 {
    let mut worst = 0.0_f32;
    for file in ["band.safetensors", "shared.safetensors", "early.safetensors"] {
        worst = worst.max(same_tensors(&there.bytes(file), &here.bytes(file), file));
    }
    for file in [
        "band.jsonl",
        "everywhere.jsonl",
        "clamped.jsonl",
        "by-token.jsonl",
        "by-prompt.jsonl",
        "several.jsonl",
        "schedule.jsonl",
        "worst.jsonl",
        "shared.jsonl",
        "arms/texts.jsonl",
    ] {
        let (got, want) = (there.lines(file), here.lines(file));
        assert!(!want.is_empty() && got.len() == want.len(), "{file}");
        got.iter().zip(&want).for_each(|(got, want)| same_json(got, want, file));
    }
    for file in ["monitor.json", "arms/experiment.json"] {
        same_json(&there.result(file), &here.result(file), file);
    }
    worst
}

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_bands_conditions_experiments_and_an_arena_are_the_same_here_and_on_our_server() {
    let state = tempfile::tempdir().unwrap();
    let service = Service::released(NEWEST, &[(NAME.into(), MODEL.into())], state.path(), &[]);
    let ours = Ours::start(engine(Path::new(MODEL), NAME));
    let url = ours.client.service().url().to_owned();
    let (here, server, sandbox) = (Place::here(), Place::new(NAME, &["--on", &url]), Place::ndif(&service));
    let boards: Vec<serde_json::Value> = [&here, &server, &sandbox]
        .into_iter()
        .map(|place| {
            all(place);
            arena(place)
        })
        .collect();
    let jobs = service.jobs();
    assert!(!jobs.is_empty() && jobs.iter().all(|j| j["trusted"] == false), "{jobs:?}");
    println!(
        "bands, conditions, an experiment and an arena: worst difference of a tensor on our server {:.1e}, of an entry {:.1e}",
        same(&server, &here),
        same_boards(&boards[1], &boards[0])
    );
    println!(
        "on the released service, {} jobs, {:.1e} and {:.1e}",
        jobs.len(),
        same(&sandbox, &here),
        same_boards(&boards[2], &boards[0])
    );
}
