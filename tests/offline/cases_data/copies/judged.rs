//! Before a judge and on a sheet.

use super::*;

#[test]
fn a_judge_counts_a_text_once() {
    let duel = |id: &str, first: &str, second: &str| {
        format!("{{\"id\":\"{id}\",\"prompt\":\"the hat\",\"first\":\"{first}\",\"second\":\"{second}\"}}\n")
    };
    let once: String =
        (0..6).map(|i| duel(&format!("d{i}"), &format!("a{i} b{i}"), &format!("c{i} e{i}"))).collect();
    let copies: String =
        (0..6).map(|i| duel(&format!("k{i}"), &format!("A{i}  b{i}"), &format!("c{i} e{i}"))).collect();
    let dir = folder(&[
        ("once.jsonl", &once),
        ("twice.jsonl", &(once.clone() + &copies)),
        ("turned.jsonl", &(once.clone() + &duel("t", "c1 e1", "a1 b1"))),
    ]);
    let judge = |file| {
        let how = [
            "--judge",
            MODEL,
            "--duels",
            file,
            "--permutations",
            "9",
            "--least-mass",
            "0",
            "--answers",
            "A,B",
            "--out",
            "o.json",
        ];
        [&["judge", "--no-cache", "--quiet"][..], &how].concat()
    };
    says(dir.path(), &judge("once.jsonl"), &[]);
    let want = json(dir.path(), "o.json");
    let text = says(dir.path(), &judge("twice.jsonl"), &["6 of 12 duels are copies", "`k0` of `d0`"]);
    let found = json(dir.path(), "o.json");
    for part in ["first", "abstained", "bias", "preference", "reasons", "consistency"] {
        assert_eq!(found["result"]["judgement"][part], want["result"]["judgement"][part], "{part}: {text}");
    }
    let judgement = &found["result"]["judgement"];
    assert!(judgement["copies"]["exact"] == 6 && judgement["rows"][6]["counted_with"] == "d0", "{judgement}");
    refused(dir.path(), &judge("turned.jsonl"), &["`t` is `d1` with its two texts exchanged", "hint"]);
}

#[test]
fn a_sheet_holds_a_text_once_and_an_answer_to_another_question_is_none() {
    let item = |id: &str, steered: &str, base: &str| {
        format!("{{\"id\":\"{id}\",\"prompt\":\"p\",\"steered\":\"{steered}\",\"base\":\"{base}\"}}\n")
    };
    let once: String =
        (0..6).map(|i| item(&format!("i{i}"), &format!("a{i} b{i}"), &format!("c{i} e{i}"))).collect();
    let dir = folder(&[
        ("items.jsonl", &(once.clone() + &item("k", "A1 B1", "c1  e1"))),
        ("turned.jsonl", &(once + &item("t", "c2 e2", "a2 b2"))),
        ("claims.json", "[{\"id\":\"c\",\"claim\":\"it wins\",\"share_above\":0.5}]"),
    ]);
    let sheet = |items, folder| {
        vec!["rate", "sheet", "--items", items, "--question", "Which is kinder?", "--folder", folder]
    };
    refused(dir.path(), &sheet("turned.jsonl", "other"), &["`t` is `i2` with its two texts exchanged"]);
    says(dir.path(), &sheet("items.jsonl", "f"), &["1 of 7 items are copies", "`k` of `i1`"]);
    for (claims, words) in [
        ("[{\"claim\":\"it wins\"}]", ["missing field `id`", "\"share_above\": 0.5"]),
        ("\n{\"id\":\"c\",\"claim\":\"x\",\"share\":1}\n", ["line 2", "share_below or both"]),
        ("[{\"id\":\"c\",\"claim\":\"it wins\"}]", ["`c` needs share_above", "from 0 to 1"]),
    ] {
        std::fs::write(dir.path().join("bad.json"), claims).unwrap();
        refused(dir.path(), &["rate", "register", "--folder", "f", "--predictions", "bad.json"], &words);
    }
    says(dir.path(), &["rate", "register", "--folder", "f", "--predictions", "claims.json"], &[]);
    let seal = json(dir.path(), "f/seal.json");
    assert!(seal["items"] == 6 && seal["copies"]["exact"] == 1, "{seal}");
    let filled =
        std::fs::read_to_string(dir.path().join("f/sheet.csv")).unwrap().replace(",\"\",", ",\"left\",");
    let rate = |name: &str, csv: &str| {
        std::fs::write(dir.path().join(name), csv).unwrap();
        format!("ann={name}")
    };
    let unblind = |ratings: &str, words: &[&str]| {
        refused(dir.path(), &["rate", "unblind", "--folder", "f", "--ratings", ratings], words);
    };
    let at = filled.rfind("Which is kinder?").unwrap();
    let asked = format!("{}Which is crueller?{}", &filled[..at], &filled[at + "Which is kinder?".len()..]);
    unblind(&rate("ann.csv", &asked), &["ann.csv", "row 7", "Which is crueller?", "Which is kinder?"]);
    let scale = filled.replacen("left, right or tie", "1 or 2", 1);
    unblind(&rate("ann.csv", &scale), &["ann.csv", "row 2", "1 or 2"]);
    // A blank row moves the others down, as a spreadsheet counts them.
    let lines: Vec<&str> = filled.split("\r\n").collect();
    let moved = [&lines[..2], &["\"\",\"\",\"\",\"\",\"\",\"\",\"\""], &lines[2..]].concat().join("\r\n");
    // The column itself is called `left`; the second answer is what is wrong.
    let wrong = moved.replacen(",\"left\",", ",\"north\",", 3).replacen(",\"north\",", ",\"left\",", 2);
    unblind(&rate("ann.csv", &wrong), &["ann.csv", "row 4", "north"]);
    unblind(&rate("ann.csv", "\"code"), &["ann.csv", "line 1", "never ends"]);
    let unblind =
        ["rate", "unblind", "--folder", "f", "--ratings", &rate("ann.csv", &filled), "--out", "o.json"];
    says(dir.path(), &unblind, &[]);
    assert_eq!(json(dir.path(), "o.json")["result"]["copies"]["exact"], 1);
}
