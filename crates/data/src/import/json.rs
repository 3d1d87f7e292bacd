//! JSON: an object a line, or an array of objects.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::error::Problem;
use super::super::rows::{self, kind};
use super::super::strict::{JsonFault, strict_json};
use super::container::Each;
use super::error::{Fault, ImportProblem};
use super::record::{Cell, Place, Record, Wanted};

pub(super) fn lines(bytes: &[u8], wanted: &Wanted, each: &mut Each<'_>) -> Result<(), Fault> {
    let mut any = false;
    for line in rows::lines(rows::whole_text(bytes, "")?) {
        any = true;
        let place = Place::Line(line.number);
        let value = strict_json(line.text).map_err(|e| {
            let (_, byte, problem) = Problem::json(e);
            Fault { byte: Some(byte), ..Fault::at(place, ImportProblem::Text(problem)) }
        })?;
        each(record(place, value, wanted)?)?;
    }
    if any { Ok(()) } else { Err(Fault::of(ImportProblem::NoRows)) }
}

pub(super) fn array(bytes: &[u8], wanted: &Wanted, each: &mut Each<'_>) -> Result<(), Fault> {
    let text = rows::whole_text(bytes, "")?;
    let fault = |e| match e {
        JsonFault::Syntax(e) => Fault::of(ImportProblem::Json(e)),
        JsonFault::Twice { key, line, column } => Fault {
            byte: Some(column),
            ..Fault::at(Place::Line(line), ImportProblem::Text(Problem::KeyTwice { key }))
        },
    };
    // What is found here begins with a bracket.
    let Value::Array(rows) = strict_json(text).map_err(fault)? else {
        return Err(Fault::of(ImportProblem::NoRows));
    };
    if rows.is_empty() {
        return Err(Fault::of(ImportProblem::NoRows));
    }
    for (i, value) in rows.into_iter().enumerate() {
        each(record(Place::Row(i + 1), value, wanted)?)?;
    }
    Ok(())
}

fn record(place: Place, value: Value, wanted: &Wanted) -> Result<Record, Fault> {
    let Value::Object(map) = value else {
        let found = kind(&value);
        return Err(Fault::at(place, ImportProblem::Text(Problem::NotAnObject { found })));
    };
    let names: Vec<String> = map.keys().cloned().collect();
    let mut cells = BTreeMap::new();
    take(map, wanted, &mut cells);
    if let Some(column) = wanted.required.iter().find(|c| !cells.contains_key(*c)) {
        let problem = ImportProblem::MissingColumn { column: column.clone(), have: names.join("`, `") };
        return Err(Fault::at(place, problem));
    }
    Ok(Record { place, cells })
}

/// Wanted fields, and those of objects one level down.
fn take(map: Map<String, Value>, wanted: &Wanted, cells: &mut BTreeMap<String, Cell>) {
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

fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(b) => Cell::Bool(b),
        Value::String(s) => Cell::Text(s),
        Value::Number(n) => match (n.as_i128(), n.as_f64()) {
            (Some(n), _) => Cell::Int(n),
            (None, Some(x)) => Cell::Float(x),
            (None, None) => Cell::Other("a number out of range"),
        },
        other @ (Value::Array(_) | Value::Object(_)) => Cell::Other(kind(&other)),
    }
}
