//! What Arrow's own schema in a Parquet file says of a column that Parquet takes for plain integers: durations have no
//! type in Parquet, and writers keep them in the key `ARROW:schema`, an IPC message in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) const KEY: &str = "ARROW:schema";
/// Fields inside of fields that are looked into.
const DEEPEST: usize = 8;
/// Number of the type in the format's table of types.
const DURATION: u8 = 18;

/// The paths of the columns that hold durations; none where the schema can't be read.
pub(super) fn durations(encoded: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut read = || {
        let bytes = STANDARD.decode(encoded.trim()).ok()?;
        // A mark and the length of the message, or, in old files, the length alone.
        let start = if bytes.starts_with(&[0xff; 4]) { 8 } else { 4 };
        let message = FlatbufferTable::root(bytes.get(start..)?)?;
        let fields = message.table(2)?.tables(1)?;
        fields.iter().try_for_each(|field| walk(field, "", 0, &mut found))
    };
    let _ = read();
    found
}

fn walk(field: &FlatbufferTable<'_>, above: &str, depth: usize, found: &mut Vec<String>) -> Option<()> {
    let name = field.text(0)?;
    let path = if above.is_empty() { name.to_owned() } else { format!("{above}.{name}") };
    if field.byte(2) == Some(DURATION) {
        found.push(path);
    } else if depth < DEEPEST {
        field.tables(5).into_iter().flatten().try_for_each(|inner| walk(&inner, &path, depth + 1, found))?;
    }
    Some(())
}

/// A table of a flatbuffer: every place in it is checked, since the file may say anything.
struct FlatbufferTable<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> FlatbufferTable<'a> {
    fn root(all: &'a [u8]) -> Option<Self> {
        Some(Self { all, at: word(all, 0)? })
    }

    /// Where a field's value lies; none where the table does not have it.
    fn field(&self, number: usize) -> Option<usize> {
        // The list of fields lies so far before the table, or, where negative, behind it.
        let back = i32::from_le_bytes(bytes(self.all, self.at)?);
        let list = usize::try_from(i64::try_from(self.at).ok()? - i64::from(back)).ok()?;
        let size = usize::from(u16::from_le_bytes(bytes(self.all, list)?));
        let entry = 4 + 2 * number;
        if entry + 2 > size {
            return None;
        }
        let offset = usize::from(u16::from_le_bytes(bytes(self.all, list + entry)?));
        (offset > 0).then_some(self.at + offset)
    }

    fn byte(&self, number: usize) -> Option<u8> {
        self.all.get(self.field(number)?).copied()
    }

    fn target(&self, number: usize) -> Option<usize> {
        let at = self.field(number)?;
        at.checked_add(word(self.all, at)?)
    }

    fn table(&self, number: usize) -> Option<Self> {
        Some(Self { all: self.all, at: self.target(number)? })
    }

    fn tables(&self, number: usize) -> Option<Vec<Self>> {
        let at = self.target(number)?;
        let one = |i: usize| {
            let place = at + 4 + 4 * i;
            Some(Self { all: self.all, at: place.checked_add(word(self.all, place)?)? })
        };
        let count = word(self.all, at)?;
        // No list is longer than the bytes that hold it.
        (count <= self.all.len() / 4).then(|| (0..count).map_while(one).collect())
    }

    fn text(&self, number: usize) -> Option<&'a str> {
        let at = self.target(number)?;
        let text = self.all.get(at + 4..)?.get(..word(self.all, at)?)?;
        std::str::from_utf8(text).ok()
    }
}

fn bytes<const N: usize>(all: &[u8], at: usize) -> Option<[u8; N]> {
    all.get(at..)?.first_chunk::<N>().copied()
}

fn word(all: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes(all, at)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_says_anything_is_no_harm() {
        for text in ["", "not base64!", "AAAA", "/////wAAAAD/////////////////////"] {
            assert!(durations(text).is_empty());
        }
        let mut state = 7_u32;
        for length in 0..600 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    // Small numbers are places that lie inside.
                    if state & 0x100 == 0 { (state >> 24) as u8 & 0x0f } else { 0 }
                })
                .collect();
            durations(&STANDARD.encode(bytes));
        }
    }
}
