//! How weights are read, and what they are then.

use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Tensor};

/// A matrix as the forward pass multiplies by it.
#[derive(Clone, Debug)]
pub enum Weight {
    /// Numbers in the compute type.
    Plain(Tensor),
    /// Blocks as the file holds them, dequantized while multiplying.
    Quantized(Arc<QTensor>),
}

/// What a weight becomes when it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightStorage {
    /// Numbers in this type.
    Plain(DType),
    /// Blocks as the file holds them.
    Blocks(GgmlDType),
}

/// In which types weights are read, and what computes with them.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    /// The type computed in; `None` is f32.
    pub dtype: Option<DType>,
    /// Whether matrices stay quantized where the file has them so.
    pub keep_quantized: bool,
    /// Which kernels compute with them.
    pub kernels: Kernels,
}

/// Which kernels compute with the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kernels {
    /// Packed panels on a CPU that has the instructions, else slices; candle on another device.
    #[default]
    Best,
    /// Loops over slices beside candle's products: what CPUs without AVX2 compute with.
    Slices,
    /// Candle's operations alone, which run anywhere: what the others are held against.
    Candle,
}

impl LoadOptions {
    /// The type that is computed in.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype.unwrap_or(DType::F32)
    }
}
