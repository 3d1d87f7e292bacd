//! Kernels over slices of host memory, parallel over rows. `None` where a tensor is not f32 in
//! host memory.

use candle_core::{CpuStorage, Device, Result, Storage, Tensor};
use rayon::prelude::*;

use super::{Act, Angles, TensorNorm};

/// Numbers below which threads cost more than they save.
const SERIAL: usize = 1 << 14;

/// Calls `f` with the numbers of a tensor, if it is contiguous f32 in host memory.
pub(crate) fn with_slice<R>(t: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Option<R> {
    let (storage, layout) = t.storage_and_layout();
    let Storage::Cpu(CpuStorage::F32(all)) = &*storage else { return None };
    let (from, to) = layout.contiguous_offsets()?;
    all.get(from..to).map(f)
}

/// `f(i, out)` fills the i-th stretch of `width` numbers of a new tensor of the shape given.
fn fill(shape: &[usize], width: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) -> Result<Tensor> {
    let count: usize = shape.iter().product();
    let mut out = vec![0.0; count];
    // The closures index by stretch: a stretch that is not there would be zeros that look like numbers.
    if count < SERIAL {
        out.chunks_mut(width).enumerate().for_each(|(i, row)| f(i, row));
    } else {
        let stretches = (SERIAL / 4).div_ceil(width);
        out.par_chunks_mut(width).enumerate().with_min_len(stretches).for_each(|(i, row)| f(i, row));
    }
    Tensor::from_vec(out, shape, &Device::Cpu)
}

pub(super) fn norm(norm: &TensorNorm, x: &Tensor) -> Result<Option<Tensor>> {
    let run = |x_values: &[f32]| {
        with_slice(&norm.weight, |w| match &norm.bias {
            None => Some(rms(x.dims(), x_values, w, norm.eps)),
            Some(b) => with_slice(b, |b| layer(x.dims(), x_values, w, b, norm.eps)),
        })
    };
    // What does not divide is left to candle, which says so.
    if !x.elem_count().is_multiple_of(norm.weight.elem_count().max(1)) {
        return Ok(None);
    }
    with_slice(x, run).flatten().flatten().transpose()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn rms(shape: &[usize], x: &[f32], weight: &[f32], eps: f64) -> Result<Tensor> {
    let width = weight.len();
    fill(shape, width, |i, out| {
        let x = &x[i * width..(i + 1) * width];
        let scale = 1.0 / (dot(x, x) / width as f32 + eps as f32).sqrt();
        for ((o, x), w) in out.iter_mut().zip(x).zip(weight) {
            *o = x * scale * w;
        }
    })
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
fn layer(shape: &[usize], x: &[f32], weight: &[f32], bias: &[f32], eps: f64) -> Result<Tensor> {
    let width = weight.len();
    fill(shape, width, |i, out| {
        let x = &x[i * width..(i + 1) * width];
        let mean = x.iter().sum::<f32>() / width as f32;
        for (o, x) in out.iter_mut().zip(x) {
            *o = x - mean;
        }
        let scale = 1.0 / (dot(out, out) / width as f32 + eps as f32).sqrt();
        for ((o, w), b) in out.iter_mut().zip(weight).zip(bias) {
            *o = *o * scale * w + b;
        }
    })
}

pub(super) fn rope(x: &Tensor, angles: &Angles, head_dim: usize) -> Result<Option<Tensor>> {
    let (rows, all) = x.dims2()?;
    let pairs = angles.cos.dim(1)?;
    let heads = all / head_dim;
    let fits = heads * head_dim == all && 2 * pairs <= head_dim;
    if !fits || angles.cos.dims() != [rows, pairs] || angles.sin.dims() != [rows, pairs] {
        return Ok(None);
    }
    let run = |x_values: &[f32]| {
        with_slice(&angles.cos, |cos| {
            with_slice(&angles.sin, |sin| {
                fill(x.dims(), head_dim, |i, out| {
                    let row = i / heads;
                    let turns = row * pairs..(row + 1) * pairs;
                    out.copy_from_slice(&x_values[i * head_dim..(i + 1) * head_dim]);
                    let (first, rest) = out.split_at_mut(pairs);
                    let turned = first.iter_mut().zip(rest).zip(&cos[turns.clone()]).zip(&sin[turns]);
                    for (((a, b), c), s) in turned {
                        (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
                    }
                })
            })
        })
    };
    with_slice(x, run).flatten().flatten().transpose()
}

pub(super) fn act(act: Act, x: &Tensor, with: Option<&Tensor>) -> Result<Option<Tensor>> {
    let one: fn(f32) -> f32 = match act {
        Act::Silu => |x| x / (1.0 + (-x).exp()),
        Act::GeluErf => {
            |x| x * 0.5 * (1.0 + candle_core::cpu::erf::erf_f32(x * std::f32::consts::FRAC_1_SQRT_2))
        }
        Act::GeluTanh => gelu_tanh,
        Act::Relu => |x| x.max(0.0),
    };
    // Long stretches: a row may be short, and each number stands for itself.
    const STRETCH: usize = 1 << 10;
    let run = |x_values: &[f32], factors: Option<&[f32]>| {
        fill(x.dims(), STRETCH, |i, out| {
            let from = i * STRETCH;
            let here = from..from + out.len();
            for (o, x) in out.iter_mut().zip(&x_values[here.clone()]) {
                *o = one(*x);
            }
            for (o, f) in out.iter_mut().zip(factors.map_or(&[][..], |f| &f[here])) {
                *o *= f;
            }
        })
    };
    if with.is_some_and(|with| with.dims() != x.dims()) {
        return Ok(None);
    }
    with_slice(x, |x| match with {
        None => Some(run(x, None)),
        Some(with) => with_slice(with, |with| run(x, Some(with))),
    })
    .flatten()
    .transpose()
}

fn gelu_tanh(x: f32) -> f32 {
    const ROOT_2_OVER_PI: f32 = 0.797_884_6;
    0.5 * x * (1.0 + (ROOT_2_OVER_PI * x * (1.0 + 0.044_715 * x * x)).tanh())
}

/// Sum of products, in eight sums that run side by side.
pub(super) fn dot<T: Copy>(a: &[f32], b: &[T]) -> f32
where
    f32: From<T>,
{
    let mut sums = [0.0_f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * f32::from(*y)).sum();
    for (x, y) in a8.zip(b8) {
        for ((s, x), y) in sums.iter_mut().zip(x).zip(y) {
            *s += x * f32::from(*y);
        }
    }
    rest + sums.iter().sum::<f32>()
}
