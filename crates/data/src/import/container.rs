//! What a file is by its first bytes, and its rows.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::super::rows;
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
        Source::BeaverTails => (&[Jsonl, Parquet], "JSONL or Parquet"),
        Source::Alpaca => (&[Array, Jsonl, Parquet], "a JSON array, JSONL or Parquet"),
        Source::AdvBench | Source::HarmBench => (&[Csv, Parquet], "CSV or Parquet"),
        Source::MaliciousInstruct => (&[Text], "plain text"),
        Source::Jsonl => (&[Jsonl], "JSONL or a JSON list"),
        Source::Csv => (&[Csv], "CSV"),
        Source::Parquet => (&[Parquet], "Parquet"),
    }
}

/// Reads a file row by row, unpacked if it is gzip.
pub(super) fn read(source: Source, bytes: &[u8], wanted: &Wanted, each: &mut Each<'_>) -> Result<(), Fault> {
    let bytes = unpack(bytes, MOST_UNPACKED)?;
    let (may_be, expected) = containers(source);
    let usual = may_be.first().copied().unwrap_or(Container::Text);
    let found = Container::sniff(&bytes);
    let container = match found {
        Some(found) if may_be.contains(&found) => found,
        // A head or a line may begin with a brace; a Parquet file or a JSON array is neither.
        Some(Container::Jsonl) if matches!(usual, Container::Csv | Container::Text) => usual,
        Some(Container::Array) if usual == Container::Text => usual,
        // A list of objects is as good as a line each.
        Some(Container::Array) if usual == Container::Jsonl && lists_objects(&bytes) => Container::Array,
        // A line of JSONL that is an array is reported as such.
        Some(Container::Array) if usual == Container::Jsonl => usual,
        Some(found) => {
            return Err(Fault::of(ImportProblem::Container {
                found: found.name(),
                source_name: source.name(),
                expected,
            }));
        }
        None if usual == Container::Parquet => {
            return Err(Fault::of(ImportProblem::Container {
                found: if bytes.is_empty() { "nothing" } else { "something else" },
                source_name: source.name(),
                expected,
            }));
        }
        None => usual,
    };
    match container {
        Container::Parquet => parquet::read(&bytes, wanted, each),
        Container::Array => json::array(&bytes, wanted, each),
        Container::Jsonl => json::lines(&bytes, wanted, each),
        Container::Csv => csv::read(&bytes, wanted, each),
        Container::Text => text(&bytes, each),
    }
}

fn lists_objects(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    bytes.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().starts_with(b"{"))
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

fn text(bytes: &[u8], each: &mut Each<'_>) -> Result<(), Fault> {
    let mut any = false;
    for line in rows::lines(rows::whole_text(bytes, "")?) {
        let cells = [(LINE.to_owned(), Cell::Text(line.text.to_owned()))].into();
        each(Record { place: Place::Line(line.number), cells })?;
        any = true;
    }
    if any { Ok(()) } else { Err(Fault::of(ImportProblem::NoRows)) }
}
