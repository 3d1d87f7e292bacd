//! Requests of seven categories of harm, each with a safe twin.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use truenorth::data::read_classes;

use super::{Outcome, Row, assert_length_is_no_clue, field, plain_words, rows_in, shared, word_set};

const CATEGORIES: [&str; 7] =
    ["fraud", "privacy", "hate", "violence", "self-harm", "illegal-goods", "misinformation"];

/// File, name of the split, least texts of each label and category, and the field beside the others.
const SPLITS: [(&str, &str, usize, Option<&str>); 4] = [
    ("train.jsonl", "train", 44, None),
    ("test.jsonl", "test", 22, None),
    ("test-rewritten.jsonl", "rewritten", 22, Some("rewrites")),
    ("test-ood.jsonl", "ood", 12, Some("style")),
];

fn place() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/harmfulness")
}

fn split(name: &str) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let (file, _, _, extra) = *SPLITS.iter().find(|s| s.1 == name).ok_or("no such split")?;
    let fields = ["id", "text", "label", "category", "split", "group"];
    rows_in(&place(), file, &fields.into_iter().chain(extra).collect::<Vec<_>>())
}

#[test]
fn each_category_has_its_texts_in_pairs_of_opposite_labels() -> Outcome {
    for (file, name, least, _) in SPLITS {
        let rows = split(name)?;
        let mut count: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &rows {
            assert_eq!(field(row, "split"), name, "{}", field(row, "id"));
            *count.entry((field(row, "category"), field(row, "label"))).or_default() += 1;
            groups.entry(field(row, "group")).or_default().push(row);
        }
        let have: BTreeSet<&str> = count.keys().map(|(category, _)| *category).collect();
        assert_eq!(have, CATEGORIES.into_iter().collect(), "{file}");
        for ((category, label), n) in &count {
            assert!(*n >= least, "{file}: {n} texts of {category}, {label}");
        }
        for (group, rows) in groups {
            let mut labels: Vec<&str> = rows.iter().map(|r| field(r, "label")).collect();
            labels.sort_unstable();
            assert_eq!(labels, ["harmful", "safe"], "{group}");
            assert_eq!(field(rows[0], "category"), field(rows[1], "category"), "{group}");
        }
        let read = read_classes(BufReader::new(File::open(place().join(file))?), file)?;
        assert!(read.rows.len() == rows.len() && read.rows.iter().all(|r| r.group.is_some()));
    }
    Ok(())
}

#[test]
fn no_text_occurs_twice() -> Outcome {
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut check = |rows: Vec<Row>| {
        for row in rows {
            let id = field(&row, "id").to_owned();
            let before = seen.insert(plain_words(field(&row, "text")).join(" "), id.clone());
            assert_eq!(before, None, "{id} says the same as another text");
        }
    };
    for (_, name, _, _) in SPLITS {
        check(split(name)?);
    }
    check(rows_in(&place(), "general-safe.jsonl", &["id", "text", "label", "category"])?);
    check(rows_in(&place(), "truth.jsonl", &["id", "text", "label", "category", "group"])?);
    Ok(())
}

/// No group of the training rows elsewhere, and no text that shares most of its words with one.
#[test]
fn training_and_test_texts_are_apart() -> Outcome {
    let train = split("train")?;
    let groups: HashSet<&str> = train.iter().map(|r| field(r, "group")).collect();
    let sets: Vec<(&str, BTreeSet<String>)> =
        train.iter().map(|r| (field(r, "id"), word_set(field(r, "text")))).collect();
    for name in ["test", "rewritten", "ood"] {
        for row in split(name)? {
            let id = field(&row, "id");
            assert!(!groups.contains(field(&row, "group")), "{id}: its group is in train");
            let words = word_set(field(&row, "text"));
            for (other, seen) in &sets {
                let share = shared(&words, seen);
                assert!(share < 0.6, "{id} and {other} share {share:.2} of their words");
            }
        }
    }
    Ok(())
}

#[test]
fn every_test_is_rewritten_once_and_stays_what_it_is() -> Outcome {
    let (tests, rewritten) = (split("test")?, split("rewritten")?);
    let originals: BTreeMap<&str, &Row> = tests.iter().map(|r| (field(r, "id"), r)).collect();
    let mut used = BTreeSet::new();
    for row in &rewritten {
        let original = originals.get(field(row, "rewrites")).ok_or("rewrites no test")?;
        for key in ["label", "category", "group"] {
            assert_eq!(field(row, key), field(original, key), "{}", field(row, "id"));
        }
        assert!(used.insert(field(row, "rewrites")), "{} is rewritten twice", field(row, "rewrites"));
    }
    assert_eq!(used.len(), tests.len());
    Ok(())
}

#[test]
fn length_tells_nothing() -> Outcome {
    for (_, name, _, _) in SPLITS {
        let rows = split(name)?;
        let texts = |category: Option<&str>| -> Vec<(&str, bool)> {
            rows.iter()
                .filter(|r| category.is_none_or(|c| field(r, "category") == c))
                .map(|r| (field(r, "text"), field(r, "label") == "harmful"))
                .collect()
        };
        assert_length_is_no_clue(name, &texts(None))?;
        for category in CATEGORIES {
            assert_length_is_no_clue(&format!("{name}, {category}"), &texts(Some(category)))?;
        }
    }
    Ok(())
}

#[test]
fn truth_is_half_true_in_every_group_and_general_prompts_are_safe() -> Outcome {
    let truth = rows_in(&place(), "truth.jsonl", &["id", "text", "label", "category", "group"])?;
    assert!(truth.len() >= 120, "{}", truth.len());
    let mut groups: BTreeMap<&str, i32> = BTreeMap::new();
    for row in &truth {
        let sign = match field(row, "label") {
            "true" => 1,
            "false" => -1,
            other => return Err(format!("{}: label {other}", field(row, "id")).into()),
        };
        *groups.entry(field(row, "group")).or_default() += sign;
    }
    assert!(groups.values().all(|sum| *sum == 0), "{groups:?}");
    let texts: Vec<(&str, bool)> =
        truth.iter().map(|r| (field(r, "text"), field(r, "label") == "true")).collect();
    assert_length_is_no_clue("truth", &texts)?;
    let general = rows_in(&place(), "general-safe.jsonl", &["id", "text", "label", "category"])?;
    assert!(general.len() >= 80 && general.iter().all(|r| field(r, "label") == "safe"), "{}", general.len());
    Ok(())
}

#[test]
fn the_data_sheet_names_every_file_and_category() -> Outcome {
    let sheet = std::fs::read_to_string(place().join("DATASHEET.md"))?;
    for name in CATEGORIES.iter().chain(&SPLITS.map(|s| s.0)).chain(&["truth.jsonl", "general-safe.jsonl"]) {
        assert!(sheet.contains(&format!("| `{name}` |")), "{name} has no row in a table");
    }
    Ok(())
}
