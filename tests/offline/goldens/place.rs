//! The small files that cases work on, and a server for those that ask one.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::{Value as Json, json};

use super::run;
use crate::support::{self, MODEL};

const WORDS: [&str; 12] =
    ["hat", "tin", "cup", "old", "new", "red", "man", "sea", "dog", "sun", "box", "ice"];

const TEXTS: &[(&str, &str)] = &[
    ("prompts.txt", "the hat\nan old tin\nno\n"),
    ("neutral.txt", "the hat\nan old tin\nno cup is red\n"),
    ("key.txt", "a-key\n"),
    (
        "talk.jsonl",
        "{\"id\":\"t\",\"messages\":[{\"role\":\"user\",\"content\":\"the hat\"},{\"role\":\"assistant\",\"content\":\"yes\"}]}\n",
    ),
    ("words.txt", "hat\ntin\n"),
    ("tokens.jsonl", "{\"id\":\"x\",\"tokens\":[3,4,5,6,7]}\n{\"id\":\"y\",\"tokens\":[8,9]}\n"),
    ("questions.txt", "Is {text} an answer to {prompt}? {question}\n"),
    (
        "ann.jsonl",
        "{\"id\":1,\"verdict\":\"first\"}\n{\"id\":2,\"verdict\":\"second\"}\n{\"id\":3,\"verdict\":\"abstain\"}\n",
    ),
    ("predictions.json", "[{\"id\":\"wins\",\"claim\":\"steered texts are kinder\",\"share_above\":0.5}]"),
    ("claims.txt", "sequences is 12 in board.json\nwidth is 3 in board.json\nstrength is 3 in board.json\n"),
    ("study.toml", include_str!("studies/pairs.toml")),
    ("classes.toml", include_str!("studies/classes.toml")),
    ("arms.toml", include_str!("studies/arms.toml")),
    ("arms-study.toml", include_str!("studies/arms-study.toml")),
    ("given.toml", include_str!("studies/given.toml")),
    (
        "nobody.toml",
        "name = \"nobody\"\n[data]\nprompts = \"prompts.txt\"\n[experiment]\n[[experiment.arms]]\nname = \"a\"\nprefix = \"no cup\"\n",
    ),
    (
        "given.jsonl",
        "{\"arm\":\"base\",\"prompt\":\"1\",\"text\":\"A red hat.\"}\n{\"arm\":\"base\",\"prompt\":\"2\",\"text\":\"A tin\"}\n\
         {\"arm\":\"base\",\"prompt\":\"3\",\"text\":\"No.\"}\n{\"arm\":\"old\",\"prompt\":\"1\",\"text\":\"An old hat, an old hat, an old \
         hat, an old hat.\"}\n{\"arm\":\"old\",\"prompt\":\"2\",\"text\":\"An old tin.\"}\n{\"arm\":\"old\",\"prompt\":\"3\",\"text\":\"Old.\"}\n",
    ),
    (
        "said.jsonl",
        "{\"rater\":\"ann\",\"arm\":\"old\",\"prompt\":\"1\",\"choice\":\"arm\",\"first\":\"base\",\"arm_score\":4,\"base_score\":2}\n\
         {\"rater\":\"ann\",\"arm\":\"old\",\"prompt\":\"2\",\"choice\":\"arm\",\"first\":\"arm\",\"arm_score\":3,\"base_score\":3}\n\
         {\"rater\":\"ben\",\"arm\":\"old\",\"prompt\":\"1\",\"choice\":\"base\",\"first\":\"base\",\"arm_score\":2,\"base_score\":3}\n\
         {\"rater\":\"ben\",\"arm\":\"old\",\"prompt\":\"2\",\"choice\":\"tie\",\"first\":\"arm\",\"arm_score\":3,\"base_score\":3}\n",
    ),
    (
        "bad.toml",
        "name = \"bad\"\ntitle = \"Bad\"\nmodel = \"llama.gguf\"\nsite = \"resid_post.1\"\nspeed = 3\n",
    ),
    ("bad.jsonl", "{\"id\":\"a\",\"text\":\"the hat\"}\n{\"id\":\"b\"}\n"),
    ("twice.jsonl", "{\"id\":\"a\",\"text\":\"the hat\"}\n{\"id\":\"a\",\"text\":\"a tin\"}\n"),
    ("few.csv", "text,label\na b,1\nc d,0\n"),
];

/// A few words that no two numbers share in this order.
fn phrase(i: usize) -> String {
    format!("{} {} {}", WORDS[i % 12], WORDS[(i / 12 + i + 1) % 12], WORDS[(i / 144 + 5 * i + 2) % 12])
}

fn rows(path: &Path, count: usize, row: impl Fn(usize) -> Json) {
    let lines: Vec<String> = (0..count).map(|i| format!("{}\n", row(i))).collect();
    std::fs::write(path, lines.concat()).unwrap();
}

/// Pairs of which one text ends otherwise than the other.
fn ends(i: usize, chosen: &str, rejected: &str) -> Json {
    json!({"id": format!("e{i}"), "axis": "x", "prompt": phrase(i), "chosen": chosen, "rejected": rejected,
        "aligned": (["action", "inaction"][i % 2])})
}

/// Texts of two classes in groups of two, in two categories.
fn class(name: &str, from: usize, k: usize) -> Json {
    let (i, bad) = (from + k / 2, k.is_multiple_of(2));
    let word = if bad { "no no" } else { "yes" };
    json!({"id": format!("{name}-{k}"), "text": format!("{} {word}", phrase(i)),
        "label": (["bad", "good"][usize::from(!bad)]), "category": (["a", "b"][i % 2]), "group": format!("g{i}")})
}

/// Texts with a label of their own, 0 or 1.
fn labelled(from: usize, i: usize) -> Json {
    let text = format!("{} {}", phrase(from + i), ["old", "new"][i % 2]);
    json!({"id": format!("s{i}"), "text": text, "label": i % 2, "group": format!("s{}", i / 2)})
}

/// Writes them all.
pub fn fill(dir: &Path) {
    let at = |name: &str| dir.join(name);
    for (name, text) in TEXTS {
        std::fs::write(at(name), text).unwrap();
    }
    // By this name a model is taken to chat, and then answers begin with tokens of their own.
    for name in ["llama.gguf", "llama-instruct.gguf"] {
        std::fs::copy(MODEL, at(name)).unwrap();
    }
    std::fs::copy(Path::new(MODEL).with_file_name("../gemma3/model.gguf"), at("gemma.gguf")).unwrap();
    support::write_pairs(&at("pairs.jsonl"), 16);
    rows(&at("sequences.jsonl"), 12, |i| {
        let text = format!("{} {}", WORDS[i % 6], WORDS[(i / 6 + 2 * i + 1) % 6]);
        json!({"id": format!("s{i}"), "text": text, "kind": (["thing", "quality"][i % 2]), "list": i / 6})
    });
    rows(&at("train.jsonl"), 32, |k| class("train", 0, k));
    rows(&at("test.jsonl"), 16, |k| class("test", 40, k));
    rows(&at("truth.jsonl"), 16, |i| labelled(80, i));
    rows(&at("tone.jsonl"), 16, |i| labelled(200, i));
    rows(&at("action.jsonl"), 12, |i| ends(i, "the sea", "an ice"));
    rows(&at("flip.jsonl"), 12, |i| ends(40 + i, "yes", "no"));
    rows(&at("duels.jsonl"), 6, |i| {
        json!({"id": i, "prompt": phrase(i), "first": format!("the {}", phrase(i + 20)),
            "second": format!("no {}", phrase(i + 40))})
    });
    rows(&at("replies.jsonl"), 6, |i| json!({"id": i, "prompt": phrase(i), "text": phrase(i + 60)}));
    rows(&at("items.jsonl"), 8, |i| {
        json!({"id": format!("i{i}"), "prompt": phrase(i), "steered": format!("kind {}", phrase(i + 20)),
            "base": format!("plain {}", phrase(i + 40))})
    });
    dealt(dir);
    rows(&at("chat.jsonl"), 2, |i| json!({"id": i, "messages": [{"role": "user", "content": phrase(i)}]}));
}

/// A sheet that `rate sheet` dealt of `items.jsonl` once, its key, and two raters: one finds the kind text in all
/// rows but the first, the other always says left.
fn dealt(dir: &Path) {
    let folder = dir.join("dealt");
    std::fs::create_dir(&folder).unwrap();
    let sheet = include_str!("dealt/sheet.csv");
    for (name, text) in [
        ("sheet.csv", sheet),
        ("key.json", include_str!("dealt/key.json")),
        ("seal.json", include_str!("dealt/seal.json")),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let filled = |choice: &dyn Fn(usize, &str) -> &'static str| -> String {
        let rated = |(i, line): (usize, &str)| match line.rsplit_once(",\"\",\"") {
            Some((open, told)) => format!("{open},\"{}\",\"{told}\r\n", choice(i, open)),
            None => format!("{line}\r\n"),
        };
        sheet.lines().enumerate().map(rated).collect()
    };
    let kind = |i: usize, open: &str| {
        let left = open.find("kind").unwrap() < open.find("plain").unwrap();
        ["right", "left"][usize::from(left == (i > 1))]
    };
    std::fs::write(folder.join("ann.csv"), filled(&kind)).unwrap();
    std::fs::write(folder.join("ben.csv"), filled(&|_, _| "left")).unwrap();
}

/// A server of the tiny model on a free port.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    pub fn start(dir: &Path, home: &Path) -> Self {
        let spool = home.join("spool");
        std::fs::create_dir(&spool).unwrap();
        let mut command = run::bare(dir, home);
        command.args(["serve", "--model", "llama.gguf", "--listen", "127.0.0.1:0", "--quiet", "--spool"]);
        let mut child = command
            .arg(spool)
            .env("TRUENORTH_CACHE", home.join("served"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
