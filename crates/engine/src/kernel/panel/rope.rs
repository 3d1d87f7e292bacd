//! Rotary embedding.

use rayon::prelude::*;

use super::exp::{CpuLoop, mul_add, vectors};
use super::norm::SERIAL;
use super::product::PanelError;
use super::threads::threads;

/// Rotates each head of `x`, `[rows, heads · dim]`, in place: numbers `i` and `pairs + i` of a head by
/// the angle whose cosine and sine are `cos` and `sin` `[rows, pairs]` (Su et al. 2021, "RoFormer").
/// Numbers of a head from `2 · pairs` on stay as they are.
///
/// # Errors
/// Slices of other sizes.
pub fn rope(x: &mut [f32], cos: &[f32], sin: &[f32], rows: usize, dim: usize) -> Result<(), PanelError> {
    if rows == 0 || dim == 0 {
        return PanelError::check("what is rotated", x.len(), 0);
    }
    let (width, pairs) = (x.len() / rows, cos.len() / rows);
    PanelError::check("the sines", sin.len(), cos.len())?;
    PanelError::check("the cosines", cos.len(), rows * pairs.min(dim / 2))?;
    PanelError::check("what is rotated", x.len(), rows * (width / dim * dim))?;
    if pairs == 0 || width == 0 {
        return Ok(());
    }
    let one = |((x, cos), sin): ((&mut [f32], &[f32]), &[f32])| {
        vectors(RopeRows { x, cos, sin, width, pairs, dim })
    };
    if x.len() < SERIAL || threads() == 1 {
        one(((x, cos), sin));
    } else {
        let some = (SERIAL / 4).div_ceil(width);
        let angles = cos.par_chunks(some * pairs).zip(sin.par_chunks(some * pairs));
        x.par_chunks_mut(some * width).zip(angles).for_each(|(x, (c, s))| one(((x, c), s)));
    }
    Ok(())
}

struct RopeRows<'a> {
    x: &'a mut [f32],
    cos: &'a [f32],
    sin: &'a [f32],
    width: usize,
    pairs: usize,
    dim: usize,
}

impl CpuLoop for RopeRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let angles = self.cos.chunks_exact(self.pairs).zip(self.sin.chunks_exact(self.pairs));
        for (row, (cos, sin)) in self.x.chunks_exact_mut(self.width).zip(angles) {
            for head in row.chunks_exact_mut(self.dim) {
                let (first, rest) = head.split_at_mut(self.pairs);
                for (((a, b), c), s) in first.iter_mut().zip(rest).zip(cos).zip(sin) {
                    (*a, *b) = (mul_add::<FMA>(*a, *c, -(*b * s)), mul_add::<FMA>(*b, *c, *a * s));
                }
            }
        }
    }
}
