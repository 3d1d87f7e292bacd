//! What a file is by its first bytes, and its rows.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use super::super::rows::{self, Rows, kind};
use super::error::{ImportFault, ImportProblem};
use super::options::ImportSource;
use super::record::{ImportedCell, ImportedRow, RowLocation, WantedColumns};
use super::{csv, json, parquet};
use truenorth_files::UnreadableKind;

/// Told every row.
pub(super) type Each<'a> = dyn FnMut(ImportedRow) -> Result<(), ImportFault> + 'a;

/// The column that a line of text is.
pub(super) const LINE: &str = "line";

/// Bytes that a packed file is unpacked to at most: it can hold a thousand times its own.
const MOST_UNPACKED: u64 = 1 << 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Parquet,
    /// A JSON array.
    Array,
    Jsonl,
    Csv,
    Text,
}

impl Container {
    fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Array => "a JSON array",
            Self::Jsonl => "JSONL",
            Self::Csv => "CSV",
            Self::Text => "plain text",
        }
    }

    /// `None` where the bytes do not say.
    fn sniff(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'[') => Some(Self::Array),
            Some(b'{') => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// The containers that a source comes in: the usual one first, and their names.
fn containers(source: ImportSource) -> (&'static [Container], &'static str) {
    use Container::{Array, Csv, Jsonl, Parquet, Text};
    match source {
        ImportSource::BeaverTails => (&[Jsonl, Array, Parquet], "JSONL, JSON or Parquet"),
        ImportSource::Alpaca => (&[Array, Jsonl, Parquet], "a JSON array, JSONL or Parquet"),
        ImportSource::AdvBench | ImportSource::HarmBench => (&[Csv, Parquet], "CSV or Parquet"),
        ImportSource::MaliciousInstruct => (&[Text], "plain text"),
        ImportSource::Jsonl => (&[Jsonl, Array], "JSONL or a JSON list"),
        ImportSource::Csv => (&[Csv], "CSV"),
        ImportSource::Parquet => (&[Parquet], "Parquet"),
    }
}

/// Reads a file row by row, unpacked if it is gzip; what stands between the columns of a table is said where
/// that is not what its name says.
pub(super) fn read(
    source: ImportSource,
    bytes: &[u8],
    name: &str,
    wanted: &WantedColumns,
    each: &mut Each<'_>,
) -> Result<Option<char>, ImportFault> {
    let bytes = unpack(bytes, MOST_UNPACKED)?;
    let (may_be, expected) = containers(source);
    let usual = may_be.first().copied().unwrap_or(Container::Text);
    let found = Container::sniff(&bytes);
    let refused = |found| {
        Err(ImportFault::of(ImportProblem::Container { found, source_name: source.name(), expected }))
    };
    let container = match found {
        Some(found) if may_be.contains(&found) => found,
        // A text or a head may begin with a bracket.
        Some(Container::Array | Container::Jsonl) if usual == Container::Text => usual,
        Some(found @ (Container::Array | Container::Jsonl)) if usual == Container::Csv => {
            match std::str::from_utf8(&bytes).is_ok_and(rows::is_json) {
                true => return refused(found.name()),
                false => usual,
            }
        }
        Some(found) => return refused(found.name()),
        None if usual == Container::Parquet => {
            return match std::str::from_utf8(&bytes) {
                Ok("") => Err(ImportFault::of(ImportProblem::NoBytes)),
                Ok(_) => refused("text"),
                Err(_) => refused("something else"),
            };
        }
        None => usual,
    };
    match container {
        Container::Parquet => parquet::read(&bytes, wanted, each)?,
        Container::Array | Container::Jsonl => json::read(&bytes, wanted, each)?,
        Container::Csv => {
            let plain = name.strip_suffix(".gz").unwrap_or(name);
            let tabs = ["tsv", "tab"].contains(&rows::ending(plain).as_str());
            return csv::read(&bytes, if tabs { b'\t' } else { b',' }, wanted, each);
        }
        Container::Text => text(&bytes, each)?,
    }
    Ok(None)
}

pub(super) fn unpack(bytes: &[u8], most: u64) -> Result<Cow<'_, [u8]>, ImportFault> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        return match MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut plain) {
            Ok(n) if n as u64 > most => Err(ImportFault::of(ImportProblem::Unpacked { most: most >> 20 })),
            Ok(_) => Ok(Cow::Owned(plain)),
            Err(e) => Err(ImportFault::of(ImportProblem::Gzip(e))),
        };
    }
    match UnreadableKind::of(bytes) {
        Some(look) if !bytes.starts_with(b"PAR1") => Err(ImportFault::of(ImportProblem::Looks(look))),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

/// Texts as all readers take them: a line each, or JSON that holds texts.
fn text(bytes: &[u8], each: &mut Each<'_>) -> Result<(), ImportFault> {
    for (number, value) in Rows::read(bytes, "", rows::Wanted::Texts)?.values() {
        let place = RowLocation::Line(number);
        let found = kind(&value);
        let text = match value {
            Value::String(text) => Some(text),
            Value::Object(mut map) => ["text", "prompt"].into_iter().find_map(|k| match map.remove(k) {
                Some(Value::String(text)) => Some(text),
                _ => None,
            }),
            _ => None,
        };
        let problem =
            ImportProblem::Value { found: found.into(), expected: "a text, or an object with a `text`" };
        let text = text.ok_or_else(|| ImportFault::at(place, problem))?;
        each(ImportedRow { place, cells: [(LINE.to_owned(), ImportedCell::Text(text))].into() })?;
    }
    Ok(())
}
