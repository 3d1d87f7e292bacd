//! What the tests share: reading references, and saying how far off a result is.
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod arena;

use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value as Json;

/// A folder's `reference.json` and `reference.safetensors`.
pub struct Reference {
    pub json: Json,
    tensors: Vec<u8>,
}

impl Reference {
    pub fn of(folder: &Path) -> Self {
        let json = std::fs::read(folder.join("reference.json")).unwrap();
        Self {
            json: serde_json::from_slice(&json).unwrap(),
            tensors: std::fs::read(folder.join("reference.safetensors")).unwrap(),
        }
    }

    pub fn tensor(&self, name: &str) -> Vec<f32> {
        let file = SafeTensors::deserialize(&self.tensors).unwrap();
        let bytes = file.tensor(name).unwrap().data().to_vec();
        bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    }

    pub fn tokens(&self, key: &str) -> Vec<Vec<u32>> {
        serde_json::from_value(self.json[key].clone()).unwrap()
    }
}

/// Largest difference, relative to the largest value of the reference.
pub fn relative(got: &[f32], want: &[f32]) -> f32 {
    assert_eq!(got.len(), want.len());
    let size = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let far = got.iter().zip(want).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    far / size
}

/// The same, row by row: no row may hide behind a larger one.
pub fn relative_rows(got: &[f32], want: &[f32], rows: usize) -> f32 {
    let width = want.len() / rows;
    got.chunks(width).zip(want.chunks(width)).map(|(g, w)| relative(g, w)).fold(0.0, f32::max)
}

/// A tiny Llama with a tokenizer, 2 blocks.
pub const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gguf/llama/model.gguf");

/// The program under test.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_truenorth")
}

/// Runs the program in a folder, with a cache of its own there.
pub fn run(dir: &Path, args: &[&str]) -> std::process::Output {
    let mut command = std::process::Command::new(binary());
    command.current_dir(dir).args(args).env("TRUENORTH_CACHE", dir.join("cache"));
    command.output().unwrap()
}

/// Lines as a JSONL file has them.
pub fn jsonl(lines: &[&str]) -> String {
    lines.iter().map(|l| format!("{l}\n")).collect()
}

/// So many short contrastive pairs on four axes.
pub fn write_pairs(path: &Path, count: usize) {
    let words = ["hat", "tin", "cup", "old", "new", "red"];
    let line = |i: usize| {
        let (a, b) = (words[i % 6], words[(i / 6 + 1) % 6]);
        let (chosen, rejected) = (format!("yes the {a} {i}"), format!("no a {b} {i}"));
        serde_json::json!({
            "id": format!("p{i}"), "axis": format!("x{}", i % 4), "prompt": format!("the {b} {i}"),
            "chosen": chosen, "rejected": rejected,
        })
        .to_string()
    };
    let lines: Vec<String> = (0..count).map(line).collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

/// As [`run`], where failing is a failure of the test.
pub fn ok(dir: &Path, args: &[&str]) -> std::process::Output {
    let out = run(dir, args);
    assert!(out.status.success(), "{args:?}\n{}", String::from_utf8_lossy(&out.stderr));
    out
}

/// A study of everything there is, on [`MODEL`].
const STUDY: &str = r#"
name = "tiny"
title = "A tiny study"
model = "MODEL"
site = "resid_post.1"
[data]
pairs = "pairs.jsonl"
neutral = "prompts.txt"
probes = "prompts.txt"
sequences = "seq.txt"
[direction]
estimators = ["mean-diff", "lda"]
project_out = ["length"]
[held_out]
folds = 4
permutations = 19
[score]
[steer]
alphas = [0.0, 1.0]
max_new_tokens = 4
prompts = 2
"#;

/// A study of two classes, with all that only classes can be asked, on [`MODEL`].
const CLASSES_STUDY: &str = r#"
name = "tiny-classes"
title = "A tiny study of classes"
model = "MODEL"
site = "resid_post.1"
[data]
classes = "train.jsonl"
positive = "up"
neutral = "prompts.txt"
[data.tests]
other = "test.jsonl"
[direction]
estimators = ["mean-diff"]
[held_out]
folds = 3
permutations = 19
[probing]
sites = ["resid_post.0..1"]
estimator = "mean-diff"
permutations = 19
controls = ["random-label", "bag-of-words", "length", "random-init"]
[geometry]
[steer]
alphas = [0.0, 1.0]
max_new_tokens = 4
prompts = 3
"#;

/// Texts of two classes and two categories, in groups of two.
pub fn write_classes(path: &Path, name: &str, groups: usize) {
    let words = ["hat", "tin", "cup", "old", "new", "red"];
    let mut out = String::new();
    for g in 0..groups {
        for (label, first) in [("up", "yes the"), ("down", "no a")] {
            let text = format!("{name} {first} {} {} {g}", words[g % 6], words[(g / 6 + 2) % 6]);
            let row = serde_json::json!({
                "id": format!("{name}-{g}-{label}"), "text": text, "label": label,
                "category": (["left", "right"][g % 2]), "group": format!("{name}-{g}"),
            });
            out += &format!("{row}\n");
        }
    }
    std::fs::write(path, out).unwrap();
}

/// A folder with a study of classes and its data.
pub fn classes_place() -> tempfile::TempDir {
    let dir = study_place();
    write_classes(&dir.path().join("train.jsonl"), "train", 20);
    write_classes(&dir.path().join("test.jsonl"), "test", 12);
    std::fs::write(dir.path().join("study.toml"), CLASSES_STUDY.replace("MODEL", MODEL)).unwrap();
    dir
}

/// A folder with a study and its data.
pub fn study_place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 24);
    std::fs::write(dir.path().join("prompts.txt"), "the hat\nan old tin\nno\n").unwrap();
    std::fs::write(
        dir.path().join("seq.txt"),
        "one\nand so on\n:-)\nthe hat\na tin\nno cup\nold and new\nred\nyes\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("study.toml"), STUDY.replace("MODEL", MODEL)).unwrap();
    dir
}
