//! A label crossed with transfer: whether some kinds of sequence carry over better than others.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;

use serde::Serialize;

use super::signs::{ClusterResampling, Signs};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, Number};
use truenorth_stats::math::Deal;

/// Sign agreement of the sequences with one value of a label.
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
    /// Name of the label.
    pub label: String,
    /// A row a value.
    pub rows: Vec<KindRow>,
    /// Sequences with the label and both signs.
    pub n: usize,
    /// Pearson's chi-square of kind against agreement among the sequences that the first model scores up, and the same
    /// among those that it scores down, summed; none where all of each agree or none does, or there is one kind. A second
    /// model that leans up agrees more on what the first scores up, so that kinds which differ in sign on the first would
    /// seem to carry over differently with all sequences in one table.
    pub chi_square: Option<f64>,
    /// Share of shuffled labels, among sequences of one sign on the first model, with at least this chi-square; two
    /// kinds or more.
    pub p: Option<f64>,
    /// Shuffles behind p.
    pub permutations: usize,
}

pub(super) fn kinds(
    label: &str,
    values: &[Option<String>],
    signs: &Signs,
    of: &ClusterResampling<'_>,
) -> Result<Kinds, AnalysisError> {
    let (permutations, seeds) = (of.permutations, of.seeds);
    let rows: Vec<usize> =
        (0..values.len()).filter(|i| values[*i].is_some() && signs.agrees(*i).is_some()).collect();
    let known: Vec<(&str, bool)> =
        rows.iter().filter_map(|i| Some((values[*i].as_deref()?, signs.agrees(*i)?))).collect();
    let up: Vec<bool> = rows.iter().filter_map(|i| signs.first(*i)).collect();
    // Labels are dealt in whole clusters of sequences, among those of the same signs on the first model.
    let clusters: Vec<usize> = rows.iter().map(|i| of.clusters[*i]).collect();
    let deal = Deal::within(&clusters, &up);
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
    let mut within: BTreeMap<(usize, bool), Vec<usize>> = BTreeMap::new();
    clusters.iter().zip(&up).enumerate().for_each(|(i, (c, u))| within.entry((*c, *u)).or_default().push(i));
    let within: Vec<Vec<usize>> = within.into_values().filter(|members| members.len() > 1).collect();
    let seen = chi_square(&kind, &agree, &up, names.len());
    let p = seen.filter(|_| permutations > 0 && (deal.exchanges() || !within.is_empty())).map(|seen| {
        let mut rng = seeds.stream("kinds");
        let reached = (0..permutations)
            .filter(|_| {
                kind = deal.draw(&mut rng).into_iter().map(|i| kind[i]).collect();
                // What is matched differs in kind, which has no say in agreement under the null.
                for members in &within {
                    let mut kinds: Vec<usize> = members.iter().map(|i| kind[*i]).collect();
                    kinds.shuffle(&mut rng);
                    members.iter().zip(kinds).for_each(|(i, k)| kind[*i] = k);
                }
                chi_square(&kind, &agree, &up, names.len()).is_some_and(|x| x >= seen - 1e-12 * (1.0 + seen))
            })
            .count();
        stat::permutation_p(reached, permutations)
    });
    Ok(Kinds { label: label.to_owned(), rows, n: known.len(), chi_square: seen, p, permutations })
}

/// Pearson's chi-square of a table of kinds and agreement, summed over the signs on the first model.
fn chi_square(kind: &[usize], agree: &[bool], up: &[bool], kinds: usize) -> Option<f64> {
    let mut counts = vec![vec![[0.0; 2]; kinds]; 2];
    for ((k, a), u) in kind.iter().zip(agree).zip(up) {
        counts[usize::from(*u)][*k][usize::from(*a)] += 1.0;
    }
    counts.iter().filter_map(|table| of_table(table)).reduce(|a, b| a + b)
}

/// None where all agree, none does, or there is one kind.
fn of_table(counts: &[[f64; 2]]) -> Option<f64> {
    let [no, yes] = [0, 1].map(|c| counts.iter().map(|row| row[c]).sum::<f64>());
    let n = no + yes;
    if no == 0.0 || yes == 0.0 || counts.iter().filter(|row| row[0] + row[1] > 0.0).count() < 2 {
        return None;
    }
    let cell = |row: &[f64; 2], (c, total): (usize, f64)| {
        let expected = (row[0] + row[1]) * total / n;
        if expected > 0.0 { (row[c] - expected).powi(2) / expected } else { 0.0 }
    };
    Some(counts.iter().map(|row| cell(row, (0, no)) + cell(row, (1, yes))).sum())
}
