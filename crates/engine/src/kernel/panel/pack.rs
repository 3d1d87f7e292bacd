//! Weights in panels.

use half::bf16;
use rayon::prelude::*;

use super::frozen::FrozenLines;
use super::kernel::OUTPUTS;
use super::lines::{floats, words, words_mut};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanelFormat {
    F32,
    Bf16,
    /// int8 times a scale of each 32 along the input.
    Int8,
}

/// Format, inputs of a group, and whether groups have offsets.
pub(super) type PanelLayout = (PanelFormat, usize, bool);

/// A matrix `[outputs, inputs]`, packed for [`product`](super::product()).
///
/// A panel is 32 outputs. In it, step by step along the input, stand 32 words: an f32, two bf16 or
/// four int8 of each output. The last panel is filled up with zeros.
#[derive(Clone, Debug)]
pub struct Panels {
    pub(super) format: PanelFormat,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    /// Steps of a panel.
    pub(super) steps: usize,
    /// `[panels][steps][2]`
    pub(super) data: FrozenLines,
    /// For int8, scales and offsets in f32, `[panels][groups][1 or 2][2]`.
    pub(super) side: FrozenLines,
    /// For int8, inputs of a group.
    pub(super) group: usize,
    /// For int8, whether groups have offsets.
    pub(super) offsets: bool,
}

impl Panels {
    /// Packs f32 weights, `[outputs, inputs]` row by row; missing numbers are zeros.
    #[must_use]
    pub fn f32(w: &[f32], outputs: usize, inputs: usize) -> Self {
        let word = |o: usize, k: usize| row(w, o, inputs).get(k).map_or(0, |x| x.to_bits());
        Self::pack(PanelFormat::F32, outputs, inputs, inputs, word)
    }

    /// Packs bf16 weights, `[outputs, inputs]` row by row; missing numbers are zeros.
    #[must_use]
    pub fn bf16(w: &[bf16], outputs: usize, inputs: usize) -> Self {
        let at = |o: usize, k: usize| row(w, o, inputs).get(k).map_or(0, |x| u32::from(x.to_bits()));
        let word = |o: usize, k: usize| at(o, 2 * k) | at(o, 2 * k + 1) << 16;
        Self::pack(PanelFormat::Bf16, outputs, inputs, pair_steps(inputs), word)
    }

    pub(super) fn pack(
        format: PanelFormat,
        outputs: usize,
        inputs: usize,
        steps: usize,
        word: impl Fn(usize, usize) -> u32 + Sync,
    ) -> Self {
        let data = FrozenLines::fill(outputs.div_ceil(OUTPUTS) * steps * 2, |data| {
            data.par_chunks_mut(steps * 2).enumerate().for_each(|(panel, lines)| {
                let words = words_mut(lines);
                for lane in 0..OUTPUTS.min(outputs - panel * OUTPUTS) {
                    for (k, at) in words.iter_mut().skip(lane).step_by(OUTPUTS).enumerate() {
                        *at = word(panel * OUTPUTS + lane, k);
                    }
                }
            });
        });
        Self { format, outputs, inputs, steps, data, side: FrozenLines::none(), group: 0, offsets: false }
    }

    #[cfg(test)]
    pub fn format(&self) -> PanelFormat {
        self.format
    }

    /// Rows of the matrix.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns of the matrix.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Whether these and others can be multiplied by together.
    #[must_use]
    pub fn goes_with(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.inputs == other.inputs
    }

    /// What a kernel has to fit: format, inputs of a group, whether groups have offsets.
    pub(super) fn kind(&self) -> PanelLayout {
        (self.format, self.group, self.offsets)
    }

    /// Writes a row of the matrix, as embeddings are looked up; as much of it as there is.
    pub fn row(&self, output: usize, out: &mut [f32]) {
        let (panel, lane) = (output / OUTPUTS, output % OUTPUTS);
        assert!(output < self.outputs, "row {output} of {}", self.outputs);
        let column = &words(&self.data)[panel * self.steps * OUTPUTS + lane..];
        let column = column.iter().step_by(OUTPUTS);
        match self.format {
            PanelFormat::F32 => out.iter_mut().zip(column).for_each(|(o, w)| *o = f32::from_bits(*w)),
            PanelFormat::Bf16 => out.chunks_mut(2).zip(column).for_each(|(o, w)| {
                let pair = [f32::from_bits(w << 16), f32::from_bits(w & 0xffff_0000)];
                o.iter_mut().zip(pair).for_each(|(o, w)| *o = w);
            }),
            PanelFormat::Int8 => {
                let kinds = 1 + usize::from(self.offsets);
                let stored = self.steps * 4 / self.group.max(1);
                let side = floats(&self.side);
                let at = |group: usize, kind: usize| {
                    let line = (panel * stored + group) * kinds + kind;
                    side[line * OUTPUTS + lane]
                };
                for (step, (out, w)) in out.chunks_mut(4).zip(column).enumerate() {
                    let group = step * 4 / self.group.max(1);
                    let (scale, offset) = (at(group, 0), if self.offsets { at(group, 1) } else { 0.0 });
                    for (o, b) in out.iter_mut().zip(w.to_le_bytes()) {
                        *o = scale * f32::from((b ^ 0x80).cast_signed()) + offset;
                    }
                }
            }
        }
    }

    pub(super) fn panels(&self) -> usize {
        self.outputs.div_ceil(OUTPUTS)
    }
}

fn row<T>(w: &[T], o: usize, inputs: usize) -> &[T] {
    &w[o * inputs..(o + 1) * inputs]
}

/// Steps of pairs, a multiple of 16: what a tile of AMX takes.
fn pair_steps(inputs: usize) -> usize {
    inputs.div_ceil(2).next_multiple_of(16)
}
