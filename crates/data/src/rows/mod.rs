//! The one reader of rows: plain text, JSON lines, JSON and CSV, with coordinates.
//!
//! A file is what its ending and its first byte that is not blank say, or it is refused with what it looks
//! like. JSON is an array of strings or objects, or an object with such an array under a name of [`LISTS`].

mod csv;
#[cfg(feature = "parquet")]
pub(super) mod decimal;
mod fields;
mod form;
#[cfg(feature = "parquet")]
mod parquet;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, Read as _};

use serde_json::{Map, Value};

use super::error::{DataError, DataProblem};
use super::strict::strict_json;
use super::table::{TableFile, TableRow};
pub(super) use csv::table;
pub(super) use fields::{Fields, as_conversation, begun_by, kind, shown, two_sides, unnamed, whole, wrong};
use form::FileForm;
pub(super) use form::{delimiter, ending, is_json, json_document};
pub use text::whole_text;
pub(super) use text::{TextLine, lines};
use truenorth_files::UnreadableKind;
use truenorth_files::sha256_hex;

/// Bytes of a file of rows at most: some hundred million tokens, and little enough for most memories.
const MOST_BYTES: u64 = 1 << 30;

/// Fields of a row that this program gives no meaning, kept for grouping and for the record.
pub type Extra = BTreeMap<String, Value>;

/// Under one of these a JSON document may keep its rows.
pub const LISTS: [&str; 11] = [
    "prompts",
    "texts",
    "sequences",
    "probes",
    "pairs",
    "rows",
    "data",
    "examples",
    "entries",
    "items",
    "verdicts",
];

/// Which of these is meant where an object has several and texts are wanted, as of a season that has both prompts and entries.
const OF_TEXTS: [&str; 4] = ["prompts", "texts", "sequences", "probes"];
/// The same where a table is wanted.
const OF_TABLES: [&str; 3] = ["entries", "verdicts", "items"];

/// Rows in file order, with the hash of what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded<T> {
    /// The rows in file order; at least one.
    pub rows: Vec<T>,
    /// SHA-256 of the bytes of the file, in hexadecimal.
    pub sha256: String,
    /// What a reader of the result should know of how the file was read, a sentence each.
    pub notes: Vec<String>,
}

impl<T> Loaded<T> {
    /// Rows with the hash of what they were read from.
    #[must_use]
    pub fn new(rows: Vec<T>, sha256: impl Into<String>) -> Self {
        Self { rows, sha256: sha256.into(), notes: vec![] }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Texts: a plain line or a JSON string is a row.
    Texts,
    /// Rows of several fields.
    Records,
    /// Rows of any fields: a table is told by no column.
    Table,
}

pub(super) struct Rows {
    name: String,
    rows: Vec<Row>,
    sha256: String,
    form: &'static str,
    notes: Vec<String>,
    /// What an object has beside its list.
    about: Map<String, Value>,
}

struct Row {
    at: At,
    value: Value,
}

/// Line or item from 1.
#[derive(Clone, Copy)]
enum At {
    Line(usize),
    Item(usize),
    #[cfg_attr(not(feature = "parquet"), allow(dead_code))]
    Row(usize),
}

impl At {
    fn number(self) -> usize {
        let (Self::Line(n) | Self::Item(n) | Self::Row(n)) = self;
        n
    }

    fn name(self) -> String {
        match self {
            Self::Line(n) => format!("line {n}"),
            Self::Item(n) => format!("item {n} of the list"),
            Self::Row(n) => format!("row {n}"),
        }
    }

    fn error(self, name: &str, column: Option<usize>, problem: DataProblem) -> DataError {
        match self {
            Self::Line(n) => DataError::at(name, Some(n), column, problem),
            Self::Item(n) => DataError { item: Some(n), ..DataError::at(name, None, column, problem) },
            Self::Row(n) => DataError { row: Some(n), ..DataError::at(name, None, column, problem) },
        }
    }
}

impl Rows {
    pub fn read(reader: impl BufRead, name: &str, wanted: Wanted) -> Result<Self, DataError> {
        Self::within(MOST_BYTES, reader, name, wanted)
    }

    /// [`Rows::read`] of a file of at most so many bytes: a packed one can hold any number in few.
    pub fn within(most: u64, reader: impl BufRead, name: &str, wanted: Wanted) -> Result<Self, DataError> {
        let mut bytes = Vec::new();
        reader
            .take(most + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| DataError::at(name, None, None, DataProblem::Read(e)))?;
        if bytes.len() as u64 > most {
            return Err(DataError::at(name, None, None, DataProblem::Large { most: most >> 20 }));
        }
        #[cfg(feature = "parquet")]
        if bytes.starts_with(b"PAR1") {
            let rows = parquet::rows(&bytes, most).map_err(|p| DataError::at(name, None, None, p))?;
            let rows = rows.into_iter().map(as_meant).collect();
            let sha256 = sha256_hex(&bytes);
            return Ok(Self {
                name: name.to_owned(),
                rows,
                sha256,
                form: "Parquet",
                notes: vec![],
                about: Map::new(),
            });
        }
        if let Some(look) = UnreadableKind::of(&bytes).or_else(|| form::look(name)) {
            return Err(DataError::at(name, None, None, DataProblem::Looks(look)));
        }
        let text = whole_text(&bytes, name)?;
        if text.trim().is_empty() {
            return Err(DataError::at(name, None, None, DataProblem::NoRows));
        }
        let placed = |(line, column, problem)| DataError::at(name, line, column, problem);
        let (mut notes, mut about) = (vec![], Map::new());
        let (form, rows) = match form::form(name, text).map_err(placed)? {
            FileForm::Lines if wanted != Wanted::Texts => {
                let first = lines(text).next();
                let shown = shown(first.as_ref().map_or("", |l| l.text.trim()));
                let line = first.map(|l| l.number);
                return Err(DataError::at(name, line, None, DataProblem::PlainText { shown }));
            }
            FileForm::Lines => ("plain", lines(text).map(|l| plain(At::Line(l.number), l.text)).collect()),
            FileForm::JsonLines => {
                ("JSON lines", json_lines(text, name)?.into_iter().map(as_meant).collect())
            }
            FileForm::Json(value) => {
                let (rows, beside) = document(value, name, wanted)?;
                about = beside;
                ("JSON", rows.into_iter().map(as_meant).collect())
            }
            FileForm::Csv { delimiter, usual } => {
                if delimiter != usual {
                    let between = char::from(delimiter).escape_default();
                    notes.push(format!(
                        "the head of {name} has `{between}` between its columns, and so it is read"
                    ));
                }
                ("CSV", records(&bytes, delimiter, name, wanted)?)
            }
        };
        Ok(Self { name: name.to_owned(), rows, sha256: sha256_hex(&bytes), form, notes, about })
    }

    pub fn table(self) -> Result<TableFile, DataError> {
        let row = |Row { at, value }: Row| match value {
            Value::Object(mut fields) => {
                call_as_meant(&mut fields, |name| form::TABLE_HEADS.contains(&name));
                Ok(TableRow { place: at.name(), fields })
            }
            other => Err(at.error(&self.name, Some(1), DataProblem::NotAnObject { found: kind(&other) })),
        };
        let rows = self.rows.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(TableFile { rows, about: self.about, sha256: self.sha256, notes: self.notes })
    }

    /// The value of every row with the number of its line or, in a list, of its item.
    pub fn values(self) -> impl Iterator<Item = (usize, Value)> {
        self.rows.into_iter().map(|row| (row.at.number(), row.value))
    }

    /// Every row turned into one of the caller's; identifiers must differ.
    pub fn rows<T>(
        self,
        wanted: Wanted,
        mut row: impl FnMut(&mut Fields) -> Result<T, DataProblem>,
    ) -> Result<Loaded<T>, DataError> {
        self.rows_named(wanted, |fields| Ok((fields.id.clone(), row(fields)?)))
    }

    /// As [`Rows::rows`], where a row says by which name it must differ.
    pub fn rows_named<T>(
        self,
        wanted: Wanted,
        mut row: impl FnMut(&mut Fields) -> Result<(String, T), DataProblem>,
    ) -> Result<Loaded<T>, DataError> {
        let mut seen: HashMap<String, (At, bool)> = HashMap::new();
        let mut rows = Vec::with_capacity(self.rows.len());
        let mut numbered = 0;
        for Row { at, value } in self.rows {
            let fail = |problem| at.error(&self.name, None, problem);
            let map = match value {
                Value::Object(map) => map,
                Value::String(text) if wanted == Wanted::Texts => {
                    Map::from_iter([("text".to_owned(), Value::String(text))])
                }
                other => {
                    return Err(at.error(
                        &self.name,
                        Some(1),
                        DataProblem::NotAnObject { found: kind(&other) },
                    ));
                }
            };
            let (mut fields, by_number) = Fields::new(map, at.number()).map_err(fail)?;
            numbered += usize::from(by_number);
            let (id, row) = row(&mut fields).map_err(fail)?;
            if let Some((first, first_by_number)) = seen.get(&id) {
                let first = first.name();
                return Err(fail(match (*first_by_number, by_number) {
                    (false, false) | (true, true) => DataProblem::DuplicateId { id, first },
                    (own_missing, _) => DataProblem::NumberTaken { id, first, own: !own_missing },
                }));
            }
            seen.insert(id, (at, by_number));
            rows.push(row);
        }
        let by = match self.form {
            "JSON" => "place in the list",
            "Parquet" => "row",
            _ => "line number",
        };
        let mut notes = self.notes;
        // A plain file has no ids to miss.
        if numbered > 0 && self.form != "plain" {
            let all = rows.len();
            notes.push(format!(
                "{numbered} of {all} rows of {} have no `id`; each goes by its {by}",
                self.name
            ));
        }
        Ok(Loaded { rows, sha256: self.sha256, notes })
    }
}

/// Whether the first row of a file is a pair.
///
/// # Errors
/// A [`DataError`] when the file has no rows with fields.
pub fn holds_pairs(reader: impl BufRead, name: &str) -> Result<bool, DataError> {
    let rows = Rows::read(reader, name, Wanted::Records)?;
    let sides = ["chosen", "answer_matching_behavior", "positive"];
    Ok(rows.rows.first().is_some_and(|r| sides.iter().any(|s| r.value.get(*s).is_some())))
}

fn plain(at: At, text: &str) -> Row {
    Row { at, value: Value::String(text.to_owned()) }
}

fn json_lines(text: &str, name: &str) -> Result<Vec<Row>, DataError> {
    let mut rows = Vec::new();
    for line in lines(text) {
        rows.push(Row { at: At::Line(line.number), value: json_line(&line, name)? });
    }
    Ok(rows)
}

/// The value of a line of JSON lines.
pub(super) fn json_line(line: &TextLine<'_>, name: &str) -> Result<Value, DataError> {
    let trimmed = line.text.trim_start();
    let fail = |column, problem| DataError::at(name, Some(line.number), column, problem);
    if trimmed.starts_with('#') || trimmed.starts_with("//") {
        return Err(fail(Some(1), DataProblem::Comment { shown: shown(trimmed) }));
    }
    strict_json(line.text).map_err(|e| {
        let (_, column, problem) = DataProblem::json(e);
        let problem = match form::not_a_number(line.text, column) {
            _ if matches!(trimmed.get(..2), Some("{'" | "['")) => DataProblem::Python,
            Some(shown) => DataProblem::NoNumber { shown },
            None => problem,
        };
        fail(Some(column), problem)
    })
}

/// The rows of a JSON document, and what stands beside them.
fn document(value: Value, name: &str, wanted: Wanted) -> Result<(Vec<Row>, Map<String, Value>), DataError> {
    let (list, beside) = parts(value, name, wanted)?;
    let rows = list.into_iter().enumerate().map(|(i, value)| Row { at: At::Item(i + 1), value }).collect();
    Ok((rows, beside))
}

/// The rows of a JSON document: a list, the one list of an object, or one object.
pub(super) fn document_rows(value: Value, name: &str) -> Result<Vec<Value>, DataError> {
    Ok(parts(value, name, Wanted::Records)?.0)
}

fn parts(value: Value, name: &str, wanted: Wanted) -> Result<(Vec<Value>, Map<String, Value>), DataError> {
    let fail = |problem| Err(DataError::at(name, None, None, problem));
    let mut beside = Map::new();
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut map) => {
            let mut lists: Vec<&str> =
                LISTS.into_iter().filter(|k| map.get(*k).is_some_and(Value::is_array)).collect();
            if lists.len() > 1 {
                let meant: &[&str] = match wanted {
                    Wanted::Texts => &OF_TEXTS,
                    Wanted::Records => &["pairs"],
                    Wanted::Table => &OF_TABLES,
                };
                let of: Vec<&str> = lists.iter().copied().filter(|l| meant.contains(l)).collect();
                if of.len() == 1 {
                    lists = of;
                }
            }
            match lists[..] {
                [one] => match map.remove(one) {
                    Some(Value::Array(list)) => {
                        beside = map;
                        list
                    }
                    _ => vec![],
                },
                [] if map.values().any(Value::is_string) && !map.values().any(Value::is_array) => {
                    vec![Value::Object(map)]
                }
                _ => {
                    let have = map.iter().map(|(k, v)| format!("`{k}` ({})", kind(v))).collect();
                    return fail(DataProblem::NoList { have });
                }
            }
        }
        other => return fail(DataProblem::NotAnObject { found: kind(&other) }),
    };
    if list.is_empty() {
        return fail(DataProblem::NoRows);
    }
    Ok((list, beside))
}

/// The records of a table as objects; an empty cell is a field without a value.
fn records(bytes: &[u8], delimiter: u8, name: &str, wanted: Wanted) -> Result<Vec<Row>, DataError> {
    let table = table(bytes, delimiter).map_err(|f| DataError::at(name, f.line, None, f.problem))?;
    let mut head = table.head;
    for column in &mut head {
        if let Some(meant) = meant(column, is_known) {
            *column = meant;
        }
    }
    if let Some((i, twice)) = head.iter().enumerate().find(|(i, c)| head[..*i].contains(c)) {
        let problem = DataProblem::TwoColumns { column: twice.clone() };
        return Err(DataError::at(name, Some(1), Some(i + 1), problem));
    }
    if wanted != Wanted::Table && !head.iter().any(|c| is_known(c)) {
        let columns = head.iter().map(|c| shown(c)).collect();
        return Err(DataError::at(name, Some(1), None, DataProblem::Head { columns }));
    }
    let value = |cell: String| if cell.is_empty() { Value::Null } else { Value::String(cell) };
    let row = |record: csv::CsvRecord| {
        let map = head.iter().cloned().zip(record.fields.into_iter().map(value)).collect();
        Row { at: At::Line(record.line), value: Value::Object(map) }
    };
    Ok(table.records.into_iter().map(row).collect())
}

/// A name that is known but for its case and blanks: `Text` and ` prompt` are meant as they read.
fn meant(name: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    let plain = name.trim().to_lowercase();
    (plain != name && known(&plain)).then_some(plain)
}

/// Calls fields as they are meant. One that has its own name already keeps it.
fn call_as_meant(fields: &mut Map<String, Value>, known: impl Fn(&str) -> bool) {
    if !fields.keys().any(|key| meant(key, &known).is_some()) {
        return;
    }
    let mut taken: HashSet<String> = fields.keys().cloned().collect();
    let renamed = std::mem::take(fields).into_iter().map(|(key, value)| match meant(&key, &known) {
        Some(meant) if taken.insert(meant.clone()) => (meant, value),
        _ => (key, value),
    });
    *fields = renamed.collect();
}

fn as_meant(mut row: Row) -> Row {
    if let Value::Object(fields) = &mut row.value {
        call_as_meant(fields, is_known);
    }
    row
}

fn is_known(column: &str) -> bool {
    COLUMNS.contains(&column) || FOREIGN.contains(&column)
}

/// Columns that some reader gives a meaning.
const COLUMNS: [&str; 16] = [
    "id", "text", "prompt", "label", "category", "group", "axis", "chosen", "rejected", "kind", "first",
    "second", "steered", "base", "alpha", "tokens",
];

/// Columns of other programs that some reader gives a meaning.
const FOREIGN: [&str; 8] = [
    "messages",
    "conversations",
    "conversation",
    "answer_matching_behavior",
    "answer_not_matching_behavior",
    "positive",
    "negative",
    "output_concept",
];
