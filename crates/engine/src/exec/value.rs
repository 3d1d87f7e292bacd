//! Node values while a graph runs, in host memory.

use half::{bf16, f16};
use truenorth_protocol::tensor::TensorError;
use truenorth_protocol::{DType, Tensor};

use super::super::error::EngineError;

/// A value of a node. Floats are held as f32 whatever their declared type, rounded to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Val {
    pub shape: Vec<usize>,
    pub data: ValueElements,
    /// For a value over all tokens of a group, the rows of each prompt.
    pub rows: Option<Vec<u32>>,
}

/// The elements of a [`Val`], row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ValueElements {
    Float(DType, Vec<f32>),
    Int(Vec<i64>),
    Text(Vec<String>),
}

impl Val {
    pub fn f32(shape: Vec<usize>, data: Vec<f32>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: ValueElements::Float(DType::F32, data), rows: None }
    }

    pub fn int(shape: Vec<usize>, data: Vec<i64>) -> Self {
        debug_assert_eq!(shape.iter().product::<usize>(), data.len());
        Self { shape, data: ValueElements::Int(data), rows: None }
    }

    pub fn text(texts: Vec<String>) -> Self {
        Self { shape: vec![texts.len()], data: ValueElements::Text(texts), rows: None }
    }

    pub fn with_rows(mut self, rows: Option<Vec<u32>>) -> Self {
        self.rows = rows;
        self
    }

    /// The floats; empty for other kinds, which the check keeps from arithmetic.
    pub fn floats(&self) -> &[f32] {
        match &self.data {
            ValueElements::Float(_, v) => v,
            ValueElements::Int(_) | ValueElements::Text(_) => &[],
        }
    }

    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// The same floats, rounded to a type.
    ///
    /// # Errors
    /// No memory for them.
    pub fn cast(&self, dtype: DType) -> Result<Self, EngineError> {
        let values = self.floats();
        let mut data = room(values.len())?;
        match dtype {
            DType::F16 => data.extend(values.iter().map(|v| f16::from_f32(*v).to_f32())),
            DType::Bf16 => data.extend(values.iter().map(|v| bf16::from_f32(*v).to_f32())),
            DType::F32 | DType::F64 | DType::I64 => data.extend_from_slice(values),
        }
        Ok(Self {
            shape: self.shape.clone(),
            data: ValueElements::Float(dtype, data),
            rows: self.rows.clone(),
        })
    }

    /// From the host tensor of a constant.
    pub fn from_tensor(tensor: &Tensor) -> Result<Self, TensorError> {
        let shape = tensor.shape().to_vec();
        Ok(match tensor.dtype() {
            DType::I64 => Self::int(shape, tensor.to_i64()?),
            dtype => Self { shape, data: ValueElements::Float(dtype, tensor.to_f32()?), rows: None },
        })
    }

    /// As an answer of the protocol has it.
    pub fn to_value(&self) -> Result<truenorth_protocol::Value, TensorError> {
        let shape = self.shape.clone();
        let tensor = match &self.data {
            ValueElements::Float(dtype, v) => Tensor::from_f32(shape, v)?.cast(*dtype)?,
            ValueElements::Int(v) => Tensor::from_i64(shape, v)?,
            ValueElements::Text(t) => return Ok(truenorth_protocol::Value::Text(t.clone())),
        };
        Ok(truenorth_protocol::Value::Tensor { tensor, rows: self.rows.clone() })
    }

    /// Bytes that the tensor of its answer takes at most while it is made.
    pub fn answer_bytes(&self) -> usize {
        self.shape.iter().product::<usize>().saturating_mul(2 * size_of::<i64>())
    }
}

/// Memory for so many elements of a value.
///
/// # Errors
/// There is none.
pub(super) fn room<T>(count: usize) -> Result<Vec<T>, EngineError> {
    let mut all = Vec::new();
    match all.try_reserve_exact(count) {
        Ok(()) => Ok(all),
        Err(_) => Err(EngineError::NoMemory { bytes: count.saturating_mul(size_of::<T>()) }),
    }
}
