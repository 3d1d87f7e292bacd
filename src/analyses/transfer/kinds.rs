//! A label crossed with transfer: whether some kinds of sequence carry over better than others.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use serde::Serialize;

use super::super::AnalysisError;
use super::super::stat::{self, Number};
use super::signs::{Clustered, Signs};
use truenorth_stats::math::Deal;

/// One kind.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindRow {
    /// The value of the label.
    pub kind: String,
    /// Share of its sequences on whose sign the models agree.
    pub agree: Number,
}

/// A label crossed with agreement of signs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kinds {
    /// The label.
    pub label: String,
    /// A row a value.
    pub rows: Vec<KindRow>,
    /// Sequences with the label and both signs.
    pub n: usize,
    /// Pearson's chi-square of kind against agreement; none where all agree, none does, or there is one
    /// kind.
    pub chi_square: Option<f64>,
    /// Share of shuffled labels with at least this chi-square, two kinds or more.
    pub p: Option<f64>,
    /// Shuffles behind p.
    pub permutations: usize,
}

pub(super) fn kinds(
    label: &str,
    values: &[Option<String>],
    signs: &Signs,
    of: &Clustered<'_>,
) -> Result<Kinds, AnalysisError> {
    let (permutations, seeds) = (of.permutations, of.seeds);
    let rows: Vec<usize> =
        (0..values.len()).filter(|i| values[*i].is_some() && signs.agrees(*i).is_some()).collect();
    let known: Vec<(&str, bool)> =
        rows.iter().filter_map(|i| Some((values[*i].as_deref()?, signs.agrees(*i)?))).collect();
    // Labels are dealt in whole clusters of sequences.
    let clusters: Vec<usize> = rows.iter().map(|i| of.clusters[*i]).collect();
    let deal = Deal::new(&clusters);
    let mut names: Vec<&str> = known.iter().map(|(k, _)| *k).collect();
    names.sort_unstable();
    names.dedup();
    let number = |k: &str| names.binary_search(&k).expect("the names are those of all that is known");
    let mut kind: Vec<usize> = known.iter().map(|(k, _)| number(k)).collect();
    let agree: Vec<bool> = known.iter().map(|(_, a)| *a).collect();
    let mut counts = vec![[0_usize; 2]; names.len()];
    for (k, a) in kind.iter().zip(&agree) {
        counts[*k][usize::from(*a)] += 1;
    }
    let rows = names
        .iter()
        .zip(&counts)
        .map(|(name, [no, yes])| {
            let agree = stat::share(*yes, yes + no).map_err(|e| stat::of(name, &e))?;
            let agree = if of.alone() {
                agree
            } else {
                Number::bare(agree.value, agree.n, "none: sequences are clustered within kinds")
            };
            Ok(KindRow { kind: (*name).to_owned(), agree })
        })
        .collect::<Result<_, AnalysisError>>()?;
    let mut within: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    clusters.iter().enumerate().for_each(|(i, cluster)| within.entry(*cluster).or_default().push(i));
    let within: Vec<Vec<usize>> = within.into_values().filter(|members| members.len() > 1).collect();
    let seen = chi_square(&kind, &agree, names.len());
    let p = seen.filter(|_| permutations > 0 && (deal.exchanges() || !within.is_empty())).map(|seen| {
        let mut rng = seeds.stream("kinds");
        let reached = (0..permutations)
            .filter(|_| {
                if of.alone() {
                    kind.shuffle(&mut rng);
                } else {
                    kind = deal.draw(&mut rng).into_iter().map(|i| kind[i]).collect();
                    // What is matched differs in kind, which has no say in agreement under the null.
                    for members in &within {
                        let mut kinds: Vec<usize> = members.iter().map(|i| kind[*i]).collect();
                        kinds.shuffle(&mut rng);
                        members.iter().zip(kinds).for_each(|(i, k)| kind[*i] = k);
                    }
                }
                chi_square(&kind, &agree, names.len()).is_some_and(|x| x >= seen - 1e-12 * (1.0 + seen))
            })
            .count();
        stat::permutation_p(reached, permutations)
    });
    Ok(Kinds { label: label.to_owned(), rows, n: known.len(), chi_square: seen, p, permutations })
}

/// Pearson's chi-square of a table of kinds and agreement.
fn chi_square(kind: &[usize], agree: &[bool], kinds: usize) -> Option<f64> {
    let n = kind.len() as f64;
    let yes = agree.iter().filter(|a| **a).count() as f64;
    if kinds < 2 || yes == 0.0 || yes == n {
        return None;
    }
    let mut counts = vec![[0.0; 2]; kinds];
    for (k, a) in kind.iter().zip(agree) {
        counts[*k][usize::from(*a)] += 1.0;
    }
    let columns = [(n - yes) / n, yes / n];
    let cell = |row: &[f64; 2], c: usize| {
        let expected = (row[0] + row[1]) * columns[c];
        (row[c] - expected).powi(2) / expected
    };
    Some(counts.iter().map(|row| cell(row, 0) + cell(row, 1)).sum())
}
