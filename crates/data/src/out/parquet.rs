//! Parquet: a column a field, lists of plain values as lists.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use serde_json::Value;

use super::{Kind, OutError, OutRow, Typed, as_json, columns};

/// Rows of a row group.
const GROUP: usize = 64 << 10;

impl From<ParquetError> for OutError {
    fn from(e: ParquetError) -> Self {
        Self::Parquet(e.to_string())
    }
}

pub(super) fn bytes(rows: &[OutRow]) -> Result<Vec<u8>, OutError> {
    let columns: Vec<(&str, Typed)> = columns(rows).into_iter().map(|c| (c, Typed::of(rows, c))).collect();
    let fields = columns.iter().map(|(name, typed)| field(name, *typed)).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut out = Vec::new();
    let mut file = SerializedFileWriter::new(&mut out, schema, properties)?;
    for part in rows.chunks(GROUP) {
        let mut group = file.next_row_group()?;
        for (name, typed) in &columns {
            let Some(mut column) = group.next_column()? else {
                return Err(OutError::Parquet("fewer columns than fields".into()));
            };
            let values: Vec<&Value> = part.iter().map(|r| r.get(name).unwrap_or(&Value::Null)).collect();
            write(column.untyped(), &values, *typed)?;
            column.close()?;
        }
        group.close()?;
    }
    file.close()?;
    Ok(out)
}

fn field(name: &str, typed: Typed) -> Result<Arc<Type>, ParquetError> {
    let plain = |name: &str| {
        let physical = match typed.kind {
            Kind::Bool => Physical::BOOLEAN,
            Kind::Int => Physical::INT64,
            Kind::Float => Physical::DOUBLE,
            Kind::Text | Kind::Json => Physical::BYTE_ARRAY,
        };
        let text = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(text)
            .build()
            .map(Arc::new)
    };
    if !typed.list {
        return plain(name);
    }
    let inner = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![plain("element")?])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(inner)])
        .build()
        .map(Arc::new)
}

/// The values of a column that are there, with their levels.
#[derive(Default)]
struct Levels<'a> {
    values: Vec<&'a Value>,
    definition: Vec<i16>,
    repetition: Vec<i16>,
}

impl<'a> Levels<'a> {
    fn of(values: &[&'a Value], typed: Typed) -> Self {
        let mut out = Self::default();
        for value in values {
            match (typed.list, value) {
                (_, Value::Null) => out.push(None, 0, 0),
                (false, value) => out.push(Some(value), 1, 0),
                (true, Value::Array(list)) if list.is_empty() => out.push(None, 1, 0),
                (true, Value::Array(list)) => {
                    for (i, element) in list.iter().enumerate() {
                        let there = Some(element).filter(|e| !e.is_null());
                        out.push(there, if there.is_some() { 3 } else { 2 }, i16::from(i > 0));
                    }
                }
                // A column of lists has nothing else.
                (true, _) => out.push(None, 0, 0),
            }
        }
        out
    }

    fn push(&mut self, value: Option<&'a Value>, definition: i16, repetition: i16) {
        self.values.extend(value);
        self.definition.push(definition);
        self.repetition.push(repetition);
    }
}

fn write(column: &mut ColumnWriter<'_>, values: &[&Value], typed: Typed) -> Result<(), OutError> {
    let levels = Levels::of(values, typed);
    let definition = Some(&levels.definition[..]);
    let repetition = typed.list.then_some(&levels.repetition[..]);
    let all = levels.values.iter();
    match column {
        ColumnWriter::BoolColumnWriter(w) => {
            let values: Vec<bool> = all.map(|v| v.as_bool().unwrap_or_default()).collect();
            w.write_batch(&values, definition, repetition)?;
        }
        ColumnWriter::Int64ColumnWriter(w) => {
            let values: Vec<i64> = all.map(|v| v.as_i64().unwrap_or_default()).collect();
            w.write_batch(&values, definition, repetition)?;
        }
        ColumnWriter::DoubleColumnWriter(w) => {
            let values: Vec<f64> = all.map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
            w.write_batch(&values, definition, repetition)?;
        }
        ColumnWriter::ByteArrayColumnWriter(w) => {
            let text = |v: &&Value| match (typed.kind, v) {
                (Kind::Text, Value::String(text)) => ByteArray::from(text.as_str()),
                (_, other) => ByteArray::from(as_json(other).as_str()),
            };
            let values: Vec<ByteArray> = all.map(text).collect();
            w.write_batch(&values, definition, repetition)?;
        }
        _ => return Err(OutError::Parquet("a column of another type than its field".into())),
    }
    Ok(())
}
