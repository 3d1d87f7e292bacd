//! Bytes of an answer: what there is, then the numbers, tensor after tensor.
//!
//! The numbers lie outside of what bincode reads, so that they stream straight into their tensors
//! and no length in the file makes more memory than bytes have come.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use serde::{Deserialize, Serialize};

use super::codec::{CodecError, HEADER, TRAILING, check_header, header};
use crate::counted::{self, Streamed};
use crate::dtype::DType;
use crate::limits;
use crate::tensor::Tensor;
use crate::value::{Answer, Value};

const MAGIC: [u8; 4] = *b"TNan";
/// Version 1 had the numbers inside of what bincode reads.
const VERSION: u16 = 2;
/// The most bytes of all but the numbers: names, shapes and texts.
const INDEX_BYTES: usize = 256 << 20;
/// Bytes that are made room for before they have come.
const STEP: usize = 1 << 20;

/// An entry of the index that comes before the numbers.
#[derive(Serialize)]
enum IndexEntry {
    Tensor { dtype: DType, shape: Vec<u64>, rows: Option<Vec<u32>> },
    Text(Vec<String>),
}

/// [`IndexEntry`] as it is read: what is counted in it grows as it comes, and may run out of memory.
#[derive(Deserialize)]
enum StreamedEntry {
    Tensor {
        dtype: DType,
        #[serde(deserialize_with = "counted::seq")]
        shape: Vec<u64>,
        rows: Option<RowIndices>,
    },
    Text(#[serde(deserialize_with = "counted::seq")] Vec<Streamed>),
}

#[derive(Deserialize)]
#[serde(transparent)]
struct RowIndices(#[serde(deserialize_with = "counted::seq")] Vec<u32>);

#[derive(Deserialize)]
#[serde(transparent)]
struct StreamedIndex(#[serde(deserialize_with = "counted::seq")] Vec<(Streamed, StreamedEntry)>);

fn config() -> Configuration<LittleEndian, Varint, Limit<INDEX_BYTES>> {
    standard().with_limit::<INDEX_BYTES>()
}

/// Writes an answer to a stream.
///
/// # Errors
/// When the answer is larger than [`limits::ANSWER_BYTES`], or the stream fails.
pub fn answer_write(answer: &Answer, mut to: impl Write) -> Result<(), CodecError> {
    let entry = |value: &Value| match value {
        Value::Tensor { tensor, rows } => IndexEntry::Tensor {
            dtype: tensor.dtype(),
            shape: tensor.shape().iter().map(|n| *n as u64).collect(),
            rows: rows.clone(),
        },
        Value::Text(texts) => IndexEntry::Text(texts.clone()),
    };
    let index: Vec<(&String, IndexEntry)> = answer.values.iter().map(|(name, v)| (name, entry(v))).collect();
    let numbers: usize = tensors(answer).map(|t| t.bytes().len()).sum();
    if numbers > limits::ANSWER_BYTES {
        return Err(CodecError::TooLarge { found: numbers, limit: limits::ANSWER_BYTES });
    }
    to.write_all(&header(MAGIC, VERSION)).map_err(CodecError::Stream)?;
    let written =
        bincode::serde::encode_into_std_write(&index, &mut to, config()).map_err(CodecError::Encode)?;
    if written > INDEX_BYTES {
        return Err(CodecError::TooLarge { found: written, limit: INDEX_BYTES });
    }
    tensors(answer).try_for_each(|t| to.write_all(t.bytes())).map_err(CodecError::Stream)
}

fn tensors(answer: &Answer) -> impl Iterator<Item = &Tensor> {
    answer.values.values().filter_map(Value::tensor)
}

/// Bytes of an answer.
///
/// # Errors
/// As [`answer_write`].
pub fn answer_to_bytes(answer: &Answer) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(tensors(answer).map(|t| t.bytes().len()).sum::<usize>() + 1024);
    answer_write(answer, &mut bytes)?;
    Ok(bytes)
}

/// Reads an answer from a stream, each tensor straight into its place.
///
/// # Errors
/// When the bytes are not an answer of this version, or the stream fails or ends early.
pub fn answer_read(mut from: impl Read) -> Result<Answer, CodecError> {
    let mut head = [0; HEADER];
    from.read_exact(&mut head).map_err(CodecError::Stream)?;
    check_header(MAGIC, VERSION, "an answer", head)?;
    let StreamedIndex(index) =
        bincode::serde::decode_from_std_read(&mut from, config()).map_err(CodecError::Decode)?;
    let text =
        |text: Streamed| String::try_from(text).map_err(|_| CodecError::NotCanonical("a text is not UTF-8"));
    let mut values = BTreeMap::new();
    let mut left = limits::ANSWER_BYTES;
    for (name, entry) in index {
        let value = match entry {
            StreamedEntry::Text(texts) => Value::Text(texts.into_iter().map(text).collect::<Result<_, _>>()?),
            StreamedEntry::Tensor { dtype, shape, rows } => {
                let (shape, bytes) = size(dtype, &shape)
                    .filter(|(_, b)| *b <= left)
                    .ok_or(CodecError::TooLarge { found: usize::MAX, limit: limits::ANSWER_BYTES })?;
                left -= bytes;
                let data = exactly(&mut from, bytes).map_err(CodecError::Stream)?;
                let tensor = Tensor::from_bytes(dtype, shape, data)
                    .map_err(|_| CodecError::NotCanonical("a tensor has an impossible shape"))?;
                Value::Tensor { tensor, rows: rows.map(|rows| rows.0) }
            }
        };
        if values.insert(text(name)?, value).is_some() {
            return Err(CodecError::NotCanonical("a name is there twice"));
        }
    }
    match from.read(&mut [0]).map_err(CodecError::Stream)? {
        0 => Ok(Answer { values }),
        _ => Err(CodecError::NotCanonical(TRAILING)),
    }
}

/// Reads the bytes of an answer.
///
/// # Errors
/// As [`answer_read`].
pub fn answer_from_bytes(bytes: &[u8]) -> Result<Answer, CodecError> {
    answer_read(bytes)
}

/// The shape and the bytes of a tensor, unless they overflow.
fn size(dtype: DType, shape: &[u64]) -> Option<(Vec<usize>, usize)> {
    let shape: Vec<usize> = shape.iter().map(|n| usize::try_from(*n).ok()).collect::<Option<_>>()?;
    let bytes = shape.iter().try_fold(dtype.size(), |n, d| n.checked_mul(*d))?;
    Some((shape, bytes))
}

/// So many bytes. Room is made as they come.
fn exactly(from: &mut impl Read, bytes: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    while data.len() < bytes {
        let (have, step) = (data.len(), STEP.max(data.len()).min(bytes - data.len()));
        data.try_reserve_exact(step)?;
        data.resize(have + step, 0);
        from.read_exact(&mut data[have..])?;
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let mut values = BTreeMap::new();
        let tensor = Tensor::from_f32(vec![3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, -6.5]).unwrap();
        values.insert("all".into(), Value::Tensor { tensor: tensor.clone(), rows: Some(vec![1, 2]) });
        values.insert("one".into(), Value::Tensor { tensor: Tensor::scalar(0.5), rows: None });
        values.insert("none".into(), Value::Tensor { tensor: Tensor::vector(&[]), rows: None });
        values.insert("text".into(), Value::Text(vec!["a".into(), String::new(), "ü".into()]));
        Answer { values }
    }

    #[test]
    fn an_answer_comes_back_and_every_cut_is_noticed() {
        let bytes = answer_to_bytes(&answer()).unwrap();
        assert_eq!(answer_from_bytes(&bytes).unwrap(), answer());
        for cut in 0..bytes.len() {
            assert!(answer_from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(answer_from_bytes(&longer), Err(CodecError::NotCanonical(_))));
    }

    #[test]
    fn a_length_alone_makes_no_memory() {
        let mut values = BTreeMap::new();
        let many = Tensor::from_f32(vec![1 << 20], &vec![0.0; 1 << 20]).unwrap();
        values.insert("x".into(), Value::Tensor { tensor: many, rows: None });
        let mut bytes = answer_to_bytes(&Answer { values }).unwrap();
        bytes.truncate(64);
        assert!(matches!(answer_from_bytes(&bytes), Err(CodecError::Stream(_))));
    }

    #[test]
    fn the_first_version_is_named() {
        let mut bytes = answer_to_bytes(&answer()).unwrap();
        bytes[4] = 1;
        let error = answer_from_bytes(&bytes).unwrap_err();
        assert!(matches!(error, CodecError::Version { found: 1, expected: 2 }), "{error}");
    }
}
