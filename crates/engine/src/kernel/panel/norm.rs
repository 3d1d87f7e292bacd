//! Norms of rows.

use rayon::prelude::*;

use super::exp::{CpuLoop, mul_add, vectors};
use super::product::PanelError;
use super::threads::threads;

/// Numbers below which threads cost more than they save.
pub(super) const SERIAL: usize = 1 << 15;

/// `out = x / rms(x) · weight` for each stretch of `weight.len()` numbers, where
/// `rms(x)² = mean(x²) + eps` (Zhang & Sennrich 2019, "Root mean square layer normalization").
///
/// # Errors
/// Slices of other sizes.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) -> Result<(), PanelError> {
    norm(x, weight, None, eps, out)
}

/// `out = (x - mean(x)) / √(var(x) + eps) · weight + bias` for each stretch of `weight.len()` numbers
/// (Ba, Kiros & Hinton 2016, "Layer normalization").
///
/// # Errors
/// Slices of other sizes.
pub fn layer_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    out: &mut [f32],
) -> Result<(), PanelError> {
    PanelError::check("the bias of a norm", bias.len(), weight.len())?;
    norm(x, weight, Some(bias), eps, out)
}

fn norm(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    out: &mut [f32],
) -> Result<(), PanelError> {
    PanelError::check("the result of a norm", out.len(), x.len())?;
    let width = weight.len().max(1);
    PanelError::check("the last stretch of a norm", x.len() % width, 0)?;
    let one = |(x, out): (&[f32], &mut [f32])| vectors(NormRows { x, weight, bias, eps, out });
    if x.len() < SERIAL || threads() == 1 {
        one((x, out));
    } else {
        let some = width * (SERIAL / 4).div_ceil(width);
        x.par_chunks(some).zip(out.par_chunks_mut(some)).for_each(one);
    }
    Ok(())
}

struct NormRows<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    eps: f32,
    out: &'a mut [f32],
}

impl CpuLoop for NormRows<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::cast_precision_loss)]
    fn run<const FMA: bool>(self) {
        let width = self.weight.len().max(1);
        for (x, out) in self.x.chunks_exact(width).zip(self.out.chunks_exact_mut(width)) {
            let mean = match self.bias {
                Some(_) => sum::<FMA>(x, |x| (x, 1.0)) / width as f32,
                None => 0.0,
            };
            let variance = sum::<FMA>(x, |x| (x - mean, x - mean)) / width as f32;
            let scale = 1.0 / (variance + self.eps).sqrt();
            match self.bias {
                None => {
                    for ((o, x), w) in out.iter_mut().zip(x).zip(self.weight) {
                        *o = x * scale * w;
                    }
                }
                Some(bias) => {
                    for (((o, x), w), b) in out.iter_mut().zip(x).zip(self.weight).zip(bias) {
                        *o = mul_add::<FMA>((x - mean) * scale, *w, *b);
                    }
                }
            }
        }
    }
}

/// The sum of products, in 64 sums side by side.
#[inline(always)]
fn sum<const FMA: bool>(x: &[f32], factors: impl Fn(f32) -> (f32, f32)) -> f32 {
    let mut sums = [0.0_f32; 64];
    let whole = x.chunks_exact(64);
    let rest = whole.remainder();
    for x in whole {
        for (s, x) in sums.iter_mut().zip(x) {
            let (a, b) = factors(*x);
            *s = mul_add::<FMA>(a, b, *s);
        }
    }
    for (s, x) in sums.iter_mut().zip(rest) {
        let (a, b) = factors(*x);
        *s = mul_add::<FMA>(a, b, *s);
    }
    let mut half = 32;
    while half > 0 {
        let (low, high) = sums.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(a, b)| *a += *b);
        half /= 2;
    }
    sums[0]
}
