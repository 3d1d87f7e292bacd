//! The verbs that move a model and judge what came of it, on a tiny model with a tokenizer: fields of
//! the JSON, exit codes with messages that name what is wrong, pages, and what a second run asks.

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
    let shown = String::from_utf8(ok(dir.path(), &args).stderr).unwrap();
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
    let shown = String::from_utf8(score(&whole).stderr).unwrap();
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
        assert_eq!(keys.len(), if alone { 9 } else { 10 }, "{keys:?}");
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
    refused(dir.path(), &with(&["--summary", "s.json", "--against", "b.jsonl"]), &["b.jsonl, line 3"]);
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
    let shown = String::from_utf8(ok(dir.path(), &args).stderr).unwrap();
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

const JUDGE: &[&str] = &[
    "judge",
    "--judge",
    MODEL,
    "--least-preference",
    "0",
    "--least-mass",
    "0",
    "--permutations",
    "99",
    "--quiet",
];

fn steered(dir: &Path) {
    boards(dir);
    let args =
        ["--input", "prompts.txt", "--alpha", "0,2", "--max-new-tokens", "6", "--ignore-eos", "--quiet"];
    let place = ["steer", "--model", MODEL, "--direction", "d.safetensors", "--out", "steered.jsonl"];
    ok(dir, &[&place[..], &args[..]].concat());
}

#[test]
fn a_model_judges_pairs_and_replies_and_is_held_against_others() {
    let dir = workplace();
    steered(dir.path());
    let pairs = ["--steered", "steered.jsonl", "--prompts", "prompts.txt", "--alpha", "2"];
    std::fs::write(
        dir.path().join("ann.jsonl"),
        "{\"id\":1,\"verdict\":\"first\"}\n{\"id\":2,\"verdict\":\"second\"}\n{\"id\":3,\"verdict\":\"abstain\"}\n",
    )
    .unwrap();
    // The answers of the default begin with one token in this tiny vocabulary.
    let rest = ["--answers", "A,B", "--compare", "ann.jsonl", "--out", "j.json", "--report", "page"];
    let args = [JUDGE, &pairs[..], &rest[..]].concat();
    ok(dir.path(), &args);
    let record = read_json(&dir.path().join("j.json"));
    assert_eq!(record["choices"]["markup"], "plain");
    let judgement = &record["result"]["judgement"];
    assert_eq!(judgement["question"], "which of two texts");
    for key in ["abstained", "bias", "preference"] {
        measured(&judgement[key]);
    }
    for row in judgement["rows"].as_array().unwrap() {
        let odds = |k: usize| row["log_odds"][k].as_f64().unwrap();
        assert!((row["preference"].as_f64().unwrap() - (odds(0) - odds(1)) / 2.0).abs() < 1e-9);
        assert!((row["bias"].as_f64().unwrap() - (odds(0) + odds(1)) / 2.0).abs() < 1e-9);
    }
    let agreed = &record["result"]["agreement"][0];
    assert!(agreed["second"] == "ann" && agreed["n"] == 3, "{agreed}");
    let html = page(&dir.path().join("page"));
    assert!(html.contains("id=\"judge-shares\"") && html.contains("id=\"judge-agreement\""));
    let first = cache_stats(dir.path());
    ok(dir.path(), &args);
    assert_eq!(cache_stats(dir.path())["computed"], first["computed"]);

    let replies = [
        "--steered",
        "steered.jsonl",
        "--prompts",
        "prompts.txt",
        "--question",
        "refusal",
        "--answers",
        "Yes,No",
    ];
    ok(dir.path(), &[JUDGE, &replies[..], &["--out", "r.json", "--report", "page"]].concat());
    let result = &read_json(&dir.path().join("r.json"))["result"];
    assert_eq!(result["judgement"]["rows"].as_array().unwrap().len(), 6);
    let doses: Vec<f64> =
        result["groups"].as_array().unwrap().iter().map(|g| g["at"].as_f64().unwrap()).collect();
    assert_eq!(doses, [0.0, 2.0]);
    assert!(page(&dir.path().join("page")).contains("id=\"judge-doses\""));
    // What this verb wrote is another judge's verdicts to it.
    std::fs::copy(dir.path().join("j.json"), dir.path().join("k.json")).unwrap();
    refused(
        dir.path(),
        &[JUDGE, &pairs[..], &["--answers", "A,B", "--compare", "k.json"]].concat(),
        &["two judges are called"],
    );
}

#[test]
fn a_judge_names_what_it_can_not_judge() {
    let dir = workplace();
    steered(dir.path());
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    let with = |more: &[&'static str]| [JUDGE, more].concat();
    refused(dir.path(), &with(&[]), &["nothing to judge", "--duels"]);
    write("d.jsonl", "{\"id\":\"x\",\"prompt\":\"p\",\"first\":\" \",\"second\":\"b\"}\n");
    refused(dir.path(), &with(&["--duels", "d.jsonl"]), &["line 1", "`first` is empty"]);
    write("r.jsonl", "{\"id\":\"x\",\"prompt\":\"p\",\"text\":\"\"}\n");
    let reply = ["--replies", "r.jsonl", "--question", "refusal"];
    refused(dir.path(), &with(&reply), &["`x` has an empty text"]);
    refused(
        dir.path(),
        &with(&["--replies", "r.jsonl", "--question", "kindness"]),
        &["no question `kindness`"],
    );
    let steered = ["--steered", "steered.jsonl", "--prompts", "prompts.txt"];
    refused(dir.path(), &with(&steered), &["which dose", "--alpha"]);
    refused(
        dir.path(),
        &with(&[&steered[..], &["--alpha", "1"]].concat()),
        &["no text at dose 1", "[0.0, 2.0]"],
    );
    let pairs = [&steered[..], &["--alpha", "2"]].concat();
    refused(dir.path(), &with(&[&pairs[..], &["--answers", " A, A"]].concat()), &["same token"]);
    refused(
        dir.path(),
        &with(&[&pairs[..], &["--markup", "loud"]].concat()),
        &["no markup `loud`", "chatml"],
    );
    write("t.txt", "{first} or what?\n");
    refused(dir.path(), &with(&[&pairs[..], &["--template", "t.txt"]].concat()), &["{second}"]);
    write("v.jsonl", "{\"id\":\"1\",\"verdict\":\"maybe\"}\n");
    refused(
        dir.path(),
        &with(&[&pairs[..], &["--compare", "v.jsonl"]].concat()),
        &["line 1 (id `1`)", "maybe"],
    );
}

/// A folder with a sheet of four items, and predictions.
fn rating() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let item = |i: usize| {
        format!("{{\"id\":\"i{i}\",\"prompt\":\"p {i}\",\"steered\":\"kind {i}\",\"base\":\"plain {i}\"}}")
    };
    let items: Vec<String> = (0..8).map(item).collect();
    std::fs::write(dir.path().join("items.jsonl"), items.join("\n")).unwrap();
    let prediction = "[{\"id\":\"wins\",\"claim\":\"steered texts are kinder\",\"share_above\":0.5}]";
    std::fs::write(dir.path().join("p.json"), prediction).unwrap();
    let sheet =
        ["rate", "sheet", "--items", "items.jsonl", "--question", "Which is kinder?", "--folder", "r"];
    let out = ok(dir.path(), &sheet);
    let key = std::fs::read_to_string(dir.path().join("r/key.json")).unwrap();
    let secret = serde_json::from_str::<Json>(&key).unwrap()["secret"].as_str().unwrap().to_owned();
    let shown = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(!shown.contains(&secret) && !shown.contains("\"steered\""), "{shown}");
    dir
}

/// A rater who sees which text is kind, all but the first item.
fn fill(dir: &Path) {
    let sheet = std::fs::read_to_string(dir.join("r/sheet.csv")).unwrap();
    let mut rated = 0;
    let rows = sheet.lines().map(|line| {
        let Some((open, told)) = line.rsplit_once(",\"\",\"") else { return line.to_owned() };
        let kind_left = open.find("kind").unwrap() < open.find("plain").unwrap();
        rated += 1;
        format!("{open},\"{}\",\"{told}", if kind_left == (rated > 1) { "left" } else { "right" })
    });
    std::fs::write(dir.join("ann.csv"), rows.collect::<Vec<_>>().join("\r\n")).unwrap();
}

#[test]
fn ratings_are_blind_sealed_predicted_and_then_opened() {
    let dir = rating();
    let r = dir.path().join("r");
    let seal = read_json(&r.join("seal.json"));
    let key = std::fs::read(r.join("key.json")).unwrap();
    assert_eq!(seal["key_sha256"], truenorth::files::sha256_hex(&key));
    assert_eq!(
        seal["sheet_sha256"],
        truenorth::files::sha256_hex(&std::fs::read(r.join("sheet.csv")).unwrap())
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(r.join("key.json")).unwrap().permissions().mode() & 0o077, 0);
    }
    fill(dir.path());
    let unblind = ["rate", "unblind", "--folder", "r", "--ratings", "ann=ann.csv", "--out", "u.json"];
    refused(dir.path(), &unblind, &["no registration", "before the key is opened"]);
    let register = ["rate", "register", "--folder", "r", "--predictions", "p.json"];
    ok(dir.path(), &register);
    refused(dir.path(), &register, &["registration.json is there already"]);
    let out = ok(dir.path(), &[&unblind[..], &["--report", "page"]].concat());
    let secret = serde_json::from_slice::<Json>(&key).unwrap()["secret"].as_str().unwrap().to_owned();
    assert!(!String::from_utf8_lossy(&out.stderr).contains(&secret));
    let text = std::fs::read_to_string(dir.path().join("u.json")).unwrap();
    assert!(!text.contains(&secret));
    let result = &read_json(&dir.path().join("u.json"))["result"];
    measured(&result["steered"]);
    assert_eq!((&result["steered"]["value"], &result["steered"]["n"]), (&Json::from(0.875), &Json::from(8)));
    assert_eq!(result["predictions"][0]["held"], true);
    assert!(result["items"].as_array().unwrap().iter().all(|i| i["altered"] == 0));
    assert!(page(&dir.path().join("page")).contains("id=\"rate-shares\""));
    ok(dir.path(), &unblind);

    // Predictions made after the key was opened are none, and so is a key that is not the sealed one.
    std::fs::remove_file(r.join("registration.json")).unwrap();
    refused(dir.path(), &register, &["the key was opened at", "registered after that are none"]);
    std::fs::remove_file(r.join("opened.json")).unwrap();
    ok(dir.path(), &register);
    let other = String::from_utf8(key).unwrap().replace("\"left\"", "\"right\"");
    std::fs::write(r.join("key.json"), other).unwrap();
    refused(dir.path(), &unblind, &["SHA-256", "the key that was sealed"]);
}

#[test]
fn a_rating_names_what_is_wrong_with_it() {
    let dir = rating();
    let sheet = ["rate", "sheet", "--question", "Which?", "--items"];
    refused(
        dir.path(),
        &[&sheet[..], &["items.jsonl", "--folder", "r"]].concat(),
        &["has a sheet.csv already"],
    );
    std::fs::write(
        dir.path().join("same.jsonl"),
        "{\"id\":\"a\",\"steered\":\"x\",\"base\":\"x\"}\n{\"id\":\"b\",\"steered\":\"x\",\"base\":\"y\"}\n",
    )
    .unwrap();
    refused(
        dir.path(),
        &[&sheet[..], &["same.jsonl", "--folder", "q"]].concat(),
        &["`a` has two texts that are the same"],
    );
    assert!(!dir.path().join("q").exists());
    let register = ["rate", "register", "--folder", "r", "--predictions", "p.json"];
    std::fs::write(dir.path().join("p.json"), "[]").unwrap();
    refused(dir.path(), &register, &["no predictions"]);
    std::fs::write(dir.path().join("p.json"), "[{\"id\":\"w\",\"claim\":\"c\"}]").unwrap();
    refused(dir.path(), &register, &["`w` needs share_above or share_below"]);
    std::fs::write(dir.path().join("p.json"), "[{\"id\":\"w\",\"claim\":\"c\",\"share_above\":0.5}]")
        .unwrap();
    ok(dir.path(), &register);
    fill(dir.path());
    let text = std::fs::read_to_string(dir.path().join("ann.csv")).unwrap();
    let (head, rows) = text.split_once("\r\n").unwrap();
    let rows = rows.replace(",\"left\",", ",\"perhaps\",");
    std::fs::write(dir.path().join("ann.csv"), format!("{head}\r\n{rows}")).unwrap();
    let unblind = ["rate", "unblind", "--folder", "r", "--ratings"];
    refused(dir.path(), &[&unblind[..], &["ann=ann.csv"]].concat(), &["sheet of `ann`", "perhaps"]);
    refused(dir.path(), &[&unblind[..], &["ann.csv"]].concat(), &["names no rater"]);
    // A registration that was changed shows.
    let file = dir.path().join("r/registration.json");
    let changed = std::fs::read_to_string(&file).unwrap().replace("0.5", "0.1");
    std::fs::write(&file, changed).unwrap();
    fill(dir.path());
    refused(dir.path(), &[&unblind[..], &["ann=ann.csv"]].concat(), &["the registration was changed"]);
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
