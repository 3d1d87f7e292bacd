//! A judge that is shown what was asked is not shown nothing instead.

use std::path::Path;

use serde_json::json;

use crate::support::{MODEL, run};

fn judged(dir: &Path, how: &[&str]) -> (Option<i32>, String) {
    let judge =
        ["judge", "--judge", MODEL, "--no-cache", "--quiet", "--answers", "Yes,No", "--permutations", "49"];
    let least = ["--least-preference", "0", "--least-mass", "0"];
    let out = run(dir, &[&judge[..], &least, how].concat());
    (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
}

#[test]
fn texts_without_their_prompts_are_judged_only_by_a_template_that_shows_none() {
    let dir = tempfile::tempdir().unwrap();
    let words = ["hat", "tin", "cup", "old", "new", "red"];
    let replies: String = words
        .iter()
        .enumerate()
        .flat_map(|(i, word)| {
            [0, 2].map(|alpha| {
                json!({"id": format!("p{i}"), "alpha": alpha, "text": format!("the {word} is {alpha} {i}")})
            })
        })
        .map(|row| format!("{row}\n"))
        .collect();
    let tokens: String =
        (0..6).map(|i| format!("{}\n", json!({"id": format!("p{i}"), "tokens": [3, 4, i + 5]}))).collect();
    std::fs::write(dir.path().join("steered.jsonl"), &replies).unwrap();
    std::fs::write(dir.path().join("tokens.jsonl"), tokens).unwrap();
    std::fs::write(dir.path().join("plain.txt"), "Text:\n{text}\n\n{question} Answer Yes or No.\n\nAnswer:")
        .unwrap();
    let question = ["--steered", "steered.jsonl", "--question", "incoherence"];
    let duel = ["--steered", "steered.jsonl", "--alpha", "2"];
    for texts in [&question[..], &duel] {
        for prompts in [&[][..], &["--prompts", "tokens.jsonl"]] {
            let (code, said) = judged(dir.path(), &[texts, prompts].concat());
            assert_eq!(code, Some(2), "{texts:?} {prompts:?}: {said}");
            assert!(said.contains("`p0") && said.contains("has no prompt as text"), "{said}");
            assert!(said.contains("give --prompts the file of texts"), "{said}");
        }
    }
    let (code, said) = judged(dir.path(), &[&question[..], &["--template", "plain.txt"]].concat());
    assert_eq!(code, Some(0), "{said}");
}
