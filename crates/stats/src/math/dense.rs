//! Names and numbers renumbered without gaps.

use std::collections::HashMap;
use std::hash::Hash;

/// Numbers renumbered from 0 without gaps, in their order.
#[must_use]
pub fn dense(numbers: &[usize]) -> Vec<usize> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let place = |n: &usize| sorted.binary_search(n).expect("every number is among the sorted ones");
    numbers.iter().map(place).collect()
}

/// Names as numbers from 0 without gaps, in the order of their first appearance.
pub fn numbered<T: Eq + Hash>(names: impl IntoIterator<Item = T>) -> Vec<usize> {
    let mut seen = HashMap::new();
    let number = |name| {
        let next = seen.len();
        *seen.entry(name).or_insert(next)
    };
    names.into_iter().map(number).collect()
}

/// How many different ones there are among numbers without gaps.
#[must_use]
pub fn dense_count(numbers: &[usize]) -> usize {
    numbers.iter().max().map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::{dense, dense_count, numbered};

    #[test]
    fn names_are_numbered_as_they_come() {
        assert_eq!(numbered(["b", "a", "b", "c"]), [0, 1, 0, 2]);
        assert_eq!(numbered([7_usize, 3, 7]), [0, 1, 0]);
        assert_eq!([dense_count(&[]), dense_count(&[0, 2, 1, 2])], [0, 3]);
    }

    #[test]
    fn equal_numbers_get_one_place() {
        assert_eq!(dense(&[7, 3, 7, 900, 3]), [1, 0, 1, 2, 0]);
        assert_eq!(dense(&[]), [0_usize; 0]);
    }
}
