//! Arrays as NumPy's npz.

use std::io::{Cursor, Write as _};

use super::OutError;

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Elements {
    /// 32-bit IEEE floats.
    #[default]
    Floats,
    /// 64-bit signed integers.
    Integers,
}

/// A named array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedArray<'a> {
    /// The name under which the array stands in the archive.
    pub name: &'a str,
    /// Sizes of its axes.
    pub shape: &'a [usize],
    /// Type of each element.
    pub elements: Elements,
    /// The elements, little-endian, row-major.
    pub data: &'a [u8],
}

/// An npz archive of arrays, with texts in an array `meta` of JSON.
///
/// # Errors
/// When the archive can't be made.
pub fn npz(arrays: &[NamedArray<'_>], meta: &str) -> Result<Vec<u8>, OutError> {
    // Stored, not compressed: floats hardly shrink. The date is the archive's own zero, so that the same arrays give the
    // same bytes; large arrays need the longer form of sizes.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default())
        .large_file(arrays.iter().any(|a| a.data.len() > u32::MAX as usize));
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, head: &[u8], data: &[u8]| -> Result<(), OutError> {
        archive.start_file(format!("{name}.npy"), options).map_err(OutError::Zip)?;
        archive.write_all(head).and_then(|()| archive.write_all(data)).map_err(|e| OutError::Zip(e.into()))
    };
    for array in arrays {
        let descr = match array.elements {
            Elements::Floats => "<f4",
            Elements::Integers => "<i8",
        };
        put(array.name, &head(descr, array.shape), array.data)?;
    }
    // NumPy's texts are of one length, four bytes a character; an empty one has length 1.
    let mut text: Vec<u8> = meta.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    if text.is_empty() {
        text = vec![0; 4];
    }
    put("meta", &head(&format!("<U{}", text.len() / 4), &[]), &text)?;
    Ok(archive.finish().map_err(OutError::Zip)?.into_inner())
}

/// The head of an array file, version 1.
fn head(descr: &str, shape: &[usize]) -> Vec<u8> {
    let sizes = match shape {
        [one] => format!("({one},)"),
        more => format!("({})", more.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {sizes}, }}");
    // Magic, version, length, head and a newline fill a multiple of 64 bytes.
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend(text.as_bytes());
    out
}
