//! What is known of a text before a model reads it, and how far each of it gets alone on texts held out.

use super::estimated::Estimate;
use super::held_out::in_every_fold;
use super::{EstimateError, WordSets};
use crate::math::{Placement, auroc};
use crate::split::Folds;

/// A value for every row, made with some of them.
pub(super) type ClueValues<'a> = dyn Fn(&[usize]) -> Vec<f64> + 'a;

/// What a text shows without a model, a value a row.
#[derive(Clone, Copy, Debug)]
pub enum Clue<'a> {
    /// Its words, by naive Bayes: see [`WordSets::log_odds`].
    Words(&'a WordSets),
    /// A number that it has, such as its length.
    Value(&'a [f64]),
}

/// The rows that a clue is to tell apart.
#[derive(Clone, Copy, Debug)]
pub struct ClueTarget<'a> {
    /// Whether each row is of the positive class.
    pub positive: &'a [bool],
    /// The cluster of each row, over which intervals are.
    pub clusters: &'a [usize],
    /// The positive and the negative row of each pair; empty where there are none.
    pub pairs: &'a [(usize, usize)],
}

/// How well a clue, such as length, tells the classes apart by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// The chance that a held-out positive row scores above a held-out negative one.
    pub auroc: Estimate,
    /// The same by cluster, to be held against another of the same clusters.
    pub placed: Placement,
    /// Share of held-out pairs in order, ties half; none without pairs.
    pub in_order: Option<Estimate>,
}

impl Clue<'_> {
    /// Scores every row by a rule made of the other folds, for each way to deal rows to folds, and says how far the
    /// classes come apart: the means over the ways. Ways that leave a fold without a class to learn are left out.
    ///
    /// # Errors
    /// When every way leaves a fold without a class, or counts differ.
    pub fn reaches(
        self,
        told: &ClueTarget<'_>,
        folds: &[Folds],
        level: f64,
    ) -> Result<Reached, EstimateError> {
        let ClueTarget { positive, clusters, pairs } = *told;
        let of_rows: Vec<usize> = pairs.iter().map(|(p, _)| clusters[*p]).collect();
        let values = |train: &[usize]| match self {
            Self::Words(words) => words.log_odds(train, positive),
            Self::Value(values) => values.to_vec(),
        };
        let (mut placed, mut ordered) = (Vec::new(), Vec::new());
        for folds in folds.iter().filter(|folds| in_every_fold(folds, positive)) {
            let scores = held_out_values(folds, positive, &values)?;
            placed.push(Placement::auroc(&scores, positive, clusters)?);
            if !pairs.is_empty() {
                ordered.push(Placement::share(&wins(pairs, &scores), &of_rows)?);
            }
        }
        let (Some(mean), Some(first)) = (Placement::typical(&placed), folds.first()) else {
            let up = positive.iter().filter(|p| **p).count();
            return Err(EstimateError::OneClass { positive: up, negative: positive.len() - up });
        };
        let estimate = |all: &Placement, splits| Estimate::around(all, splits, first.count(), level);
        let auroc = estimate(&mean, &placed)?;
        let in_order = Placement::typical(&ordered).map(|all| estimate(&all, &ordered)).transpose()?;
        Ok(Reached { auroc, placed: mean, in_order })
    }
}

/// Held-out scores of something that has a value a row: turned so that it separates the training rows, in their
/// standard deviations.
pub(super) fn held_out_values(
    folds: &Folds,
    positive: &[bool],
    of: &ClueValues<'_>,
) -> Result<Vec<f64>, EstimateError> {
    let mut out = vec![0.0; positive.len()];
    for fold in 0..folds.count() {
        let train = folds.train(fold);
        let values = of(&train);
        let seen: Vec<f64> = train.iter().map(|i| values[*i]).collect();
        let labels: Vec<bool> = train.iter().map(|i| positive[*i]).collect();
        let turn = if auroc(&seen, &labels)? < 0.5 { -1.0 } else { 1.0 };
        let mean = seen.iter().sum::<f64>() / seen.len() as f64;
        let spread = (seen.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / seen.len() as f64).sqrt();
        let spread = if spread > 0.0 { spread } else { 1.0 };
        for row in folds.test(fold) {
            out[row] = turn * (values[row] - mean) / spread;
        }
    }
    Ok(out)
}

/// 1 for each pair whose positive row scores higher, 1/2 for a tie.
pub(super) fn wins(pairs: &[(usize, usize)], scores: &[f64]) -> Vec<f64> {
    let win = |(p, n): &(usize, usize)| match scores[*p].total_cmp(&scores[*n]) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    pairs.iter().map(win).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::Seeds;
    use crate::split::group_folds;

    use serde_json::Value;

    #[test]
    fn words_and_length_alone_equal_scikit_learn() {
        let all: Value =
            serde_json::from_str(include_str!("../../../../fixtures/estimators/clues.json")).unwrap();
        let texts: Vec<&str> = all["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        let numbers = |of: &Value| -> Vec<usize> {
            of.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
        };
        let positive: Vec<bool> = numbers(&all["positive"]).iter().map(|p| *p == 1).collect();
        let clusters = numbers(&all["pair"]);
        let half = texts.len() / 2;
        let pairs: Vec<(usize, usize)> = (0..half).map(|i| (i, i + half)).collect();
        let told = ClueTarget { positive: &positive, clusters: &clusters, pairs: &pairs };
        let words = WordSets::of(&texts).unwrap();
        let lengths: Vec<f64> = texts.iter().map(|t| t.chars().count() as f64).collect();
        let cases = all["splits"].as_array().unwrap();
        assert_eq!(cases.len(), 2);
        for case in cases {
            // As many folds as groups, so that no chance deals them.
            let groups = numbers(&case["groups"]);
            let count = groups.iter().max().unwrap() + 1;
            let folds = group_folds(&groups, count, &mut Seeds::new(1).stream("any")).unwrap();
            for (clue, name) in [(Clue::Words(&words), "words"), (Clue::Value(&lengths), "length")] {
                let reached = clue.reaches(&told, std::slice::from_ref(&folds), 0.95).unwrap();
                let of = |what: &str| case[name][what].as_f64().unwrap();
                assert!((reached.auroc.value - of("auroc")).abs() < 1e-12, "{name}: {reached:?}");
                let ordered = reached.in_order.unwrap().value;
                assert!((ordered - of("in_order")).abs() < 1e-12, "{name}: {ordered}");
            }
        }
    }

    #[test]
    fn an_interval_of_nothing_holds_one_half() {
        use rand::Rng as _;
        let mut missed = 0;
        for seed in 0..100 {
            let mut rng = Seeds::new(seed).stream("lengths");
            let pairs: Vec<(usize, usize)> = (0..60).map(|i| (2 * i, 2 * i + 1)).collect();
            let clusters: Vec<usize> = (0..120).map(|row| row / 2).collect();
            let lengths: Vec<f64> = (0..120).map(|_| rng.random::<f64>()).collect();
            let mut positive = vec![false; 120];
            pairs.iter().for_each(|(a, b)| positive[if rng.random() { *a } else { *b }] = true);
            let told = ClueTarget { positive: &positive, clusters: &clusters, pairs: &pairs };
            let deals: Vec<Folds> = (0..20).map(|_| group_folds(&clusters, 5, &mut rng).unwrap()).collect();
            let reached = Clue::Value(&lengths).reaches(&told, &deals, 0.95).unwrap();
            missed += usize::from(!reached.auroc.interval.contains(0.5));
        }
        // 12 of 100 would be met by an interval of 95 % once in 250 times.
        assert!(missed < 12, "{missed} of 100");
    }

    #[test]
    fn a_split_that_leaves_no_class_to_learn_is_refused() {
        let folds = group_folds(&[0, 1], 2, &mut Seeds::new(1).stream("any")).unwrap();
        let told = ClueTarget { positive: &[true, false], clusters: &[0, 1], pairs: &[] };
        let e = Clue::Value(&[1.0, 2.0]).reaches(&told, &[folds], 0.95).unwrap_err();
        assert!(matches!(e, EstimateError::OneClass { positive: 1, negative: 1 }), "{e}");
    }
}
