//! Bytes to text, refused with the place of the first byte that is none.

use super::super::error::{DataError, DataProblem};
use truenorth_files::UnreadableKind;

/// A whole file as text: UTF-8, its byte order mark taken off, and none of the kinds of file that are known
/// not to be text.
///
/// # Errors
/// A [`DataError`] with the place of the first byte that is no text.
pub fn whole_text<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str, DataError> {
    let at = |line, column, problem| DataError::at(name, line, column, problem);
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(at(Some(1), Some(1), DataProblem::Utf16));
    }
    if let Some(look) = UnreadableKind::of(bytes) {
        return Err(at(None, None, DataProblem::Looks(look)));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let place = |byte: usize| {
        let before = &bytes[..byte];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        (Some(1 + before.iter().filter(|b| **b == b'\n').count()), Some(byte - start + 1))
    };
    // UTF-16 without a mark is full of these; text has none.
    if let Some(byte) = bytes.iter().position(|b| *b == 0) {
        let (line, column) = place(byte);
        return Err(at(line, column, DataProblem::Nul));
    }
    std::str::from_utf8(bytes).map_err(|e| {
        let (line, column) = place(e.valid_up_to());
        let byte = bytes.get(e.valid_up_to()).copied().unwrap_or_default();
        at(line, column, DataProblem::NotUtf8 { byte })
    })
}

/// A line with its number from 1.
#[derive(Debug)]
pub(in super::super) struct TextLine<'a> {
    pub number: usize,
    pub text: &'a str,
}

/// The lines of a text that are not blank. Lines end with a line feed, with or without a carriage return
/// before it, or where there is no line feed at all with a carriage return.
pub(in super::super) fn lines(text: &str) -> impl Iterator<Item = TextLine<'_>> {
    let end = if text.contains('\n') { '\n' } else { '\r' };
    text.split(end)
        .enumerate()
        .map(|(i, line)| TextLine { number: i + 1, text: line.trim_end_matches('\r') })
        .filter(|l| !l.text.trim().is_empty())
}
