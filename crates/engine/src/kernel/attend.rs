//! Causal attention of the sequences of a batch, each over its own keys and values.

use std::ops::Range;

use candle_core::{CpuStorage, Device, Result, Storage, Tensor};
use half::{bf16, f16};
use rayon::prelude::*;

use super::host::{dot, with_slice};
use super::{ComputedBy, portable};

/// Rows of a sequence from which products of matrices are faster than rows one by one.
const MANY: usize = 24;

/// Numbers read below which threads cost more than they save.
const SERIAL: usize = 1 << 16;

/// Queries and what they attend to.
pub(crate) struct AttentionInput<'a> {
    /// `[rows, heads · dim]` in f32, rotated.
    pub(crate) q: &'a Tensor,
    /// The sequences; together they have all rows, in order.
    pub(crate) parts: &'a [AttendedSequence],
    /// Query heads.
    pub(crate) heads: usize,
    /// Key-value heads; query head `h` reads key head `h / (heads / kv_heads)`.
    pub(crate) kv_heads: usize,
    /// Width of a head.
    pub(crate) dim: usize,
    /// Factor on scores.
    pub(crate) scale: f64,
    /// Soft-cap of scores, after the factor.
    pub(crate) softcap: Option<f64>,
    /// A position sees itself and the `window - 1` before it.
    pub(crate) window: Option<usize>,
}

/// The queries, keys and values of a sequence.
pub(crate) struct AttendedSequence {
    /// Rows of the queries; may be empty.
    pub(crate) rows: Range<usize>,
    /// Position of each of these rows, ascending; the key of position `p` is row `p` of `k`.
    pub(crate) positions: Vec<usize>,
    /// `[len, kv_heads · dim]`, len above every position.
    pub(crate) k: Tensor,
    /// As `k`.
    pub(crate) v: Tensor,
}

impl AttentionInput<'_> {
    /// The positions that a position sees.
    pub(super) fn visible(&self, position: usize) -> Range<usize> {
        let from = self.window.map_or(0, |w| (position + 1).saturating_sub(w));
        from..position + 1
    }
}

/// `softmax(scale · q kᵀ) v` for every head: `[rows, heads · dim]` in f32.
pub(crate) fn attend(a: &AttentionInput, by: ComputedBy) -> Result<Tensor> {
    let on_cpu = a.q.device().is_cpu();
    if let Some(out) = by.slices(|| if on_cpu { host(a) } else { Ok(None) })? {
        return Ok(out);
    }
    let parts = a.parts.iter().filter(|p| !p.rows.is_empty());
    let parts = parts.map(|p| portable::attend(a, p)).collect::<Result<Vec<_>>>()?;
    if let [one] = parts.as_slice() { Ok(one.clone()) } else { Tensor::cat(&parts, 0) }
}

/// Keys or values in host memory.
#[derive(Clone, Copy)]
enum HostValues<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
    Bf16(&'a [bf16]),
}

fn host(a: &AttentionInput) -> Result<Option<Tensor>> {
    let q = a.q.contiguous()?;
    let width = a.heads * a.dim;
    let mut out = vec![0.0_f32; q.elem_count()];
    // Which sequence a row is of; none for those that are done by products of matrices.
    let mut owner = vec![None; q.dim(0)?];
    for (i, part) in a.parts.iter().enumerate() {
        if part.rows.len() < MANY {
            owner[part.rows.clone()].fill(Some(i));
            continue;
        }
        let done = portable::attend(a, part)?;
        let target = &mut out[part.rows.start * width..part.rows.end * width];
        if with_slice(&done, |done| target.copy_from_slice(done)).is_none() {
            return Ok(None);
        }
    }
    let stored: Vec<_> =
        a.parts.iter().map(|p| (p.k.storage_and_layout(), p.v.storage_and_layout())).collect();
    let mut keys = Vec::with_capacity(stored.len());
    for ((k, k_layout), (v, v_layout)) in &stored {
        match (values(k, k_layout), values(v, v_layout)) {
            (Some(k), Some(v)) => keys.push((k, v)),
            _ => return Ok(None),
        }
    }
    let one = |row: usize, q: &[f32], out: &mut [f32]| {
        let Some(part) = owner.get(row).copied()? else { return Some(()) };
        let (kv, part) = (keys.get(part)?, a.parts.get(part)?);
        let seen = a.visible(*part.positions.get(row - part.rows.start)?);
        match *kv {
            (HostValues::F32(k), HostValues::F32(v)) => one_row(a, seen, q, k, v, out),
            (HostValues::F16(k), HostValues::F16(v)) => one_row(a, seen, q, k, v, out),
            (HostValues::Bf16(k), HostValues::Bf16(v)) => one_row(a, seen, q, k, v, out),
            _ => None,
        }
    };
    let work: usize = a.parts.iter().filter(|p| p.rows.len() < MANY).map(cost).sum::<usize>() * width;
    let all = |q: &[f32]| {
        if work < SERIAL {
            let mut rows = out.chunks_mut(width).zip(q.chunks(width)).enumerate();
            rows.try_for_each(|(row, (out, q))| one(row, q, out))
        } else {
            let rows = out.par_chunks_mut(width).zip(q.par_chunks(width)).enumerate();
            rows.try_for_each(|(row, (out, q))| one(row, q, out))
        }
    };
    match with_slice(&q, all) {
        None => return Ok(None),
        // A row left out would be zeros that look like numbers.
        Some(None) => candle_core::bail!("a query has no keys for its position"),
        Some(Some(())) => {}
    }
    drop(stored);
    Tensor::from_vec(out, q.dims(), &Device::Cpu).map(Some)
}

/// Keys read by a sequence's queries, at most.
fn cost(part: &AttendedSequence) -> usize {
    part.positions.iter().map(|p| p + 1).sum()
}

fn values<'a>(storage: &'a Storage, layout: &candle_core::Layout) -> Option<HostValues<'a>> {
    let (from, to) = layout.contiguous_offsets()?;
    match storage {
        Storage::Cpu(CpuStorage::F32(all)) => all.get(from..to).map(HostValues::F32),
        Storage::Cpu(CpuStorage::F16(all)) => all.get(from..to).map(HostValues::F16),
        Storage::Cpu(CpuStorage::BF16(all)) => all.get(from..to).map(HostValues::Bf16),
        _ => None,
    }
}

/// All heads of one query; nothing where the keys do not reach its position.
fn one_row<T: Copy>(
    a: &AttentionInput,
    seen: Range<usize>,
    q: &[f32],
    k: &[T],
    v: &[T],
    out: &mut [f32],
) -> Option<()>
where
    f32: From<T>,
{
    let (width, group) = (a.kv_heads * a.dim, a.heads / a.kv_heads);
    let here = seen.start * width..seen.end * width;
    let (k, v) = (k.get(here.clone())?, v.get(here)?);
    let mut scores = vec![0.0_f32; seen.len()];
    for (head, (q, out)) in q.chunks_exact(a.dim).zip(out.chunks_exact_mut(a.dim)).enumerate() {
        let at = head / group * a.dim;
        let head = at..at + a.dim;
        for (s, key) in scores.iter_mut().zip(k.chunks_exact(width)) {
            *s = score(a, dot(q, &key[head.clone()]));
        }
        softmax(&mut scores);
        for (s, value) in scores.iter().zip(v.chunks_exact(width)) {
            for (o, x) in out.iter_mut().zip(&value[head.clone()]) {
                *o += s * f32::from(*x);
            }
        }
    }
    Some(())
}

#[allow(clippy::cast_possible_truncation)]
fn score(a: &AttentionInput, product: f32) -> f32 {
    let s = product * a.scale as f32;
    match a.softcap {
        None => s,
        Some(c) => (s / c as f32).tanh() * c as f32,
    }
}

fn softmax(scores: &mut [f32]) {
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for s in scores.iter_mut() {
        *s = (*s - max).exp();
    }
    let total = 1.0 / scores.iter().sum::<f32>();
    for s in scores.iter_mut() {
        *s *= total;
    }
}
