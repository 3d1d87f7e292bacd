//! The verbs that move a model and judge what came of it, on a tiny model with a tokenizer: fields of
//! the JSON, exit codes with messages that name what is wrong, pages, and what a second run asks.

mod judged;
mod rated;

use std::path::Path;

use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{MODEL, ok, run, write_pairs};

/// A folder with pairs, neutral texts, prompts and a word list.
fn workplace() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write_pairs(&dir.path().join("pairs.jsonl"), 16);
    write("neutral.txt", "the hat\nan old tin\nno cup is red\n");
    write("prompts.txt", "the hat\nan old tin\nno\n");
    write("words.txt", "hat\ntin\n");
    dir
}

fn read_json(path: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Runs what must be refused as a wrong request, and checks that the message names all of `said`.
fn refused(dir: &Path, args: &[&str], said: &[&str]) {
    let out = run(dir, args);
    let stderr = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{args:?}\n{stderr}");
    for what in said {
        assert!(stderr.contains(what), "{what:?} in:\n{stderr}");
    }
}

fn cache_stats(dir: &Path) -> Json {
    serde_json::from_slice(&ok(dir, &["cache", "stats", "--json"]).stdout).unwrap()
}

/// A number with its interval, as every analysis writes it.
fn measured(value: &Json) {
    assert!(value["value"].is_number() && value["n"].is_u64(), "{value}");
    assert!(value["method"].is_string(), "{value}");
    if let Some(i) = value["interval"].as_object() {
        assert!(i["low"].as_f64().unwrap() <= i["high"].as_f64().unwrap(), "{value}");
    }
}

/// The page stands by itself and holds plots.
fn page(dir: &Path) -> String {
    let html = std::fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(html.contains("<svg") && !html.contains("src=\"http") && !html.contains("NaN"));
    html
}

const SWEEP: &[&str] = &[
    "sweep",
    "--model",
    MODEL,
    "--site",
    "resid_post.0..1",
    "--pairs",
    "pairs.jsonl",
    "--neutral",
    "neutral.txt",
    "--permutations",
    "19",
    "--null-draws",
    "3",
    "--folds",
    "4",
    "--quiet",
];

#[test]
fn a_sweep_reads_and_steers_every_site_and_asks_nothing_twice() {
    let dir = workplace();
    let rest = [
        "--prompts",
        "prompts.txt",
        "--alpha",
        "-0.2,-0.1,0.1,0.2",
        "--max-new-tokens",
        "4",
        "--keywords",
        "things=words.txt:+",
        "--random-directions",
        "2",
        "--project-out",
        "length",
        "--out",
        "s.json",
        "--report",
        "page",
    ];
    let args = [SWEEP, &rest[..]].concat();
    let shown = String::from_utf8(ok(dir.path(), &args).stdout).unwrap();
    assert!(shown.contains("resid_post.1") && shown.contains("reads best at"), "{shown}");
    let record = read_json(&dir.path().join("s.json"));
    assert_eq!(record["verb"], "sweep");
    assert_eq!(record["data"]["pairs"]["rows"], 16);
    assert_eq!(record["choices"]["random-directions"], 2);
    let result = &record["result"];
    assert_eq!(result["alphas"], serde_json::json!([-0.2, -0.1, 0.0, 0.1, 0.2]));
    let sites = result["sites"].as_array().unwrap();
    assert_eq!(sites.len(), 2);
    for site in sites {
        let auroc = &site["reading"]["held_out"]["auroc"];
        assert!(auroc["interval"]["low"].as_f64().unwrap() <= auroc["value"].as_f64().unwrap());
        assert!(site["reading"]["held_out"]["null"]["p"].as_f64().unwrap() >= 1.0 / 20.0);
        measured(&site["reading"]["separation"]);
        let measures: Vec<&str> =
            site["steering"].as_array().unwrap().iter().map(|s| s["measure"].as_str().unwrap()).collect();
        assert_eq!(measures, ["log_odds", "log_odds_per_token", "projection", "refusal", "things"]);
        for steering in site["steering"].as_array().unwrap() {
            measured(&steering["slope"]);
            assert_eq!(steering["points"].as_array().unwrap().len(), 5);
            assert_eq!(steering["control_slopes"].as_array().unwrap().len(), 2);
        }
        for damage in site["damage"].as_array().unwrap() {
            measured(&damage["perplexity_ratio"]);
            measured(&damage["kl"]);
        }
        // Nothing is pushed at dose 0, so nothing is broken by it.
        let zero = &site["damage"][2];
        assert!(
            zero["alpha"] == 0.0 && zero["kl"]["value"] == 0.0 && zero["perplexity_ratio"]["value"] == 1.0
        );
    }
    assert!(result["parting"]["statement"].as_str().unwrap().contains("of 2 sites"));
    let html = page(&dir.path().join("page"));
    for id in ["sweep-reading", "sweep-steering", "sweep-table", "sweep-damage"] {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }

    let first = cache_stats(dir.path());
    ok(dir.path(), &args);
    let second = cache_stats(dir.path());
    assert_eq!((&second["computed"], &second["rewritten"]), (&first["computed"], &Json::from(0)));
    assert_eq!(read_json(&dir.path().join("s.json")), record, "seeds repeat every number");
}

#[test]
fn a_sweep_that_is_killed_pays_for_nothing_twice() {
    let dir = workplace();
    let args = [SWEEP, &["--alpha", "-0.1,0.1", "--out", "s.json", "--random-directions", "1"]].concat();
    for delay in [60, 120, 200] {
        let mut child = std::process::Command::new(crate::support::binary())
            .current_dir(dir.path())
            .env("TRUENORTH_CACHE", dir.path().join("cache"))
            .args(&args)
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    ok(dir.path(), &args);
    let stats = cache_stats(dir.path());
    assert_eq!(stats["rewritten"], 0, "{stats}");
    assert_eq!(stats["computed"], stats["entries"], "{stats}");
}

#[test]
fn a_sweep_names_what_it_can_not_do() {
    let dir = workplace();
    let with = |more: &[&'static str]| [SWEEP, more].concat();
    refused(dir.path(), &with(&["--alpha", "0.1,0.2"]), &["one sign", "0.1, 0.2"]);
    std::fs::write(dir.path().join("one.txt"), "the hat\n").unwrap();
    refused(dir.path(), &with(&["--prompts", "one.txt"]), &["one prompt"]);
    refused(dir.path(), &with(&["--site", "logits"]), &["`logits`"]);
    refused(dir.path(), &with(&["--site", "resid_post.9"]), &["resid_post.9"]);
    refused(dir.path(), &with(&["--keywords", "words.txt"]), &["names no word list", "hint:"]);
    std::fs::write(dir.path().join("none.txt"), "# a remark\n").unwrap();
    refused(dir.path(), &with(&["--keywords", "none=none.txt"]), &["`none` is empty"]);
    refused(dir.path(), &with(&["--project-out", "sentiment"]), &["--sentiment"]);
    refused(dir.path(), &with(&["--max-perplexity", "0.5"]), &["--max-perplexity, at least 1"]);
    refused(dir.path(), &with(&["--positions", "all"]), &["`all`"]);
    write_pairs(&dir.path().join("pairs.jsonl"), 2);
    refused(dir.path(), &with(&[]), &["2"]);
    assert!(!dir.path().join("s.json").exists());
}

/// Twelve sequences of two kinds, and two directions at one site.
fn boards(dir: &Path) {
    let words = ["hat", "tin", "cup", "old", "new", "red"];
    let line = |i: usize| {
        let text = format!("{} {}", words[i % 6], words[(i / 6 + 2 * i + 1) % 6]);
        let kind = ["thing", "quality"][i % 2];
        serde_json::json!({"id": format!("s{i}"), "text": text, "kind": kind, "list": i / 6}).to_string()
    };
    std::fs::write(dir.join("seq.jsonl"), (0..12).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    for (estimator, out) in [("mean-diff", "d.safetensors"), ("lda", "e.safetensors")] {
        let args = ["--estimator", estimator, "--permutations", "19", "--out", out, "--quiet"];
        let site = ["--site", "resid_post.1", "--pairs", "pairs.jsonl"];
        ok(dir, &[&["direction", "extract", "--model", MODEL], &site[..], &args[..]].concat());
    }
}

/// A direction that no model of the tests has the width of.
fn wide_direction(dir: &Path) {
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }");
    npy.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend((1..=7_u8).flat_map(|v| f32::from(v).to_le_bytes()));
    std::fs::write(dir.join("w.npy"), npy).unwrap();
    let stated = ["--site", "resid_post.1", "--sign", "up", "--out", "w.safetensors"];
    ok(dir, &[&["direction", "import", "w.npy"], &stated[..]].concat());
}

const SCORE: &[&str] =
    &["score", "--model", MODEL, "--probes", "prompts.txt", "--sequences", "seq.jsonl", "--quiet"];

#[test]
fn a_board_has_a_summary_that_checks_its_closed_form() {
    let dir = workplace();
    boards(dir.path());
    let score = |more: &[&'static str]| ok(dir.path(), &[SCORE, more].concat());
    score(&["--direction", "e.safetensors", "--out", "other.jsonl"]);
    let whole = [
        "--direction",
        "d.safetensors",
        "--out",
        "b.jsonl",
        "--summary",
        "s.json",
        "--report",
        "page",
        "--against",
        "other.jsonl",
        "--contrast",
        "thing,quality",
        "--permutations",
        "199",
    ];
    let shown = String::from_utf8(score(&whole).stdout).unwrap();
    assert!(shown.contains("after Holm") && shown.contains("10000 drawn directions"), "{shown}");
    let record = read_json(&dir.path().join("s.json"));
    let result = &record["result"];
    let check = &result["monte_carlo"];
    assert!(check["agrees"] == true && check["draws"] == 10_000, "{check}");
    // Two of the twelve are near copies of others, and are no tests of their own.
    assert_eq!((&result["sequences"], &result["distinct"]), (&12.into(), &10.into()));
    assert_eq!(result["family"]["tests"], 10);
    for key in ["about_zero", "about_median", "positive"] {
        measured(&result["asymmetry"][key]);
    }
    measured(&result["score_and_z"]["correlation"]);
    measured(&result["rank_changes"]["correlation"]);
    assert_eq!(result["rank_changes"]["second"], "other.jsonl");
    assert!(result["contrast"]["p"].as_f64().unwrap() > 0.0);
    // The board itself is as the contract has it, with the same numbers.
    let text = std::fs::read_to_string(dir.path().join("b.jsonl")).unwrap();
    for (line, row) in text.lines().zip(result["rows"].as_array().unwrap()) {
        let board: Json = serde_json::from_str(line).unwrap();
        let keys: Vec<&String> = board.as_object().unwrap().keys().collect();
        let alone = board.get("counted_with").is_none();
        assert_eq!(keys.len(), if alone { 11 } else { 12 }, "{keys:?}");
        assert!(["thing", "quality"].contains(&board["kind"].as_str().unwrap()) && board["list"].is_u64());
        assert_eq!((&board["id"], &board["rank"], &board["z"]), (&row["id"], &row["rank"], &row["z"]));
        assert_eq!(board["score"], row["score"]["value"]);
        let (p, drawn) = (row["p_random"].as_f64().unwrap(), row["p_drawn"].as_f64().unwrap());
        assert!((p - drawn).abs() < 0.02);
        let matched = row["p_matched"].as_f64().unwrap();
        assert!(row["p_family"].as_f64().map_or(!alone, |over| alone && over >= matched), "{row}");
    }
    let html = page(&dir.path().join("page"));
    for id in ["board-ends", "board-kinds", "board-z", "board-asymmetry", "board-ranks", "board-table"] {
        assert!(html.contains(&format!("id=\"{id}\"")), "{id}");
    }
    let first = cache_stats(dir.path());
    score(&whole);
    assert_eq!(cache_stats(dir.path())["computed"], first["computed"]);
    assert_eq!(read_json(&dir.path().join("s.json")), record);
}

#[test]
fn a_board_names_what_it_can_not_summarise() {
    let dir = workplace();
    boards(dir.path());
    let with = |more: &[&'static str]| [SCORE, &["--direction", "d.safetensors"], more].concat();
    refused(dir.path(), &with(&["--against", "b.jsonl"]), &["--against is part of the summary"]);
    refused(dir.path(), &with(&["--summary", "s.json", "--draws", "50"]), &["50 random directions", "10000"]);
    refused(
        dir.path(),
        &with(&["--summary", "s.json", "--ends", "9"]),
        &["9 sequences at each end (--ends) of 10"],
    );
    refused(dir.path(), &with(&["--summary", "s.json", "--contrast", "thing"]), &["1 kinds"]);
    ok(dir.path(), &with(&["--out", "b.jsonl"]));
    let board = std::fs::read_to_string(dir.path().join("b.jsonl")).unwrap();
    let write = |text: String| std::fs::write(dir.path().join("b.jsonl"), text).unwrap();
    write(board.replace("\"s3\"", "\"else\""));
    refused(
        dir.path(),
        &with(&["--summary", "s.json", "--against", "b.jsonl"]),
        &["not of the same sequences", "`else`"],
    );
    write(board.lines().take(2).collect::<Vec<_>>().join("\n") + "\nno json\n");
    refused(dir.path(), &with(&["--summary", "s.json", "--against", "b.jsonl"]), &["`b.jsonl`, line 3"]);
    // One text eight times counts once.
    let same: Vec<String> = (0..8).map(|i| format!("{{\"id\":\"s{i}\",\"text\":\"the hat\"}}")).collect();
    std::fs::write(dir.path().join("seq.jsonl"), same.join("\n")).unwrap();
    refused(
        dir.path(),
        &with(&["--summary", "s.json"]),
        &["7 of 8 sequences are copies", "at least 8 are needed"],
    );
    std::fs::write(dir.path().join("seq.jsonl"), "{\"id\":\"s\",\"text\":\"\"}\n").unwrap();
    refused(dir.path(), &with(&[]), &["`text` is empty"]);
    assert!(!dir.path().join("s.json").exists());
}

const TRANSFER: &[&str] = &["transfer", "--probes", "prompts.txt", "--sequences", "seq.jsonl", "--quiet"];

#[test]
fn transfer_holds_agreement_against_the_lean_of_each_model() {
    let dir = workplace();
    boards(dir.path());
    let untrained: &'static str = format!("random-init:{MODEL}#7").leak();
    let groups = [
        "--model",
        MODEL,
        "--direction",
        "d.safetensors",
        "--model",
        untrained,
        "--direction",
        "d.safetensors",
        "--model",
        MODEL,
        "--direction",
        "e.safetensors",
    ];
    let rest = ["--kind", "kind", "--permutations", "199", "--out", "t.json", "--report", "page"];
    let args = [TRANSFER, &groups[..], &rest[..]].concat();
    let shown = String::from_utf8(ok(dir.path(), &args).stdout).unwrap();
    assert!(shown.contains("Spearman's ρ") && shown.contains("kind=thing"), "{shown}");
    let record = read_json(&dir.path().join("t.json"));
    assert_eq!(record["models"].as_array().unwrap().len(), 3);
    let result = &record["result"];
    assert_eq!(result["pairs"].as_array().unwrap().len(), 3);
    assert_eq!(result["unanimous"]["models"], 3);
    // One model with two directions is two boards, told apart.
    let names: Vec<&str> =
        result["boards"].as_array().unwrap().iter().map(|b| b["model"].as_str().unwrap()).collect();
    assert!(names[0] != names[2] && names[2].contains("e.safetensors"), "{names:?}");
    for pair in result["pairs"].as_array().unwrap() {
        measured(&pair["spearman"]);
        let groups: Vec<&str> =
            pair["agreement"].as_array().unwrap().iter().map(|g| g["group"].as_str().unwrap()).collect();
        assert_eq!(groups[0], "all");
        assert!(groups.contains(&"kind=thing") && groups.contains(&"list=0"), "{groups:?}");
        for group in pair["agreement"].as_array().unwrap() {
            assert!((0.0..=1.0).contains(&group["rate"]["null"]["p"].as_f64().unwrap()));
        }
        assert_eq!(pair["kinds"]["label"], "kind");
        let ends: Vec<&str> =
            pair["movers"].as_array().unwrap().iter().map(|m| m["end"].as_str().unwrap()).collect();
        assert_eq!(ends, ["top", "bottom"]);
    }
    let html = page(&dir.path().join("page"));
    assert!(html.contains("transfer-scatter-") && html.contains("transfer-signs-"));
    let first = cache_stats(dir.path());
    ok(dir.path(), &args);
    assert_eq!(cache_stats(dir.path())["computed"], first["computed"]);
}

#[test]
fn transfer_names_what_does_not_fit() {
    let dir = workplace();
    boards(dir.path());
    wide_direction(dir.path());
    let d = ["--model", MODEL, "--direction", "d.safetensors"];
    let with = |more: &[&'static str]| [TRANSFER, &d[..], more].concat();
    refused(dir.path(), &with(&[]), &["only `", "two or more"]);
    refused(dir.path(), &with(&["--model", MODEL]), &["2 models and 1 directions"]);
    let wide = ["--model", MODEL, "--direction", "w.safetensors"];
    refused(dir.path(), &with(&wide), &["w.safetensors does not fit", "7"]);
    let e = ["--model", MODEL, "--direction", "e.safetensors"];
    refused(dir.path(), &with(&[&e[..], &["--label", "mood"]].concat()), &["no label `mood`", "kind"]);
    refused(
        dir.path(),
        &with(&[&e[..], &["--ends", "7"]].concat()),
        &["7 sequences at each end (--ends) of 10"],
    );
    std::fs::write(
        dir.path().join("seq.jsonl"),
        "{\"id\":\"a\",\"text\":\"hat\"}\n{\"id\":\"b\",\"text\":\"tin\"}\n",
    )
    .unwrap();
    refused(dir.path(), &with(&e), &["2 sequences", "at least 8"]);
}

#[test]
fn every_verb_of_these_shows_an_example() {
    let dir = tempfile::tempdir().unwrap();
    for verb in ["sweep", "transfer", "score", "judge", "rate", "rate sheet", "rate register", "rate unblind"]
    {
        let args: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let help = String::from_utf8(ok(dir.path(), &args).stdout).unwrap();
        assert!(help.contains("Example:\n  truenorth "), "{verb}: {help}");
    }
}
