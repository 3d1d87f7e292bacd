//! Files as researchers have them, and what was once said of them that could not help: each case of
//! `fixtures/cases` that is about data and the command line, and its siblings.

mod copies;
mod inputs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value as Json;

use crate::support::{self, binary, ok, run};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases");
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/cases/_models/llama");

/// What a case's own command says, standard output and error together, and whether it went well.
fn case(name: &str) -> (String, bool) {
    let out = tempfile::tempdir().unwrap();
    let folder = Path::new(CASES).join(name);
    let command = std::fs::read_to_string(folder.join("cmd")).unwrap();
    let done = Command::new("sh")
        .args(["-c", &command])
        .env("TN", binary())
        .env("CASES", CASES)
        .env("CASE", &folder)
        .env("OUT", out.path())
        .output()
        .unwrap();
    (said(&done), done.status.success())
}

fn said(done: &Output) -> String {
    // Notes come before the table that is the answer.
    format!("{}{}", String::from_utf8_lossy(&done.stderr), String::from_utf8_lossy(&done.stdout))
}

/// Runs what must be refused as a wrong request, and holds its words against some.
fn refused(dir: &Path, args: &[&str], words: &[&str]) -> String {
    let done = run(dir, args);
    let text = said(&done);
    assert_eq!(done.status.code(), Some(2), "{args:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{args:?}: no `{word}` in {text}");
    }
    text
}

fn names(name: &str, words: &[&str]) {
    let (text, went) = case(name);
    assert!(!went, "{name}: {text}");
    for word in words {
        assert!(text.contains(word), "{name}: no `{word}` in {text}");
    }
}

/// A verb on the small model, without a cache.
fn on_model<'a>(verb: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [verb, &["--model", MODEL, "--no-cache", "--quiet"], rest].concat()
}

/// A verb that reads at its second block.
fn at_site<'a>(verb: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [on_model(verb, &["--site", "resid_post.1"]), rest.to_vec()].concat()
}

/// The read of a file of prompts.
fn read<'a>(file: &'a str, out: &'a str) -> Vec<&'a str> {
    at_site(&["read"], &["--input", file, "--out", out])
}

/// The extraction of a direction, by an estimator and with so many permutations.
fn extract<'a>(estimator: &'a str, permutations: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let how = ["--estimator", estimator, "--permutations", permutations];
    [at_site(&["direction", "extract"], &how), rest.to_vec()].concat()
}

#[test]
fn messages_name_what_is_wrong_and_what_helps() {
    names("msg-brotli", &["brotli", "another compression"]);
    names("msg-float-label", &["0.0", "a fraction", "row 1"]);
    names("msg-position-wrong-prompt", &["position -10", "prompt `2`", "2 tokens", "hint"]);
    names("msg-pt-integers", &["integers"]);
    names("msg-zero-tokens", &["--max-new-tokens 0"]);
    names("msg-zero-vector", &["all zeros", "hint"]);
    let (text, _) = case("msg-zero-vector");
    assert!(!text.contains("direction import`"), "it is an import already: {text}");
    names("prompts-jsonl-comment", &["line 1", "comment"]);
}

#[test]
fn files_are_read_as_what_they_are() {
    let (text, went) = case("csv-quote-in-plain-field");
    assert!(went && text.contains("a 5\\\" pipe") && text.contains("multi\\nline"), "{text}");
    let (text, went) = case("prompts-json-array");
    assert!(went && text.contains("2 prompts"), "{text}");
}

#[test]
fn copies_of_a_pair_are_one_unit() {
    let (text, went) = case("pairs-dup-content");
    assert!(went, "{text}");
    assert!(text.contains("36 of 48 pairs are copies") && text.contains("`0-1` of `0-0`"), "{text}");
    let rows: Vec<&str> = text.lines().filter(|l| l.starts_with("pair ")).collect();
    assert_eq!(rows.len(), 2, "{text}");
    // The numbers of the distinct pairs, whichever file they come in.
    assert_eq!(rows[0], rows[1]);
    // One split gave 0.285; the mean of twenty is 0.372, and p is that of the first.
    assert!(rows[0].contains("12") && rows[0].contains("0.372") && rows[0].contains("0.925"), "{text}");
    // The copies are named before any separation is.
    assert!(text.find("copies") < text.find("AUROC"), "{text}");
}

#[test]
fn copies_with_opposite_labels_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let pair = |id: &str, chosen: &str, rejected: &str| {
        format!(
            "{{\"id\":\"{id}\",\"axis\":\"x\",\"prompt\":\"p {id}\",\"chosen\":\"{chosen}\",\"rejected\":\"{rejected}\"}}\n"
        )
    };
    let swapped = pair("a", "yes", "no") + &pair("b", "no", "Yes").replace("p b", "P  A");
    at("pairs.jsonl", &swapped);
    at("classes.csv", "id,text,label\na,same text,1\nb,other,0\nc,Same  text,0\n");
    for (flag, file, words) in
        [("--pairs", "pairs.jsonl", ["`a`", "`b`"]), ("--classes", "classes.csv", ["`a`", "`c`"])]
    {
        let args = extract("lda", "0", &[flag, file, "--out", "o.safetensors"]);
        refused(dir.path(), &args, &[file, words[0], words[1], "hint"]);
    }
    refused(dir.path(), &at_site(&["probe"], &["--train", "classes.csv"]), &["classes.csv", "`a`", "`c`"]);
    let geometry = ["geometry", "--checkpoint", MODEL, "--classes", "classes.csv", "--site", "resid_post.1"];
    refused(dir.path(), &[&geometry[..], &["--no-cache"]].concat(), &["classes.csv", "`a`", "`c`"]);
}

#[test]
fn too_few_clusters_for_a_split_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..12)
        .map(|i| {
            format!(
                "{{\"id\":\"{i}\",\"axis\":\"x\",\"prompt\":\"question {}\",\"chosen\":\"w{i} v{i}\",\"rejected\":\"u{i} t{i}\"}}\n",
                i % 3
            )
        })
        .collect();
    std::fs::write(dir.path().join("pairs.jsonl"), rows).unwrap();
    let args = extract("lda", "0", &["--pairs", "pairs.jsonl", "--out", "o.safetensors"]);
    refused(dir.path(), &args, &["5 folds", "24 rows make 3", "12 pairs make 3 clusters", "--folds"]);
    assert!(!dir.path().join("o.safetensors").exists());
    ok(dir.path(), &[&args[..], &["--folds", "3"]].concat());
}

#[cfg(unix)]
#[test]
fn what_lies_at_the_target_is_not_harmed() {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, symlink};
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("in.txt"), "hi\n").unwrap();
    // A link is followed, and stays one.
    std::fs::write(at("target"), "").unwrap();
    symlink("target", at("link")).unwrap();
    ok(dir.path(), &read("in.txt", "link"));
    assert!(
        at("link").symlink_metadata().unwrap().is_symlink() && at("target").metadata().unwrap().len() > 100
    );
    // One to a file that is not there yet makes that.
    symlink("later", at("dangling")).unwrap();
    ok(dir.path(), &read("in.txt", "dangling"));
    assert!(at("dangling").symlink_metadata().unwrap().is_symlink() && at("later").is_file());
    // A pipe gets the bytes, as standard output does.
    let whole = std::fs::read(at("target")).unwrap();
    for out in ["-", "/dev/stdout"] {
        let done = run(dir.path(), &read("in.txt", out));
        assert!(done.status.success() && done.stdout == whole, "{out}: {}", said(&done));
    }
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    let fifo = at("fifo");
    let reader = std::thread::spawn(move || std::fs::read(fifo).unwrap());
    ok(dir.path(), &read("in.txt", "fifo"));
    assert!(reader.join().unwrap() == whole && at("fifo").symlink_metadata().unwrap().file_type().is_fifo());
    // Devices stay devices; making one needs root.
    let null = std::fs::metadata("/dev/null").unwrap();
    ok(dir.path(), &read("in.txt", "/dev/null"));
    assert_eq!(std::fs::metadata("/dev/null").unwrap().ino(), null.ino());
    let made = Command::new("mknod").args(["-m", "666"]).arg(at("device")).args(["c", "1", "3"]).status();
    if made.is_ok_and(|s| s.success()) {
        ok(dir.path(), &read("in.txt", "device"));
        assert!(at("device").metadata().unwrap().file_type().is_char_device());
        let (text, _) = case("out-special-file");
        assert!(text.contains("character special file") && text.contains("symbolic link"), "{text}");
    }
    // An input is refused under every name it has, and stays as it is.
    std::fs::hard_link(at("in.txt"), at("hard")).unwrap();
    symlink("in.txt", at("soft")).unwrap();
    for out in ["in.txt", "hard", "soft", "./in.txt"] {
        refused(dir.path(), &read("in.txt", out), &["in.txt", "would be overwritten", "hint"]);
    }
    assert_eq!(std::fs::read(at("in.txt")).unwrap(), b"hi\n");
}

#[test]
fn no_verb_writes_over_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    support::write_pairs(&at("pairs.jsonl"), 24);
    std::fs::write(at("texts.txt"), "hi there\nan old tin\n").unwrap();
    std::fs::write(at("classes.csv"), "text,label\na b,1\nc d,0\n").unwrap();
    std::fs::write(at("table.csv"), "prompt,label\na b,1\nc d,0\n").unwrap();
    let extract = extract("mean-diff", "0", &["--pairs", "pairs.jsonl", "--out"]);
    ok(dir.path(), &[&extract[..], &["d.safetensors"]].concat());
    let model = dir.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for file in std::fs::read_dir(MODEL).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let before: Vec<(PathBuf, Vec<u8>)> =
        ["pairs.jsonl", "texts.txt", "classes.csv", "table.csv", "d.safetensors", "model/model.safetensors"]
            .into_iter()
            .map(|f| (at(f), std::fs::read(at(f)).unwrap()))
            .collect();
    let steer = ["steer", "--direction", "d.safetensors", "--input", "texts.txt", "--model"];
    let score = [
        "score",
        "--model",
        MODEL,
        "--direction",
        "d.safetensors",
        "--probes",
        "texts.txt",
        "--sequences",
        "classes.csv",
    ];
    let audit = [
        "audit",
        "--model",
        MODEL,
        "--pairs",
        "pairs.jsonl",
        "--site",
        "resid_post.1",
        "--confound",
        "x=classes.csv:1",
    ];
    let sweep = [
        "sweep",
        "--model",
        MODEL,
        "--site",
        "resid_post.1",
        "--pairs",
        "pairs.jsonl",
        "--neutral",
        "texts.txt",
    ];
    let probe = ["probe", "--model", MODEL, "--train", "classes.csv", "--site", "resid_post.1"];
    for (args, out) in [
        (&extract[..extract.len() - 1], "pairs.jsonl"),
        (&[&steer[..], &[MODEL]].concat(), "d.safetensors"),
        (&[&steer[..], &[MODEL]].concat(), "texts.txt"),
        (&[&steer[..], &["model"]].concat(), "model/model.safetensors"),
        (&score, "classes.csv"),
        (&score, "d.safetensors"),
        (&audit, "classes.csv"),
        (&audit, "pairs.jsonl"),
        (&sweep, "texts.txt"),
        (&probe, "classes.csv"),
        (
            &["data", "convert", "--from", "csv", "table.csv", "--columns", "text=prompt,label=label"],
            "table.csv",
        ),
        (&["direction", "export", "d.safetensors"], "d.safetensors"),
        (&["direction", "import", "d.safetensors"], "d.safetensors"),
    ] {
        refused(dir.path(), &[args, &["--out", out]].concat(), &["would be overwritten"]);
    }
    // Tables go by names that are known after the work.
    let tables = [&probe[..], &["--out", "p.json", "--tables", "."]].concat();
    refused(dir.path(), &tables, &["holds classes.csv", "another folder"]);
    for (path, bytes) in before {
        assert!(std::fs::read(&path).unwrap() == bytes, "{}", path.display());
    }
    // That a place can't be written is known before the model is looked for.
    let nowhere =
        ["read", "--model", "no-such-model", "--input", "texts.txt", "--site", "resid_post.1", "--out"];
    refused(dir.path(), &[&nowhere[..], &["none/o.safetensors"]].concat(), &["there is no folder none"]);
    refused(dir.path(), &[&nowhere[..], &["model"]].concat(), &["that is a folder"]);
    let probe =
        ["probe", "--model", "no-such-model", "--train", "classes.csv", "--site", "resid_post.1", "--report"];
    refused(dir.path(), &[&probe[..], &["texts.txt"]].concat(), &["texts.txt", "no folder"]);
    refused(dir.path(), &[&probe[..], &["texts.txt/in/it"]].concat(), &["no folder"]);
}

#[test]
fn the_same_data_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    support::write_pairs(&dir.path().join("pairs.jsonl"), 24);
    std::fs::write(dir.path().join("texts.txt"), "hi there\nan old tin\n").unwrap();
    let extract = extract("lda", "9", &["--pairs", "pairs.jsonl", "--out"]);
    let files: Vec<[Vec<u8>; 2]> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            ok(dir.path(), &[&extract[..], &[name]].concat());
            ok(dir.path(), &read("texts.txt", "r"));
            [name, "r"].map(|f| std::fs::read(dir.path().join(f)).unwrap())
        })
        .collect();
    assert!(files[0] == files[1] && files[1] == files[2]);
}

#[test]
fn a_dose_says_what_it_breaks() {
    let dir = tempfile::tempdir().unwrap();
    support::write_pairs(&dir.path().join("pairs.jsonl"), 24);
    std::fs::write(dir.path().join("p.jsonl"), "{\"id\":\"x\",\"text\":\"the old hat\"}\n").unwrap();
    ok(dir.path(), &extract("mean-diff", "0", &["--pairs", "pairs.jsonl", "--out", "d.safetensors"]));
    let asked = ["--direction", "d.safetensors", "--input", "p.jsonl", "--max-new-tokens", "4"];
    let steer = on_model(&["steer"], &asked);
    ok(dir.path(), &[&steer[..], &["--out", "s.jsonl"]].concat());
    let rows: Vec<Json> = std::fs::read_to_string(dir.path().join("s.jsonl"))
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let alphas: Vec<f64> = rows.iter().map(|r| r["alpha"].as_f64().unwrap()).collect();
    assert_eq!(alphas, [-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2]);
    let damage = |r: &Json| r["damage"]["kl"].as_f64().unwrap();
    assert!(rows.iter().all(|r| r["prompt"] == "the old hat" && r["damage"]["prompts"] == 1));
    assert!(
        damage(&rows[3]) < 1e-6 && damage(&rows[0]) > damage(&rows[2]) && damage(&rows[6]) > 1e-6,
        "{rows:?}"
    );
    let ends = |r: &Json| match r["stopped"].as_str().unwrap() {
        "length" => r["tokens"].as_array().unwrap().len() == 4,
        other => other == "end_of_text",
    };
    assert!(rows.iter().all(ends), "{rows:?}");
    refused(dir.path(), &[&steer[..], &["--alpha-unit", "absolute"]].concat(), &["--alpha", "hint"]);
    refused(dir.path(), &[&steer[..], &["--alpha", "nan"]].concat(), &["--alpha", "finite"]);
    refused(dir.path(), &[&steer[..], &["--positions", "9"]].concat(), &["position 9", "`x`", "hint"]);
    let long = [&steer[..steer.len() - 1], &["100000"]].concat();
    refused(dir.path(), &long, &["`x`", "100000", "context"]);
}
