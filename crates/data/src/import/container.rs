//! What a file is by its first bytes, and its rows.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

use super::super::rows::{self, Rows, kind};
use super::error::{Fault, ImportProblem};
use super::options::Source;
use super::record::{Cell, Place, Record, Wanted};
use super::{csv, json, parquet};
use truenorth_files::Look;

/// Told every row.
pub(super) type Each<'a> = dyn FnMut(Record) -> Result<(), Fault> + 'a;

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
fn containers(source: Source) -> (&'static [Container], &'static str) {
    use Container::{Array, Csv, Jsonl, Parquet, Text};
    match source {
        Source::BeaverTails => (&[Jsonl, Array, Parquet], "JSONL, JSON or Parquet"),
        Source::Alpaca => (&[Array, Jsonl, Parquet], "a JSON array, JSONL or Parquet"),
        Source::AdvBench | Source::HarmBench => (&[Csv, Parquet], "CSV or Parquet"),
        Source::MaliciousInstruct => (&[Text], "plain text"),
        Source::Jsonl => (&[Jsonl, Array], "JSONL or a JSON list"),
        Source::Csv => (&[Csv], "CSV"),
        Source::Parquet => (&[Parquet], "Parquet"),
    }
}

/// Reads a file row by row, unpacked if it is gzip; what stands between the columns of a table is said where
/// that is not what its name says.
pub(super) fn read(
    source: Source,
    bytes: &[u8],
    name: &str,
    wanted: &Wanted,
    each: &mut Each<'_>,
) -> Result<Option<char>, Fault> {
    let bytes = unpack(bytes, MOST_UNPACKED)?;
    let (may_be, expected) = containers(source);
    let usual = may_be.first().copied().unwrap_or(Container::Text);
    let found = Container::sniff(&bytes);
    let refused =
        |found| Err(Fault::of(ImportProblem::Container { found, source_name: source.name(), expected }));
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
                Ok("") => Err(Fault::of(ImportProblem::NoBytes)),
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

pub(super) fn unpack(bytes: &[u8], most: u64) -> Result<Cow<'_, [u8]>, Fault> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        return match MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut plain) {
            Ok(n) if n as u64 > most => Err(Fault::of(ImportProblem::Unpacked { most: most >> 20 })),
            Ok(_) => Ok(Cow::Owned(plain)),
            Err(e) => Err(Fault::of(ImportProblem::Gzip(e))),
        };
    }
    match Look::of(bytes) {
        Some(look) if !bytes.starts_with(b"PAR1") => Err(Fault::of(ImportProblem::Looks(look))),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

/// Texts as all readers take them: a line each, or JSON that holds texts.
fn text(bytes: &[u8], each: &mut Each<'_>) -> Result<(), Fault> {
    for (number, value) in Rows::read(bytes, "", rows::Wanted::Texts)?.values() {
        let place = Place::Line(number);
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
        let text = text.ok_or_else(|| Fault::at(place, problem))?;
        each(Record { place, cells: [(LINE.to_owned(), Cell::Text(text))].into() })?;
    }
    Ok(())
}
