//! A study of conversations, and their parts read and steered, with the model in process, behind our server, and on the
//! released service, which runs an ordinary user's programs in its sandbox: the same numbers.

use std::path::Path;

use super::runners::{Ours, engine};
use super::service::{NEWEST, Service};
use super::verbs::{NAME, Place, same_json, same_tensors};
use crate::support::MODEL;

/// What is asked of conversations, in the order in which they need each other's files.
const VERBS: &[&str] = &[
    "study run study.toml --model M",
    "read --model M --chat=chatml --system Kindly. --input prompts.txt --site resid_post.0..1 --positions last-user \
     --out last-user.safetensors",
    "read --model M --chat=chatml --input prompts.txt --site resid_mid.1 --positions mean:user --out mean-user.safetensors",
    "read --model M --chat=chatml --input prompts.txt --site resid_post.1 --positions 0..2 --out range.safetensors",
    "direction extract --model M --chat=chatml --site resid_post.1 --pairs pairs.jsonl --positions mean:response \
     --estimator mean-diff --permutations 19 --out d.safetensors",
    "steer --model M --chat=chatml --direction d.safetensors --input prompts.txt --positions user --max-new-tokens 8 \
     --alpha=-2,2 --alpha-unit absolute --ignore-eos --out user.jsonl",
    "steer --model M --chat=chatml --direction d.safetensors --input prompts.txt --positions last-user --max-new-tokens 8 \
     --alpha=4 --alpha-unit absolute --ignore-eos --out last-user.jsonl",
];

fn all(place: &Place) {
    let dir = place.path();
    let study = std::fs::read_to_string(dir.join("study.toml")).unwrap();
    let own: String =
        study.lines().filter(|l| !l.starts_with("positions")).map(|l| format!("{l}\n")).collect();
    let chat = "chat = \"chatml\"\nsystem = \"Be good.\"\npositions = \"mean:response\"\n";
    std::fs::write(
        dir.join("study.toml"),
        format!("{chat}{own}\n[compare]\nchat = false\npositions = \"mean\"\n"),
    )
    .unwrap();
    for verb in VERBS {
        place.verb(&verb.split_whitespace().collect::<Vec<_>>());
    }
}

fn same(there: &Place, here: &Place) -> f32 {
    let mut worst = 0.0_f32;
    for file in [
        "last-user.safetensors",
        "mean-user.safetensors",
        "range.safetensors",
        "d.safetensors",
        "runs/tiny/directions/mean-diff.safetensors",
        "runs/tiny/directions/lda.safetensors",
    ] {
        worst = worst.max(same_tensors(&there.bytes(file), &here.bytes(file), file));
    }
    for file in ["user.jsonl", "last-user.jsonl", "runs/tiny/steered.jsonl", "runs/tiny/board.jsonl"] {
        let (got, want) = (there.lines(file), here.lines(file));
        assert!(!want.is_empty() && got.len() == want.len(), "{file}");
        got.iter().zip(&want).for_each(|(got, want)| same_json(got, want, file));
    }
    for file in ["runs/tiny/check.json", "runs/tiny/compare.json"] {
        same_json(&there.json(file), &here.json(file), file);
    }
    worst
}

#[test]
#[ignore = "needs the released service; .ci/conformance runs it"]
fn released_chat_study_is_the_same_here_and_on_our_server() {
    let state = tempfile::tempdir().unwrap();
    let service = Service::released(NEWEST, &[(NAME.into(), MODEL.into())], state.path(), &[]);
    let ours = Ours::start(engine(Path::new(MODEL), NAME));
    let url = ours.client.service().url().to_owned();
    let (here, server, sandbox) = (Place::here(), Place::new(NAME, &["--on", &url]), Place::ndif(&service));
    for place in [&here, &server, &sandbox] {
        all(place);
    }
    let jobs = service.jobs();
    assert!(!jobs.is_empty() && jobs.iter().all(|j| j["trusted"] == false), "{jobs:?}");
    println!("a chat study, worst difference of a tensor on our server {:.1e}", same(&server, &here));
    println!("on the released service, {} jobs, {:.1e}", jobs.len(), same(&sandbox, &here));
}
