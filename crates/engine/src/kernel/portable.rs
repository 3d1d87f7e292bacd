//! The same with candle's operations, on any device.

use candle_core::{D, Device, Result, Tensor};

use super::attend::{AttendedSequence, AttentionInput};
use super::{Act, Angles, TensorNorm};

pub(super) fn norm(norm: &TensorNorm, x: &Tensor) -> Result<Tensor> {
    let (rows, all) = x.dims2()?;
    let width = norm.weight.dim(0)?;
    let mut x = x.reshape((rows, all / width, width))?;
    if norm.bias.is_some() {
        x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    }
    let std = (x.sqr()?.mean_keepdim(D::Minus1)? + norm.eps)?.sqrt()?;
    x = x.broadcast_div(&std)?.broadcast_mul(&norm.weight)?;
    if let Some(bias) = &norm.bias {
        x = x.broadcast_add(bias)?;
    }
    x.reshape((rows, all))
}

pub(super) fn rope(x: &Tensor, angles: &Angles, head_dim: usize) -> Result<Tensor> {
    let (rows, all) = x.dims2()?;
    let pairs = angles.cos.dim(1)?;
    let heads = x.reshape((rows, all / head_dim, head_dim))?;
    let (cos, sin) = (angles.cos.unsqueeze(1)?, angles.sin.unsqueeze(1)?);
    let (a, b) = (heads.narrow(2, 0, pairs)?, heads.narrow(2, pairs, pairs)?);
    let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    let mut parts = vec![first, second];
    if 2 * pairs < head_dim {
        parts.push(heads.narrow(2, 2 * pairs, head_dim - 2 * pairs)?);
    }
    Tensor::cat(&parts, 2)?.reshape((rows, all))
}

pub(super) fn act(act: Act, x: &Tensor, with: Option<&Tensor>) -> Result<Tensor> {
    let y = match act {
        Act::Silu => x.silu()?,
        Act::GeluErf => x.gelu_erf()?,
        Act::GeluTanh => x.gelu()?,
        Act::Relu => x.relu()?,
    };
    match with {
        Some(with) => y * with,
        None => Ok(y),
    }
}

/// Rows of queries whose scores are held at once.
const CHUNK: usize = 256;

/// Attention of one sequence: `[rows, heads · dim]`.
pub(super) fn attend(a: &AttentionInput, part: &AttendedSequence) -> Result<Tensor> {
    let q = a.q.narrow(0, part.rows.start, part.rows.len())?;
    // Heads first: [kv_heads, len, dim].
    let by_head = |t: &Tensor| {
        t.to_dtype(q.dtype())?.reshape((t.dim(0)?, a.kv_heads, a.dim))?.transpose(0, 1)?.contiguous()
    };
    let (k, v) = (by_head(&part.k)?, by_head(&part.v)?);
    let mut out = Vec::new();
    for (i, positions) in part.positions.chunks(CHUNK).enumerate() {
        out.push(chunk(a, &q.narrow(0, i * CHUNK, positions.len())?, &k, &v, positions)?);
    }
    if let [one] = out.as_slice() { Ok(one.clone()) } else { Tensor::cat(&out, 0) }
}

fn chunk(a: &AttentionInput, q: &Tensor, k: &Tensor, v: &Tensor, positions: &[usize]) -> Result<Tensor> {
    let (rows, group) = (positions.len(), a.heads / a.kv_heads);
    let (Some(first), Some(last)) = (positions.first().copied(), positions.last().copied()) else {
        candle_core::bail!("attention without a row")
    };
    let (from, to) = (a.visible(first).start, last + 1);
    let keys = to - from;
    // Query heads that share a key head are rows of one product: [kv_heads, group · rows, dim].
    let q = q
        .reshape((rows, a.kv_heads, group, a.dim))?
        .permute((1, 2, 0, 3))?
        .reshape((a.kv_heads, group * rows, a.dim))?
        .contiguous()?;
    let k = k.narrow(1, from, keys)?.contiguous()?;
    let v = v.narrow(1, from, keys)?.contiguous()?;
    let mut s = (q.matmul(&k.transpose(1, 2)?)? * a.scale)?;
    if let Some(c) = a.softcap {
        s = super::softcap(&s, c)?;
    }
    if rows > 1 {
        let mask = mask(a, positions, from..to, q.device())?;
        s = s.reshape((a.kv_heads, group, rows, keys))?.broadcast_add(&mask)?.reshape((
            a.kv_heads,
            group * rows,
            keys,
        ))?;
    }
    let s = s.broadcast_sub(&s.max_keepdim(D::Minus1)?)?.exp()?;
    let s = s.broadcast_div(&s.sum_keepdim(D::Minus1)?)?;
    s.matmul(&v)?
        .reshape((a.kv_heads, group, rows, a.dim))?
        .permute((2, 0, 1, 3))?
        .reshape((rows, a.heads * a.dim))?
        .contiguous()
}

/// 0 where a position sees a key, else -∞: `[positions, keys]`.
fn mask(
    a: &AttentionInput,
    positions: &[usize],
    keys: std::ops::Range<usize>,
    device: &Device,
) -> Result<Tensor> {
    let cell = |p: &usize| {
        let seen = a.visible(*p);
        keys.clone().map(move |k| if seen.contains(&k) { 0.0 } else { f32::NEG_INFINITY })
    };
    let values: Vec<f32> = positions.iter().flat_map(cell).collect();
    Tensor::from_vec(values, (positions.len(), keys.len()), device)
}
