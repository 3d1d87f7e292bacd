//! Which texts a direction was freed of sentiment with, as its file tells an audit.

use std::path::Path;

use serde_json::{Value as Json, json};
use truenorth::artifact::Direction;

use crate::support::{MODEL, ok, write_pairs};

/// Texts with a sentiment label, from this number on.
fn tone(path: &Path, from: usize) {
    let words = ["hat", "tin", "cup", "old", "red", "man", "sea", "dog", "sun", "box", "ice"];
    let row = |i: usize| {
        let (a, b, c) = (words[i % 11], words[(i / 11 + i + 1) % 11], words[(5 * i + 2) % 11]);
        let end = if i.is_multiple_of(2) { "new" } else { "so" };
        json!({"id": format!("s{i}"), "text": format!("{a} {b} {c} {end}"), "label": i % 2}).to_string()
    };
    std::fs::write(path, (from..from + 24).map(row).collect::<Vec<_>>().join("\n")).unwrap();
}

#[test]
fn a_direction_names_the_texts_it_was_freed_with_and_an_audit_finds_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write_pairs(&at("pairs.jsonl"), 24);
    tone(&at("tone.jsonl"), 0);
    tone(&at("other.jsonl"), 40);
    tone(&at("third.jsonl"), 80);
    let how = ["--pairs", "pairs.jsonl", "--site", "resid_post.1", "--estimator", "mean-diff"];
    let out = ["--project-out", "sentiment", "--sentiment", "tone.jsonl", "--out", "d.safetensors"];
    ok(
        dir.path(),
        &[&["direction", "extract", "--model", MODEL, "--permutations", "0"], &how[..], &out].concat(),
    );
    let direction = Direction::load(&at("d.safetensors")).unwrap();
    let with = &direction.metadata().projected_with["sentiment"];
    assert_eq!((with.texts.len(), with.sha256.len()), (24, 64));

    let shown = ok(dir.path(), &["direction", "show", "d.safetensors"]).stdout;
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains(&format!("sentiment: 24 texts, SHA-256 {}", with.sha256)), "{shown}");

    let audit = |file: &str, more: &[&str]| -> (Json, String) {
        let fixed =
            ["audit", "--model", MODEL, "--pairs", "pairs.jsonl", "--no-agreement", "--out", "out.json"];
        let few = ["--permutations", "19", "--random-directions", "99", "--direction", file];
        let done = ok(dir.path(), &[&fixed[..], &few, more].concat());
        let found = serde_json::from_slice(&std::fs::read(at("out.json")).unwrap()).unwrap();
        (found, String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let row = |found: &Json| {
        let row = &found["result"]["rows"][0];
        (row["verdict"].as_str().unwrap().to_owned(), row["says"].as_str().unwrap().to_owned())
    };
    // The very texts, though others are projected out now, and under a name of their own.
    for name in ["sentiment", "mine"] {
        let set = format!("{name}=tone.jsonl{}", if name == "mine" { ":1" } else { "" });
        let (found, said) = audit("d.safetensors", &["--sentiment", "other.jsonl", "--confound", &set]);
        let (verdict, says) = row(&found);
        assert!(verdict == "circular" && says.contains("with 24 of these texts"), "{says}");
        assert!(said.contains("with 24 texts, not with the 24 of --sentiment, of which it had 0"), "{said}");
        assert_eq!(found["choices"]["sentiment-of-direction"], with.sha256.as_str());
    }
    // Others are not circular, though nothing is projected out now.
    let (found, said) =
        audit("d.safetensors", &["--project-out", "none", "--confound", "sentiment=other.jsonl"]);
    assert_ne!(row(&found).0, "circular", "{found}");
    assert!(!said.contains("sentiment was projected out"), "{said}");
    // The same in another file, order and case are the same texts.
    let text = std::fs::read_to_string(at("tone.jsonl")).unwrap().to_uppercase();
    let rows =
        text.replace("\"ID\"", "\"id\"").replace("\"TEXT\"", "\"text\"").replace("\"LABEL\"", "\"label\"");
    std::fs::write(at("again.jsonl"), rows.lines().rev().collect::<Vec<_>>().join("\n")).unwrap();
    let (_, said) =
        audit("d.safetensors", &["--sentiment", "again.jsonl", "--confound", "sentiment=third.jsonl"]);
    assert!(!said.contains("sentiment was projected out"), "{said}");

    // A file of before does not say; what can't be told is told so.
    let mut metadata = direction.metadata().clone();
    metadata.projected_with.clear();
    Direction::new(direction.to_f64().view(), metadata).unwrap().save(&at("old.safetensors")).unwrap();
    let (found, said) =
        audit("old.safetensors", &["--sentiment", "other.jsonl", "--confound", "sentiment=tone.jsonl"]);
    let (verdict, says) = row(&found);
    assert!(verdict == "circular" && says.contains("not with which texts"), "{says}");
    assert!(said.contains("does not say with which texts"), "{said}");
    assert_eq!(found["choices"]["sentiment-of-direction"], "not told by the direction's file");
}
