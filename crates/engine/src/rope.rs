//! Angles of the rotation of queries and keys, in f32 whatever the model's type.

use std::borrow::Cow;

use candle_core::{Device, Result, Tensor};

use super::config::{Rope, Scaling};
use super::layout::ActivationRow;

/// How many dimensions of a head are rotated.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
pub(super) fn rotated(partial: f64, head_dim: usize) -> usize {
    (head_dim as f64 * partial) as usize
}

/// Frequencies of a rotation and the factor on its cosines and sines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frequencies {
    /// Radians a position, a rotated pair.
    pub(super) inverse: Vec<f32>,
    /// The attention factor of YaRN and LongRoPE; 1 elsewhere.
    pub(super) attention: f32,
    longer: Option<Longer>,
}

/// What takes the place of the frequencies in a sequence that is longer than the original context.
#[derive(Clone, Debug, PartialEq)]
struct Longer {
    original: usize,
    by: Stretch,
}

#[derive(Clone, Debug, PartialEq)]
enum Stretch {
    /// Dynamic NTK: another base for each length.
    Ntk { theta: f64, factor: f64, dims: usize },
    /// LongRoPE: one other set.
    Fixed(Vec<f32>),
}

impl Frequencies {
    /// The frequencies of a rotation of heads of this width.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    pub(super) fn new(rope: &Rope, head_dim: usize) -> Self {
        let dims = rotated(rope.partial, head_dim);
        let plain = plain(rope.theta, dims);
        let by = |divisors: &[f32]| {
            plain.iter().zip(divisors).map(|(f, d)| f / f64::from(*d)).collect::<Vec<f64>>()
        };
        let scaled: Vec<f64> = match rope.scaling {
            Scaling::None | Scaling::Dynamic { .. } => plain.clone(),
            Scaling::Long { ref short, .. } => by(short),
            Scaling::Linear { factor } => plain.iter().map(|f| f / factor).collect(),
            Scaling::Llama3 { factor, low, high, original } => {
                plain.iter().map(|f| llama3(*f, factor, low, high, original)).collect()
            }
            Scaling::Yarn { factor, fast, slow, original, truncate, .. } => {
                let (from, to) = yarn_range(fast, slow, dims, rope.theta, original, truncate);
                let kept = |i: usize| 1.0 - ((i as f64 - from) / (to - from)).clamp(0.0, 1.0);
                plain.iter().enumerate().map(|(i, f)| f / factor * (1.0 - kept(i)) + f * kept(i)).collect()
            }
        };
        let inverse = match &rope.divisors {
            None => scaled.iter().map(|f| *f as f32).collect(),
            Some(by) => scaled.iter().zip(by).map(|(f, d)| (f / f64::from(*d)) as f32).collect(),
        };
        let attention = match rope.scaling {
            Scaling::Yarn { attention, .. } | Scaling::Long { attention, .. } => attention as f32,
            _ => 1.0,
        };
        #[allow(clippy::cast_sign_loss)]
        let longer = match &rope.scaling {
            Scaling::Dynamic { factor, original } => Some(Longer {
                original: *original as usize,
                by: Stretch::Ntk { theta: rope.theta, factor: *factor, dims },
            }),
            Scaling::Long { original, long, .. } => Some(Longer {
                original: *original as usize,
                by: Stretch::Fixed(by(long).into_iter().map(|f| f as f32).collect()),
            }),
            _ => None,
        };
        Self { inverse, attention, longer }
    }

    /// Whether tokens of a sequence of this length are rotated otherwise than those of a shorter one.
    pub(super) fn by_length(&self, length: usize) -> bool {
        self.longer.as_ref().is_some_and(|l| length > l.original)
    }

    /// The frequencies in a sequence of this length.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn of(&self, length: usize) -> Cow<'_, [f32]> {
        match &self.longer {
            Some(Longer { original, by }) if length > *original => match by {
                Stretch::Fixed(inverse) => Cow::Borrowed(inverse),
                Stretch::Ntk { theta, factor, dims } => {
                    let stretch = factor * length as f64 / *original as f64 - (factor - 1.0);
                    let theta = theta * stretch.powf(*dims as f64 / (*dims as f64 - 2.0));
                    plain(theta, *dims).into_iter().map(|f| f as f32).collect()
                }
            },
            _ => Cow::Borrowed(&self.inverse),
        }
    }

    /// Cosines and sines of rows, each `[rows, pairs]` in f32.
    pub(super) fn at<'r>(
        &self,
        rows: impl Iterator<Item = &'r ActivationRow>,
        device: &Device,
    ) -> Result<Angles> {
        let [cos, sin] = self.table(rows);
        let shape = (cos.len() / self.inverse.len().max(1), self.inverse.len());
        Ok(Angles { cos: Tensor::from_vec(cos, shape, device)?, sin: Tensor::from_vec(sin, shape, device)? })
    }

    #[allow(clippy::cast_precision_loss)]
    pub(super) fn table<'r>(&self, rows: impl Iterator<Item = &'r ActivationRow>) -> [Vec<f32>; 2] {
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        let (mut length, mut inverse) = (0, Cow::Borrowed(&self.inverse[..]));
        for row in rows {
            if self.longer.is_some() && row.reach != length {
                length = row.reach;
                inverse = self.of(length);
            }
            for f in inverse.iter() {
                let (s, c) = (row.position as f32 * f).sin_cos();
                cos.push(c * self.attention);
                sin.push(s * self.attention);
            }
        }
        [cos, sin]
    }
}

/// Frequencies that nothing stretches.
#[allow(clippy::cast_precision_loss)]
fn plain(theta: f64, dims: usize) -> Vec<f64> {
    (0..dims / 2).map(|i| theta.powf(-((2 * i) as f64) / dims as f64)).collect()
}

/// Cosines and sines of the rows of a batch.
#[derive(Clone, Debug)]
pub(super) struct Angles {
    /// `[rows, pairs]`
    pub(super) cos: Tensor,
    /// `[rows, pairs]`
    pub(super) sin: Tensor,
}

/// Llama 3.1's stretch of one frequency (`rope_type` llama3 of its model card's reference code).
fn llama3(f: f64, factor: f64, low: f64, high: f64, original: f64) -> f64 {
    let rotations = original * f / std::f64::consts::TAU;
    if rotations > high {
        f
    } else if rotations < low {
        f / factor
    } else {
        let smooth = (rotations - low) / (high - low);
        (1.0 - smooth) * f / factor + smooth * f
    }
}

/// Between which pairs YaRN goes from kept to divided frequencies (Peng et al. 2023, section 3.2).
#[allow(clippy::cast_precision_loss)]
fn yarn_range(fast: f64, slow: f64, dims: usize, theta: f64, original: f64, truncate: bool) -> (f64, f64) {
    // The pair that rotates `n` times over the original context.
    let pair = |n: f64| dims as f64 * (original / (n * std::f64::consts::TAU)).ln() / (2.0 * theta.ln());
    let (mut from, mut to) = (pair(fast), pair(slow));
    if truncate {
        (from, to) = (from.floor(), to.ceil());
    }
    (from, to) = (from.max(0.0), to.min(dims as f64 - 1.0));
    // A ramp of no width would divide by zero.
    if from == to { (from, to + 0.001) } else { (from, to) }
}
