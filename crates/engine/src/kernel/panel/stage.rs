//! Rows as kernels read them.

/// Copies numbers, then zeros up to `count`.
pub(super) fn floats(x: &[f32], count: usize, out: &mut [u32]) {
    let (given, rest) = out.split_at_mut(x.len().min(out.len()));
    for (o, x) in given.iter_mut().zip(x) {
        *o = x.to_bits();
    }
    rest.iter_mut().take(count.saturating_sub(x.len())).for_each(|o| *o = 0);
}
