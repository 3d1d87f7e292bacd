//! Rows of a Parquet file, lists and groups included.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Map, Number, Value};

use super::super::error::DataProblem;
use super::decimal::DecimalNumber;
use super::{At, Row};
use truenorth_files::available;

pub(super) fn rows(bytes: &[u8], most: u64) -> Result<Vec<Row>, DataProblem> {
    let damaged = |what: String| DataProblem::Parquet(what);
    // A damaged file must not end the program, wherever the decoder notices it.
    let read = || -> Result<Vec<Row>, DataProblem> {
        let file =
            SerializedFileReader::new(Bytes::copy_from_slice(bytes)).map_err(|e| damaged(e.to_string()))?;
        let groups = file.metadata().row_groups();
        let unpacked: i64 =
            groups.iter().map(parquet::file::metadata::RowGroupMetaData::total_byte_size).sum();
        let unpacked = u64::try_from(unpacked).unwrap_or(u64::MAX);
        if unpacked > most {
            return Err(DataProblem::Large { most: most >> 20 });
        }
        available(usize::try_from(unpacked).unwrap_or(usize::MAX)).map_err(|_| DataProblem::Memory)?;
        let all = file.get_row_iter(None).map_err(|e| damaged(e.to_string()))?;
        let mut rows = Vec::new();
        for (i, row) in all.enumerate() {
            let row = row.map_err(|e| damaged(format!("row {}: {e}", i + 1)))?;
            let fields = row.get_column_iter().map(|(name, field)| (name.clone(), value(field)));
            rows.push(Row { at: At::Row(i + 1), value: Value::Object(fields.collect()) });
        }
        Ok(rows)
    };
    let rows = catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(damaged("its parts contradict each other".into())))?;
    if rows.is_empty() { Err(DataProblem::NoRows) } else { Ok(rows) }
}

fn value(field: &Field) -> Value {
    let float = |x: f64| Number::from_f64(x).map_or(Value::Null, Value::Number);
    match field {
        Field::Null => Value::Null,
        Field::Bool(b) => (*b).into(),
        Field::Byte(n) => (*n).into(),
        Field::Short(n) => (*n).into(),
        Field::Int(n) => (*n).into(),
        Field::Long(n) => (*n).into(),
        Field::UByte(n) => (*n).into(),
        Field::UShort(n) => (*n).into(),
        Field::UInt(n) => (*n).into(),
        Field::ULong(n) => (*n).into(),
        Field::Float16(x) => float(x.to_f32().into()),
        Field::Float(x) => float((*x).into()),
        Field::Double(x) => float(*x),
        Field::Str(s) => s.as_str().into(),
        Field::Bytes(b) => b.as_utf8().map_or(Value::Null, Value::from),
        Field::Group(row) => {
            row.get_column_iter().map(|(k, v)| (k.clone(), value(v))).collect::<Map<_, _>>().into()
        }
        Field::ListInternal(list) => list.elements().iter().map(value).collect(),
        Field::MapInternal(map) => {
            let key = |k: &Field| match value(k) {
                Value::String(s) => s,
                other => other.to_string(),
            };
            map.entries().iter().map(|(k, v)| (key(k), value(v))).collect::<Map<_, _>>().into()
        }
        Field::Decimal(d) => match DecimalNumber::of(d.data(), d.scale()) {
            Some(number) => number.value(),
            // As the library writes it: with a point behind a whole number.
            None => field.to_string().trim_end_matches('.').into(),
        },
        // Dates and times as they are written.
        other => other.to_string().into(),
    }
}
