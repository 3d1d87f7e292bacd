//! Lines of a file with their coordinates, and typed access to the fields of a JSON line.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::{DataError, Problem};
use super::file::hex;

/// Bytes of a line at most: some million tokens, and little enough for any memory. A packed file can
/// hold a line of any length in few bytes.
const MOST_LINE: u64 = 64 << 20;

/// Fields of a row that this program gives no meaning, kept for grouping and for the record.
pub type Extra = BTreeMap<String, Value>;

/// Rows in file order, with the hash of what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<T> {
    /// At least one row.
    pub rows: Vec<T>,
    /// SHA-256 of the bytes of the file, in hexadecimal.
    pub sha256: String,
}

/// A line with its number from 1.
pub(super) struct Line {
    pub number: usize,
    pub text: String,
}

/// Everything of a file that is not blank.
pub(super) struct Lines {
    pub name: String,
    pub lines: Vec<Line>,
    pub sha256: String,
}

impl Lines {
    pub fn read(reader: impl BufRead, name: &str) -> Result<Self, DataError> {
        Self::within(MOST_LINE, reader, name)
    }

    /// [`Lines::read`] of what is in memory already and may be one line.
    pub fn of(bytes: &[u8], name: &str) -> Result<Self, DataError> {
        Self::within(bytes.len() as u64, bytes, name)
    }

    fn within(most: u64, mut reader: impl BufRead, name: &str) -> Result<Self, DataError> {
        let at = |line: Option<usize>, column: Option<usize>, problem| DataError {
            name: name.to_owned(),
            line,
            column,
            problem,
        };
        let mut hash = Sha256::new();
        let mut lines = Vec::new();
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let mut bounded = (&mut reader).take(most + 1);
            let read = bounded
                .read_until(b'\n', &mut bytes)
                .map_err(|e| at(Some(number), None, Problem::Read(e)))?;
            if read == 0 {
                break;
            }
            if read as u64 > most {
                return Err(at(Some(number), None, Problem::LongLine { most: most >> 20 }));
            }
            hash.update(&bytes);
            if number == 1 {
                if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
                    return Err(at(Some(1), Some(1), Problem::Utf16));
                }
                if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
                    bytes.drain(..3);
                }
            }
            let text = match std::str::from_utf8(&bytes) {
                Ok(text) => text.trim_end_matches(['\n', '\r']),
                Err(e) => {
                    let valid = e.valid_up_to();
                    let byte = bytes.get(valid).copied().unwrap_or_default();
                    return Err(at(Some(number), Some(valid + 1), Problem::NotUtf8 { byte }));
                }
            };
            if !text.trim().is_empty() {
                lines.push(Line { number, text: text.to_owned() });
            }
        }
        if lines.is_empty() {
            return Err(at(None, None, Problem::NoRows));
        }
        Ok(Self { name: name.to_owned(), lines, sha256: hex(&hash.finalize()) })
    }

    /// Every line as a JSON object, turned into a row; identifiers must differ.
    pub fn rows<T>(
        self,
        mut row: impl FnMut(&mut Fields) -> Result<T, Problem>,
    ) -> Result<Loaded<T>, DataError> {
        self.rows_named(|fields| Ok((fields.id.clone(), row(fields)?)))
    }

    /// As [`Lines::rows`], where a row says by which name it must differ.
    pub fn rows_named<T>(
        self,
        mut row: impl FnMut(&mut Fields) -> Result<(String, T), Problem>,
    ) -> Result<Loaded<T>, DataError> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut rows = Vec::with_capacity(self.lines.len());
        for line in &self.lines {
            let fail = |column, problem| DataError {
                name: self.name.clone(),
                line: Some(line.number),
                column,
                problem,
            };
            let value: Value =
                serde_json::from_str(&line.text).map_err(|e| fail(Some(e.column()), Problem::Json(e)))?;
            let Value::Object(map) = value else {
                return Err(fail(Some(1), Problem::NotAnObject { found: kind(&value) }));
            };
            let mut fields = Fields { map, id: String::new() };
            fields.id = fields.take_id().map_err(|p| fail(None, p))?;
            let (id, row) = row(&mut fields).map_err(|p| fail(None, p))?;
            if let Some(&first) = seen.get(&id) {
                return Err(fail(None, Problem::DuplicateId { id, first }));
            }
            seen.insert(id, line.number);
            rows.push(row);
        }
        Ok(Loaded { rows, sha256: self.sha256 })
    }

    /// Whether the first line is a JSON object, and so presumably all are.
    pub fn look_like_jsonl(&self) -> bool {
        let first = self.lines.first().map(|l| l.text.trim_start());
        let object = first.is_some_and(|t| serde_json::from_str::<Map<String, Value>>(t).is_ok());
        // A broken first line of a file called .jsonl should be reported, not read as text.
        object || (self.name.ends_with(".jsonl") && first.is_some_and(|t| t.starts_with('{')))
    }
}

/// The fields of one row; taking one removes it, what is left is `extra`.
pub(super) struct Fields {
    map: Map<String, Value>,
    /// The row's identifier.
    pub id: String,
}

impl Fields {
    fn take_id(&mut self) -> Result<String, Problem> {
        match self.map.remove("id") {
            None | Some(Value::Null) => Err(Problem::Missing { field: "id" }),
            Some(Value::String(s)) if s.trim().is_empty() => Err(Problem::Empty { field: "id" }),
            Some(Value::String(s)) => Ok(s),
            Some(Value::Number(n)) if n.is_i64() || n.is_u64() => Ok(n.to_string()),
            Some(other) => Err(wrong("id", &other, "a string or an integer")),
        }
    }

    /// A value that must be there.
    pub fn value(&mut self, field: &'static str) -> Result<Value, Problem> {
        match self.map.remove(field) {
            None | Some(Value::Null) => Err(Problem::Missing { field }),
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

pub(super) fn wrong(field: &'static str, value: &Value, expected: &'static str) -> Problem {
    let text = value.to_string();
    let found = if text.chars().count() > 60 {
        format!("{}…", text.chars().take(60).collect::<String>())
    } else {
        text
    };
    Problem::Field { field, found, expected }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
