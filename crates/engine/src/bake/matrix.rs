//! Weights as numbers: read from their type, changed in 64 bits, rounded to it again.

use half::{bf16, f16};
use safetensors::tensor::Dtype;

use super::{BakeError, TensorEdit};

/// A tensor with an edit in it, in the type that it had.
pub(super) fn edited(
    name: &str,
    (dtype, shape): (Dtype, &[usize]),
    bytes: &[u8],
    edit: &TensorEdit<'_>,
) -> Result<Vec<u8>, BakeError> {
    let mut values = read(name, dtype, bytes)?;
    let hidden = match edit {
        TensorEdit::Rows(d) | TensorEdit::Columns(d) => d.len(),
        TensorEdit::Plus(v) => v.len(),
        TensorEdit::Channel(..) => shape.last().copied().unwrap_or(0),
    };
    let wrong = || BakeError::Shape { name: name.to_owned(), shape: shape.to_vec(), hidden };
    match edit {
        TensorEdit::Rows(d) => {
            if shape.last() != Some(&hidden) {
                return Err(wrong());
            }
            for row in values.chunks_mut(hidden) {
                let along: f64 = row.iter().zip(*d).map(|(x, d)| x * d).sum();
                row.iter_mut().zip(*d).for_each(|(x, d)| *x -= along * d);
            }
        }
        TensorEdit::Columns(d) => {
            let &[rows, columns] = shape else { return Err(wrong()) };
            if rows != hidden {
                return Err(wrong());
            }
            let mut along = vec![0.0; columns];
            for (row, d) in values.chunks(columns).zip(*d) {
                along.iter_mut().zip(row).for_each(|(a, x)| *a += d * x);
            }
            for (row, d) in values.chunks_mut(columns).zip(*d) {
                row.iter_mut().zip(&along).for_each(|(x, a)| *x -= d * a);
            }
        }
        TensorEdit::Plus(v) => {
            if shape.last() != Some(&hidden) {
                return Err(wrong());
            }
            for row in values.chunks_mut(hidden) {
                row.iter_mut().zip(v).for_each(|(x, v)| *x += v);
            }
        }
        TensorEdit::Channel(i, value) => match (shape, values.get_mut(*i)) {
            ([_], Some(x)) => *x = *value,
            _ => return Err(wrong()),
        },
    }
    write(name, dtype, &values)
}

fn read(name: &str, dtype: Dtype, bytes: &[u8]) -> Result<Vec<f64>, BakeError> {
    let pairs = || bytes.as_chunks::<2>().0.iter().copied();
    match dtype {
        Dtype::F32 => {
            Ok(bytes.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect())
        }
        Dtype::F16 => Ok(pairs().map(|b| f64::from(f16::from_le_bytes(b))).collect()),
        Dtype::BF16 => Ok(pairs().map(|b| f64::from(bf16::from_le_bytes(b))).collect()),
        other => Err(BakeError::DType { name: name.to_owned(), dtype: format!("{other:?}") }),
    }
}

/// The first number that is NaN or infinite, with its index; none too where the type is none that [`read`] takes.
pub(super) fn first_not_finite(dtype: Dtype, bytes: &[u8]) -> Option<(usize, f64)> {
    fn first(values: impl Iterator<Item = f64>) -> Option<(usize, f64)> {
        values.enumerate().find(|(_, v)| !v.is_finite())
    }
    let pairs = bytes.as_chunks::<2>().0.iter();
    match dtype {
        Dtype::F64 => first(bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b))),
        Dtype::F32 => first(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b).into())),
        Dtype::F16 => first(pairs.map(|b| f16::from_le_bytes(*b).into())),
        Dtype::BF16 => first(pairs.map(|b| bf16::from_le_bytes(*b).into())),
        _ => None,
    }
}

/// Numbers in a type that [`read`] takes; one that the type has no room for is refused.
#[allow(clippy::cast_possible_truncation, reason = "rounding to the type is what is asked for")]
pub(super) fn write(name: &str, dtype: Dtype, values: &[f64]) -> Result<Vec<u8>, BakeError> {
    let bytes: Vec<u8> = match dtype {
        Dtype::F16 => values.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()).collect(),
        Dtype::BF16 => values.iter().flat_map(|v| bf16::from_f64(*v).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
    };
    match first_not_finite(dtype, &bytes) {
        None => Ok(bytes),
        Some((at, _)) => Err(BakeError::Beyond {
            name: name.to_owned(),
            dtype: format!("{dtype:?}"),
            value: values.get(at).copied().unwrap_or(f64::NAN),
        }),
    }
}
