//! Numbers renumbered.

/// Numbers renumbered from 0 without gaps, in their order.
#[must_use]
pub fn dense(numbers: &[usize]) -> Vec<usize> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let place = |n: &usize| sorted.binary_search(n).expect("every number is among the sorted ones");
    numbers.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::dense;

    #[test]
    fn equal_numbers_get_one_place() {
        assert_eq!(dense(&[7, 3, 7, 900, 3]), [1, 0, 1, 2, 0]);
        assert_eq!(dense(&[]), [0_usize; 0]);
    }
}
