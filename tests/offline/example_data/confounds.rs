//! Pairs that vary in one confound.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use truenorth::data::{Template, read_pairs};

use super::{AXES, Outcome, Row, assert_length_is_no_clue, field, folder, plain_words, rows, rows_in, words};

/// Name, least number of pairs, and the field beside those of every pair.
const SETS: [(&str, usize, &str); 6] = [
    ("value-flip", 86, "note"),
    ("value-flip-turned", 30, "note"),
    ("action", 48, "aligned"),
    ("politeness", 86, "topic"),
    ("assertiveness", 86, "topic"),
    ("length", 86, "topic"),
];

fn place() -> PathBuf {
    folder().join("confounds")
}

fn set(name: &str, extra: &str) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    rows_in(&place(), &format!("{name}.jsonl"), &["id", "axis", "prompt", "chosen", "rejected", extra])
}

#[test]
fn there_are_enough_pairs_and_they_are_read_as_pairs() -> Outcome {
    for (name, least, extra) in SETS {
        let rows = set(name, extra)?;
        assert!(rows.len() >= least, "{name}: {} pairs", rows.len());
        let path = place().join(format!("{name}.jsonl"));
        let read = read_pairs(BufReader::new(File::open(path)?), name, &Template::default())?;
        assert_eq!(read.rows.len(), rows.len());
        for row in &rows {
            let axis = field(row, "axis");
            let known = if matches!(name, "value-flip" | "value-flip-turned" | "action") {
                AXES.contains(&axis)
            } else {
                axis == name
            };
            assert!(known, "{}: axis {axis}", field(row, "id"));
        }
    }
    Ok(())
}

#[test]
fn no_text_occurs_twice() -> Outcome {
    let mut seen: HashMap<String, String> = HashMap::new();
    for pair in rows("pairs.jsonl", &["id", "axis", "prompt", "chosen", "rejected"])? {
        for key in ["prompt", "chosen", "rejected"] {
            seen.insert(plain_words(field(&pair, key)).join(" "), field(&pair, "id").to_owned());
        }
    }
    for (name, _, extra) in SETS {
        for row in set(name, extra)? {
            for key in ["prompt", "chosen", "rejected"] {
                let here = format!("{} {key}", field(&row, "id"));
                let before = seen.insert(plain_words(field(&row, key)).join(" "), here.clone());
                assert_eq!(before, None, "{here} says the same as another text");
            }
        }
    }
    Ok(())
}

#[test]
fn length_tells_nothing_but_in_its_own_set() -> Outcome {
    for (name, _, extra) in SETS {
        let rows = set(name, extra)?;
        if name == "length" {
            for row in &rows {
                let (long, short) = (words(field(row, "chosen")), words(field(row, "rejected")));
                assert!(long >= 2 * short, "{}: {long} against {short} words", field(row, "id"));
            }
            continue;
        }
        let texts: Vec<(&str, bool)> =
            rows.iter().flat_map(|r| [(field(r, "chosen"), true), (field(r, "rejected"), false)]).collect();
        assert_length_is_no_clue(name, &texts)?;
        let total = |side: bool| -> usize { texts.iter().filter(|t| t.1 == side).map(|t| words(t.0)).sum() };
        let (one, other) = (total(true) as f64, total(false) as f64);
        assert!(one.max(other) / one.min(other) < 1.05, "{name}: {one} against {other} words");
    }
    Ok(())
}

#[test]
fn acting_is_for_the_value_in_half_of_the_pairs() -> Outcome {
    let rows = set("action", "aligned")?;
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *count.entry(field(row, "aligned")).or_default() += 1);
    assert_eq!(count.keys().copied().collect::<Vec<_>>(), ["action", "inaction"]);
    assert_eq!(count["action"], count["inaction"]);
    let texts: Vec<(&str, bool)> = rows
        .iter()
        .flat_map(|r| {
            let acts = field(r, "aligned") == "action";
            [(field(r, "chosen"), acts), (field(r, "rejected"), !acts)]
        })
        .collect();
    assert_length_is_no_clue("action against inaction", &texts)
}
