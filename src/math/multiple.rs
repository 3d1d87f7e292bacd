//! Corrections for asking many questions at once.

/// Which p values stand after Holm's step-down correction at a level (Holm 1979), in their order.
///
/// Holds the family-wise error at `level` under any dependence. Values that are NaN never stand.
#[must_use]
pub fn holm(p: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p.len()).filter(|i| !p[*i].is_nan()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut stands = vec![false; p.len()];
    for (done, i) in order.iter().enumerate() {
        if p[*i] * (p.len() - done) as f64 > level {
            break;
        }
        stands[*i] = true;
    }
    stands
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn the_first_that_fails_takes_all_larger_ones_with_it() {
        // 0.01·4 and 0.016·3 stand, 0.03·2 does not, and so 0.04 may not either.
        assert_eq!(holm(&[0.04, 0.01, 0.03, 0.016], 0.05), [false, true, false, true]);
        assert_eq!(holm(&[0.2, f64::NAN], 0.05), [false, false]);
        assert!(holm(&[], 0.05).is_empty());
    }
}
