//! Kernels against their definitions, on random shapes.

mod attend;
mod int8;
#[cfg(target_arch = "x86_64")]
mod product;
mod rows;

pub(super) fn product(
    x: &[f32],
    rows: usize,
    w: &super::Panels,
    y: &mut [f32],
) -> Result<(), super::product::PanelError> {
    super::products(x, rows, &mut [job(w, None, y)])
}

/// A product with nothing done to it.
pub(super) fn job<'a>(w: &'a super::Panels, bias: Option<&'a [f32]>, y: &'a mut [f32]) -> super::Product<'a> {
    super::Product { of: super::Affine { w, bias }, then: super::Then::Keep, y, accumulate: false }
}

/// Numbers in -1..1 from a seed.
pub(super) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}
