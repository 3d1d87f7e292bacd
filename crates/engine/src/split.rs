//! Rows of weights and tensors.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{QStorage, QTensor};
use candle_core::{Result, Tensor};

use super::load::Weight;

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
            let picked = gather(&bytes, rows, row);
            let storage = QStorage::from_data(Cow::Owned(picked), &q.device(), q.dtype())?;
            Ok(Weight::Quantized(Arc::new(QTensor::new(storage, (rows.len(), width))?)))
        }
    }
}

/// Rows of `width` numbers, one after the other.
pub(super) fn gather<T: Copy>(all: &[T], rows: &[usize], width: usize) -> Vec<T> {
    let mut picked = Vec::with_capacity(rows.len() * width);
    for row in rows {
        picked.extend_from_slice(&all[row * width..(row + 1) * width]);
    }
    picked
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
    use candle_core::Device;
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
}
