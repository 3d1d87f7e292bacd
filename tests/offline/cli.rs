//! The command line on a tiny model with a tokenizer: files, fields, exit codes, resumption.

use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::SafeTensors;
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{self, MODEL, jsonl, ok, run, study_place, write_pairs};

/// A folder with prompts, pairs and a direction extracted from them.
fn workplace() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 24);
    std::fs::write(dir.path().join("prompts.txt"), "the hat\nan old tin\nno\n").unwrap();
    let site = "resid_post.1";
    let args = ["--site", site, "--pairs", "pairs.jsonl", "--permutations", "19", "--out", "d.safetensors"];
    ok(dir.path(), &[&["direction", "extract", "--model", MODEL], &args[..]].concat());
    dir
}

fn read_jsonl(path: &Path) -> Vec<Json> {
    std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn read_writes_a_tensor_a_site_in_input_order() {
    let dir = workplace();
    let sites = ["--site", "resid_post.0..1", "--site", "logits"];
    let args = [&["read", "--model", MODEL, "--input", "prompts.txt", "--out", "a.safetensors"], &sites[..]]
        .concat();
    ok(dir.path(), &args);
    let bytes = std::fs::read(dir.path().join("a.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata["ids"], r#"["1","2","3"]"#);
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    assert_eq!(names, ["logits", "resid_post.0", "resid_post.1"]);
    assert_eq!(file.tensor("resid_post.0").unwrap().shape()[0], 3);

    // The same prompts in another order give the same rows in that order, out of the store.
    std::fs::write(dir.path().join("prompts.txt"), "no\nthe hat\nan old tin\n").unwrap();
    ok(dir.path(), &args);
    let again = std::fs::read(dir.path().join("a.safetensors")).unwrap();
    let again = SafeTensors::deserialize(&again).unwrap();
    let row = |f: &SafeTensors<'_>, i: usize| {
        let t = f.tensor("resid_post.1").unwrap();
        let width = t.shape()[1] * 4;
        t.data()[i * width..(i + 1) * width].to_vec()
    };
    assert_eq!(
        [row(&again, 0), row(&again, 1), row(&again, 2)],
        [row(&file, 2), row(&file, 0), row(&file, 1)]
    );
}

#[test]
fn numbers_are_the_same_bits_together_alone_and_half_out_of_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let start =
        "the old hat and the new tin cup are red and old and new and the hat is in the cup ".repeat(2);
    let ends = ["yes", "no it is", "the hat", "the hat is old and red"];
    let mut texts: Vec<String> = ends.iter().map(|e| format!("{start}{e}")).collect();
    texts.extend([start[..40].to_owned(), format!("{}no", &start[..77])]);
    let read = |name: &str, texts: &[String], cache: &str| -> Vec<u8> {
        let rows = texts.iter().map(|t| {
            let id = truenorth::files::sha256_hex(t.as_bytes());
            format!("{}\n", serde_json::json!({"id": id, "text": t}))
        });
        std::fs::write(dir.path().join("p.jsonl"), rows.collect::<String>()).unwrap();
        let sites = ["--site", "resid_post.0..1", "--site", "logits", "--cache", cache, "--out", name];
        ok(dir.path(), &[&["read", "--model", MODEL, "--input", "p.jsonl"], &sites[..]].concat());
        std::fs::read(dir.path().join(name)).unwrap()
    };
    let together = read("together.safetensors", &texts, "one");
    for (i, text) in texts.iter().enumerate() {
        let alone = read("alone.safetensors", std::slice::from_ref(text), "another");
        let (all, alone) =
            (SafeTensors::deserialize(&together).unwrap(), SafeTensors::deserialize(&alone).unwrap());
        for site in all.names() {
            let (rows, row) = (all.tensor(site).unwrap(), alone.tensor(site).unwrap());
            let width = row.data().len();
            assert!(&rows.data()[i * width..(i + 1) * width] == row.data(), "{site} of prompt {i}");
        }
    }
    // Some of them are there already, the others are computed.
    read("some.safetensors", &texts[1..3], "third");
    assert!(read("mixed.safetensors", &texts, "third") == together);
}

#[test]
fn all_positions_are_a_tensor_a_prompt() {
    let dir = workplace();
    std::fs::write(
        dir.path().join("p.jsonl"),
        "{\"id\":\"x\",\"tokens\":[3,4,5]}\n{\"id\":\"y\",\"tokens\":[6]}\n",
    )
    .unwrap();
    let args = [
        "read",
        "--model",
        MODEL,
        "--input",
        "p.jsonl",
        "--site",
        "embed",
        "--positions",
        "all",
        "--out",
        "a.safetensors",
    ];
    ok(dir.path(), &args);
    let bytes = std::fs::read(dir.path().join("a.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("embed/x").unwrap().shape()[0], 3);
    assert_eq!(file.tensor("embed/y").unwrap().shape()[0], 1);
}

#[test]
fn a_direction_says_what_it_is_and_survives_every_format() {
    let dir = workplace();
    let shown = ok(dir.path(), &["direction", "show", "d.safetensors", "--json"]);
    let shown: Json = serde_json::from_slice(&shown.stdout).unwrap();
    for key in [
        "site",
        "sign",
        "estimator",
        "model",
        "revision",
        "data_sha256",
        "layer_convention",
        "residual_norm",
        "template",
        "held_out",
    ] {
        assert!(shown["metadata"][key].is_string(), "{key}: {shown}");
    }
    assert_eq!(shown["metadata"]["site"], "resid_post.1");
    for format in ["npz", "npy", "gguf"] {
        let file = format!("d.{format}");
        let back = format!("{format}.safetensors");
        ok(dir.path(), &["direction", "export", "d.safetensors", "--out", &file]);
        let stated = ["--site", "resid_post.1", "--sign", "chosen over rejected", "--out", &back];
        ok(dir.path(), &[&["direction", "import", &file], &stated[..]].concat());
        let compared = ok(dir.path(), &["direction", "compare", "d.safetensors", &back, "--json"]);
        let compared: Json = serde_json::from_slice(&compared.stdout).unwrap();
        assert!((compared["cosine"][0][1].as_f64().unwrap() - 1.0).abs() < 1e-6, "{format}: {compared}");
    }
}

#[test]
fn a_foreign_file_that_does_not_say_its_site_is_refused() {
    let dir = workplace();
    ok(dir.path(), &["direction", "export", "d.safetensors", "--out", "d.npy"]);
    let out = run(dir.path(), &["direction", "import", "d.npy", "--out", "e.safetensors"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("site") && said.contains("hint:"), "{said}");
    assert!(!dir.path().join("e.safetensors").exists());
}

#[test]
fn baking_says_that_a_direction_was_found_on_another_model() {
    let dir = tempfile::tempdir().unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/families/llama");
    // A vector of 32 numbers, as numpy.save writes it.
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (32,), }\n";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend((1..=32_u8).flat_map(|v| f32::from(v).to_le_bytes()));
    std::fs::write(dir.path().join("d.npy"), npy).unwrap();
    let bake = |model: &[&str], to: &str| {
        let file = format!("{to}.safetensors");
        let stated = ["--site", "resid_post.1", "--sign", "kind", "--out", &file];
        ok(dir.path(), &[&["direction", "import", "d.npy"], &stated[..], model].concat());
        let out = ok(dir.path(), &["direction", "bake", &file, "--model", folder, "--ablate", "--out", to]);
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    let unknown = bake(&[], "unknown");
    assert!(!unknown.contains("warning:"), "{unknown}");
    let other = bake(&["--model", "other/model"], "other");
    assert!(other.contains("warning: other.safetensors was found on other/model, not on llama"), "{other}");
}

#[test]
fn a_folder_without_a_direction_is_told_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("sae")).unwrap();
    let out = run(dir.path(), &["direction", "import", "sae", "--out", "e.safetensors"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("it is a folder") && !said.contains("--format"), "{said}");
}

#[test]
fn steering_says_what_it_did_and_dose_zero_does_nothing() {
    let dir = workplace();
    let args =
        ["steer", "--model", MODEL, "--direction", "d.safetensors", "--input", "prompts.txt", "--ignore-eos"];
    ok(
        dir.path(),
        &[&args[..], &["--alpha", "-2,0,2", "--max-new-tokens", "6", "--out", "s.jsonl"]].concat(),
    );
    let rows = read_jsonl(&dir.path().join("s.jsonl"));
    assert_eq!(rows.len(), 9);
    for row in &rows {
        for key in ["id", "alpha", "alpha_unit", "site", "positions", "tokens", "text", "logprob_mean"] {
            assert!(!row[key].is_null(), "{key}: {row}");
        }
        assert_eq!(row["tokens"].as_array().unwrap().len(), 6);
    }
    // Dose 0 alone runs a graph without any edit, so it is the unsteered model.
    ok(dir.path(), &[&args[..], &["--alpha", "0", "--max-new-tokens", "6", "--out", "z.jsonl"]].concat());
    let zero: Vec<Json> = rows.iter().filter(|r| r["alpha"] == 0.0).map(|r| r["tokens"].clone()).collect();
    let plain: Vec<Json> =
        read_jsonl(&dir.path().join("z.jsonl")).iter().map(|r| r["tokens"].clone()).collect();
    assert_eq!(zero, plain);
    assert!(
        rows.iter().any(|r| r["tokens"] != zero[0] && r["id"] == rows[0]["id"]),
        "a dose of 2 norms does something"
    );
}

#[test]
fn the_board_obeys_its_formulas() {
    let dir = workplace();
    let lines = [
        r#"{"id":"a","text":"the hat","kind":"x"}"#,
        r#"{"id":"b","text":"no"}"#,
        r#"{"id":"c","text":"an old"}"#,
    ];
    std::fs::write(dir.path().join("seq.jsonl"), jsonl(&lines)).unwrap();
    let args = ["score", "--model", MODEL, "--direction", "d.safetensors", "--probes", "prompts.txt"];
    ok(dir.path(), &[&args[..], &["--sequences", "seq.jsonl", "--out", "b.jsonl"]].concat());
    let rows = read_jsonl(&dir.path().join("b.jsonl"));
    assert_eq!(rows.iter().map(|r| r["rank"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    for row in rows {
        let n = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row}"));
        // z = √H · cos(δ̄, d) · coherence, and cos(δ̄, d) = score / shift_norm.
        let z = n("z_bound") * n("score") / n("shift_norm") * n("coherence");
        assert!((n("z") - z).abs() < 1e-9 * n("z_bound"), "{row}");
        assert!(n("z").abs() <= n("z_bound") && (0.0..=1.0).contains(&n("p_random")));
    }
}

#[test]
fn the_same_model_untrained_is_another_model() {
    let dir = workplace();
    let untrained = format!("random-init:{MODEL}#7");
    let show = |model: &str| -> Json {
        serde_json::from_slice(&ok(dir.path(), &["models", "show", model, "--json"]).stdout).unwrap()
    };
    let (trained, random) = (show(MODEL), show(&untrained));
    assert_eq!(trained["layers"], random["layers"]);
    assert_ne!(trained["files"]["identity"], random["files"]["identity"]);
    let read = |model: &str, out: &str| {
        ok(
            dir.path(),
            &["read", "--model", model, "--input", "prompts.txt", "--site", "resid_post.1", "--out", out],
        );
        let bytes = std::fs::read(dir.path().join(out)).unwrap();
        SafeTensors::deserialize(&bytes).unwrap().tensor("resid_post.1").unwrap().data().to_vec()
    };
    assert_ne!(read(MODEL, "t.safetensors"), read(&untrained, "r.safetensors"));
    assert_eq!(read(&untrained, "r.safetensors"), read(&untrained, "r2.safetensors"));
}

#[test]
fn a_study_of_classes_probes_and_keeps_what_it_found() {
    let dir = support::classes_place();
    ok(dir.path(), &["study", "run", "study.toml"]);
    let folder = dir.path().join("runs/tiny-classes");
    let report = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let report: Json = serde_json::from_str(&report).unwrap();
    let ids: Vec<&str> =
        report["sections"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    for id in ["separation", "probing", "steered", "geometry", "methods", "limits"] {
        assert!(ids.contains(&id), "{id} is not among {ids:?}");
    }
    assert_eq!(report["answer"]["questions"].as_array().unwrap().len(), 4);
    let first = std::fs::read(folder.join("probing.json")).unwrap();
    let computed = cache_stats(dir.path())["computed"].clone();

    ok(dir.path(), &["study", "run", "study.toml"]);
    assert_eq!(cache_stats(dir.path())["computed"], computed);
    assert_eq!(std::fs::read(folder.join("probing.json")).unwrap(), first);
    let kept = |dir: &Path| -> Vec<bool> {
        let status = ok(dir, &["study", "status", "study.toml", "--json"]);
        let status: Json = serde_json::from_slice(&status.stdout).unwrap();
        status["stages"].as_array().unwrap().iter().map(|s| s["kept"].as_bool().unwrap()).collect()
    };
    assert_eq!(kept(dir.path()), [true; 5]);

    // A file that a stage left and that is gone is made again, and nothing else.
    std::fs::remove_file(folder.join("geometry.json")).unwrap();
    ok(dir.path(), &["study", "run", "study.toml"]);
    assert_eq!(kept(dir.path()).iter().filter(|k| !**k).count(), 1);
    assert!(folder.join("geometry.json").exists());
    // Another seed is another study.
    ok(dir.path(), &["study", "run", "study.toml", "--seed", "7"]);
    assert_eq!(kept(dir.path()), [false; 5]);
}

fn cache_stats(dir: &Path) -> Json {
    serde_json::from_slice(&ok(dir, &["cache", "stats", "--json"]).stdout).unwrap()
}

#[test]
fn a_study_ends_with_its_report_and_a_second_run_computes_nothing() {
    let dir = study_place();
    ok(dir.path(), &["study", "run", "study.toml"]);
    let folder = dir.path().join("runs/tiny");
    for file in ["report.html", "report.json", "board.jsonl", "steered.jsonl", "directions/lda.safetensors"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    let html = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(html.contains("A tiny study") && html.contains("<svg"));
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"));
    let first = cache_stats(dir.path());
    assert_eq!(first["rewritten"], 0);
    assert_eq!(first["computed"], first["entries"]);
    let board = std::fs::read(folder.join("board.jsonl")).unwrap();

    ok(dir.path(), &["study", "run", "study.toml"]);
    let second = cache_stats(dir.path());
    assert_eq!(second["computed"], first["computed"]);
    assert_eq!(second["rewritten"], 0);
    assert_eq!(std::fs::read(folder.join("board.jsonl")).unwrap(), board);
    let status = ok(dir.path(), &["study", "status", "study.toml", "--json"]);
    let status: Json = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["done"], true);
}

/// The files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() { all.extend(files(&entry)) } else { all.push(entry) }
    }
    all.sort();
    all
}

#[test]
fn what_a_stage_left_is_not_trusted_once_it_was_changed() {
    let (pairs, classes) = (study_place(), support::classes_place());
    for (dir, name) in [(pairs.path(), "tiny"), (classes.path(), "tiny-classes")] {
        ok(dir, &["study", "run", "study.toml"]);
        let folder = dir.join("runs").join(name);
        let rewritten = ["state.json", "run.json", "report.json", "report.html"];
        let left = files(&folder).into_iter().filter(|f| rewritten.iter().all(|r| !f.ends_with(r)));
        let left: Vec<(PathBuf, Vec<u8>)> = left.map(|f| (f.clone(), std::fs::read(f).unwrap())).collect();
        assert!(left.len() > 7, "{left:?}");
        for (file, good) in &left {
            // A digit of a number is another one; a file without such a number is emptied.
            let mut bad = good.clone();
            let digit = bad.windows(3).rposition(|w| w[0] == b'.' && w[1..].iter().all(u8::is_ascii_digit));
            match digit {
                Some(at) => bad[at + 1] = if bad[at + 1] == b'9' { b'1' } else { bad[at + 1] + 1 },
                None => bad.clear(),
            }
            std::fs::write(file, bad).unwrap();
            let again = ok(dir, &["study", "run", "study.toml"]);
            let said = String::from_utf8_lossy(&again.stderr).into_owned();
            assert!(said.contains(&*file.file_name().unwrap().to_string_lossy()), "{said}");
            for (file, good) in &left {
                assert!(std::fs::read(file).unwrap() == *good, "{} differs", file.display());
            }
        }
        // Emptied all at once.
        left.iter().for_each(|(file, _)| std::fs::write(file, "").unwrap());
        ok(dir, &["study", "run", "study.toml"]);
        for (file, good) in &left {
            assert!(std::fs::read(file).unwrap() == *good, "{} differs", file.display());
        }
    }
}

#[test]
fn a_study_that_is_killed_goes_on_and_pays_for_nothing_twice() {
    let dir = study_place();
    // Kills at growing delays, so that some fall into the middle of the run on any machine.
    for delay in [30, 80, 150, 250, 400] {
        let mut child = Command::new(support::binary())
            .current_dir(dir.path())
            .args(["study", "run", "study.toml", "--cache", "cache", "--quiet"])
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ok(dir.path(), &["study", "run", "study.toml"]);
    let stats = cache_stats(dir.path());
    assert_eq!(stats["rewritten"], 0, "{stats}");
    assert_eq!(stats["computed"], stats["entries"], "{stats}");
    let left: Vec<PathBuf> = std::fs::read_dir(dir.path().join("runs/tiny"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "tmp"))
        .collect();
    assert!(left.len() <= 5, "{left:?}");
    ok(dir.path(), &["cache", "verify"]);
}

#[test]
fn every_verb_shows_an_example() {
    let dir = tempfile::tempdir().unwrap();
    for verb in [
        "models",
        "read",
        "steer",
        "direction",
        "score",
        "study",
        "cache",
        "bench",
        "models list",
        "models pull",
        "models show",
        "direction extract",
        "direction show",
        "direction compare",
        "direction import",
        "direction export",
        "study run",
        "study status",
        "study report",
        "cache stats",
        "cache verify",
        "cache gc",
        "probe",
        "audit",
        "sweep",
        "transfer",
        "geometry",
        "judge",
        "rate",
        "data",
        "data convert",
    ] {
        let args: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let out = Command::new(support::binary()).current_dir(dir.path()).args(args).output().unwrap();
        let help = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && help.contains("Example:\n  truenorth "), "{verb}: {help}");
    }
}
