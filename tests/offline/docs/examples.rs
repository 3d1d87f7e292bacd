//! The examples of every verb's help, run on a tiny model.
//!
//! A command is run as it is printed, but for the model, which is a tiny one, and its sites and draws, which are fewer. The
//! files that examples name lie in the folder.

use std::path::Path;
use std::process::{Command, Output};

use super::{book, text};
use crate::goldens;
use crate::support::{self, MODEL};

/// What stands in an example and what is run in its place.
const INSTEAD: &[(&str, &str)] = &[
    ("--model smollm2-135m", "--model llama.gguf"),
    ("--model gemma3-270m", "--model llama.gguf"),
    ("--model M ", "--model llama.gguf "),
    ("--judge gemma3-270m", "--judge llama-instruct.gguf"),
    ("--judge hf:HuggingFaceTB/SmolLM2-1.7B-Instruct", "--judge llama-instruct.gguf"),
    ("--checkpoint smollm2-135m", "--checkpoint llama.gguf"),
    ("models show smollm2-135m", "models show llama.gguf"),
    ("random-init:smollm2-135m", "random-init:llama.gguf"),
    ("resid_post.4..28:4", "resid_post.0..1"),
    ("resid_post.0..29", "resid_post.0..1"),
    ("resid_post.20", "resid_post.1"),
    ("resid_post.15", "resid_post.1"),
    ("resid_post.12", "resid_post.1"),
    ("resid_post.8", "resid_post.0"),
    ("--max-new-tokens 48", "--max-new-tokens 4"),
    ("examples/human-values/study.toml", "study.toml"),
    ("runs/human-values", "runs/tiny"),
    ("--chat ", "--chat=chatml "),
    ("import refusal.pt", "import refusal.npy"),
    ("--layer 14", "--layer 1"),
    ("--positive harmful", "--positive up"),
];

/// What an example is given besides, so that it takes a moment.
const FEWER: &[(&str, &str)] = &[
    ("audit ", "--permutations 19 --random-directions 200"),
    ("probe ", "--permutations 19 --estimator mean-diff"),
    ("sweep ", "--permutations 19 --null-draws 0 --random-directions 2 --steered-pairs 4 --max-new-tokens 4"),
    ("geometry --checkpoint", "--null-draws 19 --permutations 99"),
    ("direction extract", "--permutations 19"),
];

/// Examples that need what no test has, and what that is. They still have to be understood.
const NOT_RUN: &[(&str, &str)] = &[
    ("models pull", "the network"),
    ("ndif ", "NDIF"),
    ("--on http", "a server"),
    ("serve ", "it goes on until it is stopped"),
    ("play ", "it goes on until it is stopped"),
    ("arena ", "an arena with a season; tests/offline/arena.rs runs all of them"),
    ("experiment unblind", "sheets that people filled"),
    ("experiment sheet", "a run with its texts, and a folder of its own"),
    ("jobs show", "a job"),
    ("jobs forget", "a job"),
    ("bench ", "a Python with torch, and minutes"),
    ("direction bake", "a folder of a model"),
    ("direction audit", "a model with a direction baked in"),
    ("direction import sae/", "a sparse autoencoder"),
    ("rate unblind", "sheets that people filled"),
    ("data convert --from beavertails", "the data set"),
    ("data convert --from alpaca", "the data set"),
    ("data convert --from harmbench", "the data set"),
    ("data convert --from advbench", "the data set"),
    ("verify runs/human-values --claims", "a text with claims"),
    ("score summary board.json --against", "two boards of one list"),
    ("transfer --board", "two boards of one list"),
];

/// The commands of a help text, each in one line.
fn commands(help: &str) -> Vec<String> {
    let Some((_, examples)) = help.split_once("\nExample:\n") else { return vec![] };
    let mut found: Vec<String> = Vec::new();
    for line in examples.lines() {
        match line.strip_prefix("  ") {
            Some(command) if command.starts_with("truenorth ") => found.push(command.to_owned()),
            Some(rest) if !found.is_empty() => {
                let last = found.last_mut().unwrap();
                *last = format!("{last} {}", rest.trim());
            }
            _ => {}
        }
    }
    found
}

fn help(verb: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let args: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
    String::from_utf8(support::ok(dir.path(), &args).stdout).unwrap()
}

/// A folder with every file that examples name.
fn place(dir: &Path) {
    let at = |name: &str| dir.join(name);
    for name in ["llama.gguf", "llama-instruct.gguf"] {
        std::fs::copy(MODEL, at(name)).unwrap();
    }
    support::write_pairs(&at("pairs.jsonl"), 24);
    for (name, of) in [("train.jsonl", "train"), ("test.jsonl", "test"), ("test-ood.jsonl", "ood")] {
        support::write_classes(&at(name), of, 24);
    }
    let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    let words = ["hat", "tin", "cup", "old", "new", "red", "man", "sea", "dog", "sun", "box", "ice"];
    let lines = |of: &dyn Fn(usize) -> String| (0..12).map(|i| of(i) + "\n").collect::<String>();
    let (w, v) = (|i: usize| words[i % 12], |i: usize| words[(5 * i + 3) % 12]);
    for name in ["prompts.txt", "neutral.txt", "probes.txt"] {
        write(name, "the hat\nan old tin\nno cup is red\n");
    }
    write("sequences.txt", &lines(&|i| format!("{} {}", w(i), v(i))));
    write("care.txt", "hat\ntin\n");
    let json = |value: serde_json::Value| value.to_string();
    write(
        "sequences.jsonl",
        &lines(&|i| {
            json(
                serde_json::json!({"id": i, "text": format!("{} {}", w(i), v(i)), "kind": (["a", "b"][i % 2])}),
            )
        }),
    );
    let labelled = |from: usize| {
        lines(&|i| {
            let text = format!("{} is {} {from}", w(i + from), ["old", "new"][i % 2]);
            json(serde_json::json!({"id": i, "text": text, "label": i % 2, "group": i / 2}))
        })
    };
    write("sentiment.jsonl", &labelled(1));
    write("truth.jsonl", &labelled(4));
    let differ = |yes: &str, no: &str, from: usize| {
        lines(&|i| {
            let prompt = format!("the {} {from}", w(i + from));
            json(
                serde_json::json!({"id": i, "axis": "x", "prompt": prompt, "chosen": format!("{yes} {}", v(i)),
                "rejected": format!("{no} {}", v(i + 1)), "aligned": "action"}),
            )
        })
    };
    write("length.jsonl", &differ("the old sea and", "no", 1));
    write("action.jsonl", &differ("the man", "an ice", 2));
    write("value-flip.jsonl", &differ("yes", "no", 3));
    write(
        "duels.jsonl",
        &lines(&|i| {
            json(
                serde_json::json!({"id": i, "prompt": w(i), "first": format!("the {}", v(i)), "second": format!("no {}", v(i))}),
            )
        }),
    );
    write(
        "people.jsonl",
        &lines(&|i| json(serde_json::json!({"id": i, "verdict": (["first", "second"][i % 2])}))),
    );
    // The same verdicts under two names are refused.
    for (name, other) in [("judge-a.json", 0), ("judge-b.json", 1)] {
        let says = |i: usize| ["first", "second"][(i + usize::from(i == 5) * other) % 2];
        let rows = (0..12).map(|i| serde_json::json!({"id": i, "verdict": says(i)}));
        write(name, &json(rows.collect()));
    }
    write(
        "items.jsonl",
        &lines(&|i| {
            json(
                serde_json::json!({"id": i, "prompt": w(i), "steered": format!("kind {}", v(i)), "base": format!("plain {}", v(i))}),
            )
        }),
    );
    write("predictions.json", "[{\"id\": \"p1\", \"claim\": \"it wins\", \"share_above\": 0.5}]");
    write("paper.txt", "a claim of sequences is 12 in board.json\n");
    write("mine.csv", "prompt,toxic,topic\nthe hat,0,a\nno tin,1,b\n");
    // The direction and what is made with it come out of the program.
    let run = |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        support::ok(dir, &args);
    };
    let extract =
        "direction extract --model llama.gguf --pairs pairs.jsonl --estimator mean-diff --permutations 0";
    for name in
        ["values", "a", "b", "kind", "refusal", "formal", "small", "gemma", "step-1", "step-2", "step-3"]
    {
        run(&format!("{extract} --site resid_post.1 --out {name}.safetensors"));
    }
    run(&format!("{extract} --site resid_post.0..1 --out harm.safetensors"));
    run("direction export values.safetensors --out control.gguf");
    run("direction export values.safetensors --out refusal.npy");
    run(
        "steer --model llama.gguf --direction values.safetensors --input prompts.txt --alpha 0,0.1 --max-new-tokens 4 \
        --out steered.jsonl",
    );
    let score = "score --model llama.gguf --direction values.safetensors --probes probes.txt";
    run(&format!("{score} --sequences sequences.jsonl --out raw.jsonl"));
    run(&format!("{score} --sequences sequences.jsonl --out new.jsonl"));
    let study = support::study_place();
    std::fs::copy(study.path().join("seq.txt"), at("seq.txt")).unwrap();
    let expected = "[register]\nhypothesis = \"it reads\"\nreads = true\n";
    std::fs::write(at("study.toml"), text(&study.path().join("study.toml")) + expected).unwrap();
}

/// Verbs whose examples come before those of others, which read what these write.
const FIRST: [&str; 4] = ["study register", "study run", "rate sheet", "score"];

/// The words of a line as a shell has them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            (' ', None) => words.push(std::mem::take(&mut word)),
            (c, _) => word.push(c),
        }
    }
    words.push(word);
    words.retain(|w| !w.is_empty());
    words
}

fn run(dir: &Path, line: &str) -> Output {
    let (line, to) = match line.split_once(" > ") {
        Some((line, to)) => (line, Some(dir.join(to.trim()))),
        None => (line, None),
    };
    let mut command = Command::new(support::binary());
    command.current_dir(dir).args(words(line).iter().skip(1)).env("TRUENORTH_CACHE", dir.join("cache"));
    let out = command.output().unwrap();
    if let Some(to) = to {
        std::fs::write(to, &out.stdout).unwrap();
    }
    out
}

#[test]
fn the_examples_of_every_verb_run() {
    let dir = tempfile::tempdir().unwrap();
    place(dir.path());
    let mut verbs = goldens::verbs();
    // Which are families too.
    verbs.extend(["score", "judge"].map(str::to_owned));
    verbs.sort_by_key(|verb| FIRST.iter().position(|first| first == verb).unwrap_or(FIRST.len()));
    let mut ran = 0;
    let mut wrong = Vec::new();
    for verb in verbs {
        let examples = commands(&help(&verb));
        assert!(!examples.is_empty(), "{verb} shows no example");
        for example in examples {
            let asked = example.strip_prefix("truenorth ").unwrap();
            if NOT_RUN
                .iter()
                .any(|(part, _)| asked.starts_with(part) || part.starts_with("--") && asked.contains(part))
            {
                continue;
            }
            let mut line = INSTEAD.iter().fold(example.clone(), |line, (from, to)| line.replace(from, to));
            for (_, more) in FEWER.iter().filter(|(start, _)| asked.starts_with(start)) {
                line = format!("{line} {more}");
            }
            let out = run(dir.path(), &line);
            if !out.status.success() {
                wrong.push(format!("{line}\n{}", String::from_utf8_lossy(&out.stderr)));
            }
            ran += 1;
        }
    }
    assert!(wrong.is_empty(), "{} of {ran} examples fail:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ran > 35, "{ran}");
}

#[test]
fn the_smallest_study_of_the_book_runs() {
    let dir = tempfile::tempdir().unwrap();
    let page = text(&book().join("howto/study.md"));
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (study, _) = rest.split_once("```").unwrap();
    assert!(study.contains("smollm2-135m") && study.lines().count() <= 6, "{study}");
    let study = study.replace("smollm2-135m", "llama.gguf").replace("resid_post.20", "resid_post.1");
    std::fs::copy(MODEL, dir.path().join("llama.gguf")).unwrap();
    std::fs::write(dir.path().join("study.toml"), study).unwrap();
    std::fs::write(dir.path().join("prompts.txt"), "the hat\nan old tin\nno\n").unwrap();
    support::write_pairs(&dir.path().join("pairs.jsonl"), 24);
    support::ok(dir.path(), &["study", "run", "study.toml"]);
    assert!(dir.path().join("runs/mine/report.html").exists());
}

#[test]
fn an_example_is_one_command_however_it_is_wrapped() {
    let help = "Usage\n\nExample:\n  truenorth read --model m --input\n  p.txt\n  truenorth read -h\n";
    assert_eq!(commands(help), ["truenorth read --model m --input p.txt", "truenorth read -h"]);
    assert_eq!(words("a --b \"c d\" 'e f'"), ["a", "--b", "c d", "e f"]);
}
