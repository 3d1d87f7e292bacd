//! Bad input: each is refused by name with a remedy and the exit code of the contract, nothing is
//! half-written, and nothing panics.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{MODEL, jsonl, run, write_pairs};

const OUT: &str = "out.safetensors";

/// Runs, and checks that it was refused as a wrong request that says these words.
fn refused(dir: &Path, args: &[&str], words: &[&str]) -> String {
    let out = run(dir, args);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{args:?}\n{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in\n{said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    let left: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.starts_with("out"))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    said
}

fn read(dir: &Path, model: &str, input: &str, site: &str, words: &[&str]) -> String {
    refused(dir, &["read", "--model", model, "--input", input, "--site", site, "--out", OUT], words)
}

fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("p.txt"), "the hat\n").unwrap();
    dir
}

/// A copy of a family fixture, to be spoiled.
fn copy(dir: &Path, family: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/families").join(family);
    let to = dir.join(family);
    fs::create_dir(&to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        if !file.file_name().to_str().unwrap().starts_with("reference") {
            fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    fs::write(dir.join("t.jsonl"), "{\"id\":\"a\",\"tokens\":[1,2]}\n").unwrap();
    to
}

fn change_config(folder: &Path, change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = folder.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(config.as_object_mut().unwrap());
    fs::write(path, serde_json::to_vec(&config).unwrap()).unwrap();
}

#[test]
fn weights_that_are_missing_or_cut_short() {
    let dir = place();
    let folder = copy(dir.path(), "llama");
    let weights = folder.join("model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 40]).unwrap();
    read(dir.path(), "./llama", "t.jsonl", "embed", &["model.safetensors", "hint:"]);
    fs::write(&weights, &bytes[..6]).unwrap();
    read(dir.path(), "./llama", "t.jsonl", "embed", &["model.safetensors", "hint:"]);
    fs::remove_file(&weights).unwrap();
    read(dir.path(), "./llama", "t.jsonl", "embed", &["safetensors", "hint:"]);
    let gguf = fs::read(MODEL).unwrap();
    fs::write(dir.path().join("cut.gguf"), &gguf[..gguf.len() / 2]).unwrap();
    read(dir.path(), "./cut.gguf", "p.txt", "embed", &["cut.gguf", "hint:"]);
}

#[test]
fn a_tensor_of_another_shape() {
    let dir = place();
    let folder = copy(dir.path(), "llama");
    change_config(&folder, |c| {
        let width = c["intermediate_size"].as_u64().unwrap();
        c.insert("intermediate_size".into(), json!(width + 1));
    });
    read(dir.path(), "./llama", "t.jsonl", "embed", &["mlp", "shape", "hint:"]);
}

#[test]
fn weights_that_are_not_numbers() {
    let dir = place();
    let folder = copy(dir.path(), "llama");
    let weights = folder.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let at = bytes.len() - 8;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&weights, bytes).unwrap();
    read(dir.path(), "./llama", "t.jsonl", "embed", &["NaN", "hint:"]);
}

#[test]
fn an_architecture_or_a_key_that_is_not_understood() {
    let dir = place();
    let folder = copy(dir.path(), "llama");
    change_config(&folder, |c| drop(c.insert("frobnicate_attention".into(), json!(true))));
    read(dir.path(), "./llama", "t.jsonl", "embed", &["frobnicate_attention", "hint:"]);
    change_config(&folder, |c| drop(c.insert("model_type".into(), json!("mamba"))));
    read(dir.path(), "./llama", "t.jsonl", "embed", &["mamba", "llama", "hint:"]);
}

#[test]
fn a_model_that_is_not_there() {
    let dir = place();
    let said = read(dir.path(), "smollm2-135n", "p.txt", "embed", &["smollm2-135n", "hint:"]);
    assert!(said.contains("smollm2-135m"), "the near name is offered: {said}");
}

#[test]
fn layers_sites_and_positions_out_of_range() {
    let dir = place();
    read(dir.path(), MODEL, "p.txt", "resid_post.99", &["99", "out of range", "0 to 1"]);
    read(dir.path(), MODEL, "p.txt", "resid.1", &["resid.1", "resid_post"]);
    read(dir.path(), MODEL, "p.txt", "resid_post.2..1", &["resid_post.2..1", "FIRST..LAST"]);
    let index =
        ["read", "--model", MODEL, "--input", "p.txt", "--site", "embed", "--positions=-99", "--out", OUT];
    refused(dir.path(), &index, &["-99"]);
}

#[test]
fn prompts_that_can_not_be_prompts() {
    let dir = place();
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("dup.jsonl", jsonl(&[r#"{"id":"a","text":"x"}"#, r#"{"id":"a","text":"y"}"#]).as_bytes());
    read(dir.path(), MODEL, "dup.jsonl", "embed", &["dup.jsonl", "`a`", "2"]);
    write("empty.jsonl", jsonl(&[r#"{"id":"","text":"x"}"#]).as_bytes());
    read(dir.path(), MODEL, "empty.jsonl", "embed", &["empty.jsonl", "id"]);
    write("blank.jsonl", jsonl(&[r#"{"id":"b","text":""}"#]).as_bytes());
    read(dir.path(), MODEL, "blank.jsonl", "embed", &["blank.jsonl", "text"]);
    write("none.txt", b"");
    read(dir.path(), MODEL, "none.txt", "embed", &["none.txt"]);
    write("latin1.txt", b"caf\xe9\n");
    read(dir.path(), MODEL, "latin1.txt", "embed", &["latin1.txt", "UTF-8"]);
    write("cut.jsonl", b"{\"id\":\"a\",\"text\":");
    read(dir.path(), MODEL, "cut.jsonl", "embed", &["cut.jsonl", "1"]);
    let long = serde_json::to_string(&json!({"id": "novel", "tokens": vec![1; 100_000]})).unwrap();
    write("long.jsonl", long.as_bytes());
    read(dir.path(), MODEL, "long.jsonl", "embed", &["novel", "100000", "context"]);
    write("token.jsonl", jsonl(&[r#"{"id":"t","tokens":[4000000000]}"#]).as_bytes());
    read(dir.path(), MODEL, "token.jsonl", "embed", &["4000000000", "vocabulary"]);
    read(dir.path(), MODEL, "nowhere.txt", "embed", &["nowhere.txt"]);
}

#[test]
fn a_direction_of_another_width_or_no_direction() {
    let dir = place();
    write_pairs(&dir.path().join("pairs.jsonl"), 12);
    let extract =
        ["--site", "resid_post.0", "--pairs", "pairs.jsonl", "--permutations", "0", "--out", "d.safetensors"];
    let out = run(dir.path(), &[&["direction", "extract", "--model", MODEL], &extract[..]].concat());
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    copy(dir.path(), "olmo3");
    let steer = |direction: &str, words: &[&str]| {
        let args = [
            "steer",
            "--model",
            "./olmo3",
            "--input",
            "t.jsonl",
            "--direction",
            direction,
            "--out",
            "out.jsonl",
        ];
        refused(dir.path(), &args, words);
    };
    let width = |model: &str| {
        let out = run(dir.path(), &["models", "show", model, "--json"]);
        serde_json::from_slice::<serde_json::Value>(&out.stdout).unwrap()["hidden"].to_string()
    };
    assert_ne!(width(MODEL), width("./olmo3"), "the test needs two widths");
    steer("d.safetensors", &[&width(MODEL), &width("./olmo3"), "hint:"]);
    steer("p.txt", &["p.txt", "safetensors"]);
    steer("nowhere.safetensors", &["nowhere.safetensors"]);
}

#[test]
fn pairs_that_carry_no_contrast() {
    let dir = place();
    let extract = |file: &str, words: &[&str]| {
        let args = [
            "direction",
            "extract",
            "--model",
            MODEL,
            "--site",
            "resid_post.0",
            "--pairs",
            file,
            "--out",
            OUT,
        ];
        refused(dir.path(), &args, words);
    };
    let same = r#"{"id":"a","axis":"x","prompt":"p","chosen":"one","rejected":"one"}"#;
    fs::write(dir.path().join("same.jsonl"), jsonl(&[same])).unwrap();
    extract("same.jsonl", &["same.jsonl", "chosen"]);
    write_pairs(&dir.path().join("few.jsonl"), 2);
    extract("few.jsonl", &["5 folds", "hint:"]);
}

#[test]
fn an_output_that_can_not_be_written_is_said_before_any_work() {
    let dir = place();
    let args =
        ["read", "--model", "no-such-model", "--input", "p.txt", "--site", "embed", "--out", "no/such/out"];
    refused(dir.path(), &args, &["no/such", "hint:"]);
}

#[test]
fn a_full_disk_is_a_failure_that_leaves_nothing() {
    // /dev/full refuses every byte; only Linux has it.
    if !Path::new("/dev/full").exists() {
        return;
    }
    let dir = place();
    let out = std::process::Command::new("sh")
        .current_dir(dir.path())
        .env("TRUENORTH_CACHE", dir.path().join("cache"))
        .args(["-c", &format!("{} models list --json > /dev/full", crate::support::binary())])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn a_study_with_a_mistake_is_refused_before_the_model() {
    let dir = place();
    write_pairs(&dir.path().join("pairs.jsonl"), 12);
    let study = |text: &str, words: &[&str]| {
        fs::write(dir.path().join("s.toml"), text).unwrap();
        refused(dir.path(), &["study", "run", "s.toml"], words);
        assert!(!dir.path().join("runs").exists());
    };
    let good = "name='x'\ntitle='x'\nmodel='no-such-model'\nsite='resid_post.1'\n[data]\npairs='pairs.jsonl'\n\
        neutral='p.txt'\n[direction]\nestimators=['lda']\n";
    study(&good.replace("estimators", "estimatros"), &["s.toml", "estimatros"]);
    study(&good.replace("resid_post.1", "resid.1"), &["resid.1"]);
    study(&good.replace("pairs.jsonl", "nowhere.jsonl"), &["nowhere.jsonl"]);
    study(&good.replace("['lda']", "['lda']\nproject_out=['sentiment']"), &["sentiment", "hint:"]);
    study(&good.replace("name='x'", "name='../x'"), &["../x", "hint:"]);
    study(good, &["no-such-model"]);
}

#[test]
fn a_study_replaces_nothing_that_no_study_wrote() {
    let dir = crate::support::study_place();
    let runs = dir.path().join("runs/tiny");
    for name in ["report.html", "report.json", "state.json", "steered.jsonl"] {
        fs::create_dir_all(&runs).unwrap();
        fs::write(runs.join(name), "mine").unwrap();
        refused(dir.path(), &["study", "run", "study.toml"], &[name, "no study wrote it", "move it away"]);
        assert_eq!(fs::read_to_string(runs.join(name)).unwrap(), "mine");
        assert_eq!(fs::read_dir(&runs).unwrap().count(), 1);
        fs::remove_dir_all(&runs).unwrap();
    }
    // Nor where a study ran before and another hand has put its page there since.
    fs::create_dir_all(&runs).unwrap();
    fs::write(
        runs.join("state.json"),
        json!({"name": "tiny", "inputs": "", "stages": [], "done": true}).to_string(),
    )
    .unwrap();
    fs::write(runs.join("report.html"), "mine").unwrap();
    refused(
        dir.path(),
        &["study", "run", "study.toml"],
        &["report.html", "no report of truenorth", "move it away"],
    );
    assert_eq!(fs::read_to_string(runs.join("report.html")).unwrap(), "mine");
}

/// The rule is the same for every verb that leaves a page, and known before anything is read.
#[test]
fn a_page_replaces_nothing_that_truenorth_did_not_write() {
    let dir = place();
    let page = dir.path().join("page");
    fs::create_dir(&page).unwrap();
    let board = ["--direction", "d", "--probes", "p.txt", "--sequences", "p.txt"];
    let verbs: [(&str, &[&str]); 10] = [
        ("probe", &["--train", "p.txt", "--site", "resid_post.1"]),
        ("audit", &["--confound", "a=p.txt", "--direction", "d", "--pairs", "p.txt"]),
        (
            "sweep",
            &["--pairs", "p.txt", "--neutral", "p.txt", "--site", "resid_post.1", "--keywords", "a=p.txt"],
        ),
        ("geometry", &["--direction", "d"]),
        ("geometry", &["--checkpoint", "none", "--classes", "p.txt", "--site", "resid_post.1"]),
        ("transfer", &board),
        ("score", &board),
        ("judge", &["--judge", "m"]),
        ("rate unblind", &["--folder", "f", "--ratings", "a=p.txt"]),
        ("bench", &["--growth"]),
    ];
    for (verb, rest) in verbs {
        let alone = ["geometry", "judge", "rate unblind"].contains(&verb);
        let model: &[&str] = if alone { &[] } else { &["--model", "none"] };
        let words: Vec<&str> = verb.split(' ').collect();
        let args = [&words[..], model, rest, &["--report", "page"]].concat();
        for name in ["report.html", "report.json"] {
            let path = page.join(name);
            fs::write(&path, "mine").unwrap();
            let said = refused(dir.path(), &args, &[&format!("page/{name}"), "no report of truenorth"]);
            assert!(said.contains("move it away, or name another folder"), "{said}");
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
            assert_eq!(fs::read_dir(&page).unwrap().count(), 1);
            fs::remove_file(&path).unwrap();
        }
    }
}

/// What the groups are too few for is known from the file alone.
#[test]
fn too_few_pairs_are_refused_before_the_model() {
    let dir = place();
    let extract = |count: usize, folds: &str| {
        write_pairs(&dir.path().join("few.jsonl"), count);
        let args = ["direction", "extract", "--model", "no-such-model", "--pairs", "few.jsonl", "--out", OUT];
        let how = ["--estimator", "mean-diff", "--site", "resid_post.1", "--folds", folds];
        refused(dir.path(), &[&args[..], &how].concat(), &[])
    };
    for (count, folds) in [(1, "5"), (3, "5")] {
        let said = extract(count, folds);
        assert!(said.contains("few.jsonl") && !said.contains("no-such-model"), "{said}");
    }
    assert!(extract(24, "5").contains("no-such-model"));
}
