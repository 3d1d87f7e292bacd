//! Every kernel against candle's operations, on random shapes.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use super::attend::{AttendedSequence, AttentionInput, attend};
use super::{ComputedBy, TensorNorm, act, host, portable, product, rope};
use crate::config::Act;
use crate::rope::Angles;

fn tensor(shape: &[usize], seed: u64) -> Tensor {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.random::<f32>() * 4.0 - 2.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn close(a: &Tensor, b: &Tensor) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.dims(), b.dims());
    let off = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
    let size = b.abs().unwrap().flatten_all().unwrap().max(0).unwrap();
    let (off, size) = (off.to_scalar::<f32>().unwrap(), size.to_scalar::<f32>().unwrap());
    prop_assert!(off <= 2e-6 * size, "{} of {}", off, size);
    Ok(())
}

proptest! {
    #[test]
    fn norms_agree(rows in 1..70_usize, stretches in 1..5_usize, width in 1..90_usize, layer: bool, seed: u64) {
        let x = tensor(&[rows, stretches * width], seed);
        let bias = layer.then(|| tensor(&[width], seed ^ 1));
        // A stretch of one number has no variance of its own.
        let norm = TensorNorm { weight: tensor(&[width], seed ^ 2), bias, eps: 1e-2 };
        close(&host::norm(&norm, &x).unwrap().unwrap(), &portable::norm(&norm, &x).unwrap())?;
    }

    #[test]
    fn rotations_agree(rows in 1..70_usize, heads in 1..5_usize, pairs in 1..9_usize, rest in 0..5_usize, seed: u64) {
        let dim = 2 * pairs + rest;
        let x = tensor(&[rows, heads * dim], seed);
        let angles = Angles { cos: tensor(&[rows, pairs], seed ^ 1), sin: tensor(&[rows, pairs], seed ^ 2) };
        close(&host::rope(&x, &angles, dim).unwrap().unwrap(), &portable::rope(&x, &angles, dim).unwrap())?;
        close(&rope(&x, &angles, dim, ComputedBy::Slices).unwrap(), &host::rope(&x, &angles, dim).unwrap().unwrap())?;
    }

    #[test]
    fn activations_agree(rows in 1..70_usize, width in 1..300_usize, gated: bool, seed: u64) {
        let x = (tensor(&[rows, width], seed) * 3.0).unwrap();
        let with = gated.then(|| tensor(&[rows, width], seed ^ 1));
        for kind in [Act::Silu, Act::GeluErf, Act::GeluTanh, Act::Relu] {
            let got = host::act(kind, &x, with.as_ref()).unwrap().unwrap();
            close(&got, &portable::act(kind, &x, with.as_ref()).unwrap())?;
            close(&got, &act(kind, &x, with.as_ref(), ComputedBy::Slices).unwrap())?;
        }
    }

    #[test]
    fn attention_agrees(
        lengths in prop::collection::vec((0..40_usize, 0..20_usize), 1..5),
        kv_heads in 1..4_usize,
        group in 1..4_usize,
        dim in 1..20_usize,
        window in prop::option::of(1..12_usize),
        softcap in prop::option::of(0.5..4.0_f64),
        narrow in prop::sample::select(&[DType::F32, DType::F16, DType::BF16][..]),
        seed: u64,
    ) {
        let (heads, width) = (kv_heads * group, kv_heads * dim);
        let mut parts = Vec::new();
        let mut rows = 0;
        for (i, (new, past)) in lengths.iter().enumerate() {
            let len = (new + past).max(1);
            let kv = |s: u64| tensor(&[len, width], seed ^ (i as u64 * 2 + s)).to_dtype(narrow).unwrap();
            // Every other of the new positions, as after giving up rows.
            let positions: Vec<usize> = (*past..len).step_by(1 + i % 2).filter(|_| *new > 0).collect();
            parts.push(AttendedSequence { rows: rows..rows + positions.len(), positions: positions.clone(), k: kv(10), v: kv(11) });
            rows += positions.len();
        }
        prop_assume!(rows > 0);
        let q = tensor(&[rows, heads * dim], seed);
        let a = AttentionInput { q: &q, parts: &parts, heads, kv_heads, dim, scale: 0.7, softcap, window };
        let plain: Vec<Tensor> = parts.iter().filter(|p| !p.rows.is_empty()).map(|p| slow(&a, p)).collect();
        let slow = Tensor::cat(&plain, 0).unwrap();
        close(&attend(&a, ComputedBy::Slices).unwrap(), &slow)?;
        let products: Vec<Tensor> =
            parts.iter().filter(|p| !p.rows.is_empty()).map(|p| portable::attend(&a, p).unwrap()).collect();
        close(&Tensor::cat(&products, 0).unwrap(), &slow)?;
    }
}

fn bits(t: &Tensor) -> Vec<u32> {
    t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn by_candle_nothing_of_ours_computes() {
    let (x, w) = (tensor(&[5, 24], 1), tensor(&[7, 24], 2));
    assert_eq!(
        bits(&product(&x, &w, ComputedBy::Candle).unwrap()),
        bits(&x.matmul(&w.t().unwrap()).unwrap())
    );
    let norm = TensorNorm { weight: tensor(&[8], 3), bias: None, eps: 1e-2 };
    assert_eq!(
        bits(&norm.forward(&x, ComputedBy::Candle).unwrap()),
        bits(&portable::norm(&norm, &x).unwrap())
    );
    let angles = Angles { cos: tensor(&[5, 4], 4), sin: tensor(&[5, 4], 5) };
    assert_eq!(
        bits(&rope(&x, &angles, 8, ComputedBy::Candle).unwrap()),
        bits(&portable::rope(&x, &angles, 8).unwrap())
    );
    for kind in [Act::Silu, Act::GeluErf, Act::GeluTanh, Act::Relu] {
        assert_eq!(
            bits(&act(kind, &x, None, ComputedBy::Candle).unwrap()),
            bits(&portable::act(kind, &x, None).unwrap())
        );
    }
    let kv = || tensor(&[5, 8], 6);
    let parts = [AttendedSequence { rows: 0..5, positions: (0..5).collect(), k: kv(), v: kv() }];
    let a = AttentionInput {
        q: &x,
        parts: &parts,
        heads: 3,
        kv_heads: 1,
        dim: 8,
        scale: 0.7,
        softcap: None,
        window: None,
    };
    assert_eq!(
        bits(&attend(&a, ComputedBy::Candle).unwrap()),
        bits(&portable::attend(&a, &parts[0]).unwrap())
    );
}

/// Attention by its definition, in f64.
#[allow(clippy::cast_possible_truncation)]
fn slow(a: &AttentionInput, part: &AttendedSequence) -> Tensor {
    let rows = |t: &Tensor| t.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
    let (q, k, v) = (rows(a.q), rows(&part.k), rows(&part.v));
    let mut out = Vec::new();
    for (row, p) in part.rows.clone().zip(&part.positions) {
        for h in 0..a.heads {
            let at = h / (a.heads / a.kv_heads) * a.dim;
            let seen: Vec<usize> = (0..=*p).filter(|j| a.window.is_none_or(|w| p - j < w)).collect();
            let weight = |j: &usize| {
                let s: f64 = (0..a.dim).map(|d| q[row][h * a.dim + d] * k[*j][at + d]).sum::<f64>() * a.scale;
                a.softcap.map_or(s, |c| c * (s / c).tanh()).exp()
            };
            let weights: Vec<f64> = seen.iter().map(weight).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..a.dim {
                out.push(
                    (seen.iter().zip(&weights).map(|(j, w)| w * v[*j][at + d]).sum::<f64>() / total) as f32,
                );
            }
        }
    }
    Tensor::from_vec(out, (part.rows.len(), a.heads * a.dim), &Device::Cpu).unwrap()
}
