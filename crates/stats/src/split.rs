//! Folds that never cut through a group.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;

/// A partition of rows into folds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folds {
    fold: Vec<usize>,
    count: usize,
}

/// Groups that can't be split as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Fewer groups than folds.
    #[error(
        "{folds} folds need at least {folds} groups that share nothing, and the {rows} rows make {groups}"
    )]
    TooFewGroups {
        /// Folds asked for.
        folds: usize,
        /// Groups there are, such as clusters of near copies.
        groups: usize,
        /// Rows in them.
        rows: usize,
    },
    /// Fewer than two folds.
    #[error("expected at least 2 folds, got {0}")]
    TooFewFolds(usize),
}

impl SplitError {
    /// A remedy for people.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooFewGroups { folds, groups, .. } if groups < folds && *groups >= 3 => {
                "ask for fewer folds with --folds, or add rows that are no copies, near copies or of one group \
                 with others"
            }
            Self::TooFewGroups { .. } => {
                "add rows that are no copies, near copies or of one group with others"
            }
            Self::TooFewFolds(_) => "ask for 2 folds or more with --folds",
        }
    }
}

impl Folds {
    /// Folds that the rows are dealt to.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The fold of each row, from 0.
    #[must_use]
    pub fn of_rows(&self) -> &[usize] {
        &self.fold
    }

    /// Rows to fit on when `fold` is held out, ascending.
    #[must_use]
    pub fn train(&self, fold: usize) -> Vec<usize> {
        self.rows(|f| f != fold)
    }

    /// Rows held out, ascending.
    #[must_use]
    pub fn test(&self, fold: usize) -> Vec<usize> {
        self.rows(|f| f == fold)
    }

    fn rows(&self, keep: impl Fn(usize) -> bool) -> Vec<usize> {
        self.fold.iter().enumerate().filter(|(_, f)| keep(**f)).map(|(i, _)| i).collect()
    }
}

/// Splits rows into folds of near-equal size, keeping every group whole: groups are shuffled,
/// the large ones placed first, each into the fold with the fewest rows so far.
///
/// With as many folds as groups this is leave-one-group-out.
///
/// # Errors
/// With fewer than two folds, or fewer groups than folds.
pub fn group_folds<G: Ord>(groups: &[G], folds: usize, rng: &mut impl Rng) -> Result<Folds, SplitError> {
    if folds < 2 {
        return Err(SplitError::TooFewFolds(folds));
    }
    // Ordered by name, so that the split depends on seed and groups alone.
    let mut members: BTreeMap<&G, Vec<usize>> = BTreeMap::new();
    for (row, group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(row);
    }
    if members.len() < folds {
        return Err(SplitError::TooFewGroups { folds, groups: members.len(), rows: groups.len() });
    }
    let mut members: Vec<Vec<usize>> = members.into_values().collect();
    members.shuffle(rng);
    members.sort_by_key(|rows| std::cmp::Reverse(rows.len()));
    let mut sizes = vec![0_usize; folds];
    let mut fold = vec![0; groups.len()];
    for rows in members {
        let smallest = (0..folds).min_by_key(|f| sizes[*f]).unwrap_or(0);
        sizes[smallest] += rows.len();
        for row in rows {
            fold[row] = smallest;
        }
    }
    Ok(Folds { fold, count: folds })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn too_few_groups_are_refused() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert_eq!(
            group_folds(&["a", "a", "b"], 3, &mut rng),
            Err(SplitError::TooFewGroups { folds: 3, groups: 2, rows: 3 })
        );
        assert_eq!(group_folds(&["a", "b"], 1, &mut rng), Err(SplitError::TooFewFolds(1)));
    }

    proptest! {
        #[test]
        fn groups_never_leak(seed: u64, groups in prop::collection::vec(0..9_u8, 2..80), folds in 2..6_usize) {
            let distinct = groups.iter().collect::<HashSet<_>>().len();
            let split = group_folds(&groups, folds, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert_eq!(split.is_ok(), distinct >= folds);
            let Ok(split) = split else { return Ok(()) };
            let mut held_out = vec![0; groups.len()];
            for fold in 0..split.count() {
                let (train, test) = (split.train(fold), split.test(fold));
                prop_assert!(!test.is_empty());
                prop_assert_eq!(train.len() + test.len(), groups.len());
                let trained: HashSet<u8> = train.iter().map(|i| groups[*i]).collect();
                prop_assert!(test.iter().all(|i| !trained.contains(&groups[*i])));
                test.iter().for_each(|i| held_out[*i] += 1);
            }
            prop_assert!(held_out.iter().all(|n| *n == 1));
        }
    }
}
