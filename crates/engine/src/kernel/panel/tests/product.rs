//! Products against sums in f64.

use half::bf16;
use proptest::prelude::*;

use super::super::act::here;
use super::super::amx::{Amx, SplitF32};
use super::super::avx512::{F32, Wide};
use super::super::dpbf16::Bf16Pairs;
use super::super::kernel::Kernel;
use super::super::plain::{PlainF32, PlainWide};
use super::super::product::ProductInput;
use super::super::*;
use super::{job, noise, product};
use crate::config::Act;

/// Largest difference, in units of the sum of magnitudes: what a rounding of each term can make.
fn error(x: &[f32], w: &[f32], y: &[f32], held: &[f32], rows: usize, outputs: usize, inputs: usize) -> f64 {
    let mut worst = 0.0_f64;
    for r in 0..rows {
        for o in 0..outputs {
            let terms = (0..inputs).map(|k| f64::from(x[r * inputs + k]) * f64::from(w[o * inputs + k]));
            let (sum, size) = terms.fold((0.0, 1e-30), |(s, m), t| (s + t, m + t.abs()));
            let start = f64::from(held[r * outputs + o]);
            let off = (f64::from(y[r * outputs + o]) - sum - start).abs();
            assert!(off.is_finite());
            worst = worst.max(off / (size + start.abs()));
        }
    }
    worst
}

/// A kernel's error on these shapes, and that a row alone gives the same bits.
fn check<K: Kernel>(
    k: &K,
    pack: impl Fn(&[f32], usize, usize) -> (Panels, Vec<f32>),
    shape: [usize; 3],
    seed: u64,
) -> f64 {
    let [rows, outputs, inputs] = shape;
    let x = noise(rows * inputs, seed);
    let (panels, w) = pack(&noise(outputs * inputs, seed ^ 5), outputs, inputs);
    let bias = noise(outputs, seed ^ 9);
    let run = |x: &[f32], rows: usize, y: &mut [f32], bias: Option<&[f32]>| {
        ProductInput { x, rows }.run(k, &mut [job(&panels, bias, y)]);
    };
    let mut biased = vec![f32::NAN; rows * outputs];
    run(&x, rows, &mut biased, Some(&bias));
    let mut y = vec![f32::NAN; rows * outputs];
    run(&x, rows, &mut y, None);
    if rows > 0 && inputs > 0 && outputs > 0 {
        let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for row in [0, rows / 2, rows - 1] {
            let mut alone = vec![f32::NAN; outputs];
            single.install(|| run(&x[row * inputs..(row + 1) * inputs], 1, &mut alone, None));
            assert_eq!(&alone, &y[row * outputs..(row + 1) * outputs], "row {row} alone");
        }
    }
    error(&x, &w, &y, &vec![0.0; rows * outputs], rows, outputs, inputs).max(error(
        &x,
        &w,
        &biased,
        &bias.repeat(rows),
        rows,
        outputs,
        inputs,
    ))
}

fn plain(w: &[f32], o: usize, i: usize) -> (Panels, Vec<f32>) {
    (Panels::f32(w, o, i), w.to_vec())
}

fn narrow(w: &[f32], o: usize, i: usize) -> (Panels, Vec<f32>) {
    let b: Vec<bf16> = w.iter().map(|x| bf16::from_f32(*x)).collect();
    (Panels::bf16(&b, o, i), b.iter().map(|x| x.to_f32()).collect())
}

fn shapes() -> impl Strategy<Value = [usize; 3]> {
    prop_oneof![
        [1..70_usize, 1..100_usize, 1..90_usize],
        [1..20_usize, 1..40_usize, 500..1200_usize],
        [90..300_usize, 60..70_usize, 30..40_usize],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn f32_agrees(shape in shapes(), seed: u64) {
        let tight = 6e-7;
        prop_assert!(check(&PlainF32::new(false), plain, shape, seed) < tight);
        prop_assert!(check(&PlainF32::new(true), plain, shape, seed) < tight);
        if let Some(k) = F32::new() {
            prop_assert!(check(&k, plain, shape, seed) < tight);
        }
        if let Some(k) = SplitF32::new() {
            prop_assert!(check(&k, plain, shape, seed) < tight);
        }
    }

    #[test]
    fn bf16_by_f32_agrees(shape in shapes(), seed: u64) {
        let tight = 6e-7;
        prop_assert!(check(&PlainWide::new(false), narrow, shape, seed) < tight);
        prop_assert!(check(&PlainWide::new(true), narrow, shape, seed) < tight);
        if let Some(k) = Wide::new() {
            prop_assert!(check(&k, narrow, shape, seed) < tight);
        }
    }

    #[test]
    fn bf16_by_bf16_agrees(shape in shapes(), seed: u64) {
        let loose = 0.5 / 128.0;
        if let Some(k) = Bf16Pairs::anyhow() {
            prop_assert!(check(&k, narrow, shape, seed) < loose);
        }
        if let Some(k) = Amx::new() {
            prop_assert!(check(&k, narrow, shape, seed) < loose);
        }
    }

    #[test]
    fn products_of_the_same_rows_are_those_alone(rows in 1..60_usize, outputs in prop::collection::vec(1..80_usize, 1..4), inputs in 1..70_usize, seed: u64) {
        let x = noise(rows * inputs, seed);
        let w: Vec<Panels> = outputs.iter().map(|o| Panels::f32(&noise(o * inputs, seed ^ *o as u64), *o, inputs)).collect();
        let mut y: Vec<Vec<f32>> = outputs.iter().map(|o| vec![f32::NAN; o * rows]).collect();
        let bias = noise(outputs[0], 3);
        let mut jobs: Vec<Product> = w.iter().zip(&mut y).map(|(w, y)| job(w, None, y)).collect();
        jobs[0].of.bias = Some(&bias);
        products(&x, rows, &mut jobs).unwrap();
        for (i, (w, y)) in w.iter().zip(&y).enumerate() {
            let mut alone = vec![f32::NAN; y.len()];
            product(&x, rows, w, &mut alone).unwrap();
            if i > 0 { prop_assert_eq!(&alone, y); continue; }
            for (n, (a, y)) in alone.iter().zip(y).enumerate() {
                prop_assert!((a + bias[n % bias.len()] - y).abs() <= 1e-6 * inputs as f32);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// In one go, over more inputs than are staged at a time too.
    #[test]
    fn activated_products_are_those_activated_after(
        rows in 1..70_usize,
        outputs in 1..80_usize,
        inputs in prop_oneof![1..70_usize, 8_000..9_000_usize],
        bf16: bool,
        biased: bool,
        kind in prop::sample::select(vec![Act::Silu, Act::GeluErf, Act::GeluTanh, Act::Relu]),
        seed: u64,
    ) {
        let x = noise(rows * inputs, seed);
        let pack = if bf16 { narrow } else { plain };
        let [w, gate] = [1, 2].map(|n| pack(&noise(outputs * inputs, seed ^ n), outputs, inputs).0);
        let [b, c] = [3, 4].map(|n| noise(outputs, seed ^ n));
        let [b, c] = [&b, &c].map(|b| biased.then_some(&b[..]));
        let run = |w, bias, then| {
            let mut y = vec![f32::NAN; rows * outputs];
            products(&x, rows, &mut [Product { of: Affine { w, bias }, then, y: &mut y, accumulate: false }]).unwrap();
            y
        };
        let mut alone = run(&w, b, Then::Keep);
        let mut gates = run(&gate, c, Then::Keep);
        gated(kind, &mut gates, &alone).unwrap();
        prop_assert_eq!(run(&w, b, Then::Gate(kind, Affine { w: &gate, bias: c })), gates);
        here(kind, &mut alone, None);
        prop_assert_eq!(run(&w, b, Then::Act(kind)), alone);
    }
}

proptest! {
    #[test]
    fn a_row_looked_up_is_the_row_packed(outputs in 1..70_usize, inputs in 1..90_usize, seed: u64) {
        let w = noise(outputs * inputs, seed);
        for (panels, w) in [plain(&w, outputs, inputs), narrow(&w, outputs, inputs)] {
            for (o, want) in w.chunks(inputs).enumerate() {
                let mut got = vec![f32::NAN; inputs];
                panels.row(o, &mut got);
                prop_assert_eq!(&got[..], want);
            }
        }
    }
}

#[test]
fn nothing_by_nothing_is_nothing() {
    let w = Panels::f32(&[], 0, 7);
    product(&[0.0; 14], 2, &w, &mut []).unwrap();
    let w = Panels::f32(&[1.0; 21], 3, 7);
    product(&[], 0, &w, &mut []).unwrap();
    let e = product(&[], 2, &Panels::f32(&[], 3, 0), &mut [1.0; 6]).unwrap_err();
    assert_eq!((e.found, e.expected), (0, 1));
}

#[test]
fn slices_of_other_sizes_are_refused() {
    let w = Panels::f32(&[1.0; 21], 3, 7);
    let e = product(&[0.0; 13], 2, &w, &mut [0.0; 6]).unwrap_err();
    assert_eq!((e.found, e.expected), (13, 14));
    let e = product(&[0.0; 14], 2, &w, &mut [0.0; 5]).unwrap_err();
    assert_eq!((e.found, e.expected), (5, 6));
}
