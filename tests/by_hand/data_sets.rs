//! Data-set folders on the package `datasets`, with the rows that the same commands write as JSON lines.
//!
//! Ignored in `cargo test`, since it needs the package; `.ci/data-sets` prepares it and runs this.
//! `TRUENORTH_DATASETS_PYTHON` is an interpreter that has it.

use std::path::Path;
use std::process::Command;

use crate::support::ok;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama");

#[test]
#[ignore = "needs the package datasets; run by .ci/data-sets"]
fn folders_open_with_the_rows_of_json_lines() {
    let python = std::env::var("TRUENORTH_DATASETS_PYTHON").expect("TRUENORTH_DATASETS_PYTHON names Python");
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let rows = (0..12).map(|i| {
        let more =
            if i % 3 == 0 { r#", "note": "é, \"quoted\"\n", "parts": [1, 2]"# } else { r#", "at": 3.5"# };
        format!(
            "{{\"id\": \"s{i}\", \"text\": \"text {i} of the twelve\", \"kind\": \"k{}\"{more}}}\n",
            i % 2
        )
    });
    write("s.jsonl", &rows.collect::<String>());
    write("p.txt", "the table\na letter\n");
    let pairs = (0..8).map(|i| {
        format!("{{\"id\": \"p{i}\", \"axis\": \"a{}\", \"prompt\": \"Ask {i}\", \"chosen\": \"good {i}\", \"rejected\": \"bad {}\"}}\n", i % 2, i * 7)
    });
    write("pairs.jsonl", &pairs.collect::<String>());
    let chats = (0..10).map(|i| {
        format!(
            "{{\"messages\": [{{\"role\": \"user\", \"content\": \"Ask {i}\"}}, {{\"role\": \"assistant\", \"content\": \"Say {i}\"}}], \
             \"label\": {}}}\n",
            i % 2
        )
    });
    write("chats.jsonl", &chats.collect::<String>());
    let small = ["--model", MODEL, "--no-cache", "--quiet"];
    let extract =
        ["direction", "extract", "--site", "resid_post.1", "--pairs", "pairs.jsonl", "--permutations", "0"];
    ok(dir.path(), &[&extract[..], &small, &["--estimator", "mean-diff", "--out", "d.safetensors"]].concat());
    let with = ["--direction", "d.safetensors"];
    let each: [(&str, Vec<&str>); 4] = [
        ("board", [&["score", "--probes", "p.txt", "--sequences", "s.jsonl"][..], &small, &with].concat()),
        (
            "steered",
            [&["steer", "--input", "p.txt", "--alpha", "0,0.1", "--max-new-tokens", "4"][..], &small, &with]
                .concat(),
        ),
        ("tokens", vec!["tokens", "--model", MODEL, "--input", "s.jsonl"]),
        ("classes", vec!["data", "convert", "--from", "jsonl", "--columns", "text=messages", "chats.jsonl"]),
    ];
    for (name, args) in each {
        let (lines, folder) = (format!("{name}.jsonl"), format!("{name}/"));
        for out in [&lines, &folder] {
            ok(dir.path(), &[&args[..], &["--out", out]].concat());
        }
        check(dir.path(), &python, &[name, &format!("train={lines}")]);
    }
    // Splits are files of their own as lines, and parts of one folder.
    let split =
        ["data", "convert", "--from", "jsonl", "--columns", "text=messages", "--split", "train=0.7,test=0.3"];
    for out in ["parts.jsonl", "parts/"] {
        ok(dir.path(), &[&split[..], &["chats.jsonl", "--out", out]].concat());
    }
    check(dir.path(), &python, &["parts", "train=parts-train.jsonl", "test=parts-test.jsonl"]);
}

fn check(dir: &Path, python: &str, args: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_sets/check.py");
    let done = Command::new(python).arg(script).args(args).current_dir(dir).output().unwrap();
    print!("{}", String::from_utf8_lossy(&done.stdout));
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
