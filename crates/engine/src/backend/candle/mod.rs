//! Candle's tensors, on any device; on a CPU without AVX2 with loops over slices beside them.
//!
//! `ComputedBy` says which: with `Kernels::Candle`, and on every device that is no CPU, candle's operations compute
//! everything. Numbers of other paths are held against those of that one.

mod linear;
mod stream;

use candle_core::{Result, Tensor};

pub(crate) use stream::CandleStream;

use super::Backend;
use crate::kernel::TensorNorm;
use crate::load::Weight;
use linear::{CandleLinear, Embedding};

/// Weights as tensors.
#[derive(Debug)]
pub(crate) struct Candle;

impl Backend for Candle {
    type Linear = CandleLinear;
    type Norm = TensorNorm;
    type Embedding = Embedding;

    fn linear(weight: Weight, bias: Option<Tensor>) -> Result<CandleLinear> {
        Ok(CandleLinear::new(weight, bias))
    }

    fn embedding(weight: Weight) -> Result<Embedding> {
        Ok(Embedding::new(weight))
    }

    fn tied(embedding: &Embedding) -> CandleLinear {
        CandleLinear::new(embedding.0.clone(), None)
    }

    fn norm(weight: &Tensor, bias: Option<&Tensor>, eps: f64) -> Result<TensorNorm> {
        Ok(TensorNorm { weight: weight.clone(), bias: bias.cloned(), eps })
    }
}
