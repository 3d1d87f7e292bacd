//! CSV with a head.

use std::collections::{BTreeMap, HashSet};

use super::super::error::DataProblem;
use super::super::rows;
use super::container::Each;
use super::error::{ImportFault, ImportProblem};
use super::record::{ImportedCell, ImportedRow, RowLocation, WantedColumns};

/// Bytes of a table in which its head is looked for.
const MOST_HEAD: usize = 1 << 16;

/// Reads a table; what is between its columns is said where that is not the usual sign.
pub(super) fn read(
    bytes: &[u8],
    usual: u8,
    wanted: &WantedColumns,
    each: &mut Each<'_>,
) -> Result<Option<char>, ImportFault> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ImportFault::of(ImportProblem::Text(DataProblem::Utf16)));
    }
    let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = String::from_utf8_lossy(plain.get(..MOST_HEAD).unwrap_or(plain));
    let delimiter =
        rows::delimiter(&head, usual, |name| wanted.required.iter().any(|c| c.to_lowercase() == name));
    let mut table = rows::table(bytes, delimiter).map_err(|f| {
        let problem = match f.problem {
            DataProblem::NoRows => ImportProblem::NoRows,
            other => ImportProblem::Text(other),
        };
        ImportFault { place: f.line.map(RowLocation::Line), column: f.column, ..ImportFault::of(problem) }
    })?;
    let exact: HashSet<String> = table.head.iter().filter(|name| wanted.takes(name)).cloned().collect();
    for name in &mut table.head {
        // ` label` and `Label` are meant as they read.
        if !wanted.takes(name)
            && let Some(meant) = wanted.meant(name.trim())
            && !exact.contains(&meant)
        {
            *name = meant;
        }
    }
    check_head(&table.head, wanted)?;
    for record in table.records {
        let cells: BTreeMap<String, ImportedCell> = table
            .head
            .iter()
            .zip(record.fields)
            .filter(|(name, _)| wanted.takes(name))
            .map(|(name, value)| {
                (name.clone(), if value.is_empty() { ImportedCell::Null } else { ImportedCell::Text(value) })
            })
            .collect();
        each(ImportedRow { place: RowLocation::Line(record.line), cells })?;
    }
    Ok((delimiter != usual).then_some(char::from(delimiter)))
}

fn check_head(head: &[String], wanted: &WantedColumns) -> Result<(), ImportFault> {
    let mut names: Vec<&str> = head.iter().map(String::as_str).collect();
    if let [one] = names[..]
        && !wanted.takes(one)
    {
        // Which sign is meant is known once a column is named; until then its columns are said.
        names = one.split([';', '\t', '|', ',']).collect();
    }
    wanted.check(&names)?;
    let mut seen = HashSet::new();
    match names.iter().find(|n| wanted.takes(n) && !seen.insert(**n)) {
        Some(name) => Err(ImportFault::at(RowLocation::Line(1), ImportProblem::TwoColumns).column(name)),
        None => Ok(()),
    }
}
