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

use super::{ColumnKind, OutError, OutRow, Typed, as_json, columns};

/// Rows of a row group.
const GROUP: usize = 64 << 10;

impl From<ParquetError> for OutError {
    fn from(e: ParquetError) -> Self {
        Self::Parquet(e.to_string())
    }
}

pub(super) fn bytes(rows: &[OutRow]) -> Result<Vec<u8>, OutError> {
    let columns: Vec<(&str, Typed)> = columns(rows).into_iter().map(|c| (c, Typed::of(rows, c))).collect();
    let fields = columns.iter().map(|(name, typed)| field(name, typed)).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut out = Vec::new();
    let mut file = SerializedFileWriter::new(&mut out, schema, properties)?;
    for part in rows.chunks(GROUP) {
        let mut group = file.next_row_group()?;
        for (name, typed) in &columns {
            let values: Vec<&Value> = part.iter().map(|r| r.get(name).unwrap_or(&Value::Null)).collect();
            let leaves: Vec<(Levels<'_>, ColumnKind)> = match typed {
                Typed::Plain(kind) => vec![(Levels::plain(&values), *kind)],
                Typed::List(kind) => vec![(Levels::lists(&values), *kind)],
                Typed::Records(fields) => {
                    fields.iter().map(|f| (Levels::records(&values, f), ColumnKind::Text)).collect()
                }
            };
            for (levels, kind) in leaves {
                let Some(mut column) = group.next_column()? else {
                    return Err(OutError::Parquet("fewer columns than fields".into()));
                };
                write(column.untyped(), &levels, kind)?;
                column.close()?;
            }
        }
        group.close()?;
    }
    file.close()?;
    Ok(out)
}

fn field(name: &str, typed: &Typed) -> Result<Arc<Type>, ParquetError> {
    let element = match typed {
        Typed::Plain(kind) => return plain(name, *kind),
        Typed::List(kind) => plain("element", *kind)?,
        Typed::Records(fields) => {
            let fields = fields.iter().map(|f| plain(f, ColumnKind::Text)).collect::<Result<_, _>>()?;
            let group = Type::group_type_builder("element").with_repetition(Repetition::OPTIONAL);
            Arc::new(group.with_fields(fields).build()?)
        }
    };
    let inner = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![element])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(inner)])
        .build()
        .map(Arc::new)
}

fn plain(name: &str, kind: ColumnKind) -> Result<Arc<Type>, ParquetError> {
    let physical = match kind {
        ColumnKind::Bool => Physical::BOOLEAN,
        ColumnKind::Int => Physical::INT64,
        ColumnKind::Float => Physical::DOUBLE,
        ColumnKind::Text | ColumnKind::Json => Physical::BYTE_ARRAY,
    };
    let text = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(text)
        .build()
        .map(Arc::new)
}

/// The values of a column that are there, with their levels.
#[derive(Default)]
struct Levels<'a> {
    values: Vec<&'a Value>,
    definition: Vec<i16>,
    /// Empty where a row has one value.
    repetition: Vec<i16>,
}

impl<'a> Levels<'a> {
    fn plain(values: &[&'a Value]) -> Self {
        let mut out = Self::default();
        for value in values {
            out.values.extend((!value.is_null()).then_some(*value));
            out.definition.push(i16::from(!value.is_null()));
        }
        out
    }

    fn lists(values: &[&'a Value]) -> Self {
        Self::nested(values, |element| match element {
            Value::Null => (None, 2),
            element => (Some(element), 3),
        })
    }

    fn records(values: &[&'a Value], field: &str) -> Self {
        Self::nested(values, |element| match element.get(field).filter(|v| !v.is_null()) {
            Some(value) => (Some(value), 4),
            None => (None, 3),
        })
    }

    /// `of` gives an element's value with its level.
    fn nested(values: &[&'a Value], of: impl Fn(&'a Value) -> (Option<&'a Value>, i16)) -> Self {
        let mut out = Self::default();
        for value in values {
            match value.as_array() {
                None => out.push((None, 0), 0),
                Some(list) if list.is_empty() => out.push((None, 1), 0),
                Some(list) => {
                    list.iter().enumerate().for_each(|(i, element)| out.push(of(element), i16::from(i > 0)));
                }
            }
        }
        out
    }

    fn push(&mut self, (value, definition): (Option<&'a Value>, i16), repetition: i16) {
        self.values.extend(value);
        self.definition.push(definition);
        self.repetition.push(repetition);
    }
}

fn write(column: &mut ColumnWriter<'_>, levels: &Levels<'_>, kind: ColumnKind) -> Result<(), OutError> {
    let definition = Some(&levels.definition[..]);
    let repetition = (!levels.repetition.is_empty()).then_some(&levels.repetition[..]);
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
            let text = |v: &&Value| match (kind, v) {
                (ColumnKind::Text, Value::String(text)) => ByteArray::from(text.as_str()),
                (_, other) => ByteArray::from(as_json(other).as_str()),
            };
            let values: Vec<ByteArray> = all.map(text).collect();
            w.write_batch(&values, definition, repetition)?;
        }
        _ => return Err(OutError::Parquet("a column of another type than its field".into())),
    }
    Ok(())
}
