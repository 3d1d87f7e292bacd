//! What the words of a text give away, by naive Bayes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::words::words;

/// The different words of each text, as numbers; a copy is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordSets(Arc<Vec<Vec<usize>>>);

impl WordSets {
    /// The words of some texts; none where no text has one.
    #[must_use]
    pub fn of<S: AsRef<str>>(texts: &[S]) -> Option<Self> {
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        let rows: Vec<Vec<usize>> = texts
            .iter()
            .map(|text| {
                let numbers: BTreeSet<usize> = words(text.as_ref())
                    .map(|word| {
                        let next = known.len();
                        *known.entry(word).or_insert(next)
                    })
                    .collect();
                numbers.into_iter().collect()
            })
            .collect();
        (!known.is_empty()).then(|| Self(Arc::new(rows)))
    }

    /// Texts, one row each.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.0.len()
    }

    /// The log-odds of the positive class for every text, from the texts of `train`: multinomial naive Bayes
    /// over which words are there, with one added to every count (binarised, as Wang and Manning 2012 find best on
    /// short texts). Words that no text of `train` has say nothing.
    #[must_use]
    pub fn log_odds(&self, train: &[usize], positive: &[bool]) -> Vec<f64> {
        let mut counts: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
        let mut totals = [0.0; 2];
        for &row in train {
            let side = usize::from(positive[row]);
            for word in &self.0[row] {
                counts.entry(*word).or_default()[side] += 1.0;
                totals[side] += 1.0;
            }
        }
        let size = counts.len() as f64;
        let weight = |[down, up]: &[f64; 2]| {
            ((up + 1.0) / (totals[1] + size)).ln() - ((down + 1.0) / (totals[0] + size)).ln()
        };
        let weights: BTreeMap<usize, f64> = counts.iter().map(|(w, c)| (*w, weight(c))).collect();
        let of = |row: &Vec<usize>| row.iter().filter_map(|w| weights.get(w)).sum();
        self.0.iter().map(of).collect()
    }
}
