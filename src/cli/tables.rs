//! The tables of a page as files: CSV and Parquet, a table each, numbers as numbers.

use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use truenorth::data::out::{OutRow, csv_bytes, parquet_bytes};
use truenorth::report::{Block, Cell, Num, Section, Table};

use super::output::RequestContext as _;

/// Writes every table of some sections into a folder; says how many there are.
pub fn write(folder: &Path, sections: &[Section]) -> anyhow::Result<usize> {
    let mut tables = Vec::new();
    for section in sections {
        collect(&section.blocks, &mut tables);
    }
    let mut files = Vec::new();
    for table in &tables {
        let rows = rows(table);
        files.push((format!("{}.csv", table.id), csv_bytes(&rows).request("can't write a table")?));
        if cfg!(feature = "parquet") {
            files.push((
                format!("{}.parquet", table.id),
                parquet_bytes(&rows).request("can't write a table")?,
            ));
        }
    }
    std::fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    for (name, bytes) in &files {
        let path = folder.join(name);
        truenorth::files::write_atomic(&path, |w| w.write_all(bytes))
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(tables.len())
}

fn collect<'a>(blocks: &'a [Block], into: &mut Vec<&'a Table>) {
    for block in blocks {
        match block {
            Block::Table(table) if !table.rows.is_empty() => into.push(table),
            Block::Details { blocks, .. } => collect(blocks, into),
            _ => {}
        }
    }
}

/// The rows of a table. A column with intervals is three: the estimate, `… low` and `… high`.
fn rows(table: &Table) -> Vec<OutRow> {
    let wide = |c: usize| table.rows.iter().any(|r| matches!(r.get(c), Some(Cell::Interval { .. })));
    let wide: Vec<bool> = (0..table.columns.len()).map(wide).collect();
    let row = |cells: &Vec<Cell>| {
        let mut fields = Vec::new();
        for ((column, cell), wide) in table.columns.iter().zip(cells).zip(&wide) {
            let name = match &column.unit {
                Some(unit) => format!("{} ({unit})", column.name),
                None => column.name.clone(),
            };
            let [value, low, high] = values(cell);
            fields.push((name.clone(), value));
            if *wide {
                fields.extend([(format!("{name} low"), low), (format!("{name} high"), high)]);
            }
        }
        OutRow::new(fields)
    };
    table.rows.iter().map(row).collect()
}

/// A cell's value, and its bounds where it has them.
fn values(cell: &Cell) -> [Value; 3] {
    let number = |n: &Num| n.get().map_or(Value::Null, Value::from);
    let one = |value: Value| [value, Value::Null, Value::Null];
    match cell {
        Cell::Text { value } | Cell::Code { value } => one(value.as_str().into()),
        Cell::Count { value } => one((*value).into()),
        Cell::Number { value, .. } | Cell::P { value, .. } => one(number(value)),
        Cell::Interval { estimate, low, high, .. } => {
            [estimate.as_ref().map_or(Value::Null, number), number(low), number(high)]
        }
        Cell::Verdict { status } => one(status.word().into()),
        Cell::Empty { .. } => one(Value::Null),
    }
}
