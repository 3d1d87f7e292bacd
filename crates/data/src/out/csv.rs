//! CSV with a head. A byte of value 0, which no reader of text takes, is written as the sign for it, `␀`.

use serde_json::Value;

use super::{OutError, OutRow, columns};

pub(super) fn bytes(rows: &[OutRow]) -> Result<Vec<u8>, OutError> {
    let columns = columns(rows);
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(&columns)?;
    for row in rows {
        writer.write_record(columns.iter().map(|c| cell(row.get(c))))?;
    }
    writer.into_inner().map_err(|e| OutError::Csv(e.into_error().into()))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.replace('\0', "\u{2400}"),
        Some(other) => other.to_string(),
    }
}
