//! Which columns of a board are what.

use serde_json::{Map, Value};

/// What the text of a sequence is called.
pub(super) const TEXT: [&str; 4] = ["text", "sequence", "sequence_text", "prompt"];
/// What its name is called.
pub(super) const ID: [&str; 3] = ["id", "sequence_id", "handle"];
/// What its specificity is called.
pub(super) const Z: [&str; 2] = ["z", "specificity"];
/// What its score is called, and how other scores begin.
pub(super) const SCORE: &str = "score";
const SCORES: &str = "scores";
const OTHER_SCORE: &str = "score_";

/// What a row says of how it came about, which is no label of its text.
pub const BESIDE: [&str; 7] =
    ["handle", "at", "created_at", "token_count", "shift_raw", "sequence_id", "fallback"];

/// A number, also as a cell of a table has it.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.trim().parse().ok().filter(|x: &f64| x.is_finite()),
        _ => None,
    }
}

/// The first of these fields that is there, with its name.
pub(super) fn first<'a>(fields: &'a Map<String, Value>, names: &[&'a str]) -> Option<(&'a str, &'a Value)> {
    names.iter().filter_map(|n| Some((*n, fields.get(*n)?))).find(|(_, v)| !v.is_null())
}

/// A label: a text, an integer or a truth value, as text.
pub(super) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Number(n) if n.is_i64() || n.is_u64() => Some(n.to_string()),
        _ => None,
    }
}

/// The value of a column, `outer.inner` of a nested object.
pub(super) fn column<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let nested = || {
        let (outer, inner) = name.split_once('.')?;
        fields.get(outer)?.get(inner)
    };
    fields.get(name).or_else(nested).filter(|v| !v.is_null())
}

/// The columns of scores that a row has, with or without a number in them: `score`, those that begin with `score_`, and
/// those of an object `scores`.
pub(super) fn scores(fields: &Map<String, Value>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if fields.contains_key(SCORE) {
        found.push(SCORE.to_owned());
    }
    found.extend(fields.keys().filter(|name| name.starts_with(OTHER_SCORE)).cloned());
    if let Some(Value::Object(inner)) = fields.get(SCORES) {
        found.extend(inner.keys().map(|name| format!("{SCORES}.{name}")));
    }
    found
}

/// A text that is a number but for a comma in place of its point, with the point.
pub(super) fn with_point(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let pointed = text.replacen(',', ".", 1);
    (pointed != text && pointed.parse::<f64>().is_ok()).then_some(pointed)
}

/// What a column of scores is called, without what only says that it is one.
pub(super) fn label(column: &str) -> &str {
    let inner = column.strip_prefix(SCORES).and_then(|c| c.strip_prefix('.'));
    inner.or_else(|| column.strip_prefix(OTHER_SCORE)).unwrap_or(column)
}
