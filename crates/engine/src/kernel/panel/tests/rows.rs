//! Norms, rotation and activations against their definitions in f64.

use proptest::prelude::*;

use super::super::act::here;
use super::super::exp::{CpuLoop, exp, vectors};
use super::super::*;
use super::noise;
use crate::config::Act;

fn close(got: &[f32], want: &[f64], tight: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.len(), want.len());
    let size = want.iter().fold(1e-30_f64, |m, x| m.max(x.abs()));
    for (g, w) in got.iter().zip(want) {
        prop_assert!((f64::from(*g) - w).abs() <= tight * size, "{} for {}", g, w);
    }
    Ok(())
}

struct Exps<'a>(&'a mut [f32]);
impl CpuLoop for Exps<'_> {
    type Output = ();
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        self.0.iter_mut().for_each(|x| *x = exp::<FMA>(*x));
    }
}

/// Distance in units of the last place of the f32 nearest to `want`.
fn ulps(got: f32, want: f64) -> f64 {
    let near = want as f32;
    (f64::from(got) - want).abs() / f64::from(near.next_up() - near)
}

#[test]
fn exponentials_are_right_to_an_ulp_or_two() {
    let (mut fused, mut plain) = (0.0_f64, 0.0_f64);
    let all: Vec<f32> = (0..400_000).map(|i| -87.3 + i as f32 * 4.4e-4).collect();
    let mut got = all.clone();
    vectors(Exps(&mut got));
    for (x, y) in all.iter().zip(&got) {
        let want = f64::from(*x).exp();
        fused = fused.max(ulps(*y, want));
        plain = plain.max(ulps(exp::<false>(*x), want));
    }
    println!("exp: {fused:.2} ulp, without FMA {plain:.2}");
    assert!(fused < 1.1 && plain < 2.0, "{fused} {plain}");
    let mut edge = [f32::NEG_INFINITY, -200.0, -87.4, 0.0, -0.0, 88.72, 88.8, f32::INFINITY, f32::NAN];
    vectors(Exps(&mut edge));
    assert_eq!(edge[..5], [0.0, 0.0, 0.0, 1.0, 1.0]);
    assert!(edge[5].is_finite() && edge[6] == f32::INFINITY && edge[7] == f32::INFINITY && edge[8].is_nan());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn norms_agree(rows in 0..70_usize, width in 1..700_usize, layer: bool, seed: u64) {
        let (x, w, b) = (noise(rows * width, seed), noise(width, seed ^ 1), noise(width, seed ^ 2));
        let mut out = vec![f32::NAN; x.len()];
        if layer {
            layer_norm(&x, &w, &b, 1e-2, &mut out).unwrap();
        } else {
            rms_norm(&x, &w, 1e-2, &mut out).unwrap();
        }
        let want: Vec<f64> = x.chunks(width).flat_map(|x| {
            let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            let mean = if layer { x.iter().sum::<f64>() / width as f64 } else { 0.0 };
            let var = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let one = |(i, x): (usize, &f64)| (x - mean) / (var + 1e-2).sqrt() * f64::from(w[i]) + if layer { f64::from(b[i]) } else { 0.0 };
            x.iter().enumerate().map(one).collect::<Vec<_>>()
        }).collect();
        close(&out, &want, 1e-6)?;
    }

    #[test]
    fn rotations_agree(rows in 0..200_usize, heads in 1..5_usize, pairs in 1..40_usize, rest in 0..5_usize, seed: u64) {
        let dim = 2 * pairs + rest;
        let x = noise(rows * heads * dim, seed);
        let (cos, sin) = (noise(rows * pairs, seed ^ 1), noise(rows * pairs, seed ^ 2));
        let mut got = x.clone();
        rope(&mut got, &cos, &sin, rows, dim).unwrap();
        let mut want: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        for (i, head) in want.chunks_mut(dim).enumerate() {
            for p in 0..pairs {
                let (c, s) = (f64::from(cos[i / heads * pairs + p]), f64::from(sin[i / heads * pairs + p]));
                (head[p], head[pairs + p]) = (head[p] * c - head[pairs + p] * s, head[pairs + p] * c + head[p] * s);
            }
        }
        close(&got, &want, 3e-7)?;
    }

    #[test]
    fn activations_agree(count in prop_oneof![0..200_usize, 32_760..32_800_usize], gated_by: bool, seed: u64) {
        let x: Vec<f32> = noise(count, seed).iter().map(|x| x * 12.0).collect();
        let up = noise(count, seed ^ 1);
        for kind in [Act::Silu, Act::GeluErf, Act::GeluTanh, Act::Relu] {
            let mut got = x.clone();
            if gated_by { gated(kind, &mut got, &up).unwrap() } else { here(kind, &mut got, None) }
            for ((g, x), u) in got.iter().zip(&x).zip(&up) {
                let v = f64::from(*x);
                let want = match kind {
                    Act::Silu => v / (1.0 + (-v).exp()),
                    Act::GeluTanh => 0.5 * v * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v)).tanh()),
                    Act::GeluErf => v * phi(v),
                    Act::Relu => v.max(0.0),
                } * if gated_by { f64::from(*u) } else { 1.0 };
                prop_assert!((f64::from(*g) - want).abs() <= 3e-7 * v.abs().max(0.1), "{:?} {}: {} for {}", kind, x, g, want);
            }
        }
    }
}

/// Φ by its series, or its continued fraction far out.
fn phi(x: f64) -> f64 {
    let z = x.abs();
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let upper = if z < 3.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..60 {
            term *= z * z / f64::from(2 * n + 1);
            sum += term;
        }
        0.5 - density * sum
    } else {
        density / (1..100).rev().fold(z, |f, n| z + f64::from(n) / f)
    };
    if x < 0.0 { upper } else { 1.0 - upper }
}
