use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn file() -> Value {
    json!({
        "pairs": [
            {"a": "tiny", "b": "other", "spearman": {"value": 0.6134, "n": 12, "interval": {"low": 0.41, "high": 0.77}, "p": 0.031},
                "partial_spearman": {"value": 0.22}},
            {"a": "tiny", "b": "third", "spearman": {"value": 0.2, "n": 12}}
        ],
        "table": {"id": "shares", "columns": [{"name": "set"}, {"name": "share"}],
            "rows": [[{"type": "text", "value": "refusals"}, {"type": "number", "value": 0.0315, "digits": 2}],
                     [{"type": "text", "value": "others"}, {"type": "number", "value": 0.5, "digits": 2}]]},
        "held_out": {"auroc": 0.69, "largest": {"auroc": 0.69}},
        "rows": 12045, "drift": -0.5, "words": "0.60"
    })
}

/// The outcomes of claims about one file, by their first letter: h, d, a or n.
fn outcomes(claims: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.json"), file().to_string()).unwrap();
    let parsed = parse(&claims.join("\n"), "c.txt").unwrap();
    let checked = check(&parsed, Some(dir.path())).unwrap();
    let letter = |c: &Checked| match &c.outcome {
        ClaimOutcome::Holds { .. } => 'h',
        ClaimOutcome::DoesNot { .. } => 'd',
        ClaimOutcome::Ambiguous { .. } => 'a',
        ClaimOutcome::NotFound { .. } => 'n',
    };
    checked.iter().map(letter).collect()
}

#[test]
fn claims_in_words_are_held_against_the_numbers_that_they_name() {
    for (claim, outcome) in [
        // Its value by default; other models' and other kinds' are not meant.
        ("Spearman of tiny and other is 0.61 in f.json", "h"),
        ("Spearman of tiny and other is 0.613 in f.json", "h"),
        ("Spearman of tiny and other is 0.62 in f.json", "d"),
        ("Spearman of tiny and other is 0.610 in f.json", "d"),
        ("spearman is 0.61 in f.json", "a"),
        ("spearman is 0.99 in f.json", "d"),
        // A whole number of one digit says nothing of a fraction.
        ("Spearman of tiny and other is 1 in f.json", "d"),
        ("p of Spearman of tiny and other is 0 in f.json", "d"),
        ("n of Spearman of tiny and other is 12 in f.json", "h"),
        // Another number with these names and more may be meant.
        ("Spearman of tiny and other is 0.22 in f.json", "a"),
        ("partial Spearman is 0.22 in f.json", "h"),
        // Parts where they are named.
        ("Spearman of other, lower is 0.41 in f.json", "h"),
        ("the high of the Spearman of tiny and other: 0.77 in f.json", "h"),
        ("p of Spearman of tiny and other is 0.03 in f.json", "h"),
        ("p of Spearman of tiny and other < 0.05 in f.json", "h"),
        ("p of Spearman of tiny and other is below 0.01 in f.json", "d"),
        ("p of Spearman of tiny and other ≥ 0.01 in f.json", "h"),
        // By row and column, in percent.
        ("share of refusals is 3.2 % in f.json", "h"),
        ("share of refusals is 3.1% in f.json", "h"),
        ("share of refusals is 3.3 % in f.json", "d"),
        ("share of refusals = 0.03 in f.json.", "h"),
        ("share of others is 50 percent in f.json", "h"),
        // Numbers as people write them.
        ("rows are 12,045 in f.json", "h"),
        ("drift is \u{2212}0.5 in f.json", "h"),
        ("drift is 0.5 in f.json", "d"),
        ("drift = -5e-1 in f.json", "h"),
        // The same number under two names is one answer.
        ("held-out AUROC is 0.69 in f.json", "h"),
        ("kendall is 0.61 in f.json", "n"),
        ("Spearman of refusals is 0.61 in f.json", "n"),
        ("Spearman is 0.61 in gone.json", "n"),
        (r#"{"file": "f.json", "pointer": "/pairs/0/spearman/value", "value": 0.61}"#, "h"),
        (r#"{"file": "f.json", "pointer": "/pairs/0/spearman/value", "value": 0.610}"#, "d"),
        (r#"{"file": "f.json", "pointer": "/pairs/0/spearman/value", "value": "61 %"}"#, "h"),
        (r#"{"file": "f.json", "pointer": "/pairs/0/a", "value": "tiny"}"#, "h"),
        (r#"{"file": "f.json", "pointer": "/words", "value": "0.60"}"#, "h"),
        (r#"{"file": "f.json", "pointer": "/words", "value": "0.6"}"#, "d"),
        (r#"{"file": "f.json", "pointer": "/pairs/7/a", "value": 1}"#, "n"),
    ] {
        assert_eq!(outcomes(&[claim]), outcome, "{claim}");
    }
    assert_eq!(outcomes(&["# a remark", "", "drift is -0.5 in f.json", "drift is 1 in f.json"]), "hd");
}

#[test]
fn what_was_found_is_told_with_its_place_and_all_its_digits() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("f.json"), file().to_string()).unwrap();
    let told = |claim: &str| {
        let checked = check(&parse(claim, "c.txt").unwrap(), Some(dir.path())).unwrap();
        checked[0].lines().join("\n")
    };
    let text = told("Spearman of tiny and other is 0.61 in f.json");
    assert!(
        text.starts_with("holds: Spearman") && text.contains("/pairs/0/spearman/value = 0.6134"),
        "{text}"
    );
    let text = told("Spearman of other is 0.62 in f.json");
    assert!(
        text.contains("does not hold") && text.contains("nearest: /pairs/0/spearman/value = 0.6134"),
        "{text}"
    );
    let text = told("spearman is 0.61 in f.json");
    assert!(text.contains("does not: /pairs/1/spearman/value = 0.2") && text.contains("say more"), "{text}");
    let text = told("kendall spearman is 0.61 in f.json");
    assert!(text.contains("`kendall`") && text.contains("there is: /pairs/0/"), "{text}");
    let text = told(r#"{"file": "f.json", "pointer": "/pairs/0/kendall", "value": 1}"#);
    assert!(text.contains("leads as far as /pairs/0, with the keys a, b,"), "{text}");
    let text = told("share of refusals is 3.2 % in f.json");
    assert!(text.contains("(table, refusals, share)"), "{text}");
}

#[test]
fn what_is_no_claim_is_refused_with_its_line() {
    for (text, words) in [
        ("drift is -0.5 in f.json\nit works", "line 2: it ends in no number"),
        ("0.61", "no `is` or `=`"),
        ("is 0.61", "names nothing"),
        ("drift 0.5", "no `is` or `=`"),
        ("{\"pointer\": \"/a\"}", "missing field `value`"),
        ("{\"pointer\": \"a\", \"value\": 1}", "does not begin with /"),
        ("# nothing\n", "holds no claims"),
    ] {
        let error = parse(text, "c.txt").unwrap_err();
        assert!(error.to_string().contains(words), "{text}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("Spearman is 0.61 in transfer.json")));
    }
}

#[test]
fn what_claims_can_not_be_checked_against_is_refused_by_its_name() {
    let unnamed = parse("drift is 1", "c.txt").unwrap();
    let error = check(&unnamed, None).unwrap_err();
    assert_eq!(error.to_string(), "the claim at line 1 names no file: drift is 1");
    assert!(error.hint().is_some_and(|hint| hint.contains("`in FILE`")));
    let error = check(&unnamed, Some(Path::new("/nowhere/at/all"))).unwrap_err();
    assert_eq!(error.to_string(), "/nowhere/at/all is no folder of a run");
    assert!(error.hint().is_some_and(|hint| hint.contains("leave it out")));
    let dir = tempfile::tempdir().unwrap();
    for (name, text, words) in [
        ("f.json", "{", "f.json is no JSON: EOF"),
        ("f.jsonl", "1\n\n{", "f.jsonl is no JSON at line 3: EOF"),
        ("f.safetensors", "", "f.safetensors is no safetensors file: "),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
        let claims = parse(&format!("drift is 1 in {name}"), "c.txt").unwrap();
        let error = check(&claims, Some(dir.path())).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("safetensors files")));
    }
}
