//! Verdicts of a model on steered text.

use super::*;

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
    // One duel is of the same text twice, and is not judged.
    assert!(agreed["second"] == "ann" && agreed["n"] == 2 && agreed["only_second"] == 1, "{agreed}");
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
