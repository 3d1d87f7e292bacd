//! Causal attention with online softmax: no scores are kept but those of 64 keys
//! (Dao et al. 2022, "FlashAttention").

use std::ops::Range;

use rayon::prelude::*;

use super::exp::{CpuLoop, exp, tanh, vectors};
use super::kernel::{Kernel, OUTPUTS, Tile};
use super::kv::{KEYS, Kv};
use super::lines::{floats_mut, with_scratch};
use super::plain::PlainF32;
use super::product::PanelError;

/// What all sequences have in common.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Query heads; query head `h` reads key head `h / (heads / kv_heads)`.
    pub heads: usize,
    /// Key-value heads; a divisor of `heads`.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub dim: usize,
    /// Factor on scores.
    pub scale: f32,
    /// Soft-cap of scores, after the factor.
    pub softcap: Option<f32>,
    /// A position sees itself and the `window - 1` before it.
    pub window: Option<usize>,
}

/// The queries of a sequence and what they attend to.
#[derive(Clone, Debug)]
pub struct SequenceQueries<'a> {
    /// Position of each query, ascending.
    pub positions: &'a [usize],
    /// Keys and values of the positions from 0 on: one stretch, or one after the other where sequences
    /// share what they begin with. How they are cut changes no bit of the result.
    pub spans: &'a [&'a Kv],
}

/// `softmax(scale · q kᵀ) v` for every head. Queries `[rows, heads · dim]` are those of the parts, one
/// after the other; `out` is of their shape.
///
/// # Errors
/// Slices or heads of other sizes, or a query whose position has no key.
pub fn attend(
    a: &AttentionShape,
    q: &[f32],
    parts: &[SequenceQueries],
    out: &mut [f32],
) -> Result<(), PanelError> {
    let width = a.heads * a.dim;
    let rows: usize = parts.iter().map(|p| p.positions.len()).sum();
    PanelError::check("the queries", q.len(), rows * width)?;
    PanelError::check("the result of attention", out.len(), q.len())?;
    PanelError::check("the heads that share a key", a.heads % a.kv_heads.max(1), 0)?;
    for part in parts {
        let mut len = 0;
        for kv in part.spans {
            PanelError::check("a key", kv.heads() * kv.dim(), a.kv_heads * a.dim)?;
            PanelError::check("a head of a key", kv.dim(), a.dim)?;
            PanelError::check("the keys before a stretch", kv.positions().start, len)?;
            len = kv.positions().end;
        }
        if let Some(p) = part.positions.iter().find(|p| **p >= len) {
            return Err(PanelError { what: "the keys of a query", found: len, expected: p + 1 });
        }
    }
    if rows == 0 || width == 0 {
        return Ok(());
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(k) = super::avx512::F32::new() {
        share(&k, a, q, parts, out);
        return Ok(());
    }
    share(&PlainF32::new(true), a, q, parts, out);
    Ok(())
}

/// Neighbouring queries of a part.
struct QueryTask<'a> {
    spans: &'a [&'a Kv],
    positions: &'a [usize],
    q: &'a [f32],
    out: &'a mut [f32],
}

/// Most rows, heads counted, that go through the keys together.
const ROWS: usize = 96;

/// Numbers read below which threads cost more than they save.
const SERIAL: usize = 1 << 17;

pub(super) fn share<K: Kernel>(
    k: &K,
    a: &AttentionShape,
    q: &[f32],
    parts: &[SequenceQueries],
    out: &mut [f32],
) {
    let width = a.heads * a.dim;
    let seen = |p: &usize| a.window.unwrap_or(usize::MAX).min(p + 1);
    let work = parts.iter().flat_map(|p| p.positions).map(seen).sum::<usize>() * width;
    let threads = if work < SERIAL { 1 } else { rayon::current_num_threads() };
    let rows = parts.iter().map(|p| p.positions.len()).sum::<usize>();
    let group = a.heads / a.kv_heads.max(1);
    let most = (ROWS / group).clamp(1, if threads == 1 { ROWS } else { rows.div_ceil(2 * threads).max(1) });
    let (mut tasks, mut q, mut out) = (Vec::new(), q, out);
    for part in parts {
        for positions in part.positions.chunks(most) {
            let (here, rest) = q.split_at(positions.len() * width);
            let (mine, others) = out.split_at_mut(positions.len() * width);
            (q, out) = (rest, others);
            tasks.push(QueryTask { spans: part.spans, positions, q: here, out: mine });
        }
    }
    let one = |task: &mut QueryTask| (0..a.kv_heads).for_each(|head| run(k, a, task, head));
    if threads == 1 {
        tasks.iter_mut().for_each(one);
    } else {
        tasks.par_iter_mut().with_max_len(1).for_each(one);
    }
}

/// Words of queries in a chunk of their dimensions.
const CHUNK: usize = 256;

fn run<K: Kernel>(k: &K, a: &AttentionShape, task: &mut QueryTask, head: usize) {
    let group = a.heads / a.kv_heads;
    let rows = task.positions.len() * group;
    // A tile reads as if it were full.
    let held = (rows.div_ceil(K::ROWS) + 1) * K::ROWS;
    let chunks = a.dim.div_ceil(CHUNK);
    let wide = a.dim.next_multiple_of(OUTPUTS);
    let sizes = [chunks * held * K::STRIDE, 2 * K::ROWS * K::STRIDE, rows * wide, rows, rows];
    let lines = sizes.map(|s| s.div_ceil(16));
    with_scratch(lines.iter().sum(), |all| {
        let mut all = floats_mut(all);
        let [q, scores, sums, max, total] = lines.map(|n| {
            let (here, rest) = std::mem::take(&mut all).split_at_mut(n * 16);
            all = rest;
            here
        });
        sums.fill(0.0);
        max.fill(f32::NEG_INFINITY);
        total.fill(0.0);
        let at = |row: usize| row / group * a.heads * a.dim + (head * group + row % group) * a.dim;
        for row in 0..rows {
            for (c, from) in task.q[at(row)..at(row) + a.dim].chunks(CHUNK).enumerate() {
                let to = &mut q[(c * held + row) * K::STRIDE..];
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from * a.scale);
            }
        }
        let len = task.spans.last().map_or(0, |kv| kv.positions().end);
        for block in 0..len.div_ceil(KEYS) {
            let here = block * KEYS..len.min((block + 1) * KEYS);
            for first in (0..rows).step_by(K::ROWS) {
                let mine = first..rows.min(first + K::ROWS);
                let Some(seen) = seen(a, task.positions, &mine, group, &here) else { continue };
                let scores = &mut *scores;
                let x = q.as_ptr().wrapping_add(first * K::STRIDE);
                for piece in pieces(task.spans, &here) {
                    let keys = piece.kv.keys(block, head);
                    // SAFETY: `q` and `scores` hold full tiles, keys a panel of `dim` steps each 32.
                    unsafe { score(k, a.dim, mine.len(), x, held, keys, &piece.keys, scores) };
                }
                let state = SoftmaxState {
                    scores,
                    stride: K::STRIDE,
                    seen: &seen,
                    softcap: a.softcap,
                    sums: &mut sums[first * wide..mine.end * wide],
                    max: &mut max[mine.clone()],
                    total: &mut total[mine.clone()],
                };
                vectors(state);
                let last = seen.iter().map(|s| s.end).max().unwrap_or(0);
                let sums = &mut sums[first * wide..mine.end * wide];
                for piece in pieces(task.spans, &here) {
                    let keys = piece.keys.start..piece.keys.end.min(last);
                    let values = piece.kv.values(block, head);
                    // SAFETY: scores are of full tiles, values of 64 steps each 32 dimensions, sums of
                    // these rows.
                    unsafe { weigh(k, wide, mine.len(), keys, scores, values, sums) };
                }
            }
        }
        for ((row, sums), total) in (0..rows).zip(sums.chunks(wide)).zip(total.iter()) {
            let factor = 1.0 / total;
            let to = &mut task.out[at(row)..at(row) + a.dim];
            // A sum of nothing but zeros has the sign of keys that only other rows see.
            to.iter_mut().zip(sums).for_each(|(to, s)| *to = s * factor + 0.0);
        }
    });
}

/// Keys of a block that lie in one stretch.
struct KeyStretch<'a> {
    kv: &'a Kv,
    keys: Range<usize>,
}

/// The stretches that the keys `here` of a block lie in, in order.
fn pieces<'a>(spans: &'a [&'a Kv], here: &Range<usize>) -> impl Iterator<Item = KeyStretch<'a>> {
    let here = here.clone();
    let from = spans.partition_point(|kv| kv.positions().end <= here.start);
    let piece = move |kv: &&'a Kv| {
        let Range { start, end } = kv.positions();
        KeyStretch {
            kv,
            keys: start.max(here.start) - here.start..end.min(here.end).saturating_sub(here.start),
        }
    };
    // Those of later blocks have none of these keys, as have stretches of no positions.
    spans[from..].iter().map(piece).take_while(|p| p.keys.start < KEYS).filter(|p| !p.keys.is_empty())
}

/// Which of the keys `here` each of some rows sees, counted from the first; nothing where no row sees
/// any.
fn seen(
    a: &AttentionShape,
    positions: &[usize],
    rows: &Range<usize>,
    group: usize,
    here: &Range<usize>,
) -> Option<Vec<Range<usize>>> {
    let one = |row: usize| {
        let p = positions[row / group];
        let from = a.window.map_or(0, |w| (p + 1).saturating_sub(w)).max(here.start);
        let to = (p + 1).min(here.end).max(from);
        if from >= here.end { 0..0 } else { from - here.start..to - here.start }
    };
    let all: Vec<Range<usize>> = rows.clone().map(one).collect();
    all.iter().any(|r| !r.is_empty()).then_some(all)
}

/// Scores of some of 64 keys.
///
/// # Safety
/// `x` is the first of `rows` staged queries, chunks of them `held` rows apart, followed by a full
/// tile; `panels` is two panels of `dim` steps; `scores` holds two full tiles.
#[allow(clippy::too_many_arguments)]
unsafe fn score<K: Kernel>(
    k: &K,
    dim: usize,
    rows: usize,
    x: *const f32,
    held: usize,
    panels: &[super::lines::CacheLine],
    keys: &Range<usize>,
    scores: &mut [f32],
) {
    // Keys after others go beside them first: a tile writes the scores of a whole panel.
    let beside = if keys.start > 0 { KEYS } else { 0 };
    for half in keys.start / OUTPUTS..keys.end.div_ceil(OUTPUTS) {
        for (c, from) in (0..dim).step_by(CHUNK).enumerate() {
            // SAFETY: the caller's word.
            unsafe {
                let tile = Tile {
                    x: x.add(c * held * K::STRIDE).cast(),
                    part: 0,
                    held: &[],
                    w: panels.as_ptr().add((half * dim + from) * 2),
                    side: std::ptr::null(),
                    steps: CHUNK.min(dim - from),
                    y: scores.as_mut_ptr().add(beside + half * OUTPUTS),
                    stride: K::STRIDE,
                    lead: false,
                    fresh: c == 0,
                };
                k.tile(rows, &tile);
            }
        }
    }
    if beside > 0 {
        for row in scores.chunks_mut(K::STRIDE).take(rows) {
            row.copy_within(beside + keys.start..beside + keys.end, keys.start);
        }
    }
}

/// Adds values, weighed.
///
/// # Safety
/// `weights` holds a full tile of `rows` rows of 64 weights; `keys` are some of the 64; `values` is
/// `wide / 32` panels of 64 steps; `sums` is `[rows, wide]`.
unsafe fn weigh<K: Kernel>(
    k: &K,
    wide: usize,
    rows: usize,
    keys: Range<usize>,
    weights: &[f32],
    values: &[super::lines::CacheLine],
    sums: &mut [f32],
) {
    if keys.is_empty() {
        return;
    }
    for part in 0..wide / OUTPUTS {
        // SAFETY: the caller's word.
        unsafe {
            let tile = Tile {
                x: weights.as_ptr().add(keys.start).cast(),
                part: 0,
                held: &[],
                w: values.as_ptr().add((part * KEYS + keys.start) * 2),
                side: std::ptr::null(),
                steps: keys.len(),
                y: sums.as_mut_ptr().add(part * OUTPUTS),
                stride: wide,
                lead: false,
                fresh: false,
            };
            k.tile(rows, &tile);
        }
    }
}

/// Scores of 64 keys, and what the keys before them made.
struct SoftmaxState<'a> {
    /// Rows `stride` apart; become weights.
    scores: &'a mut [f32],
    stride: usize,
    seen: &'a [Range<usize>],
    softcap: Option<f32>,
    /// Values weighed so far, a row each.
    sums: &'a mut [f32],
    /// Largest score so far.
    max: &'a mut [f32],
    /// Sum of weights so far.
    total: &'a mut [f32],
}

impl CpuLoop for SoftmaxState<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let wide = self.sums.len() / self.seen.len().max(1);
        let rows = self.scores.chunks_mut(self.stride).zip(self.seen).zip(self.sums.chunks_mut(wide.max(1)));
        for (((row, seen), sums), (max, total)) in rows.zip(self.max.iter_mut().zip(self.total)) {
            let (s, _) =
                row.split_first_chunk_mut::<KEYS>().unwrap_or_else(|| unreachable!("scores of {KEYS} keys"));
            if let Some(c) = self.softcap {
                s.iter_mut().for_each(|s| *s = c * tanh::<FMA>(*s / c));
            }
            if *seen != (0..KEYS) {
                #[allow(clippy::cast_possible_truncation)]
                let (from, to) = (seen.start as i32, seen.end as i32);
                for (i, s) in (0_i32..).zip(s.iter_mut()) {
                    *s = if i >= from && i < to { *s } else { f32::NEG_INFINITY };
                }
            }
            let mut most = *max;
            let mut lanes = [f32::NEG_INFINITY; 16];
            for s in s.chunks_exact(16) {
                for (m, s) in lanes.iter_mut().zip(s) {
                    *m = if *s > *m { *s } else { *m };
                }
            }
            for m in lanes {
                most = if m > most { m } else { most };
            }
            if most == f32::NEG_INFINITY {
                s.fill(0.0);
                continue;
            }
            let mut lanes = [0.0_f32; 16];
            for s in s.chunks_exact_mut(16) {
                for (t, s) in lanes.iter_mut().zip(s) {
                    *s = exp::<FMA>(*s - most);
                    *t += *s;
                }
            }
            let faded = exp::<FMA>(*max - most);
            if most > *max {
                sums.iter_mut().for_each(|s| *s *= faded);
            }
            *total = *total * faded + lanes.iter().sum::<f32>();
            *max = most;
        }
    }
}
