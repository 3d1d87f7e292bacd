//! Typed access to the fields of a row.

use serde_json::{Map, Value};

use super::super::error::Problem;
use super::Extra;

/// The fields of one row; taking one removes it, what is left is `extra`.
pub(in super::super) struct Fields {
    map: Map<String, Value>,
    /// The row's identifier.
    pub id: String,
}

impl Fields {
    /// The fields, and whether the row had no id and goes by its number.
    pub fn new(mut map: Map<String, Value>, number: usize) -> Result<(Self, bool), Problem> {
        let own = match map.remove("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(s)) if s.trim().is_empty() => return Err(Problem::Empty { field: "id" }),
            Some(Value::String(s)) => Some(s),
            Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Some(n.to_string()),
            Some(other) => return Err(wrong("id", &other, "a string or an integer")),
        };
        let numbered = own.is_none();
        Ok((Self { map, id: own.unwrap_or_else(|| number.to_string()) }, numbered))
    }

    /// A value that must be there.
    pub fn value(&mut self, field: &'static str) -> Result<Value, Problem> {
        match self.map.remove(field) {
            None | Some(Value::Null) => {
                Err(Problem::Missing { field, have: self.map.keys().cloned().collect() })
            }
            Some(value) => Ok(value),
        }
    }

    /// A string that must be there and say something.
    pub fn text(&mut self, field: &'static str) -> Result<String, Problem> {
        let value = self.value(field)?;
        let Value::String(s) = value else {
            return Err(wrong(field, &value, "a string"));
        };
        if s.trim().is_empty() {
            return Err(Problem::Empty { field });
        }
        Ok(s)
    }

    /// The text of a row that has one: `text`, or `prompt` where there is no `text`.
    pub fn only_text(&mut self) -> Result<String, Problem> {
        let field = if !self.has("text") && self.has("prompt") { "prompt" } else { "text" };
        self.text(field)
    }

    /// A label: a string, an integer or a truth value, as text.
    pub fn label(&mut self, field: &'static str) -> Result<String, Problem> {
        match self.value(field)? {
            Value::String(s) if s.trim().is_empty() => Err(Problem::Empty { field }),
            Value::String(s) => Ok(s),
            Value::Bool(b) => Ok(b.to_string()),
            Value::Number(n) if n.is_i64() || n.is_u64() => Ok(n.to_string()),
            other => Err(wrong(field, &other, "a string, an integer, true or false")),
        }
    }

    /// A label that may be missing.
    pub fn optional_label(&mut self, field: &'static str) -> Result<Option<String>, Problem> {
        match self.map.get(field) {
            None | Some(Value::Null) => {
                self.map.remove(field);
                Ok(None)
            }
            Some(_) => self.label(field).map(Some),
        }
    }

    pub fn has(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(|v| !v.is_null())
    }

    /// What nobody took.
    pub fn extra(&mut self) -> Extra {
        std::mem::take(&mut self.map).into_iter().collect()
    }
}

pub(in super::super) fn wrong(field: &'static str, value: &Value, expected: &'static str) -> Problem {
    Problem::Field { field, found: shown(&value.to_string()), expected }
}

/// A value as an error shows it.
pub(in super::super) fn shown(text: &str) -> String {
    if text.chars().count() > 60 {
        format!("{}…", text.chars().take(60).collect::<String>())
    } else {
        text.to_owned()
    }
}

pub(in super::super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
