//! Two versions of one file, value by value.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use super::leaves::{Leaf, leaves};
use truenorth_report::HTML_NAME;

/// Numbers that lie within this of each other, relative to the larger, came back: another processor sums in another
/// order. Where both are below [`TINY`] they are rounding alone.
pub const NEAR: f64 = 1e-9;
/// Below this a number is what rounding leaves of zero.
pub const TINY: f64 = 1e-12;

/// A value that did not come back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueDifference {
    /// JSON pointer to it; the first part is the line, from 0, in a file of JSON lines.
    pub pointer: String,
    /// Keys, rows and columns on the way to it, in a reader's words.
    pub name: String,
    /// What the run's folder has; absent where it has nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<Value>,
    /// What was recomputed; absent where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recomputed: Option<Value>,
}

impl ValueDifference {
    /// In a line.
    #[must_use]
    pub fn line(&self, file: &str) -> String {
        let value = |v: &Option<Value>| match v {
            None => "nothing".to_owned(),
            Some(Value::String(text)) => format!("{text:?}"),
            Some(other) => other.to_string(),
        };
        let place = if self.pointer.is_empty() { String::new() } else { format!(" {}", self.pointer) };
        let (written, recomputed) = (value(&self.written), value(&self.recomputed));
        let how = if file == HTML_NAME { "drawn from report.json" } else { "recomputed" };
        format!("{file}{place} ({}): {written} there, {recomputed} {how}", self.name)
    }
}

/// The values of one file of a run against those computed anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ComparedFile {
    /// The file, in the run's folder.
    pub file: String,
    /// Numbers, and words that hold one.
    pub numbers: usize,
    /// Of these, numbers that came back to 1e-9 of their size and not bit for bit.
    pub near: usize,
    /// Words without a number.
    pub words: usize,
    /// Values that were not compared, by rule.
    pub excluded: BTreeMap<String, usize>,
    /// The values that differ.
    pub differ: Vec<ValueDifference>,
    /// How many of these are numbers, or words that hold one.
    pub numbers_differ: usize,
}

/// Values that are not compared: what they are called, and which they are.
pub struct Rule {
    /// What such values are, in words.
    pub what: &'static str,
    /// Whether a value of the file of this name is one.
    pub holds: fn(&str, &Leaf<'_>) -> bool,
}

/// Compares what a file has with what it should have; values of which a rule holds are counted by rule and not compared.
#[must_use]
pub fn compare(file: &str, written: &Value, recomputed: &Value, rules: &[&Rule]) -> ComparedFile {
    let mut compared = ComparedFile { file: file.to_owned(), ..ComparedFile::default() };
    let fresh = leaves(recomputed);
    let by_pointer: HashMap<&str, &Leaf<'_>> = fresh.iter().map(|l| (l.pointer.as_str(), l)).collect();
    let all = leaves(written);
    let excluded = |leaf: &Leaf<'_>| rules.iter().find(|rule| (rule.holds)(file, leaf));
    let mut seen = std::collections::HashSet::new();
    for leaf in &all {
        seen.insert(leaf.pointer.as_str());
        if let Some(rule) = excluded(leaf) {
            *compared.excluded.entry(rule.what.to_owned()).or_default() += 1;
            continue;
        }
        let now = by_pointer.get(leaf.pointer.as_str()).map(|l| l.value);
        compared.count(leaf, Some(leaf.value), now);
    }
    for leaf in fresh.iter().filter(|l| !seen.contains(l.pointer.as_str())) {
        if excluded(leaf).is_none() {
            compared.count(leaf, None, Some(leaf.value));
        }
    }
    compared
}

impl ComparedFile {
    fn count(&mut self, leaf: &Leaf<'_>, written: Option<&Value>, recomputed: Option<&Value>) {
        let number = written.is_some_and(holds_number) || recomputed.is_some_and(holds_number);
        if number {
            self.numbers += 1;
        } else {
            self.words += 1;
        }
        match written.zip(recomputed) {
            Some((a, b)) if a == b => {}
            Some((Value::Number(a), Value::Number(b))) if near(a.as_f64(), b.as_f64()) => self.near += 1,
            _ => {
                self.numbers_differ += usize::from(number);
                self.differ.push(ValueDifference {
                    pointer: leaf.pointer.clone(),
                    name: leaf.name(),
                    written: written.cloned(),
                    recomputed: recomputed.cloned(),
                });
            }
        }
    }
}

/// Whether a value is a number, or words that hold one.
fn holds_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.bytes().any(|b| b.is_ascii_digit()),
        _ => false,
    }
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return false };
    let size = a.abs().max(b.abs());
    size < TINY || (a - b).abs() <= NEAR * size
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_value_is_counted_once_and_named_as_a_reader_finds_it() {
        let page = |auroc: f64, word: &str, rank: u64, wall: &str| {
            json!({"provenance": [{"title": "This run", "entries": [{"key": "wall time", "value": {"value": wall}}]}],
                "sections": [{"title": "Separation", "blocks": [{"id": "t", "columns": [{"name": "estimator"}, {"name": "AUROC"}],
                    "rows": [[{"type": "text", "value": "logistic"}, {"type": "number", "value": auroc, "digits": 3}]]}],
                    "lead": word, "rank": rank}]})
        };
        let times = Rule {
            what: "times",
            holds: |file, leaf| file == "report.json" && leaf.pointer.starts_with("/provenance/"),
        };
        let of = |a: &Value, b: &Value| compare("report.json", a, b, &[&times]);
        let was = page(0.69, "Yes: 3 of 4", 7, "1.0 s");
        let same = of(&was, &page(0.69, "Yes: 3 of 4", 7, "2.0 s"));
        assert_eq!((same.numbers_differ, same.differ.len(), same.near), (0, 0, 0));
        assert_eq!(same.excluded.values().sum::<usize>(), 3, "title, key and value: {:?}", same.excluded);
        let near = of(&was, &page(0.69 * (1.0 + 1e-12), "Yes: 3 of 4", 7, "1.0 s"));
        assert_eq!((near.near, near.differ.len()), (1, 0));
        let other = of(&was, &page(0.69 * (1.0 + 1e-8), "No: 3 of 5", 7, "1.0 s"));
        assert_eq!((other.differ.len(), other.numbers_differ, other.numbers), (2, 2, same.numbers));
        let auroc = other.differ.iter().find(|d| d.pointer == "/sections/0/blocks/0/rows/0/1/value").unwrap();
        assert_eq!(auroc.name, "Separation, t, logistic, AUROC");
        // What is on one side alone did not come back either.
        let mut less = was.clone();
        less["sections"][0].as_object_mut().unwrap().remove("rank");
        for (a, b) in [(&was, &less), (&less, &was)] {
            let found = of(a, b);
            assert_eq!(
                found.differ.iter().map(|d| d.pointer.as_str()).collect::<Vec<_>>(),
                ["/sections/0/rank"]
            );
        }
        assert_eq!(compare("f", &json!(1e-17), &json!(-3e-17), &[]).differ, vec![]);
        assert_eq!(compare("f", &json!(0.0), &json!(1e-6), &[]).differ.len(), 1);
    }
}
