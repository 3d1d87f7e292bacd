//! Labels of sequences: their kind, and whatever else their file says in few words.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use truenorth::data::SequenceRow;

use super::output::wrong_hint;

/// A label, one value a sequence or none.
pub type Label = Vec<Option<String>>;

/// The labels by name. Without `wanted` these are all fields that group: with at least two values, and on
/// average two sequences or more to each.
pub fn labels(rows: &[SequenceRow], wanted: &[String]) -> anyhow::Result<BTreeMap<String, Label>> {
    let mut names: Vec<&str> = rows.iter().flat_map(|r| r.extra.keys().map(String::as_str)).collect();
    if rows.iter().any(|r| r.kind.is_some()) {
        names.push("kind");
    }
    names.sort_unstable();
    names.dedup();
    if let Some(unknown) = wanted.iter().find(|w| !names.contains(&w.as_str())) {
        return Err(wrong_hint(
            format!("the sequences have no label `{unknown}`; they have {names:?}"),
            "give every sequence the field in its file (JSON lines, a JSON list or CSV), or name another label",
        ));
    }
    let groups = |label: &Label| {
        let values: HashSet<&String> = label.iter().flatten().collect();
        values.len() > 1 && 2 * values.len() <= label.iter().flatten().count()
    };
    Ok(names
        .into_iter()
        .map(|name| (name.to_owned(), label(rows, name)))
        .filter(|(name, label)| if wanted.is_empty() { groups(label) } else { wanted.contains(name) })
        .collect())
}

/// One field of every sequence.
pub fn label(rows: &[SequenceRow], name: &str) -> Label {
    let word = |row: &SequenceRow| match row.extra.get(name) {
        Some(Value::String(s)) => Some(s.clone()),
        Some(Value::Bool(b)) => Some(b.to_string()),
        Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        _ => None,
    };
    rows.iter().map(|r| if name == "kind" { r.kind.clone() } else { word(r) }).collect()
}
