//! Which rows are fitted on, and which are scored with that fit.

use rand::Rng;

use super::ProbeError;
use crate::split::{Folds, group_folds};

/// A fit: rows to fit on, and the parts it scores.
#[derive(Clone, Debug)]
pub(super) struct FoldFit {
    pub train: Vec<usize>,
    /// Folds left out, in order.
    pub left_out: Vec<usize>,
    /// Rows of each fold left out, one after the other.
    pub scored: Vec<usize>,
    /// How many of `scored` belong to the first fold left out.
    pub first: usize,
}

/// The fits of nested cross-validation. The inner folds of an outer fold are the other outer folds,
/// so that a fit without folds `j` and `k` serves both: `K(K - 1)/2` inner fits and not `K(K - 1)`.
#[derive(Clone, Debug)]
pub(in super::super) struct NestedDesign {
    pub folds: usize,
    pub of_rows: Vec<usize>,
    /// Without folds `j < k`, then without one fold each, then on all rows.
    pub(super) models: Vec<FoldFit>,
}

impl NestedDesign {
    /// # Errors
    /// With fewer than three folds, or fewer groups than folds.
    pub fn new(groups: &[usize], folds: usize, rng: &mut impl Rng) -> Result<Self, ProbeError> {
        if folds < 3 {
            return Err(ProbeError::Parameter {
                what: "number of folds",
                value: folds as f64,
                expected: "at least 3: one to test on, one to choose on, one to fit on",
            });
        }
        let split = group_folds(groups, folds, rng)?;
        let pairs = (0..folds).flat_map(|j| (j + 1..folds).map(move |k| vec![j, k]));
        let singles = (0..folds).map(|k| vec![k]);
        let models =
            pairs.chain(singles).chain(std::iter::once(vec![])).map(|out| model(&split, out)).collect();
        Ok(Self { folds, of_rows: split.of_rows().to_vec(), models })
    }

    /// Index of the inner fit without folds `a` and `b`.
    pub fn without_two(&self, a: usize, b: usize) -> usize {
        let (j, k) = (a.min(b), a.max(b));
        // Pairs before those that start with `j`, then the place among these.
        j * self.folds - j * (j + 1) / 2 + k - j - 1
    }

    /// Index of the outer fit without one fold.
    pub fn without(&self, fold: usize) -> usize {
        self.folds * (self.folds - 1) / 2 + fold
    }

    /// Index of the fit on all rows.
    pub fn all(&self) -> usize {
        self.models.len() - 1
    }

    /// Rows of a fold, ascending.
    pub fn rows(&self, fold: usize) -> impl Iterator<Item = usize> + '_ {
        self.of_rows.iter().enumerate().filter(move |(_, f)| **f == fold).map(|(row, _)| row)
    }

    /// Refuses labels of which a fit sees one class only.
    ///
    /// # Errors
    /// With the first two folds without which a class is missing.
    pub fn check(&self, labels: &[bool]) -> Result<(), ProbeError> {
        let mut counts = vec![(0_usize, 0_usize); self.folds];
        for (fold, label) in self.of_rows.iter().zip(labels) {
            if *label { counts[*fold].0 += 1 } else { counts[*fold].1 += 1 }
        }
        let total = counts.iter().fold((0, 0), |t, c| (t.0 + c.0, t.1 + c.1));
        for first in 0..self.folds {
            for second in first + 1..self.folds {
                let positive = total.0 - counts[first].0 - counts[second].0;
                let negative = total.1 - counts[first].1 - counts[second].1;
                if positive == 0 || negative == 0 {
                    return Err(ProbeError::OneClassFold { first, second, positive, negative });
                }
            }
        }
        Ok(())
    }
}

fn model(split: &Folds, left_out: Vec<usize>) -> FoldFit {
    let of_rows = split.of_rows();
    let train = (0..of_rows.len()).filter(|row| !left_out.contains(&of_rows[*row])).collect();
    let scored: Vec<usize> = left_out.iter().flat_map(|fold| split.test(*fold)).collect();
    let first = left_out.first().map_or(0, |fold| split.test(*fold).len());
    FoldFit { train, left_out, scored, first }
}
