//! Linear layers and embeddings over plain and quantized weights. Activations are f32.

use candle_core::quantized::QMatMul;
use candle_core::{DType, Device, Module, Result, Tensor};

use crate::kernel::{ComputedBy, product};
use crate::load::Weight;

/// Elements of a 16-bit matrix widened at once on the CPU: 4 MiB of f32.
const WIDENED: usize = 1 << 20;

/// `x Wᵀ + b`
#[derive(Clone, Debug)]
pub(crate) struct CandleLinear {
    /// `[out, in]`
    weight: Weight,
    /// `[out]` in f32
    bias: Option<Tensor>,
}

impl CandleLinear {
    pub(super) fn new(weight: Weight, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `[rows, in]` to `[rows, out]`, both f32.
    pub(super) fn forward(&self, x: &Tensor, by: ComputedBy) -> Result<Tensor> {
        let y = match &self.weight {
            Weight::Plain(w) => plain(x, w, by)?,
            // Not `QMatMul::from_arc`, which lets an environment variable choose another path.
            Weight::Quantized(q) => QMatMul::QTensor(q.clone()).forward(&x.contiguous()?)?,
        };
        match &self.bias {
            Some(b) => y.broadcast_add(b),
            None => Ok(y),
        }
    }
}

fn plain(x: &Tensor, w: &Tensor, by: ComputedBy) -> Result<Tensor> {
    match (w.dtype(), w.device()) {
        (DType::F32, _) => product(x, w, by),
        // The CPU has no product of 16-bit numbers with f32 sums: widen a few rows at a time.
        (_, Device::Cpu) => {
            let (out, width) = w.dims2()?;
            let step = (WIDENED / width.max(1)).clamp(1, out);
            let product = |from: usize| {
                let rows = w.narrow(0, from, step.min(out - from))?.to_dtype(DType::F32)?;
                x.matmul(&rows.t()?)
            };
            let parts = (0..out).step_by(step).map(product).collect::<Result<Vec<_>>>()?;
            if let [one] = parts.as_slice() { Ok(one.clone()) } else { Tensor::cat(&parts, 1) }
        }
        (dtype, _) => x.to_dtype(dtype)?.matmul(&w.t()?)?.to_dtype(DType::F32),
    }
}

/// Rows by token id.
#[derive(Clone, Debug)]
pub(crate) struct Embedding(pub(super) Weight);

impl Embedding {
    pub(super) fn new(weight: Weight) -> Self {
        Self(weight)
    }

    /// `[ids]` to `[ids, width]` in f32.
    pub(super) fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        match &self.0 {
            Weight::Plain(w) => w.index_select(ids, 0)?.to_dtype(DType::F32),
            Weight::Quantized(q) => q.embedding(ids)?.to_dtype(DType::F32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(rows: usize, width: usize) -> Tensor {
        let value = |i: usize| (i as f32 * 0.37).sin();
        Tensor::from_vec((0..rows * width).map(value).collect(), (rows, width), &Device::Cpu).unwrap()
    }

    #[test]
    fn sixteen_bit_rows_are_widened_piece_by_piece_without_a_seam() {
        // Two pieces and a bit.
        let (out, width) = (2 * WIDENED / 4096 + 3, 4096);
        let w = matrix(out, width).to_dtype(DType::BF16).unwrap();
        let x = matrix(2, width);
        let want = x.matmul(&w.to_dtype(DType::F32).unwrap().t().unwrap()).unwrap();
        let bias = matrix(1, out).reshape(out).unwrap();
        let got =
            CandleLinear::new(Weight::Plain(w), Some(bias.clone())).forward(&x, ComputedBy::Candle).unwrap();
        let off = (got - want.broadcast_add(&bias).unwrap()).unwrap().abs().unwrap();
        assert!(off.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap() < 1e-2);
    }
}
