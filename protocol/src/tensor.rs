//! The host tensor: the only tensor that crosses a module's border.

use half::{bf16, f16};
use serde::{Deserialize, Serialize, Serializer};

use crate::dtype::DType;
use crate::limits;

/// A dense, row-major tensor in host memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// A tensor whose parts do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The bytes are not as many as dtype and shape ask for.
    #[error("a {dtype} tensor of shape {shape:?} needs {expected} bytes, got {found}")]
    Size {
        /// Type of each element.
        dtype: DType,
        /// Sizes of the axes.
        shape: Vec<usize>,
        /// Bytes that dtype and shape ask for.
        expected: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The shape multiplies to more than memory can address, or has too many axes.
    #[error("shape {0:?} is too large; at most {max} axes and a byte count that fits memory", max = limits::DIMENSIONS)]
    Shape(Vec<usize>),
    /// Another element type is needed.
    #[error("expected a floating-point tensor, got {0}")]
    NotFloat(DType),
    /// Another element type is needed.
    #[error("expected an i64 tensor, got {0}")]
    NotInteger(DType),
}

impl Tensor {
    /// A tensor from little-endian bytes.
    ///
    /// # Errors
    /// When the byte count is not `shape` times the element size.
    pub fn from_bytes(dtype: DType, shape: Vec<usize>, data: Vec<u8>) -> Result<Self, TensorError> {
        let expected = byte_count(dtype, &shape)?;
        if expected != data.len() {
            return Err(TensorError::Size { dtype, shape, expected, found: data.len() });
        }
        Ok(Self { dtype, shape, data })
    }

    /// An f32 tensor.
    ///
    /// # Errors
    /// When the value count is not the product of `shape`.
    pub fn from_f32(shape: Vec<usize>, values: &[f32]) -> Result<Self, TensorError> {
        Self::from_bytes(DType::F32, shape, little_endian(values, f32::to_le_bytes))
    }

    /// An i64 tensor.
    ///
    /// # Errors
    /// When the value count is not the product of `shape`.
    pub fn from_i64(shape: Vec<usize>, values: &[i64]) -> Result<Self, TensorError> {
        Self::from_bytes(DType::I64, shape, little_endian(values, i64::to_le_bytes))
    }

    /// A one-dimensional f32 tensor, such as a direction `[hidden]`.
    #[must_use]
    pub fn vector(values: &[f32]) -> Self {
        let data = little_endian(values, f32::to_le_bytes);
        Self { dtype: DType::F32, shape: vec![values.len()], data }
    }

    /// A tensor without axes holding one f32.
    #[must_use]
    pub fn scalar(value: f32) -> Self {
        Self { dtype: DType::F32, shape: vec![], data: value.to_le_bytes().to_vec() }
    }

    /// Type of each element.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Sizes of the axes.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The little-endian bytes, row-major.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }

    /// Elements over all axes; 1 for a scalar.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The elements as f32; 16-bit floats are widened, f64 rounded.
    ///
    /// # Errors
    /// When the tensor holds integers.
    pub fn to_f32(&self) -> Result<Vec<f32>, TensorError> {
        Ok(match self.dtype {
            DType::F32 => self.words().map(f32::from_le_bytes).collect(),
            DType::F16 => self.words().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
            DType::Bf16 => self.words().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
            #[allow(clippy::cast_possible_truncation)]
            DType::F64 => self.words().map(|b| f64::from_le_bytes(b) as f32).collect(),
            DType::I64 => return Err(TensorError::NotFloat(self.dtype)),
        })
    }

    /// The elements as i64.
    ///
    /// # Errors
    /// When the tensor holds floats.
    pub fn to_i64(&self) -> Result<Vec<i64>, TensorError> {
        match self.dtype {
            DType::I64 => Ok(self.words().map(i64::from_le_bytes).collect()),
            other => Err(TensorError::NotInteger(other)),
        }
    }

    /// The same values in another float type, rounded to nearest.
    ///
    /// # Errors
    /// When either type is not a float.
    pub fn cast(&self, dtype: DType) -> Result<Self, TensorError> {
        if self.dtype == dtype {
            return Ok(self.clone());
        }
        let values = self.to_f32()?;
        let data = match dtype {
            DType::F32 => little_endian(&values, f32::to_le_bytes),
            DType::F64 => little_endian(&values, |v| f64::from(v).to_le_bytes()),
            DType::F16 => little_endian(&values, |v| f16::from_f32(v).to_le_bytes()),
            DType::Bf16 => little_endian(&values, |v| bf16::from_f32(v).to_le_bytes()),
            DType::I64 => return Err(TensorError::NotFloat(dtype)),
        };
        Ok(Self { dtype, shape: self.shape.clone(), data })
    }

    fn words<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> + '_ {
        self.data.as_chunks::<N>().0.iter().copied()
    }
}

/// The bytes of numbers, in memory that is taken once.
fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    let mut data = Vec::with_capacity(values.len() * N);
    values.iter().for_each(|v| data.extend_from_slice(&bytes(*v)));
    data
}

/// Bytes of a tensor of this type and shape.
fn byte_count(dtype: DType, shape: &[usize]) -> Result<usize, TensorError> {
    let too_large = || TensorError::Shape(shape.to_vec());
    if shape.len() > limits::DIMENSIONS {
        return Err(too_large());
    }
    shape
        .iter()
        .try_fold(dtype.size(), |n, d| n.checked_mul(*d))
        .filter(|n| isize::try_from(*n).is_ok())
        .ok_or_else(too_large)
}

/// The serialized form: base64 in JSON, plain bytes in binary.
#[derive(Deserialize)]
struct Raw {
    dtype: DType,
    #[serde(deserialize_with = "crate::counted::seq")]
    shape: Vec<usize>,
    #[serde(deserialize_with = "bytes::deserialize")]
    data: Vec<u8>,
}

/// [`Raw`] without a copy of the numbers: a graph is written once more to see whether it was canonical.
#[derive(Serialize)]
#[serde(rename = "Raw")]
struct RawView<'a> {
    dtype: DType,
    shape: &'a [usize],
    #[serde(serialize_with = "bytes::serialize")]
    data: &'a [u8],
}

impl Serialize for Tensor {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        RawView { dtype: self.dtype, shape: &self.shape, data: &self.data }.serialize(to)
    }
}

impl TryFrom<Raw> for Tensor {
    type Error = TensorError;

    fn try_from(raw: Raw) -> Result<Self, TensorError> {
        Self::from_bytes(raw.dtype, raw.shape, raw.data)
    }
}

/// Bytes as base64 where a person reads, as they are elsewhere.
mod bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::de;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(data: &&[u8], s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&STANDARD.encode(data)) } else { s.serialize_bytes(data) }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            STANDARD.decode(text).map_err(de::Error::custom)
        } else {
            crate::counted::bytes(d)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(Tensor::from_f32(vec![2, 2], &[1.0; 3]).is_err());
        assert!(Tensor::from_bytes(DType::F32, vec![usize::MAX, 4], vec![]).is_err());
        assert!(Tensor::from_bytes(DType::F32, vec![1; 9], vec![0; 4]).is_err());
    }

    #[test]
    fn narrowing_rounds_to_nearest() {
        let t = Tensor::vector(&[1.0, -2.5, 1.0 + 1.0 / 512.0]);
        assert_eq!(t.cast(DType::F16).unwrap().to_f32().unwrap(), [1.0, -2.5, 1.0 + 1.0 / 512.0]);
        assert_eq!(t.cast(DType::Bf16).unwrap().to_f32().unwrap(), [1.0, -2.5, 1.0]);
    }

    #[test]
    fn json_form_carries_the_bytes_and_is_checked() {
        let t = Tensor::vector(&[0.5, 2.0]);
        let json = serde_json::to_string(&t).unwrap();
        assert_eq!(serde_json::from_str::<Tensor>(&json).unwrap(), t);
        let short = json.replace("[2]", "[3]");
        assert!(serde_json::from_str::<Tensor>(&short).is_err());
    }
}
