//! JSON: an object a line, a list of objects, or an object with such a list.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::chat;
use super::super::error::DataProblem;
use super::super::rows::{self, kind};
use super::container::Each;
use super::error::{ImportFault, ImportProblem};
use super::record::{ImportedCell, ImportedRow, RowLocation, WantedColumns};

pub(super) fn read(bytes: &[u8], wanted: &WantedColumns, each: &mut Each<'_>) -> Result<(), ImportFault> {
    let text = rows::whole_text(bytes, "")?;
    let is_row = |value: &Value| wanted.required.iter().any(|c| value.get(c).is_some());
    let whole = rows::json_document(text, is_row).map_err(|(line, byte, problem)| {
        let place = line.map(RowLocation::Line);
        ImportFault { place, byte, ..ImportFault::of(ImportProblem::Text(problem)) }
    })?;
    if let Some(value) = whole {
        for (i, value) in rows::document_rows(value, "")?.into_iter().enumerate() {
            each(record(RowLocation::Row(i + 1), value, wanted)?)?;
        }
        return Ok(());
    }
    let mut any = false;
    for line in rows::lines(text) {
        any = true;
        each(record(RowLocation::Line(line.number), rows::json_line(&line, "")?, wanted)?)?;
    }
    if any { Ok(()) } else { Err(ImportFault::of(ImportProblem::NoRows)) }
}

pub(super) fn record(
    place: RowLocation,
    value: Value,
    wanted: &WantedColumns,
) -> Result<ImportedRow, ImportFault> {
    let map = match value {
        Value::Object(map) => map,
        // In all readers a string is a row that is a text.
        Value::String(text) => Map::from_iter([("text".to_owned(), Value::String(text))]),
        other => {
            let found = kind(&other);
            return Err(ImportFault::at(place, ImportProblem::Text(DataProblem::NotAnObject { found })));
        }
    };
    let names: Vec<String> = map.keys().cloned().collect();
    let mut cells = BTreeMap::new();
    take(map, wanted, &mut cells);
    match wanted.missing(names, |c| cells.contains_key(c)) {
        Some(problem) => Err(ImportFault::at(place, problem)),
        None => Ok(ImportedRow { place, cells }),
    }
}

/// Wanted fields, and those of objects one level down.
fn take(map: Map<String, Value>, wanted: &WantedColumns, cells: &mut BTreeMap<String, ImportedCell>) {
    for (name, value) in map {
        match value {
            Value::Object(inner) if wanted.takes_inside(&name) => {
                for (field, value) in inner {
                    let name = format!("{name}.{field}");
                    if wanted.takes(&name) {
                        cells.insert(name, cell(value));
                    }
                }
            }
            value if wanted.takes(&name) => {
                cells.insert(name, cell(value));
            }
            _ => {}
        }
    }
}

fn cell(value: Value) -> ImportedCell {
    match value {
        Value::Null => ImportedCell::Null,
        Value::Bool(b) => ImportedCell::Bool(b),
        Value::String(s) => ImportedCell::Text(s),
        Value::Number(n) => match (n.as_i128(), n.as_f64()) {
            (Some(n), _) => ImportedCell::Int(n),
            (None, Some(x)) => ImportedCell::Float(x),
            (None, None) => ImportedCell::Other("a number out of range"),
        },
        list if chat::is_chat(&list) => rows::as_conversation(list)
            .map_or(ImportedCell::Other("a list that is no conversation"), ImportedCell::Chat),
        other @ (Value::Array(_) | Value::Object(_)) => ImportedCell::Other(kind(&other)),
    }
}
