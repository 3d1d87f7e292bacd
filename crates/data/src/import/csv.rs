//! CSV with a head.

use std::collections::{BTreeMap, HashSet};

use super::super::error::Problem;
use super::super::rows;
use super::container::Each;
use super::error::{Fault, ImportProblem};
use super::record::{Cell, Place, Record, Wanted};

pub(super) fn read(bytes: &[u8], wanted: &Wanted, each: &mut Each<'_>) -> Result<(), Fault> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Fault::of(ImportProblem::Text(Problem::Utf16)));
    }
    let table = rows::table(bytes, b',').map_err(|f| {
        let problem = match f.problem {
            Problem::NoRows => ImportProblem::NoRows,
            other => ImportProblem::Text(other),
        };
        Fault { place: f.line.map(Place::Line), column: f.column, ..Fault::of(problem) }
    })?;
    check_head(&table.head, wanted)?;
    for record in table.records {
        let cells: BTreeMap<String, Cell> = table
            .head
            .iter()
            .zip(record.fields)
            .filter(|(name, _)| wanted.takes(name))
            .map(|(name, value)| {
                (name.clone(), if value.is_empty() { Cell::Null } else { Cell::Text(value) })
            })
            .collect();
        each(Record { place: Place::Line(record.line), cells })?;
    }
    Ok(())
}

fn check_head(head: &[String], wanted: &Wanted) -> Result<(), Fault> {
    let names: Vec<&str> = head.iter().map(String::as_str).collect();
    wanted.check(&names)?;
    let mut seen = HashSet::new();
    match names.iter().find(|n| wanted.takes(n) && !seen.insert(**n)) {
        Some(name) => Err(Fault::at(Place::Line(1), ImportProblem::TwoColumns).column(name)),
        None => Ok(()),
    }
}
