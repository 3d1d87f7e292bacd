//! What a study file may say: every table and key with its default and its meaning, from the very structs that
//! read it.

use schemars::schema_for;
use serde_json::{Map, Value};

use super::file::StudyFile;

/// A table of a study file.
#[derive(Clone, Debug, PartialEq)]
pub struct TableReference {
    /// Its name; empty for the keys above all tables.
    pub name: String,
    /// What the table is for, in words.
    pub meaning: String,
    /// Its keys, in the order in which they are told.
    pub keys: Vec<KeyReference>,
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyReference {
    /// The name of the table or key.
    pub name: String,
    /// Another name that it may be written by.
    pub alias: Option<String>,
    /// The kind of value that it holds, in words.
    pub kind: String,
    /// Its default as TOML writes it; none where it has none.
    pub default: Option<String>,
    /// Whether it must be there.
    pub required: bool,
    /// What the key means, in words.
    pub meaning: String,
}

/// Under which the schema of a key has the other name that it may be written by.
pub(super) const ALIAS: &str = "x-alias";

/// The JSON schema of a study file, for editors that check one as it is written.
#[must_use]
pub fn schema() -> Value {
    let mut root = raw();
    also(&mut root);
    if let Some(defs) = root.get_mut("$defs").and_then(Value::as_object_mut) {
        defs.values_mut().for_each(also);
    }
    root
}

/// Adds the other names of keys.
fn also(of: &mut Value) {
    let Some(properties) = of.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let alias = |key: &Value| Some((key.get(ALIAS)?.as_str()?.to_owned(), key.clone()));
    let more: Vec<(String, Value)> = properties.values().filter_map(alias).collect();
    properties.extend(more);
}

/// The schema with every key by one name.
pub(super) fn raw() -> Value {
    schema_for!(StudyFile).to_value()
}

/// Every table, the keys above all tables first.
#[must_use]
pub fn reference() -> Vec<TableReference> {
    let root = raw();
    let defs = root.get("$defs").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut tables = vec![TableReference { name: String::new(), meaning: text(&root), keys: vec![] }];
    let mut later = Vec::new();
    for (name, property) in properties(&root) {
        match table(property, &defs) {
            Some(found) if found.contains_key("properties") => {
                let meaning = property.get("description").map_or_else(
                    || text(&Value::Object(found.clone())),
                    |own| plain(own.as_str().unwrap_or_default()),
                );
                later.push(TableReference {
                    name: name.clone(),
                    meaning,
                    keys: keys(&Value::Object(found), &defs),
                });
            }
            _ => tables[0].keys.push(key(&root, name, property, &defs)),
        }
    }
    tables.extend(later);
    tables
}

fn properties(of: &Value) -> Vec<(&String, &Value)> {
    of.get("properties").and_then(Value::as_object).map(|p| p.iter().collect()).unwrap_or_default()
}

fn keys(of: &Value, defs: &Map<String, Value>) -> Vec<KeyReference> {
    properties(of).into_iter().map(|(name, property)| key(of, name, property, defs)).collect()
}

fn key(of: &Value, name: &str, property: &Value, defs: &Map<String, Value>) -> KeyReference {
    let required = of.get("required").and_then(Value::as_array);
    let default = property.get("default").filter(|d| !d.is_null());
    KeyReference {
        name: name.to_owned(),
        alias: property.get(ALIAS).and_then(Value::as_str).map(str::to_owned),
        kind: kind(property, defs),
        default: default.map(Value::to_string),
        required: required.is_some_and(|r| r.iter().any(|n| n == name)),
        meaning: text(property),
    }
}

/// The flags that stand for keys in errors of an analysis, with the keys: those of its own table, of the study, and of
/// the folds that all share.
pub(super) fn words(own: &str) -> Vec<(String, String)> {
    let tables = reference();
    let of = |table: &str, before: &'static str| {
        let keys = tables.iter().filter(|t| t.name == table).flat_map(|t| &t.keys);
        let names = keys.flat_map(|k| [Some(&k.name), k.alias.as_ref()]).flatten();
        let word = |name: &String| (format!("--{}", name.replace('_', "-")), format!("{before}{name}"));
        names.map(word).collect::<Vec<_>>()
    };
    let data = if own == "data" { "data." } else { "" };
    [of(own, data), of("", ""), of("held_out", "held_out.")].concat()
}

/// The object behind a property, optional or not.
fn table(property: &Value, defs: &Map<String, Value>) -> Option<Map<String, Value>> {
    let named = |v: &Value| v.get("$ref")?.as_str()?.rsplit('/').next().map(str::to_owned);
    let choices = property.get("anyOf").or_else(|| property.get("allOf")).and_then(Value::as_array);
    let name = named(property).or_else(|| choices?.iter().find_map(named))?;
    defs.get(&name)?.as_object().cloned()
}

fn kind(property: &Value, defs: &Map<String, Value>) -> String {
    let of_type = |t: &str| match t {
        "integer" => "whole number",
        "number" => "number",
        "boolean" => "true or false",
        "array" => "list",
        "object" => "table",
        _ => "text",
    };
    if let Some(found) = table(property, defs) {
        return choices(&Value::Object(found)).map_or_else(|| "table".to_owned(), |words| words.join(", "));
    }
    match property.get("type") {
        Some(Value::String(t)) if t == "array" => match property.get("items") {
            Some(items) => format!("list of: {}", kind(items, defs)),
            None => "list".to_owned(),
        },
        Some(Value::String(t)) => of_type(t).to_owned(),
        Some(Value::Array(several)) => {
            let some = several.iter().filter_map(Value::as_str).filter(|t| *t != "null").map(of_type);
            some.collect::<Vec<_>>().join(" or ")
        }
        _ => "text".to_owned(),
    }
}

/// The words that a value is one of, where it is.
pub(super) fn choices(schema: &Value) -> Option<Vec<&str>> {
    let all = schema.get("oneOf").or_else(|| schema.get("enum")).and_then(Value::as_array)?;
    all.iter().map(|w| w.get("const").unwrap_or(w).as_str()).collect()
}

pub(super) fn text(of: &Value) -> String {
    plain(of.get("description").and_then(Value::as_str).unwrap_or_default())
}

/// Words without line breaks and links.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace(['[', ']'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_meaning_and_defaults_are_those_of_the_structs() {
        let tables = reference();
        let names: Vec<&str> = tables.iter().map(|t| t.name.as_str()).collect();
        for name in ["", "data", "direction", "held_out", "score", "audit", "sweep", "probing", "judge"] {
            assert!(names.contains(&name), "{names:?}");
        }
        for table in &tables {
            for key in &table.keys {
                assert!(!key.meaning.is_empty(), "[{}] {}", table.name, key.name);
            }
        }
        let of = |table: &str, key: &str| {
            let table = tables.iter().find(|t| t.name == table).unwrap();
            table.keys.iter().find(|k| k.name == key).unwrap_or_else(|| panic!("{key}: {table:?}")).clone()
        };
        assert_eq!(of("audit", "permutations").default.as_deref(), Some("1000"));
        assert_eq!(of("held_out", "folds").default.as_deref(), Some("5"));
        assert_eq!(of("sweep", "random_directions").default.as_deref(), Some("19"));
        assert!(of("", "model").required && of("data", "neutral").required && !of("data", "pairs").required);
    }
}
