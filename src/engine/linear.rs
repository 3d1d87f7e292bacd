//! Linear layers and embeddings over plain and quantized weights. Activations are f32.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Result, Tensor};

use super::kernel::product;
use super::load::Weight;

/// Elements of a 16-bit matrix widened at once on the CPU: 4 MiB of f32.
const WIDENED: usize = 1 << 20;

/// `x Wᵀ + b`
#[derive(Clone, Debug)]
pub(super) struct Linear {
    /// `[out, in]`
    weight: Weight,
    /// `[out]` in f32
    bias: Option<Tensor>,
}

impl Linear {
    pub(super) fn new(weight: Weight, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `[rows, in]` to `[rows, out]`, both f32.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = match &self.weight {
            Weight::Plain(w) => plain(x, w)?,
            // Not `QMatMul::from_arc`, which lets an environment variable choose another path.
            Weight::Quantized(q) => QMatMul::QTensor(q.clone()).forward(&x.contiguous()?)?,
        };
        match &self.bias {
            Some(b) => y.broadcast_add(b),
            None => Ok(y),
        }
    }
}

fn plain(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    match (w.dtype(), w.device()) {
        (DType::F32, _) => match product(x, w)? {
            Some(y) => Ok(y),
            None => x.matmul(&w.t()?),
        },
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
pub(super) struct Embedding(Weight);

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

/// Splits the rows of a matrix: the first result has those `order` names for it, and so on.
/// Neighbouring rows of a plain matrix are shared, not copied.
pub(super) fn split_rows(weight: &Weight, parts: &[Vec<usize>]) -> Result<Vec<Weight>> {
    parts.iter().map(|rows| pick_rows(weight, rows)).collect()
}

fn pick_rows(weight: &Weight, rows: &[usize]) -> Result<Weight> {
    match weight {
        Weight::Plain(w) => select_rows(w, rows).map(Weight::Plain),
        Weight::Quantized(q) => {
            let (all, width) = q.shape().dims2()?;
            let bytes = q.data()?;
            let row = bytes.len() / all.max(1);
            let picked: Vec<u8> =
                rows.iter().flat_map(|r| bytes.get(r * row..(r + 1) * row).unwrap_or(&[])).copied().collect();
            let storage = QStorage::from_data(Cow::Owned(picked), &q.device(), q.dtype())?;
            Ok(Weight::Quantized(Arc::new(QTensor::new(storage, (rows.len(), width))?)))
        }
    }
}

/// Rows of a tensor; a view where they are neighbours.
pub(super) fn select_rows(t: &Tensor, rows: &[usize]) -> Result<Tensor> {
    match rows.first() {
        Some(first) if rows.iter().enumerate().all(|(i, r)| *r == first + i) => {
            t.narrow(0, *first, rows.len())
        }
        _ => {
            #[allow(clippy::cast_possible_truncation)]
            let index: Vec<u32> = rows.iter().map(|r| *r as u32).collect();
            t.index_select(&Tensor::from_vec(index, rows.len(), t.device())?, 0)
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::GgmlDType;

    use super::*;

    fn matrix(rows: usize, width: usize) -> Tensor {
        let value = |i: usize| (i as f32 * 0.37).sin();
        Tensor::from_vec((0..rows * width).map(value).collect(), (rows, width), &Device::Cpu).unwrap()
    }

    #[test]
    fn quantized_rows_are_split_like_plain_ones() {
        let plain = matrix(12, 64);
        let quantized = Arc::new(QTensor::quantize(&plain, GgmlDType::Q8_0).unwrap());
        let whole = quantized.dequantize(&Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
        let order = [vec![0, 1, 6, 7], vec![2, 3, 8, 9], vec![4, 5, 6, 7]];
        let split = split_rows(&Weight::Quantized(quantized), &order).unwrap();
        for (part, rows) in split.iter().zip(&order) {
            let Weight::Quantized(q) = part else { panic!("dequantized") };
            let got = q.dequantize(&Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
            let want: Vec<Vec<f32>> = rows.iter().map(|r| whole[*r].clone()).collect();
            assert_eq!(got, want);
        }
        let split = split_rows(&Weight::Plain(plain.clone()), &order).unwrap();
        for (part, rows) in split.iter().zip(&order) {
            let Weight::Plain(t) = part else { panic!("quantized") };
            let all = plain.to_vec2::<f32>().unwrap();
            let want: Vec<Vec<f32>> = rows.iter().map(|r| all[*r].clone()).collect();
            assert_eq!(t.to_vec2::<f32>().unwrap(), want);
        }
    }

    #[test]
    fn sixteen_bit_rows_are_widened_piece_by_piece_without_a_seam() {
        // Two pieces and a bit.
        let (out, width) = (2 * WIDENED / 4096 + 3, 4096);
        let w = matrix(out, width).to_dtype(DType::BF16).unwrap();
        let x = matrix(2, width);
        let want = x.matmul(&w.to_dtype(DType::F32).unwrap().t().unwrap()).unwrap();
        let bias = matrix(1, out).reshape(out).unwrap();
        let got = Linear::new(Weight::Plain(w), Some(bias.clone())).forward(&x).unwrap();
        let off = (got - want.broadcast_add(&bias).unwrap()).unwrap().abs().unwrap();
        assert!(off.flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap() < 1e-2);
    }
}
