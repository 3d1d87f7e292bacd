//! What two sets of texts have in common.

use std::collections::HashMap;

use super::near::{DisjointSets, join_near};
use super::{NearCopies, folded};

/// A text of a second set that texts of a first have something in common with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedText {
    /// Index of the text in the second set.
    pub text: usize,
    /// The place in the first set of the text that it is a copy of; none where it is a near copy.
    pub copy_of: Option<usize>,
    /// All texts of the first set in its cluster, ascending; at least one.
    pub cluster: Vec<usize>,
}

/// Which texts of a second set are copies or near copies of texts of a first.
#[must_use]
pub fn copies_between(first: &[&str], second: &[&str], near: NearCopies) -> Vec<SharedText> {
    let mut sets = DisjointSets::new(first.len() + second.len());
    let texts = first.iter().chain(second).copied().enumerate();
    join_near(texts, near.threshold(), &mut sets);
    let folds: Vec<String> = first.iter().chain(second).map(|t| folded(t)).collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (i, fold) in folds.iter().enumerate() {
        let at = *seen.entry(fold).or_insert(i);
        sets.join(at, i);
    }
    let mut of_first: HashMap<usize, Vec<usize>> = HashMap::new();
    for i in 0..first.len() {
        of_first.entry(sets.root(i)).or_default().push(i);
    }
    (0..second.len())
        .filter_map(|text| {
            let cluster = of_first.get(&sets.root(first.len() + text))?.clone();
            let copy_of = seen.get(folds[first.len() + text].as_str()).copied().filter(|i| *i < first.len());
            Some(SharedText { text, copy_of, cluster })
        })
        .collect()
}
