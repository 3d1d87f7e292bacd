//! Exchanging what belongs together.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;

/// The exchanges of observations that keep clusters whole: clusters of one size change places, members in order.
#[derive(Clone, Debug)]
pub struct Deal {
    n: usize,
    /// Clusters as lists of observations, those of one size together.
    blocks: Vec<Vec<Vec<usize>>>,
}

impl Deal {
    /// `clusters` is the cluster of each observation.
    #[must_use]
    pub fn new(clusters: &[usize]) -> Self {
        Self::within(clusters, &vec![(); clusters.len()])
    }

    /// As [`Deal::new`], but a place takes its value only from one of its own `stratum`: clusters change places with
    /// those whose members lie in the same strata, in order.
    #[must_use]
    pub fn within<T: Clone + Ord>(clusters: &[usize], stratum: &[T]) -> Self {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (i, cluster) in clusters.iter().enumerate() {
            members.entry(*cluster).or_default().push(i);
        }
        let mut alike: BTreeMap<Vec<T>, Vec<Vec<usize>>> = BTreeMap::new();
        for mut rows in members.into_values() {
            rows.sort_by_key(|i| stratum[*i].clone());
            alike.entry(rows.iter().map(|i| stratum[*i].clone()).collect()).or_default().push(rows);
        }
        Self { n: clusters.len(), blocks: alike.into_values().collect() }
    }

    /// Whether any two clusters can change places.
    #[must_use]
    pub fn exchanges(&self) -> bool {
        self.blocks.iter().any(|b| b.len() > 1)
    }

    /// From which observation each place takes its value.
    #[must_use]
    pub fn draw(&self, rng: &mut impl Rng) -> Vec<usize> {
        let mut out: Vec<usize> = (0..self.n).collect();
        for block in &self.blocks {
            let mut order: Vec<usize> = (0..block.len()).collect();
            order.shuffle(rng);
            for (to, from) in block.iter().zip(order) {
                for (t, f) in to.iter().zip(&block[from]) {
                    out[*t] = *f;
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Seeds;

    #[test]
    fn clusters_stay_whole_and_change_places_with_their_like() {
        let clusters = [0, 0, 1, 1, 2, 3, 3, 3];
        let deal = Deal::new(&clusters);
        let mut rng = Seeds::new(1).stream("deal");
        let mut moved = 0;
        for _ in 0..50 {
            let drawn = deal.draw(&mut rng);
            let mut sorted = drawn.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..8).collect::<Vec<_>>());
            // The three of a kind, and the one alone, have none to change with.
            assert!(drawn[4..] == [4, 5, 6, 7] && drawn[1] == drawn[0] + 1 && drawn[3] == drawn[2] + 1);
            moved += usize::from(drawn[0] == 2);
        }
        assert!((10..40).contains(&moved), "{moved}");
        assert!(deal.exchanges() && !Deal::new(&[0, 0, 1]).exchanges());
    }
}
