//! Labels exchanged as lengths allow: does the direction separate beyond what they give?

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Axis};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::held_out::{Exchanged, TRIES, in_every_fold};
use super::pipeline::Reduced;
use super::{EstimateError, HeldOutParams, NullTest, Pipeline, Samples, SplitBy};
use crate::math::{Seeds, solve_positive_definite};
use crate::split::Folds;

/// Sweeps of disjoint pairs between draws, as many as Berrett and others use.
const SWEEPS: usize = 50;
/// The penalty on the squared standardised slope: without one it has no end where length tells the classes apart.
const RIDGE: f64 = 1e-2;

/// The conditional permutation test of Berrett, Wang, Barber and Samworth (2020): labels are drawn from what all lengths
/// that are known say of them, holding the classes' sizes. Given its lengths, the label of a text is as likely as a
/// logistic regression on their logarithms has it; within pairs, the order is as likely as one on the differences has it.
pub(super) enum Conditional {
    /// The rows of the pairs of each cluster, and the chance to swap them.
    Flips(Vec<(Vec<(usize, usize)>, f64)>),
    /// Rows that have one label and belong together, with the log-odds of their mean log lengths; exchanged among
    /// themselves.
    Deals { strata: Vec<Vec<(Vec<usize>, f64)>>, hub: Vec<bool> },
}

impl Conditional {
    /// None where lengths are not known.
    ///
    /// Whole axes of classes are turned round and not dealt, so that there is no such test of them.
    pub fn of(samples: &Samples, by: SplitBy, rng: &mut impl Rng) -> Result<Option<Self>, EstimateError> {
        let lengths = samples.log_lengths();
        if lengths.is_empty() {
            return Ok(None);
        }
        if !samples.paired && by == SplitBy::Axis {
            return Ok(None);
        }
        let units = samples.units(by);
        if samples.paired {
            let pairs = samples.pairs()?;
            let gap = |l: &Array1<f64>| pairs.iter().map(|(p, n)| l[*p] - l[*n]).collect::<Vec<f64>>();
            let gaps: Vec<Vec<f64>> = lengths.iter().map(|l| gap(l)).collect();
            let odds = weighed(&gaps, &slopes_of_gaps(&gaps)?);
            let mut clusters: BTreeMap<usize, (Vec<(usize, usize)>, f64)> = BTreeMap::new();
            for (pair, odds) in pairs.iter().zip(odds) {
                let cluster = clusters.entry(units[pair.0]).or_default();
                cluster.0.push(*pair);
                cluster.1 += odds;
            }
            let flips = clusters.into_values().map(|(pairs, odds)| (pairs, 1.0 / (1.0 + odds.exp())));
            return Ok(Some(Self::Flips(flips.collect())));
        }
        let lengths: Vec<Vec<f64>> = lengths.iter().map(|l| l.to_vec()).collect();
        let odds = weighed(&lengths, &slopes_of_labels(&lengths, &samples.positive)?);
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, unit) in units.iter().enumerate() {
            groups.entry(*unit).or_default().push(row);
        }
        let of = |rows: Vec<usize>| {
            let mean = rows.iter().map(|r| odds[*r]).sum::<f64>() / rows.len() as f64;
            (rows, mean)
        };
        let (whole, mixed): (Vec<_>, Vec<_>) = groups
            .into_values()
            .partition(|rows| rows.iter().all(|r| samples.positive[*r] == samples.positive[rows[0]]));
        let mut strata: Vec<Vec<_>> =
            mixed.into_iter().map(|rows| rows.into_iter().map(|r| of(vec![r])).collect()).collect();
        strata.push(whole.into_iter().map(of).collect());
        let mut labels = samples.positive.clone();
        sweep(&mut labels, &strata, rng);
        Ok(Some(Self::Deals { strata, hub: labels }))
    }

    /// One draw. Draws all begin where one run from the observed labels came to, so that the observed ones are one
    /// of them.
    pub fn draw(&self, samples: &Samples, rng: &mut impl Rng) -> Vec<bool> {
        match self {
            Self::Flips(clusters) => {
                let mut labels = samples.positive.clone();
                for (pairs, chance) in clusters {
                    if rng.random::<f64>() < *chance {
                        pairs.iter().for_each(|(p, n)| labels.swap(*p, *n));
                    }
                }
                labels
            }
            Self::Deals { strata, hub } => {
                let mut labels = hub.clone();
                sweep(&mut labels, strata, rng);
                labels
            }
        }
    }
}

impl Pipeline {
    /// As the null of the held-out separation, on the first split, labels exchanged as often as lengths have it.
    pub(super) fn given_length(
        &self,
        reduced: &Reduced,
        folds: &Folds,
        params: &HeldOutParams,
        seeds: &Seeds,
    ) -> Result<Option<NullTest>, EstimateError> {
        let own = seeds.child("given length");
        let found = Conditional::of(&reduced.samples, params.by, &mut own.stream("hub"))?;
        let Some(conditional) = found.filter(|_| params.permutations > 0) else { return Ok(None) };
        let exchanged = Exchanged::new(self, reduced, folds, params)?;
        let one = |i: usize| -> Result<f64, EstimateError> {
            let seeds = own.child(&format!("permutation {i}"));
            let mut rng = seeds.stream("labels");
            let mut samples = reduced.samples.clone();
            for _ in 0..TRIES {
                samples.positive = conditional.draw(&reduced.samples, &mut rng);
                if samples.paired || in_every_fold(folds, &samples.positive) {
                    return exchanged.auroc(&samples, &seeds);
                }
            }
            Err(EstimateError::FewRelabellings { found: 1.0 })
        };
        let null = (0..params.permutations).into_par_iter().map(one).collect::<Result<Vec<f64>, _>>()?;
        let seen = exchanged.auroc(&reduced.samples, seeds)?;
        exchanged.test(null, seen).map(Some)
    }
}

/// Columns put together by their slopes, a number a row.
fn weighed(columns: &[Vec<f64>], slopes: &[f64]) -> Vec<f64> {
    let rows = columns.first().map_or(0, Vec::len);
    (0..rows).map(|row| columns.iter().zip(slopes).map(|(c, slope)| slope * c[row]).sum()).collect()
}

/// Dealt in disjoint pairs again and again, each swapped as often as its lengths say.
fn sweep(labels: &mut [bool], strata: &[Vec<(Vec<usize>, f64)>], rng: &mut impl Rng) {
    for stratum in strata {
        let mut order: Vec<usize> = (0..stratum.len()).collect();
        for _ in 0..SWEEPS {
            order.shuffle(rng);
            for two in order.chunks_exact(2) {
                let [(a, la), (b, lb)] = [&stratum[two[0]], &stratum[two[1]]];
                let (ya, yb) = (labels[a[0]], labels[b[0]]);
                if ya == yb {
                    continue;
                }
                // How much likelier the other way round.
                let gain = (la - lb) * if ya { -1.0 } else { 1.0 };
                if rng.random::<f64>() < 1.0 / (1.0 + (-gain).exp()) {
                    a.iter().for_each(|r| labels[*r] = yb);
                    b.iter().for_each(|r| labels[*r] = ya);
                }
            }
        }
    }
}

/// The log-odds of being the positive text of a pair a unit of difference in each log length: logistic regression
/// through the origin. `gaps` has a column a length.
pub(super) fn slopes_of_gaps(gaps: &[Vec<f64>]) -> Result<Vec<f64>, EstimateError> {
    let scales: Vec<f64> = gaps.iter().map(|g| root_mean_square(g)).collect();
    let rows = standardised(gaps, &scales, &vec![0.0; gaps.len()]);
    let labels = vec![1.0; rows.nrows()];
    let slopes = logistic(&rows, &labels, &vec![RIDGE; gaps.len()])?;
    Ok(unscaled(slopes.iter().copied(), &scales))
}

/// The log-odds of being positive a unit of each log length. `lengths` has a column a length.
pub(super) fn slopes_of_labels(lengths: &[Vec<f64>], positive: &[bool]) -> Result<Vec<f64>, EstimateError> {
    let means: Vec<f64> = lengths.iter().map(|l| l.iter().sum::<f64>() / l.len().max(1) as f64).collect();
    let centred =
        lengths.iter().zip(&means).map(|(l, mean)| l.iter().map(|l| l - mean).collect::<Vec<f64>>());
    let scales: Vec<f64> = centred.map(|c| root_mean_square(&c)).collect();
    // The level comes last, without a penalty.
    let columns = [lengths, &[vec![1.0; positive.len()]]].concat();
    let rows = standardised(&columns, &[&scales[..], &[1.0]].concat(), &[&means[..], &[0.0]].concat());
    let labels: Vec<f64> = positive.iter().map(|up| f64::from(u8::from(*up))).collect();
    let slopes = logistic(&rows, &labels, &[&vec![RIDGE; lengths.len()][..], &[0.0]].concat())?;
    Ok(unscaled(slopes.iter().copied(), &scales))
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// Columns less their means in their scales, `[rows, columns]`; a column without a spread is zero.
fn standardised(columns: &[Vec<f64>], scales: &[f64], means: &[f64]) -> Array2<f64> {
    let rows = columns.first().map_or(0, Vec::len);
    Array2::from_shape_fn((rows, columns.len()), |(row, column)| {
        let scale = scales[column];
        if scale > 0.0 { (columns[column][row] - means[column]) / scale } else { 0.0 }
    })
}

/// Slopes a unit of what was standardised; 0 of what has no spread.
fn unscaled(slopes: impl Iterator<Item = f64>, scales: &[f64]) -> Vec<f64> {
    slopes.zip(scales).map(|(slope, scale)| if *scale > 0.0 { slope / scale } else { 0.0 }).collect()
}

/// Logistic regression by Newton's steps, each halved until it gains: `labels` are 0 or 1, `ridge` is the penalty on each
/// squared coefficient.
fn logistic(rows: &Array2<f64>, labels: &[f64], ridge: &[f64]) -> Result<Array1<f64>, EstimateError> {
    let labels = Array1::from(labels.to_vec());
    let ridge = Array1::from(ridge.to_vec());
    let chances = |w: &Array1<f64>| rows.dot(w).mapv(|z| 1.0 / (1.0 + (-z).exp()));
    let loss = |w: &Array1<f64>| {
        let z = rows.dot(w);
        // ln(1 + e^z) less z times the label, without an overflow.
        let fit = z.iter().zip(&labels).map(|(z, y)| z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z);
        fit.sum::<f64>() + 0.5 * w.iter().zip(&ridge).map(|(w, r)| r * w * w).sum::<f64>()
    };
    let mut w = Array1::zeros(rows.ncols());
    for _ in 0..100 {
        let p = chances(&w);
        let slope = rows.t().dot(&(&labels - &p)) - &ridge * &w;
        let spread = rows * &p.mapv(|p| p * (1.0 - p)).insert_axis(Axis(1));
        let mut curve = rows.t().dot(&spread);
        for (at, r) in ridge.iter().enumerate() {
            // The level has no penalty; where all chances are near 0 or 1 its curve has no digits left.
            curve[[at, at]] += r.max(1e-12);
        }
        let step = solve_positive_definite(curve.view(), slope.view())?;
        let before = loss(&w);
        let halved = (0..60).map(|k| &w + &(&step * 0.5_f64.powi(k))).find(|next| loss(next) <= before);
        let Some(next) = halved else { break };
        let far = step.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        w = next;
        if far < 1e-12 {
            break;
        }
    }
    Ok(w)
}
