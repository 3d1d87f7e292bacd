//! Parquet, the wanted columns of a row group at a time.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::super::error::DataProblem;
use super::super::rows::decimal::DecimalNumber;
use super::super::rows::{self, Rows};
use super::arrow;
use super::container::Each;
use super::error::{ImportFault, ImportProblem};
use super::json;
use super::record::{ImportedCell, ImportedRow, RowLocation, WantedColumns};
use truenorth_files::{add, available, copied, room};

/// Values asked for at once, so that a wrong count of rows reserves nothing.
const BATCH: usize = 4096;
/// Bytes of a column of a row group, unpacked, that memory is asked for in advance; a page has less.
const MOST_PAGES: usize = 1 << 31;

pub(super) fn read(bytes: &[u8], wanted: &WantedColumns, each: &mut Each<'_>) -> Result<(), ImportFault> {
    let mut copy = room(bytes.len())?;
    copy.extend_from_slice(bytes);
    let bytes = Bytes::from(copy);
    // What the library makes of the file's own description can't be refused.
    available(bytes.len())?;
    let file = guarded(|| SerializedFileReader::new(bytes.clone()).map_err(damaged))?;
    let metadata = file.metadata();
    let columns = match choose(metadata.file_metadata().schema_descr(), wanted) {
        // Lists may be conversations, which are read row by row.
        Err(fault) if matches!(*fault.problem, ImportProblem::Nested) => {
            return conversations(&bytes, wanted, each, fault);
        }
        columns => columns?,
    };
    let stated = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let arrow = stated.filter(|entry| entry.key == arrow::KEY).find_map(|entry| entry.value.as_deref());
    let durations = arrow.map(arrow::durations).unwrap_or_default();
    let mut row = 0;
    for index in 0..metadata.num_row_groups() {
        let group = guarded(|| file.get_row_group(index).map_err(damaged))?;
        let rows = usize::try_from(group.metadata().num_rows()).map_err(|_| {
            ImportFault::of(ImportProblem::Inconsistent(format!("row group {index} has fewer than no rows")))
        })?;
        let mut values = Vec::with_capacity(columns.len());
        for (column, name) in &columns {
            let compression = group.metadata().column(*column).compression();
            if matches!(compression, Compression::BROTLI(_) | Compression::LZO) {
                let called = format!("{compression:?}").split('(').next().unwrap_or_default().to_lowercase();
                return Err(ImportFault::of(ImportProblem::Compression(called)).column(name));
            }
            // Neither can its pages: compressed, unpacked, and as values.
            let size = |n: i64| usize::try_from(n).unwrap_or(0).min(MOST_PAGES);
            let column_size = size(group.metadata().column(*column).uncompressed_size());
            available(column_size.saturating_mul(2))?;
            let read = guarded(|| cells(group.as_ref(), *column, durations.contains(name), rows))
                .map_err(|f| ImportFault { place: f.place.map(|p| later(p, row)), ..f }.column(name))?;
            values.push(read.into_iter());
        }
        for i in 0..rows {
            let mut cells = BTreeMap::new();
            for ((_, name), values) in columns.iter().zip(&mut values) {
                cells.insert(name.clone(), values.next().unwrap_or(ImportedCell::Null));
            }
            each(ImportedRow { place: RowLocation::Row(row + i + 1), cells })?;
        }
        row += rows;
    }
    if row == 0 { Err(ImportFault::of(ImportProblem::NoRows)) } else { Ok(()) }
}

/// Rows of which a wanted column is a conversation; `else_wrong` where it is another list.
fn conversations(
    bytes: &[u8],
    wanted: &WantedColumns,
    each: &mut Each<'_>,
    else_wrong: ImportFault,
) -> Result<(), ImportFault> {
    for (number, value) in Rows::read(bytes, "", rows::Wanted::Table)?.values() {
        let record = json::record(RowLocation::Row(number), value, wanted)?;
        if record.cells.values().any(|c| matches!(c, ImportedCell::Other(_))) {
            return Err(else_wrong);
        }
        each(record)?;
    }
    Ok(())
}

/// Index and name of the wanted columns.
fn choose(schema: &SchemaDescriptor, wanted: &WantedColumns) -> Result<Vec<(usize, String)>, ImportFault> {
    let leaves: Vec<(String, bool)> =
        schema.columns().iter().map(|c| (c.path().string(), c.max_rep_level() > 0)).collect();
    let root = |path: &str| path.split('.').next().unwrap_or_default().to_owned();
    let lists =
        leaves.iter().find(|(path, lists)| *lists && (wanted.takes(path) || wanted.takes(&root(path))));
    if let Some((path, _)) = lists {
        return Err(ImportFault::of(ImportProblem::Nested).column(&root(path)));
    }
    let names: Vec<&str> = leaves.iter().map(|(path, _)| path.as_str()).collect();
    wanted.check(&names)?;
    let mut chosen: Vec<(usize, String)> = Vec::new();
    for (i, name) in names.iter().enumerate().filter(|(_, n)| wanted.takes(n)) {
        if chosen.iter().any(|(_, seen)| seen == name) {
            return Err(ImportFault::of(ImportProblem::TwoColumns).column(name));
        }
        chosen.push((i, (*name).to_owned()));
    }
    Ok(chosen)
}

/// The values of a column of a row group, in row order.
fn cells(
    group: &dyn RowGroupReader,
    column: usize,
    durations: bool,
    rows: usize,
) -> Result<Vec<ImportedCell>, ImportFault> {
    let reader = group.get_column_reader(column).map_err(damaged)?;
    let schema = group.metadata().schema_descr_ptr();
    let column = schema.column(column);
    let unsigned = is_unsigned(&column);
    let plain = is_plain(&column);
    let decimal = is_decimal(&column);
    let scale = column.type_scale();
    let number = move |bytes: &[u8]| match DecimalNumber::of(bytes, scale) {
        Some(DecimalNumber::Whole(n)) => ImportedCell::Int(n),
        Some(DecimalNumber::Fraction(digits)) => {
            digits.parse().map_or(ImportedCell::Other("a decimal"), ImportedCell::Float)
        }
        None => ImportedCell::Other("a decimal of too many digits"),
    };
    let other = |kind| move |_: i64| ImportedCell::Other(kind);
    let int = move |n: i64, bits: u32| {
        let wide = i128::from(n);
        ImportedCell::Int(if unsigned && n < 0 { wide + (1_i128 << bits) } else { wide })
    };
    match reader {
        ColumnReader::BoolColumnReader(r) => values(r, &column, rows, |b| Ok(ImportedCell::Bool(b))),
        ColumnReader::Int64ColumnReader(r) if durations => {
            values(r, &column, rows, |n| Ok(other("a duration")(n)))
        }
        ColumnReader::Int32ColumnReader(r) if decimal => {
            values(r, &column, rows, |n| Ok(number(&n.to_be_bytes())))
        }
        ColumnReader::Int64ColumnReader(r) if decimal => {
            values(r, &column, rows, |n| Ok(number(&n.to_be_bytes())))
        }
        ColumnReader::ByteArrayColumnReader(r) if decimal => {
            values(r, &column, rows, |b| Ok(number(b.data())))
        }
        ColumnReader::FixedLenByteArrayColumnReader(r) if decimal => {
            values(r, &column, rows, |b| Ok(number(b.data())))
        }
        ColumnReader::Int32ColumnReader(r) if plain => values(r, &column, rows, |n| Ok(int(n.into(), 32))),
        ColumnReader::Int64ColumnReader(r) if plain => values(r, &column, rows, |n| Ok(int(n, 64))),
        ColumnReader::Int32ColumnReader(r) => {
            values(r, &column, rows, |n| Ok(other("a date or time")(n.into())))
        }
        ColumnReader::Int64ColumnReader(r) => values(r, &column, rows, |n| Ok(other("a date or time")(n))),
        ColumnReader::Int96ColumnReader(r) => values(r, &column, rows, |_| Ok(ImportedCell::Other("a date"))),
        ColumnReader::FloatColumnReader(r) => values(r, &column, rows, |x| Ok(ImportedCell::Float(x.into()))),
        ColumnReader::DoubleColumnReader(r) => values(r, &column, rows, |x| Ok(ImportedCell::Float(x))),
        ColumnReader::ByteArrayColumnReader(r) => values(r, &column, rows, |b| string(b.data())),
        ColumnReader::FixedLenByteArrayColumnReader(r) => {
            values(r, &column, rows, |_| Ok(ImportedCell::Other("bytes of fixed length")))
        }
    }
}

fn values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    rows: usize,
    mut make: impl FnMut(T::T) -> Result<ImportedCell, ImportProblem>,
) -> Result<Vec<ImportedCell>, ImportFault> {
    let whole = column.max_def_level();
    let mut cells = Vec::new();
    while cells.len() < rows {
        let (mut levels, mut read) = (Vec::new(), Vec::new());
        let want = BATCH.min(rows - cells.len());
        let levels_wanted = (whole > 0).then_some(&mut levels);
        let (records, _, _) = reader.read_records(want, levels_wanted, None, &mut read).map_err(damaged)?;
        if records == 0 {
            let problem = format!("{} values of {rows} in a column", cells.len());
            return Err(ImportFault::of(ImportProblem::Inconsistent(problem)));
        }
        let mut read = read.into_iter();
        for i in 0..records {
            let there = whole == 0 || levels.get(i).is_some_and(|l| *l == whole);
            let place = RowLocation::Row(cells.len() + 1);
            let cell = match (there, there.then(|| read.next()).flatten()) {
                (false, _) => ImportedCell::Null,
                (true, Some(value)) => make(value).map_err(|p| ImportFault::at(place, p))?,
                (true, None) => {
                    let problem = "a column has fewer values than it says".to_owned();
                    return Err(ImportFault::at(place, ImportProblem::Inconsistent(problem)));
                }
            };
            add(&mut cells, cell)?;
        }
    }
    Ok(cells)
}

fn string(bytes: &[u8]) -> Result<ImportedCell, ImportProblem> {
    match std::str::from_utf8(bytes) {
        Ok(text) => copied(text).map(ImportedCell::Text).map_err(|_| ImportProblem::Memory),
        Err(e) => {
            let byte = bytes.get(e.valid_up_to()).copied().unwrap_or_default();
            Err(ImportProblem::Text(DataProblem::NotUtf8 { byte }))
        }
    }
}

/// Whether integers of the column are numbers, and no dates or decimals.
fn is_plain(column: &ColumnDescriptor) -> bool {
    use ConvertedType as C;
    match column.logical_type_ref() {
        Some(LogicalType::Integer { .. }) => true,
        Some(_) => false,
        None => matches!(
            column.converted_type(),
            C::NONE
                | C::INT_8
                | C::INT_16
                | C::INT_32
                | C::INT_64
                | C::UINT_8
                | C::UINT_16
                | C::UINT_32
                | C::UINT_64
        ),
    }
}

/// Whether a column's numbers are held as whole numbers of a power of ten.
fn is_decimal(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }))
        || column.converted_type() == ConvertedType::DECIMAL
}

fn is_unsigned(column: &ColumnDescriptor) -> bool {
    use ConvertedType as C;
    matches!(column.converted_type(), C::UINT_8 | C::UINT_16 | C::UINT_32 | C::UINT_64)
}

fn later(place: RowLocation, rows: usize) -> RowLocation {
    match place {
        RowLocation::Row(n) => RowLocation::Row(n + rows),
        line @ RowLocation::Line(_) => line,
    }
}

fn damaged(error: ParquetError) -> ImportFault {
    ImportFault::of(ImportProblem::Parquet(error))
}

/// Runs a step of the decoder; a damaged file must not end the program, wherever it is noticed.
fn guarded<T>(step: impl FnOnce() -> Result<T, ImportFault>) -> Result<T, ImportFault> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| {
        Err(ImportFault::of(ImportProblem::Inconsistent("its parts contradict each other".to_owned())))
    })
}
