//! CSV with a head, as Python's csv and pandas read it.

use std::borrow::Cow;

use csv::{ByteRecord, ErrorKind, ReaderBuilder};

use super::super::error::DataProblem;
use super::fields::shown;

/// A table with its records in file order.
#[derive(Debug)]
pub(in super::super) struct CsvTable {
    pub head: Vec<String>,
    pub records: Vec<CsvRecord>,
}

/// A record and the line that it starts on.
#[derive(Debug)]
pub(in super::super) struct CsvRecord {
    pub line: usize,
    pub fields: Vec<String>,
}

/// What is wrong with a table, and where.
#[derive(Debug)]
pub(in super::super) struct CsvFault {
    pub line: Option<usize>,
    pub column: Option<String>,
    pub problem: DataProblem,
}

/// The delimiter that a first line such as `sep=;` names, as Excel writes and reads it, and the bytes of that line.
pub(in super::super) fn named_delimiter(bytes: &[u8]) -> Option<(u8, usize)> {
    let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
    let line = bytes[..end].strip_prefix(b"\"").unwrap_or(&bytes[..end]);
    let (key, rest) = line.split_at_checked(4)?;
    let rest = rest.strip_suffix(b"\"").unwrap_or(rest);
    match rest {
        [one] if key.eq_ignore_ascii_case(b"sep=") && one.is_ascii() && !one.is_ascii_alphanumeric() => {
            Some((*one, end))
        }
        _ => None,
    }
}

/// Reads a table. A quote inside a field that does not begin with one is a character like any other.
pub(in super::super) fn table(bytes: &[u8], delimiter: u8) -> Result<CsvTable, CsvFault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // What is left of a line that names the delimiter is a blank line, so that lines keep their numbers.
    let bytes = named_delimiter(bytes).map_or(bytes, |(_, end)| &bytes[end..]);
    let bytes = &*without_space_before_quotes(bytes, delimiter);
    if let Some(line) = open_quote(bytes, delimiter) {
        return Err(CsvFault { line: Some(line), column: None, problem: DataProblem::OpenQuote });
    }
    let mut reader = ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(bytes);
    let lone = lone_returns(bytes);
    let mut row = ByteRecord::new();
    let mut head: Option<Vec<String>> = None;
    let mut records = Vec::new();
    while reader.read_byte_record(&mut row).map_err(|e| match head.as_deref() {
        // A head of one field, and rows of several under it.
        Some([comment, ..]) if comment.starts_with('#') => {
            CsvFault { line: Some(1), column: None, problem: DataProblem::Comment { shown: shown(comment) } }
        }
        _ => refused(e, bytes, &lone),
    })? {
        let line = row.position().map_or(1, |p| line_of(p, bytes, &lone));
        let names = head.as_deref().unwrap_or_default();
        let fields = row
            .iter()
            .enumerate()
            .map(|(i, field)| text(field, line, names.get(i)))
            .collect::<Result<Vec<_>, _>>()?;
        match head {
            None => head = Some(fields),
            Some(_) => records.push(CsvRecord { line, fields }),
        }
    }
    match head {
        Some(head) if !records.is_empty() => Ok(CsvTable { head, records }),
        _ => Err(CsvFault { line: None, column: None, problem: DataProblem::NoRows }),
    }
}

/// A table without the spaces between a delimiter and a quoted field, `a, "b"`, as pandas reads it with
/// `skipinitialspace`: a writer of CSV quotes a field that begins with them, so they are no part of it. The field must
/// end on its line, before a delimiter or the end; else the quote is a character like any other.
fn without_space_before_quotes(bytes: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    let ends = |at: usize| bytes.get(at).is_none_or(|b| [delimiter, b'\n', b'\r'].contains(b));
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut start) = (0, true);
    while at < bytes.len() {
        let spaces = bytes[at..].iter().take_while(|b| **b == b' ').count();
        let quoted = if start { quoted(&bytes[at + spaces..]) } else { None };
        let end = match quoted {
            Some(quoted) if spaces > 0 && ends(at + spaces + quoted.len()) && !quoted.contains(&b'\n') => {
                out.get_or_insert_with(|| bytes[..at].to_vec());
                at += spaces;
                at + quoted.len()
            }
            Some(quoted) if spaces == 0 => at + quoted.len(),
            _ => at + 1,
        };
        if let Some(out) = &mut out {
            out.extend(&bytes[at..end]);
        }
        start = [delimiter, b'\n', b'\r'].contains(&bytes[end - 1]);
        at = end;
    }
    out.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

/// The quoted field that bytes begin with, its quotes with it.
fn quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = usize::from(bytes.first() == Some(&b'"'));
    while at > 0 {
        at += bytes[at..].iter().position(|b| *b == b'"')? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(&bytes[..at]);
        }
        at += 1;
    }
    None
}

fn text(field: &[u8], line: usize, column: Option<&String>) -> Result<String, CsvFault> {
    std::str::from_utf8(field).map(str::to_owned).map_err(|e| {
        let byte = field.get(e.valid_up_to()).copied().unwrap_or_default();
        CsvFault { line: Some(line), column: column.cloned(), problem: DataProblem::NotUtf8 { byte } }
    })
}

/// The line of a quoted field that is not closed: the file ends in it, or text follows the quote that ends it
/// lines later.
fn open_quote(bytes: &[u8], delimiter: u8) -> Option<usize> {
    #[derive(PartialEq)]
    enum CsvState {
        Start,
        Plain,
        Quoted,
        /// After a quote in a quoted field, which ends it unless another follows.
        Closing,
    }
    let (mut at, mut line, mut opened) = (CsvState::Start, 1, 1);
    for &b in bytes {
        at = match (at, b) {
            (CsvState::Start, b'"') => {
                opened = line;
                CsvState::Quoted
            }
            (CsvState::Quoted, b'"') => CsvState::Closing,
            (CsvState::Closing, b'"') | (CsvState::Quoted, _) => CsvState::Quoted,
            // A quote that was never closed takes in rows up to the next one, which text follows.
            (CsvState::Closing, b) if line > opened && b != delimiter && b != b'\n' && b != b'\r' => {
                return Some(opened);
            }
            (_, b'\n' | b'\r') => CsvState::Start,
            (_, b) if b == delimiter => CsvState::Start,
            _ => CsvState::Plain,
        };
        line += usize::from(b == b'\n');
    }
    (at == CsvState::Quoted).then_some(opened)
}

/// The line of a record; the parser counts the blank lines before it as part of it.
fn line_of(position: &csv::Position, bytes: &[u8], lone: &[usize]) -> usize {
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let before = bytes.get(start..).unwrap_or_default().iter().take_while(|b| matches!(b, b'\n' | b'\r'));
    let (blank, ends) = before.fold((0, 0), |(all, ends), b| (all + 1, ends + usize::from(*b == b'\n')));
    let lone = lone.partition_point(|at| *at < start.saturating_add(blank));
    usize::try_from(position.line()).unwrap_or(usize::MAX) + ends + lone
}

/// Where lines end in a carriage return alone, which the reader's own count of lines leaves out.
fn lone_returns(bytes: &[u8]) -> Vec<usize> {
    let ends = |at: &usize| bytes[*at] == b'\r' && bytes.get(at + 1) != Some(&b'\n');
    (0..bytes.len()).filter(ends).collect()
}

fn refused(error: csv::Error, bytes: &[u8], lone: &[usize]) -> CsvFault {
    let line = error.position().map(|p| line_of(p, bytes, lone));
    let problem = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            DataProblem::Ragged { found: *len, expected: *expected_len }
        }
        _ => DataProblem::Csv(error),
    };
    CsvFault { line, column: None, problem }
}
