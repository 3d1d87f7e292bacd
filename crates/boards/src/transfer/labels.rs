//! Labels of sequences: their kind, and whatever else their file says in few words.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use truenorth_data::SequenceRow;

use super::Params;
use truenorth_reading::AnalysisError;

/// A label, one value a sequence or none.
pub type Label = Vec<Option<String>>;

/// How sequences are grouped, crossed with transfer and resampled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SequenceGroups {
    /// Labels by name; each value is a group.
    pub labels: BTreeMap<String, Label>,
    /// The label that is crossed with transfer.
    pub kind: Option<String>,
    /// What stays together when sequences are resampled; none resamples each by itself.
    pub clusters: Option<Vec<String>>,
}

impl SequenceGroups {
    /// The groups of sequences.
    ///
    /// # Errors
    /// When a label that is asked for is not there, or a sequence lacks the one that it is resampled by.
    pub fn new(rows: &[SequenceRow], params: &Params) -> Result<Self, AnalysisError> {
        let mut labels_of = labels(rows, &params.label)?;
        if let Some(kind) = &params.kind
            && !labels_of.contains_key(kind)
        {
            labels_of.extend(labels(rows, std::slice::from_ref(kind))?);
        }
        let clusters = match &params.cluster {
            Some(field) => Some(clusters(rows, field)?),
            None => matched(rows),
        };
        Ok(Self { labels: labels_of, kind: params.kind.clone(), clusters })
    }
}

fn clusters(rows: &[SequenceRow], field: &str) -> Result<Vec<String>, AnalysisError> {
    let value = |(of, row): (Option<String>, &SequenceRow)| {
        of.ok_or_else(|| AnalysisError::Asked {
            what: format!("sequence `{}` has no `{field}`", row.id),
            remedy: "every sequence needs the label that it is resampled by".into(),
        })
    };
    label(rows, field).into_iter().zip(rows).map(value).collect()
}

/// Matched sequences as clusters, each other one by itself; none where none is matched.
fn matched(rows: &[SequenceRow]) -> Option<Vec<String>> {
    let of = |row: &SequenceRow| match &row.pair {
        Some(pair) => format!("pair {pair}"),
        None => format!("sequence {}", row.id),
    };
    rows.iter().any(|r| r.pair.is_some()).then(|| rows.iter().map(of).collect())
}

/// The labels by name. Without `wanted` these are all fields that group: with at least two values, and on
/// average two sequences or more to each.
fn labels(rows: &[SequenceRow], wanted: &[String]) -> Result<BTreeMap<String, Label>, AnalysisError> {
    let mut names: Vec<&str> = rows.iter().flat_map(|r| r.extra.keys().map(String::as_str)).collect();
    if rows.iter().any(|r| r.kind.is_some()) {
        names.push("kind");
    }
    // Pairs are matched for their kinds, and no groups of their own.
    if rows.iter().any(|r| r.pair.is_some()) && wanted.iter().any(|w| w == "pair") {
        names.push("pair");
    }
    names.sort_unstable();
    names.dedup();
    if let Some(unknown) = wanted.iter().find(|w| !names.contains(&w.as_str())) {
        return Err(AnalysisError::Asked {
            what: format!("the sequences have no label `{unknown}`; they have {names:?}"),
            remedy: "give every sequence the field in its file (JSON lines, a JSON list or CSV), or name another label"
                .into(),
        });
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

fn label(rows: &[SequenceRow], name: &str) -> Label {
    let word = |row: &SequenceRow| match row.extra.get(name) {
        None if name == "pair" => row.pair.clone(),
        Some(Value::String(s)) => Some(s.clone()),
        Some(Value::Bool(b)) => Some(b.to_string()),
        Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        _ => None,
    };
    rows.iter().map(|r| if name == "kind" { r.kind.clone() } else { word(r) }).collect()
}
