//! The data in `examples` keeps the promises of its data sheets.
//!
//! The bag-of-words figures are computed by `fixtures/make/human_values_balance.py`, which needs
//! scikit-learn, and by `examples/make/check_data.py`; what else the sheets promise is checked here.

mod confounds;
mod harmfulness;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

type Outcome = Result<(), Box<dyn std::error::Error>>;
type Row = BTreeMap<String, Value>;

const AXES: [&str; 15] = [
    "honesty",
    "compassion",
    "fairness",
    "courage",
    "humility",
    "patience",
    "gratitude",
    "responsibility",
    "autonomy",
    "loyalty",
    "generosity",
    "forgiveness",
    "curiosity",
    "stewardship",
    "self-restraint",
];

const KINDS: [&str; 7] =
    ["prose-for", "prose-against", "instruction", "word", "symbol", "emoticon", "neutral"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/human-values")
}

/// Rows of a JSONL file: UTF-8, exactly the given fields, ids unique, no text empty or padded.
fn rows(name: &str, fields: &[&str]) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    rows_in(&folder(), name, fields)
}

/// The same in another folder.
fn rows_in(folder: &Path, name: &str, fields: &[&str]) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let text =
        String::from_utf8(fs::read(folder.join(name))?).map_err(|e| format!("{name} is not UTF-8: {e}"))?;
    let mut rows = Vec::new();
    let mut ids = HashSet::new();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let row: Row = serde_json::from_str(line).map_err(|e| format!("{at}: {e}"))?;
        let have: BTreeSet<&str> = row.keys().map(String::as_str).collect();
        let want: BTreeSet<&str> = fields.iter().copied().collect();
        assert_eq!(have, want, "{at}: fields");
        for (key, value) in &row {
            if let Some(text) = value.as_str() {
                assert!(!text.trim().is_empty(), "{at}: {key} is empty");
                assert_eq!(text.trim(), text, "{at}: {key} has outer spaces");
                assert!(
                    !text.contains(['\u{fffd}', '\n', '\r']),
                    "{at}: {key} has a line break or a replacement character"
                );
            } else {
                assert_eq!(key, "label", "{at}: {key} is not a string");
            }
        }
        let id = field(&row, "id");
        assert!(ids.insert(id.to_owned()), "{at}: id {id} occurs twice");
        rows.push(row);
    }
    Ok(rows)
}

fn field<'a>(row: &'a Row, key: &str) -> &'a str {
    row.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn pairs() -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    rows("pairs.jsonl", &["id", "axis", "prompt", "chosen", "rejected"])
}

fn sentiment() -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    rows("sentiment.jsonl", &["id", "text", "label"])
}

fn sequences() -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    // What is matched says so; the rest has no field of that name.
    let path = folder().join("sequences.jsonl");
    let mut all = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let row: Row = serde_json::from_str(line)?;
        let matched = field(&row, "kind").starts_with("prose-");
        let want = if matched { ["id", "text", "kind", "pair"].as_slice() } else { &["id", "text", "kind"] };
        let have: BTreeSet<&str> = row.keys().map(String::as_str).collect();
        assert_eq!(have, want.iter().copied().collect(), "{}: fields", field(&row, "id"));
        assert_eq!(field(&row, "text").trim(), field(&row, "text"), "{}: outer spaces", field(&row, "id"));
        all.push(row);
    }
    let ids: HashSet<&str> = all.iter().map(|row| field(row, "id")).collect();
    assert_eq!(ids.len(), all.len(), "an id occurs twice");
    Ok(all)
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Lower-case words without punctuation.
fn plain_words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace(['\'', '’'], "")
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Lower-case words, for telling whether two texts say the same.
fn word_set(text: &str) -> BTreeSet<String> {
    plain_words(text).into_iter().collect()
}

/// The share of all words of two texts that is in both.
fn shared(one: &BTreeSet<String>, other: &BTreeSet<String>) -> f64 {
    let both = one.intersection(other).count() as f64;
    both / (one.len() as f64 + other.len() as f64 - both)
}

/// Asserts that neither words nor characters tell which side a text is on.
fn assert_length_is_no_clue(name: &str, texts: &[(&str, bool)]) -> Outcome {
    let sides: Vec<bool> = texts.iter().map(|(_, side)| *side).collect();
    for (unit, size) in [("words", words as fn(&str) -> usize), ("characters", chars)] {
        let sizes: Vec<f64> = texts.iter().map(|(text, _)| size(text) as f64).collect();
        let area = truenorth::math::auroc(&sizes, &sides)?;
        assert!((0.4..=0.6).contains(&area), "{name}: AUROC of length in {unit} is {area:.3}");
    }
    Ok(())
}

/// Asserts that two texts differ by at most `word_gap` words and `share` of the shorter's characters.
fn assert_matched(id: &str, one: &str, other: &str, word_gap: usize, share: f64) {
    let (a, b) = (words(one), words(other));
    assert!(a.abs_diff(b) <= word_gap, "{id}: {a} against {b} words");
    let (a, b) = (chars(one), chars(other));
    let gap = a.abs_diff(b) as f64 / a.min(b) as f64;
    assert!(gap <= share, "{id}: {a} against {b} characters");
}

#[test]
fn there_are_fifteen_axes_of_nine_pairs() -> Outcome {
    let pairs = pairs()?;
    assert_eq!(pairs.len(), 135);
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for pair in &pairs {
        let axis = field(pair, "axis");
        *count.entry(axis).or_default() += 1;
        let id = field(pair, "id");
        assert!(id.starts_with(&format!("{axis}-")), "{id}: names another axis than {axis}");
    }
    let want: BTreeMap<&str, usize> = AXES.iter().map(|axis| (*axis, 9)).collect();
    assert_eq!(count, want);
    Ok(())
}

#[test]
fn each_pair_is_matched_in_length() -> Outcome {
    for pair in pairs()? {
        let (id, chosen, rejected) = (field(&pair, "id"), field(&pair, "chosen"), field(&pair, "rejected"));
        for side in [chosen, rejected] {
            let count = words(side);
            assert!((18..=40).contains(&count), "{id}: {count} words");
        }
        assert_matched(id, chosen, rejected, 1, 0.08);
    }
    Ok(())
}

#[test]
fn neither_side_is_longer_over_the_set() -> Outcome {
    let pairs = pairs()?;
    let gaps: Vec<i64> =
        pairs.iter().map(|p| chars(field(p, "chosen")) as i64 - chars(field(p, "rejected")) as i64).collect();
    let mean = gaps.iter().sum::<i64>() as f64 / gaps.len() as f64;
    assert!(mean.abs() < 0.5, "mean difference {mean} characters");
    let longer = gaps.iter().filter(|gap| **gap > 0).count();
    let differ = gaps.iter().filter(|gap| **gap != 0).count();
    let share = longer as f64 / differ as f64;
    assert!((0.45..=0.55).contains(&share), "chosen is longer in {longer} of {differ}");
    Ok(())
}

#[test]
fn no_text_occurs_twice() -> Outcome {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut add = |id: &str, text: &str| {
        // Symbols have no words: compare them as they stand.
        let key = if text.contains(char::is_alphabetic) {
            plain_words(text).join(" ")
        } else {
            text.split_whitespace().collect()
        };
        if let Some(other) = seen.insert(key, id.to_owned()) {
            panic!("{id} repeats the text of {other}: {text}");
        }
    };
    for pair in pairs()? {
        for side in ["prompt", "chosen", "rejected"] {
            add(&format!("{}/{side}", field(&pair, "id")), field(&pair, side));
        }
    }
    let plain = ["id", "text"];
    let others = [rows("probes.jsonl", &plain)?, rows("neutral.jsonl", &plain)?, sentiment()?, sequences()?];
    for row in others.iter().flatten() {
        add(field(row, "id"), field(row, "text"));
    }
    Ok(())
}

#[test]
fn no_two_pairs_are_nearly_alike() -> Outcome {
    let pairs = pairs()?;
    for sides in [&["prompt"][..], &["chosen", "rejected"]] {
        let mut sets: Vec<(usize, &str, HashSet<String>)> = Vec::new();
        for (index, pair) in pairs.iter().enumerate() {
            for side in sides {
                let set = plain_words(field(pair, side)).into_iter().collect();
                sets.push((index, field(pair, "id"), set));
            }
        }
        for (at, (index, id, set)) in sets.iter().enumerate() {
            for (other_index, other_id, other) in sets.iter().skip(at + 1) {
                if index == other_index {
                    continue;
                }
                let shared = set.intersection(other).count() as f64;
                let jaccard = shared / set.union(other).count() as f64;
                assert!(jaccard < 0.8, "{id} and {other_id} share {jaccard:.2} of their words");
            }
        }
    }
    Ok(())
}

#[test]
fn both_sides_of_a_pair_differ_in_more_than_a_word() -> Outcome {
    for pair in pairs()? {
        let chosen: HashSet<String> = plain_words(field(&pair, "chosen")).into_iter().collect();
        let rejected = plain_words(field(&pair, "rejected")).into_iter().collect();
        let differ = chosen.symmetric_difference(&rejected).count();
        assert!(differ >= 6, "{}: only {differ} words differ", field(&pair, "id"));
    }
    Ok(())
}

#[test]
fn sentiment_is_half_and_half_and_matched() -> Outcome {
    let rows = sentiment()?;
    assert!(rows.len() >= 64, "{} texts", rows.len());
    // Texts stand side by side: the positive one, then its negative counterpart.
    let mut halves = rows.chunks_exact(2);
    for pair in &mut halves {
        let [good, bad] = pair else { continue };
        let stem = field(good, "id").strip_suffix("-pos");
        assert!(stem.is_some(), "{}: no -pos", field(good, "id"));
        assert_eq!(stem, field(bad, "id").strip_suffix("-neg"));
        assert_eq!(good.get("label").and_then(Value::as_u64), Some(1));
        assert_eq!(bad.get("label").and_then(Value::as_u64), Some(0));
        assert_matched(field(good, "id"), field(good, "text"), field(bad, "text"), 1, 0.1);
    }
    assert!(halves.remainder().is_empty(), "a text has no counterpart");
    Ok(())
}

#[test]
fn every_kind_of_sequence_is_well_filled() -> Outcome {
    let rows = sequences()?;
    assert!(rows.len() >= 96, "{} sequences", rows.len());
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *count.entry(field(row, "kind")).or_default() += 1;
    }
    let have: BTreeSet<&str> = count.keys().copied().collect();
    assert_eq!(have, KINDS.into_iter().collect());
    for (kind, number) in &count {
        assert!(*number >= 12, "{kind}: only {number}");
    }
    let of = |kind: &str| -> Vec<&Row> { rows.iter().filter(|row| field(row, "kind") == kind).collect() };
    let (pro, contra) = (of("prose-for"), of("prose-against"));
    assert_eq!(pro.len(), contra.len());
    for (one, other) in pro.iter().zip(&contra) {
        assert_eq!(field(one, "pair"), field(other, "pair"), "{}", field(one, "id"));
        assert_matched(field(one, "id"), field(one, "text"), field(other, "text"), 1, 0.08);
    }
    for row in of("word") {
        assert_eq!(words(field(row, "text")), 1, "{}", field(row, "id"));
    }
    let marks: Vec<&Row> = of("symbol").into_iter().chain(of("emoticon")).collect();
    assert!(
        marks.iter().any(|row| field(row, "text").is_ascii())
            && marks.iter().any(|row| !field(row, "text").is_ascii()),
        "symbols and emoticons are meant to be ASCII and Unicode"
    );
    Ok(())
}

#[test]
fn probes_and_neutral_prompts_are_counted() -> Outcome {
    assert_eq!(rows("probes.jsonl", &["id", "text"])?.len(), 16);
    let neutral = rows("neutral.jsonl", &["id", "text"])?;
    assert_eq!(neutral.len(), 32);
    let sizes: BTreeSet<usize> = neutral.iter().map(|row| words(field(row, "text"))).collect();
    assert!(sizes.first().is_some_and(|least| *least >= 5), "{sizes:?}: too short");
    assert!(sizes.last().is_some_and(|most| *most <= 60), "{sizes:?}: too long");
    assert!(sizes.len() >= 16, "{sizes:?}: lengths are not unequal enough");
    Ok(())
}

#[test]
fn the_data_sheet_defines_every_axis_and_kind() -> Outcome {
    let sheet = fs::read_to_string(folder().join("DATASHEET.md"))?;
    for name in AXES.iter().chain(&KINDS) {
        assert!(sheet.contains(&format!("| `{name}` |")), "{name} has no row in a table");
    }
    Ok(())
}
