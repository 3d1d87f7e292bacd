//! Every number and word of a file, by JSON pointer, with the names under which a reader sees it.

use serde_json::{Map, Value};

/// A value that holds no others.
#[derive(Clone, Debug)]
pub struct Leaf<'a> {
    /// RFC 6901 pointer to it.
    pub pointer: String,
    /// What leads to it, outermost first: keys, and what a reader sees of them.
    pub crumbs: Vec<Crumb>,
    /// A number, a word, true, false or nothing.
    pub value: &'a Value,
}

/// A step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crumb {
    /// The word that a reader has for it.
    pub name: String,
    /// Whether it is a key of the file's form alone, which nobody reads.
    pub form: bool,
}

/// Keys of a report's form, which say nothing of the value.
const FORM: [&str; 21] = [
    "sections",
    "blocks",
    "rows",
    "cells",
    "entries",
    "front",
    "provenance",
    "answer",
    "columns",
    "plot",
    "value",
    "estimate",
    "measure",
    "items",
    "text",
    "figures",
    "groups",
    "series",
    "points",
    "result",
    "all",
];

/// By which of its keys an object is known, best first.
const NAMES: [&str; 14] = [
    "title",
    "statement",
    "label",
    "name",
    "id",
    "key",
    "site",
    "checkpoint",
    "estimator",
    "axis",
    "category",
    "question",
    "model",
    "alpha",
];

impl Leaf<'_> {
    /// Its names as a reader finds it, from the outside in.
    #[must_use]
    pub fn name(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for crumb in self.crumbs.iter().filter(|c| !c.form) {
            let name = crumb.name.trim_end_matches(['.', ':', '?']);
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        names.join(", ")
    }
}

/// Every leaf of a value; keys of an object come in the order of the alphabet.
#[must_use]
pub fn leaves(value: &Value) -> Vec<Leaf<'_>> {
    let mut all = Vec::new();
    Walk { all: &mut all, crumbs: Vec::new(), pointer: String::new() }.value(value, &[]);
    all
}

struct Walk<'a, 'o> {
    all: &'o mut Vec<Leaf<'a>>,
    crumbs: Vec<Crumb>,
    pointer: String,
}

impl<'a> Walk<'a, '_> {
    /// `columns` are the heads of the table, matrix or board that the value is in.
    fn value(&mut self, value: &'a Value, columns: &[String]) {
        match value {
            Value::Object(object) => self.object(object, columns),
            Value::Array(items) => self.array(items, columns),
            _ => self.all.push(Leaf { pointer: self.pointer.clone(), crumbs: self.crumbs.clone(), value }),
        }
    }

    fn object(&mut self, object: &'a Map<String, Value>, columns: &[String]) {
        let own = heads(object);
        for (key, value) in object {
            let step = key.replace('~', "~0").replace('/', "~1");
            let crumb = Crumb { name: key.replace('_', " "), form: FORM.contains(&key.as_str()) };
            self.step(&step, crumb, |walk| match value {
                Value::Array(rows) if key == "rows" && !own.is_empty() => walk.rows(rows, &own),
                _ => walk.value(value, columns),
            });
        }
    }

    /// The rows of a table or a matrix, with the heads of its columns.
    fn rows(&mut self, rows: &'a [Value], columns: &[String]) {
        let first: Vec<Option<String>> = rows.iter().map(known_as).collect();
        for (i, row) in rows.iter().enumerate() {
            let mut crumb = element(i, row, rows.len());
            // Rows that begin alike are told apart by the words that follow.
            let alike = first.iter().filter(|name| name.is_some() && **name == first[i]).count();
            if alike > 1 && row.is_array() {
                crumb.name = worded(row).into_iter().take(3).collect::<Vec<_>>().join(" ");
            }
            self.step(&i.to_string(), crumb, |walk| walk.value(row, columns));
        }
    }

    fn array(&mut self, items: &'a [Value], columns: &[String]) {
        // The cells of a row stand below the heads of the columns.
        let cells = items.len() == columns.len();
        for (i, item) in items.iter().enumerate() {
            let crumb = match columns.get(i).filter(|_| cells) {
                Some(head) => Crumb { name: head.clone(), form: false },
                None => element(i, item, items.len()),
            };
            self.step(&i.to_string(), crumb, |walk| walk.value(item, &[]));
        }
    }

    fn step(&mut self, step: &str, crumb: Crumb, then: impl FnOnce(&mut Self)) {
        let (length, depth) = (self.pointer.len(), self.crumbs.len());
        self.pointer.push('/');
        self.pointer.push_str(step);
        self.crumbs.push(crumb);
        then(self);
        self.pointer.truncate(length);
        self.crumbs.truncate(depth);
    }
}

/// What an element of a list is called: by what it says of itself, else by its number, which says nothing of an
/// only one.
fn element(i: usize, item: &Value, of: usize) -> Crumb {
    match known_as(item) {
        Some(name) => Crumb { name, form: false },
        None => Crumb { name: (i + 1).to_string(), form: of == 1 },
    }
}

/// The heads of a table's or a matrix's columns.
fn heads(object: &Map<String, Value>) -> Vec<String> {
    let Some(Value::Array(columns)) = object.get("columns") else { return vec![] };
    let head = |column: &Value| match column {
        Value::String(name) => Some(name.clone()),
        Value::Object(column) => Some(column.get("name")?.as_str()?.to_owned()),
        _ => None,
    };
    columns.iter().map(head).collect::<Option<_>>().unwrap_or_default()
}

/// What a reader calls an element of a list: by its name, or by the first words of its row.
fn known_as(item: &Value) -> Option<String> {
    match item {
        Value::Object(object) => NAMES.iter().find_map(|name| match object.get(*name)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Number(number) if *name == "alpha" => Some(format!("alpha {number}")),
            _ => None,
        }),
        Value::Array(_) => worded(item).first().map(|text| (*text).to_owned()),
        _ => None,
    }
}

/// The words in the cells of a table's row.
fn worded(row: &Value) -> Vec<&str> {
    let word = |cell: &'_ Value| matches!(cell.get("type").and_then(Value::as_str), Some("text" | "code"));
    let cells = row.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = cells.iter().filter(|cell| word(cell)).filter_map(|cell| cell.get("value")?.as_str());
    texts.filter(|text| !text.is_empty()).collect()
}
