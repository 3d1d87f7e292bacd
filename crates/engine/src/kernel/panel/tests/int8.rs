//! int8 weights: blocks against candle's values, products against f64.

use std::borrow::Cow;

use candle_core::Device;
use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use proptest::prelude::*;

use super::super::int8::PlainInt8;
use super::super::product::ProductInput;
use super::super::*;
use super::{noise, product};

/// Blocks of random bits, their scales and offsets (f16, at these places of a block) small numbers.
fn random_blocks(blocks: usize, size: usize, halves: &[usize], seed: u64) -> Vec<u8> {
    let mut bytes: Vec<u8> = noise(blocks * size, seed).iter().map(|x| (x * 128.0 + 128.0) as u8).collect();
    let scales = noise(blocks * halves.len(), seed ^ 1);
    for (block, scales) in bytes.chunks_mut(size).zip(scales.chunks(halves.len())) {
        for (at, s) in halves.iter().zip(scales) {
            block[*at..*at + 2].copy_from_slice(&half::f16::from_f32(s * 0.05).to_le_bytes());
        }
    }
    bytes
}

#[test]
fn blocks_are_what_the_format_says() {
    for (block, kind, halves) in [
        (BlockFormat::Q8_0, GgmlDType::Q8_0, &[0][..]),
        (BlockFormat::Q4_0, GgmlDType::Q4_0, &[0]),
        (BlockFormat::Q4_1, GgmlDType::Q4_1, &[0, 2]),
        (BlockFormat::Q5_0, GgmlDType::Q5_0, &[0]),
        (BlockFormat::Q5_1, GgmlDType::Q5_1, &[0, 2]),
        (BlockFormat::Q4K, GgmlDType::Q4K, &[0, 2]),
        (BlockFormat::Q5K, GgmlDType::Q5K, &[0, 2]),
        (BlockFormat::Q6K, GgmlDType::Q6K, &[208]),
    ] {
        let (weights, size) = block.size();
        assert_eq!((weights, size), (kind.block_size(), kind.type_size()));
        let (outputs, inputs) = (35, weights * 3);
        let bytes = random_blocks(outputs * 3, size, halves, weights as u64 + size as u64);
        let w = Panels::blocks(block, &bytes, outputs, inputs).unwrap();
        assert!(Panels::blocks(block, &bytes[1..], outputs, inputs).is_none());
        let storage = QStorage::from_data(Cow::Owned(bytes), &Device::Cpu, kind).unwrap();
        let plain = QTensor::new(storage, (outputs, inputs)).unwrap().dequantize(&Device::Cpu).unwrap();
        for (o, want) in plain.to_vec2::<f32>().unwrap().iter().enumerate() {
            let mut got = vec![f32::NAN; inputs];
            w.row(o, &mut got);
            for (i, (g, w)) in got.iter().zip(want).enumerate() {
                assert!((g - w).abs() <= 1e-6 * w.abs().max(0.3), "{block:?} {o} {i}: {g} for {w}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn int8_agrees(rows in 1..40_usize, outputs in 1..80_usize, inputs in 1..700_usize, sixteen: bool, offset: bool, seed: u64) {
        let group = if sixteen { 16 } else { 32 };
        let groups = inputs.div_ceil(group);
        let q: Vec<i8> = noise(outputs * inputs, seed).iter().map(|x| (x * 127.0) as i8).collect();
        let scales = noise(outputs * groups, seed ^ 1);
        let offsets = noise(outputs * groups, seed ^ 2);
        let w = Panels::int8(&q, &scales, offset.then_some(&offsets), group, outputs, inputs);
        let x = noise(rows * inputs, seed ^ 3);
        let mut y = vec![f32::NAN; rows * outputs];
        product(&x, rows, &w, &mut y).unwrap();
        let mut plain = vec![f32::NAN; rows * outputs];
        let job = ProductInput { x: &x, rows };
        let mut jobs = [super::job(&w, None, &mut plain)];
        match (group, offset) {
            (16, false) => job.run(&PlainInt8::<2, 4, false>, &mut jobs),
            (16, true) => job.run(&PlainInt8::<2, 4, true>, &mut jobs),
            (_, false) => job.run(&PlainInt8::<2, 8, false>, &mut jobs),
            (_, true) => job.run(&PlainInt8::<2, 8, true>, &mut jobs),
        }
        for r in 0..rows {
            for o in 0..outputs {
                let (mut sum, mut size) = (0.0, 1e-3);
                for k in 0..inputs {
                    let at = o * groups + k / group;
                    let w = f64::from(scales[at]) * f64::from(q[o * inputs + k]) + if offset { f64::from(offsets[at]) } else { 0.0 };
                    sum += w * f64::from(x[r * inputs + k]);
                    size += w.abs() + if offset { f64::from(offsets[at]).abs() + f64::from(scales[at]).abs() * 127.0 } else { 0.0 };
                }
                for y in [y[r * outputs + o], plain[r * outputs + o]] {
                    prop_assert!((f64::from(y) - sum).abs() <= 2e-5 * size, "{} for {} of {}", y, sum, size);
                }
            }
        }
    }
}
