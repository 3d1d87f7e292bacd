//! Typed key-value pairs.

use std::collections::BTreeMap;
use std::fmt;

use super::GgufError;
use super::cursor::Cursor;
use truenorth_files::add;

/// A metadata value. Integers of every width are one type, as are floats.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Meta {
    /// An integer that fits 64 bits with a sign; larger ones are refused.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// Text, as UTF-8.
    Text(String),
    /// An array of integers.
    Ints(Vec<i64>),
    /// An array of floating-point numbers.
    Floats(Vec<f32>),
    /// An array of truth values.
    Bools(Vec<bool>),
    /// An array of text.
    Texts(Vec<String>),
    /// An array of arrays, which nothing here uses; the content is dropped.
    Nested,
}

impl Meta {
    /// The value as a non-negative integer.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Self::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// The number; none for what is no number. Integers beyond 2⁵³ are rounded.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(n) => Some(*n as f64),
            Self::Float(x) => Some(*x),
            _ => None,
        }
    }
}

impl fmt::Display for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Text(s) => write!(f, "`{s}`"),
            Self::Ints(v) => write!(f, "an array of {} integers", v.len()),
            Self::Floats(v) => write!(f, "an array of {} numbers", v.len()),
            Self::Bools(v) => write!(f, "an array of {} truth values", v.len()),
            Self::Texts(v) => write!(f, "an array of {} strings", v.len()),
            Self::Nested => f.write_str("an array of arrays"),
        }
    }
}

/// The metadata of a GGUF file, by key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GgufMetadata(BTreeMap<String, Meta>);

impl GgufMetadata {
    /// The value of a key; none where the file has no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Meta> {
        self.0.get(key)
    }

    /// The keys in ascending order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The text of a key, where it holds text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Meta::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The non-negative integer of a key, where it holds one.
    #[must_use]
    pub fn u64(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(Meta::as_u64)
    }

    /// The truth value of a key, where it holds one.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(Meta::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The strings of a key, where it holds an array of them.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<&[String]> {
        match self.get(key) {
            Some(Meta::Texts(values)) => Some(values),
            _ => None,
        }
    }

    /// The integers of a key, where it holds an array of them.
    #[must_use]
    pub fn ints(&self, key: &str) -> Option<&[i64]> {
        match self.get(key) {
            Some(Meta::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// The numbers of a key, where it holds an array of floats.
    #[must_use]
    pub fn floats(&self, key: &str) -> Option<&[f32]> {
        match self.get(key) {
            Some(Meta::Floats(values)) => Some(values),
            _ => None,
        }
    }
}

impl FromIterator<(String, Meta)> for GgufMetadata {
    fn from_iter<I: IntoIterator<Item = (String, Meta)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

/// Reads `count` pairs.
pub(super) fn read(cursor: &mut Cursor, count: u64) -> Result<GgufMetadata, GgufError> {
    let mut pairs = BTreeMap::new();
    for _ in 0..count {
        let key = cursor.string("a metadata key")?;
        let kind = cursor.u32(&key)?;
        let value = value(cursor, &key, kind)?;
        if pairs.insert(key.clone(), value).is_some() {
            return Err(GgufError::Malformed(format!("metadata key `{key}` is there twice")));
        }
    }
    Ok(GgufMetadata(pairs))
}

const STRING: u32 = 8;
const ARRAY: u32 = 9;

enum Scalar {
    Int(i64),
    Float(f64),
    Bool(bool),
}

fn scalar(cursor: &mut Cursor, key: &str, kind: u32) -> Result<Scalar, GgufError> {
    Ok(match kind {
        0 => Scalar::Int(u8::from_le_bytes(cursor.array(key)?).into()),
        1 => Scalar::Int(i8::from_le_bytes(cursor.array(key)?).into()),
        2 => Scalar::Int(u16::from_le_bytes(cursor.array(key)?).into()),
        3 => Scalar::Int(i16::from_le_bytes(cursor.array(key)?).into()),
        4 => Scalar::Int(u32::from_le_bytes(cursor.array(key)?).into()),
        5 => Scalar::Int(i32::from_le_bytes(cursor.array(key)?).into()),
        6 => Scalar::Float(f32::from_le_bytes(cursor.array(key)?).into()),
        7 => match cursor.array::<1>(key)? {
            [0] => Scalar::Bool(false),
            [1] => Scalar::Bool(true),
            [other] => {
                return Err(GgufError::Malformed(format!(
                    "metadata key `{key}` has the truth value {other}, expected 0 or 1"
                )));
            }
        },
        10 => {
            let n = cursor.u64(key)?;
            Scalar::Int(i64::try_from(n).map_err(|_| {
                GgufError::Malformed(format!("metadata key `{key}` has the absurd value {n}"))
            })?)
        }
        11 => Scalar::Int(i64::from_le_bytes(cursor.array(key)?)),
        12 => Scalar::Float(f64::from_le_bytes(cursor.array(key)?)),
        other => {
            return Err(GgufError::Malformed(format!("metadata key `{key}` has the unknown type {other}")));
        }
    })
}

fn value(cursor: &mut Cursor, key: &str, kind: u32) -> Result<Meta, GgufError> {
    match kind {
        STRING => cursor.string(key).map(Meta::Text),
        ARRAY => array(cursor, key),
        _ => Ok(match scalar(cursor, key, kind)? {
            Scalar::Int(n) => Meta::Int(n),
            Scalar::Float(x) => Meta::Float(x),
            Scalar::Bool(b) => Meta::Bool(b),
        }),
    }
}

/// Reads an array. Vectors grow as elements are read, so a length alone allocates nothing.
fn array(cursor: &mut Cursor, key: &str) -> Result<Meta, GgufError> {
    let kind = cursor.u32(key)?;
    let len = cursor.u64(key)?;
    if len > cursor.remaining() {
        // Every element takes a byte at least.
        return Err(GgufError::Truncated {
            what: format!("the array `{key}`"),
            needed: cursor.position().saturating_add(len),
            found: cursor.position() + cursor.remaining(),
        });
    }
    match kind {
        STRING => {
            let mut texts = Vec::new();
            for _ in 0..len {
                add(&mut texts, cursor.string(key)?)?;
            }
            Ok(Meta::Texts(texts))
        }
        ARRAY => {
            // Depth is limited so that a chain of arrays cannot exhaust the stack.
            for _ in 0..len {
                skip_flat_array(cursor, key)?;
            }
            Ok(Meta::Nested)
        }
        _ => {
            let (mut ints, mut floats, mut bools) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..len {
                match scalar(cursor, key, kind)? {
                    Scalar::Int(n) => add(&mut ints, n)?,
                    // Arrays of f64 are not used by any known file.
                    Scalar::Float(x) => add(&mut floats, x as f32)?,
                    Scalar::Bool(b) => add(&mut bools, b)?,
                }
            }
            Ok(match kind {
                6 | 12 => Meta::Floats(floats),
                7 => Meta::Bools(bools),
                _ => Meta::Ints(ints),
            })
        }
    }
}

fn skip_flat_array(cursor: &mut Cursor, key: &str) -> Result<(), GgufError> {
    let kind = cursor.u32(key)?;
    let len = cursor.u64(key)?;
    for _ in 0..len {
        match kind {
            STRING => {
                cursor.string(key)?;
            }
            ARRAY => {
                return Err(GgufError::Malformed(format!(
                    "metadata key `{key}` nests arrays more than two deep"
                )));
            }
            _ => {
                scalar(cursor, key, kind)?;
            }
        }
    }
    Ok(())
}
