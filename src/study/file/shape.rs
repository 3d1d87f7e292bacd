//! Reads a study file, and says what is wrong with it in the words of its author: the key, the table, the line, what is
//! there and what may be. The expectations are those of the schema, which comes from the very structs.

use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Error;
use crate::study::reference::{self, ALIAS, choices};

/// Reads a study.
///
/// # Errors
/// When it is no TOML, lacks a key, has one that no table knows, or a value that can't be; with its line.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let parser = |e: toml::de::Error| Error::request(e.to_string().trim_end());
    let document = DeTable::parse(text).map_err(parser)?;
    let root = reference::raw();
    let none = Map::new();
    let defs = root.get("$defs").and_then(Value::as_object).unwrap_or(&none);
    let look = ShapeCheck { text, defs };
    let mut faults = Vec::new();
    look.table(document.get_ref(), &root, &Path::default(), 0, &mut faults);
    // A key that is lacking may be there under a misspelt name, which says more.
    faults.sort_by_key(|f| (f.lacks, f.at));
    if let Some(first) = faults.into_iter().next() {
        return Err(look.error(first));
    }
    toml::from_str(text).map_err(|said: toml::de::Error| {
        // The value has the right form, and its own reader refuses what it says.
        match said.span().and_then(|span| look.key_at(document.get_ref(), &Path::default(), &span)) {
            Some((path, at)) => look.error(ShapeFault {
                at: at.start,
                lacks: false,
                what: format!("{path} is {}: {}", look.excerpt(&at), said.message()),
                remedy: None,
            }),
            None => parser(said),
        }
    })
}

/// Something wrong, and where it begins in the text.
struct ShapeFault {
    at: usize,
    lacks: bool,
    what: String,
    remedy: Option<String>,
}

/// Where a key is: its table and what is below it.
#[derive(Clone, Default)]
struct Path(Vec<String>);

impl Path {
    fn child(&self, key: &str) -> Self {
        Self([&self.0[..], &[key.to_owned()]].concat())
    }

    fn table(&self) -> String {
        if self.0.is_empty() { "the study".to_owned() } else { format!("[{}]", self.0.join(".")) }
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0[..] {
            [] => f.write_str("the study"),
            [key] => write!(f, "`{key}`"),
            [tables @ .., key] => write!(f, "[{}] `{key}`", tables.join(".")),
        }
    }
}

struct ShapeCheck<'a> {
    text: &'a str,
    defs: &'a Map<String, Value>,
}

impl<'a> ShapeCheck<'a> {
    fn error(&self, fault: ShapeFault) -> Error {
        let line = 1 + self.text[..fault.at].matches('\n').count();
        let error = Error::request(format!("line {line}: {}", fault.what));
        match fault.remedy {
            Some(remedy) => error.with_hint(remedy),
            None => error,
        }
    }

    /// What the author wrote, on one line.
    fn excerpt(&self, at: &Range<usize>) -> String {
        let words = self.text[at.clone()].split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(60) {
            Some((cut, _)) => format!("{}…", &words[..cut]),
            None => words,
        }
    }

    /// The schema of a value behind references and `or nothing`.
    fn plain<'b>(&self, schema: &'b Value) -> &'b Value
    where
        'a: 'b,
    {
        let named = |v: &Value| self.defs.get(v.get("$ref")?.as_str()?.rsplit('/').next()?);
        let choices = schema.get("anyOf").or_else(|| schema.get("allOf")).and_then(Value::as_array);
        let first = choices.and_then(|all| all.iter().find(|c| c.get("type") != Some(&"null".into())));
        match (named(schema), first) {
            (Some(found), _) => self.plain(found),
            (None, Some(choice)) => self.plain(choice),
            (None, None) => schema,
        }
    }

    fn table(
        &self,
        table: &DeTable<'_>,
        schema: &Value,
        path: &Path,
        at: usize,
        faults: &mut Vec<ShapeFault>,
    ) {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let other = schema.get("additionalProperties").filter(|o| o.is_object());
        let mut there = Vec::new();
        for (key, value) in table {
            let (name, start) = (key.get_ref().as_ref(), key.span().start);
            let called = |(k, v): &(&String, &Value)| *k == name || v.get(ALIAS).is_some_and(|a| a == name);
            match properties.iter().find(called) {
                Some((own, schema)) => {
                    there.push(own.as_str());
                    self.value(value, schema, &path.child(name), faults);
                }
                None => match other {
                    Some(schema) => self.value(value, schema, &path.child(name), faults),
                    None => faults.push(ShapeFault {
                        at: start,
                        lacks: false,
                        what: format!("{} has no key `{name}`", path.table()),
                        remedy: Some(format!("{} may hold {}", path.table(), names(properties))),
                    }),
                },
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !there.contains(&name) {
                let own = properties.get(name).unwrap_or(&Value::Null);
                let meaning = reference::text(own);
                faults.push(ShapeFault {
                    at,
                    lacks: true,
                    what: format!("{} lacks the key `{name}`", path.table()),
                    remedy: Some(format!("give {}: {meaning}", self.expected(own))),
                });
            }
        }
    }

    fn value(&self, value: &Spanned<DeValue<'_>>, schema: &Value, path: &Path, faults: &mut Vec<ShapeFault>) {
        let plain = self.plain(schema);
        let fits = match value.get_ref() {
            DeValue::Table(table) if is(plain, "object") => {
                if plain.get("properties").is_some() || plain.get("additionalProperties").is_some() {
                    self.table(table, plain, path, value.span().start, faults);
                }
                return;
            }
            DeValue::Array(items) if is(plain, "array") => {
                if let Some(of) = plain.get("items") {
                    items.iter().for_each(|item| self.value(item, of, path, faults));
                }
                return;
            }
            DeValue::Table(_) | DeValue::Array(_) | DeValue::Datetime(_) => false,
            DeValue::Boolean(_) => is(plain, "boolean"),
            DeValue::Float(_) => is(plain, "number"),
            DeValue::Integer(n) => {
                is(plain, "number")
                    || is(plain, "integer")
                        && i128::from_str_radix(n.as_str(), n.radix()).is_ok_and(|n| within(n, plain))
            }
            DeValue::String(s) => {
                choices(plain).map_or_else(|| is(plain, "string"), |words| words.contains(&s.as_ref()))
            }
        };
        if !fits {
            let at = value.span();
            faults.push(ShapeFault {
                at: at.start,
                lacks: false,
                what: format!("{path} is {}; expected {}", self.excerpt(&at), self.expected(schema)),
                remedy: None,
            });
        }
    }

    fn expected(&self, schema: &Value) -> String {
        let plain = self.plain(schema);
        if let Some(words) = choices(plain) {
            return format!("one of {}", words.join(", "));
        }
        if is(plain, "string") {
            let more =
                [("object", " or a table"), ("boolean", ", true or false"), ("array", " or a list of them")];
            let more = more.into_iter().find(|(kind, _)| is(plain, kind)).map_or("", |(_, says)| says);
            return format!("text in quotes{more}");
        }
        if is(plain, "integer") {
            return match range(plain) {
                (Some(least), Some(most)) if most < i128::from(u32::MAX) => {
                    format!("a whole number from {least} to {most}")
                }
                (Some(least), _) => format!("a whole number, at least {least}"),
                _ => "a whole number".into(),
            };
        }
        if is(plain, "array") {
            let each = plain.get("items").map(|items| format!(", each {}", self.expected(items)));
            return format!("a list in brackets{}", each.unwrap_or_default());
        }
        let kinds = [("boolean", "true or false"), ("number", "a number")];
        kinds.into_iter().find(|(kind, _)| is(plain, kind)).map_or("a table", |(_, says)| says).into()
    }

    /// The innermost key whose value holds `span`.
    fn key_at(&self, table: &DeTable<'_>, path: &Path, span: &Range<usize>) -> Option<(Path, Range<usize>)> {
        let holds = |at: &Range<usize>| at.start <= span.start && span.end <= at.end;
        // A table of its own has the span of its header, so what is below it is looked at wherever it is.
        table.iter().find_map(|(key, value)| {
            let path = path.child(key.get_ref().as_ref());
            let below = match value.get_ref() {
                DeValue::Table(inner) => self.key_at(inner, &path, span),
                DeValue::Array(items) => items
                    .iter()
                    .filter_map(|item| item.get_ref().as_table())
                    .find_map(|inner| self.key_at(inner, &path, span)),
                _ => None,
            };
            below.or_else(|| holds(&value.span()).then(|| (path, value.span())))
        })
    }
}

/// The keys, with their other names.
fn names(properties: &Map<String, Value>) -> String {
    let name = |(key, schema): (&String, &Value)| match schema.get(ALIAS).and_then(Value::as_str) {
        Some(alias) => format!("{key} (or {alias})"),
        None => key.clone(),
    };
    properties.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn is(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(t)) => t == kind,
        Some(Value::Array(several)) => several.iter().any(|t| t == kind),
        _ => false,
    }
}

fn range(schema: &Value) -> (Option<i128>, Option<i128>) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_i64).map(i128::from);
    let most = match schema.get("format").and_then(Value::as_str) {
        Some("uint32") => Some(i128::from(u32::MAX)),
        Some("uint64" | "uint") => Some(i128::from(i64::MAX)),
        _ => None,
    };
    (bound("minimum"), bound("maximum").or(most))
}

fn within(n: i128, schema: &Value) -> bool {
    let (least, most) = range(schema);
    least.is_none_or(|least| n >= least) && most.is_none_or(|most| n <= most)
}
