//! What surrounds the products of a transformer: norms, rotation, activation, attention.
//!
//! Each function has one meaning and two ways: candle's operations, and loops over slices of host memory.
//! [`ComputedBy`] says which. By candle alone, no line of ours computes a number: devices run so, and so does what
//! every other path is held against (`bench --fidelity`, the tests of kernels), on a CPU too.
//!
//! CPUs without AVX2 keep the loops because candle alone is slower there by more than half: on SmolLM2-135M, two
//! cores, f32, it reads 320 tokens a second where slices read 512, and decodes 21 where they decode 35 (36 and
//! 91 in batches of eight). Panels in plain Rust, without AVX2, read 75 and decode 18 and 32.
//!
//! All tensors are f32 with a row a token, except for keys and values, which have the cache's type.

mod attend;
mod host;
pub(super) mod panel;
mod portable;
mod product;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor};

pub(super) use attend::{AttendedSequence, AttentionInput, attend};
pub(super) use host::with_slice;

use super::config::Act;
use super::rope::Angles;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComputedBy {
    /// Candle's operations, on any device.
    Candle,
    /// Loops over slices where there are some, for CPUs without AVX2.
    Slices,
}

/// A norm of stretches of a row.
#[derive(Clone, Debug)]
pub(super) struct TensorNorm {
    /// Factor, `[width]`; the stretch is as long as this.
    pub(super) weight: Tensor,
    /// Offset, `[width]`; with it the mean is taken out first.
    pub(super) bias: Option<Tensor>,
    /// Added to the variance.
    pub(super) eps: f64,
}

impl ComputedBy {
    /// What a loop over slices makes, unless candle is to compute.
    fn slices(self, run: impl FnOnce() -> Result<Option<Tensor>>) -> Result<Option<Tensor>> {
        match self {
            Self::Candle => Ok(None),
            Self::Slices => run(),
        }
    }
}

impl TensorNorm {
    /// Norms each stretch of `x`, `[rows, n · width]`.
    pub(super) fn forward(&self, x: &Tensor, by: ComputedBy) -> Result<Tensor> {
        match by.slices(|| host::norm(self, x))? {
            Some(y) => Ok(y),
            None => portable::norm(self, x),
        }
    }
}

/// Rotates the first dimensions of each head of `x`, `[rows, heads · head_dim]`, in pairs that
/// lie half of the rotated dimensions apart.
pub(super) fn rope(x: &Tensor, angles: &Angles, head_dim: usize, by: ComputedBy) -> Result<Tensor> {
    match by.slices(|| host::rope(x, angles, head_dim))? {
        Some(y) => Ok(y),
        None => portable::rope(x, angles, head_dim),
    }
}

/// `act(x)`, times `with` where it is given.
pub(super) fn act(act: Act, x: &Tensor, with: Option<&Tensor>, by: ComputedBy) -> Result<Tensor> {
    match by.slices(|| host::act(act, x, with))? {
        Some(y) => Ok(y),
        None => portable::act(act, x, with),
    }
}

/// `x Wᵀ` in f32, for a matrix `[out, in]`.
pub(super) fn product(x: &Tensor, w: &Tensor, by: ComputedBy) -> Result<Tensor> {
    match by.slices(|| product::product(x, w))? {
        Some(y) => Ok(y),
        None => x.matmul(&w.t()?),
    }
}

/// `c · tanh(x / c)`
pub(super) fn softcap(x: &Tensor, c: f64) -> Result<Tensor> {
    (x / c)?.tanh()? * c
}
