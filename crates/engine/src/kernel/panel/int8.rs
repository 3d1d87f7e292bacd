//! int8 weights: how they and the rows they meet are stored, and their product in plain Rust.
//!
//! A group is 32 weights of an output (16 for `Q6_K`) with a scale, and an offset where the format has
//! one: `w = scale · q + offset`. Rows are rounded to int8 with a scale a group of their own, once, or
//! twice: what rounding left is rounded again with a scale 254 times as small.

use super::exp::{CpuLoop, vectors};
use super::frozen::FrozenLines;
use super::kernel::{Kernel, OUTPUTS, Tile};
use super::lines::floats_mut;
use super::pack::{PanelFormat, Panels};

/// Most steps of a chunk.
pub(super) const STEPS: usize = 128;
/// Where the scales of a staged row are, a word a group.
pub(super) const SCALES: usize = STEPS;
/// Where -128 times the sums of a staged row's groups are: weights are stored plus 128, unsigned.
pub(super) const CORRECTIONS: usize = SCALES + 32;
/// Where the sums of a staged row's groups are, scaled.
pub(super) const OFFSETS: usize = CORRECTIONS + 32;
/// Words of a staged row: an odd number of lines.
pub(super) const STRIDE: usize = OFFSETS + 48;

impl Panels {
    /// Packs int8 weights: `q` `[outputs, inputs]`, `scales` and, where there are, `offsets`
    /// `[outputs, inputs / group]`, in groups of 16 or 32 (anything else is taken for 32). The last
    /// group may be short; missing numbers are zeros.
    #[must_use]
    pub fn int8(
        q: &[i8],
        scales: &[f32],
        offsets: Option<&[f32]>,
        group: usize,
        outputs: usize,
        inputs: usize,
    ) -> Self {
        let group = if group == 16 { 16 } else { 32 };
        let of_groups = outputs * inputs.div_ceil(group);
        assert_eq!(q.len(), outputs * inputs, "weights of {outputs} rows of {inputs}");
        assert_eq!(scales.len(), of_groups, "scales of {outputs} rows of {inputs}");
        assert!(offsets.is_none_or(|o| o.len() == of_groups), "offsets of {outputs} rows of {inputs}");
        let byte = |o: usize, k: usize| {
            let q = if k < inputs { q[o * inputs + k] } else { 0 };
            // Plus 128, as unsigned.
            q.cast_unsigned() ^ 0x80
        };
        let word = |o: usize, k: usize| {
            u32::from_le_bytes([byte(o, 4 * k), byte(o, 4 * k + 1), byte(o, 4 * k + 2), byte(o, 4 * k + 3)])
        };
        let steps = inputs.next_multiple_of(32) / 4;
        let mut made = Self::pack(PanelFormat::Int8, outputs, inputs, steps, word);
        let (groups, stored) = (inputs.div_ceil(group), steps * 4 / group);
        let kinds = 1 + usize::from(offsets.is_some());
        made.side = FrozenLines::fill(made.panels() * stored * kinds * 2, |side| {
            for (i, all) in floats_mut(side).chunks_exact_mut(OUTPUTS).enumerate() {
                let (panel, at, kind) = (i / kinds / stored, i / kinds % stored, i % kinds);
                let from = if kind == 0 { Some(scales) } else { offsets };
                for (lane, to) in all.iter_mut().enumerate() {
                    let o = panel * OUTPUTS + lane;
                    if let (true, Some(from)) = (o < outputs && at < groups, from) {
                        *to = from[o * groups + at];
                    }
                }
            }
        });
        made.group = group;
        made.offsets = offsets.is_some();
        made
    }
}

/// Stages a row in `X` parts of int8, in groups of `G` steps.
pub(super) fn stage<const X: usize, const G: usize>(
    row: usize,
    x: &[f32],
    steps: usize,
    part: usize,
    out: &mut [u32],
) {
    assert!(x.len() <= 4 * steps, "a row of {} numbers does not fit {steps} steps of four", x.len());
    for group in 0..steps / G {
        let mut left = [0.0; 32];
        // What lies behind the row's end are zeros.
        let from = &x[x.len().min(group * G * 4)..];
        left.iter_mut().zip(from.iter().take(G * 4)).for_each(|(l, x)| *l = *x);
        let mut scale = vectors(Most(&left)) / 127.0;
        for p in 0..X {
            let mut bytes = [0_i8; 32];
            let sum = vectors(Round { left: &mut left, bytes: &mut bytes, scale });
            let out = &mut out[p * part + row * STRIDE..p * part + (row + 1) * STRIDE];
            for (to, b) in out.iter_mut().skip(group * G).take(G).zip(bytes.as_chunks::<4>().0) {
                *to = u32::from_le_bytes(b.map(i8::cast_unsigned));
            }
            #[allow(clippy::cast_precision_loss)]
            let scaled = sum as f32 * scale;
            for (at, v) in [
                (SCALES, scale.to_bits()),
                (CORRECTIONS, (-128 * sum).cast_unsigned()),
                (OFFSETS, scaled.to_bits()),
            ] {
                out[at + group] = v;
            }
            scale /= 254.0;
        }
    }
}

struct Most<'a>(&'a [f32; 32]);

impl CpuLoop for Most<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<const FMA: bool>(self) -> f32 {
        let mut lanes = [0.0_f32; 16];
        for x in self.0.as_chunks::<16>().0 {
            for (m, x) in lanes.iter_mut().zip(x) {
                *m = if x.abs() > *m { x.abs() } else { *m };
            }
        }
        lanes.iter().fold(0.0, |m, x| if *x > m { *x } else { m })
    }
}

/// Rounds numbers to multiples of a scale; leaves what rounding left, and returns the sum.
struct Round<'a> {
    left: &'a mut [f32; 32],
    bytes: &'a mut [i8; 32],
    scale: f32,
}

impl CpuLoop for Round<'_> {
    type Output = i32;

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)]
    fn run<const FMA: bool>(self) -> i32 {
        /// Adding it leaves the nearest integer in the low bits.
        const MAGIC: f32 = 12_582_912.0;
        let by = if self.scale > 0.0 { 1.0 / self.scale } else { 0.0 };
        let mut sum = 0;
        for (x, b) in self.left.iter_mut().zip(self.bytes.iter_mut()) {
            let shifted = *x * by + MAGIC;
            let q = shifted.to_bits().wrapping_sub(MAGIC.to_bits()).cast_signed();
            let q = q.clamp(-127, 127);
            *x -= (shifted - MAGIC) * self.scale;
            *b = q as i8;
            sum += q;
        }
        sum
    }
}

pub(super) struct PlainInt8<const X: usize, const G: usize, const MIN: bool>;

impl<const X: usize, const G: usize, const MIN: bool> Kernel for PlainInt8<X, G, MIN> {
    const ROWS: usize = 1;
    const STEPS: usize = STEPS;
    const UNIT: usize = 8;
    const INPUTS: usize = 4;
    const STRIDE: usize = STRIDE;
    const X_PARTS: usize = X;
    const SIDE: usize = 8 / G * if MIN { 4 } else { 2 };

    fn stage(&self, row: usize, x: &[f32], steps: usize, part: usize, out: &mut [u32]) {
        stage::<X, G>(row, x, steps, part, out);
    }

    unsafe fn tile(&self, _: usize, t: &Tile) {
        // SAFETY: a staged row, `steps` pairs of lines, two lines of scales and of offsets a group, and
        // the results are there.
        let (x, w, side, y) = unsafe {
            (
                std::slice::from_raw_parts(t.x, STRIDE),
                std::slice::from_raw_parts(t.w.cast::<u32>(), t.steps * OUTPUTS),
                std::slice::from_raw_parts(t.side.cast::<f32>(), t.steps / 8 * Self::SIDE * 16),
                std::slice::from_raw_parts_mut(t.y, OUTPUTS),
            )
        };
        vectors(Int8Row::<G, MIN> { x, w, side, y, fresh: t.fresh });
    }
}

struct Int8Row<'a, const G: usize, const MIN: bool> {
    x: &'a [u32],
    w: &'a [u32],
    side: &'a [f32],
    y: &'a mut [f32],
    fresh: bool,
}

impl<const G: usize, const MIN: bool> CpuLoop for Int8Row<'_, G, MIN> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::cast_precision_loss)]
    fn run<const FMA: bool>(self) {
        let mut acc = [0.0_f32; OUTPUTS];
        if !self.fresh {
            acc.iter_mut().zip(self.y.iter()).for_each(|(a, y)| *a = *y);
        }
        let kinds = if MIN { 2 } else { 1 };
        let groups = self.w.chunks_exact(G * OUTPUTS).zip(self.side.chunks_exact(kinds * OUTPUTS));
        for (g, (w, side)) in groups.enumerate() {
            let word = |at: usize| self.x[at + g];
            let mut sums = [word(CORRECTIONS).cast_signed(); OUTPUTS];
            for (step, w) in w.as_chunks::<OUTPUTS>().0.iter().enumerate() {
                let x = self.x[g * G + step].to_le_bytes().map(|b| i32::from(b.cast_signed()));
                for (s, w) in sums.iter_mut().zip(w) {
                    let [a, b, c, d] = w.to_le_bytes().map(i32::from);
                    *s += a * x[0] + b * x[1] + c * x[2] + d * x[3];
                }
            }
            let (scale, sum) = (f32::from_bits(word(SCALES)), f32::from_bits(word(OFFSETS)));
            let (scales, offsets) = side.split_at(OUTPUTS);
            for ((a, s), w) in acc.iter_mut().zip(sums).zip(scales) {
                *a += s as f32 * (w * scale);
            }
            acc.iter_mut().zip(offsets).for_each(|(a, o)| *a += o * sum);
        }
        self.y.iter_mut().zip(acc).for_each(|(y, a)| *y = a);
    }
}
