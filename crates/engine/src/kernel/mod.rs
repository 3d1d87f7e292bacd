//! What surrounds the products of a transformer: norms, rotation, activation, attention.
//!
//! Each function has one meaning and chooses between a kernel over host slices and candle's
//! operations, which run anywhere. A faster kernel is one more choice here and changes no caller.
//! All tensors are f32 with a row a token, except for keys and values, which have the cache's type.

mod attend;
mod host;
pub(super) mod panel;
mod portable;
mod product;
#[cfg(test)]
mod tests;

use candle_core::{Result, Tensor};

pub(super) use attend::{Attend, Part, attend};
pub(super) use host::with_slice;
pub(super) use product::product;

use super::config::Act;
use super::rope::Angles;

/// A norm of stretches of a row.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    /// Factor, `[width]`; the stretch is as long as this.
    pub(super) weight: Tensor,
    /// Offset, `[width]`; with it the mean is taken out first.
    pub(super) bias: Option<Tensor>,
    /// Added to the variance.
    pub(super) eps: f64,
}

impl Norm {
    /// Norms each stretch of `x`, `[rows, n · width]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match host::norm(self, x)? {
            Some(y) => Ok(y),
            None => portable::norm(self, x),
        }
    }
}

/// Rotates the first dimensions of each head of `x`, `[rows, heads · head_dim]`, in pairs that
/// lie half of the rotated dimensions apart.
pub(super) fn rope(x: &Tensor, angles: &Angles, head_dim: usize) -> Result<Tensor> {
    match host::rope(x, angles, head_dim)? {
        Some(y) => Ok(y),
        None => portable::rope(x, angles, head_dim),
    }
}

/// `act(x)`, times `with` where it is given.
pub(super) fn act(act: Act, x: &Tensor, with: Option<&Tensor>) -> Result<Tensor> {
    match host::act(act, x, with)? {
        Some(y) => Ok(y),
        None => portable::act(act, x, with),
    }
}

/// `c · tanh(x / c)`
pub(super) fn softcap(x: &Tensor, c: f64) -> Result<Tensor> {
    (x / c)?.tanh()? * c
}
