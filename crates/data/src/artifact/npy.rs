//! NumPy's array file, versions 1 to 3, for floats.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use half::f16;

use super::error::DirectionError;
use super::file::malformed;
use truenorth_files::room;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Headers of arrays of floats have under 200 bytes.
const HEADER_BYTES: usize = 1 << 16;

/// The header of an array file, and its data.
fn parts(bytes: &[u8]) -> Result<(NpyHeader, &[u8]), DirectionError> {
    let bad = |what: &str| malformed("npy", what);
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("it does not start with \\x93NUMPY"))?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(|| bad("the header is cut short"))?;
    let (length, rest) = match version[0] {
        1 => {
            let (n, rest) = rest.split_first_chunk::<2>().ok_or_else(|| bad("the header is cut short"))?;
            (usize::from(u16::from_le_bytes(*n)), rest)
        }
        2 | 3 => {
            let (n, rest) = rest.split_first_chunk::<4>().ok_or_else(|| bad("the header is cut short"))?;
            (u32::from_le_bytes(*n) as usize, rest)
        }
        v => return Err(malformed("npy", format!("version {v}; expected 1 to 3"))),
    };
    if length > HEADER_BYTES || length > rest.len() {
        return Err(bad("the header is cut short or too long"));
    }
    let (header, data) = rest.split_at(length);
    let header = NpyHeader::parse(std::str::from_utf8(header).map_err(|_| bad("the header is not UTF-8"))?)?;
    Ok((header, data))
}

/// The first text of an array of text; none where it is of another type.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let (header, data) = parts(bytes).ok()?;
    let (order, kind) = header.descr.split_at_checked(1)?;
    let length: usize = kind.get(1..)?.parse().ok()?;
    match kind.get(..1)? {
        "U" => {
            let units = data.get(..length.checked_mul(4)?)?.as_chunks::<4>().0;
            let unit =
                |b: &[u8; 4]| if order == ">" { u32::from_be_bytes(*b) } else { u32::from_le_bytes(*b) };
            let text: Option<String> = units.iter().map(|b| char::from_u32(unit(b))).collect();
            text.map(|t| t.trim_end_matches('\0').to_owned())
        }
        // Bytes of a text, as numpy.frombuffer has them.
        "u" if length == 1 => Some(std::str::from_utf8(data).ok()?.to_owned()),
        "S" => {
            let text = std::str::from_utf8(data.get(..length)?).ok()?;
            Some(text.trim_end_matches('\0').to_owned())
        }
        _ => None,
    }
}

/// The numbers of an array of integers; none where it is of another type.
pub(super) fn integers(bytes: &[u8]) -> Option<Vec<i64>> {
    let (header, data) = parts(bytes).ok()?;
    let (big, kind) = match header.descr.split_at_checked(1)? {
        (">", kind) => (true, kind),
        ("<" | "=" | "|", kind) => (false, kind),
        _ => return None,
    };
    // `f` takes the bytes from the lowest one on.
    fn each<const N: usize>(data: &[u8], big: bool, f: impl Fn([u8; N]) -> i64) -> Vec<i64> {
        let ordered = |mut b: [u8; N]| {
            if big {
                b.reverse();
            }
            b
        };
        data.as_chunks::<N>().0.iter().map(|b| f(ordered(*b))).collect()
    }
    Some(match kind {
        "i8" | "u8" => each(data, big, i64::from_le_bytes),
        "i4" => each(data, big, |b| i32::from_le_bytes(b).into()),
        "u4" => each(data, big, |b| u32::from_le_bytes(b).into()),
        "i2" => each(data, big, |b| i16::from_le_bytes(b).into()),
        "u2" => each(data, big, |b| u16::from_le_bytes(b).into()),
        "i1" => each(data, big, |b: [u8; 1]| i8::from_le_bytes(b).into()),
        "u1" => each(data, big, |b: [u8; 1]| b[0].into()),
        _ => return None,
    })
}

/// Shape and row-major values of an array file.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<usize>, Vec<f64>), DirectionError> {
    let bad = |what: &str| malformed("npy", what);
    let (header, data) = parts(bytes)?;
    let elements = header
        .shape
        .iter()
        .try_fold(1_usize, |n, s| n.checked_mul(*s))
        .ok_or_else(|| bad("the shape is too large"))?;
    let (big, kind) = match header.descr.split_at_checked(1) {
        Some((">", kind)) => (true, kind),
        Some(("<" | "=" | "|", kind)) => (false, kind),
        _ => return Err(DirectionError::DType(header.descr)),
    };
    let size = match kind {
        "f8" => 8,
        "f4" => 4,
        "f2" => 2,
        _ => return Err(DirectionError::DType(header.descr)),
    };
    if elements.checked_mul(size) != Some(data.len()) {
        return Err(malformed(
            "npy",
            format!("shape {:?} of {size}-byte elements in {} bytes of data", header.shape, data.len()),
        ));
    }
    let value = |chunk: &[u8]| {
        let mut wide = [0_u8; 8];
        for (i, b) in chunk.iter().enumerate() {
            wide[if big { size - 1 - i } else { i }] = *b;
        }
        match size {
            8 => f64::from_le_bytes(wide),
            4 => f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]).into(),
            _ => f16::from_le_bytes([wide[0], wide[1]]).into(),
        }
    };
    let mut values = room(elements)?;
    values.extend(data.chunks_exact(size).map(value));
    let values = if header.fortran { row_major(&values, &header.shape)? } else { values };
    Ok((header.shape, values))
}

/// Column-major values in row-major order.
fn row_major(values: &[f64], shape: &[usize]) -> Result<Vec<f64>, DirectionError> {
    let mut out = room(values.len())?;
    let mut index = vec![0_usize; shape.len()];
    for _ in 0..values.len() {
        let mut at = 0;
        for (i, n) in index.iter().zip(shape).rev() {
            at = at * n + i;
        }
        out.extend(values.get(at));
        for (i, n) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    Ok(out)
}

struct NpyHeader {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl NpyHeader {
    /// Reads the Python dictionary with its three fixed keys.
    fn parse(text: &str) -> Result<Self, DirectionError> {
        let bad =
            || malformed("npy", format!("header `{}`", text.trim().chars().take(120).collect::<String>()));
        let after = |key: &str| {
            let at = text.find(&format!("'{key}'")).map(|i| i + key.len() + 2)?;
            Some(text.get(at..)?.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = after("descr").ok_or_else(bad)?;
        // A list here is a structured type.
        let Some(descr) = descr.strip_prefix('\'') else {
            return Err(DirectionError::DType(descr.chars().take(40).collect()));
        };
        let descr = descr.split('\'').next().ok_or_else(bad)?.to_owned();
        let fortran = match after("fortran_order").ok_or_else(bad)? {
            t if t.starts_with("True") => true,
            t if t.starts_with("False") => false,
            _ => return Err(bad()),
        };
        let shape = after("shape").and_then(|s| s.strip_prefix('(')?.split(')').next()).ok_or_else(bad)?;
        let shape: Vec<usize> = shape
            .split(',')
            .map(str::trim)
            .filter(|s| !s.is_empty())
            .map(|s| s.trim_end_matches('L').parse().map_err(|_| bad()))
            .collect::<Result<_, _>>()?;
        Ok(Self { descr, fortran, shape })
    }
}

/// An array file of a vector of 32-bit floats.
pub(super) fn write(vector: &[f32]) -> Vec<u8> {
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", vector.len());
    // Magic, version, length, header and a newline fill a multiple of 64 bytes.
    while !(MAGIC.len() + 4 + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend([1, 0]);
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.as_bytes());
    out.extend(vector.iter().flat_map(|v| v.to_le_bytes()));
    out
}
