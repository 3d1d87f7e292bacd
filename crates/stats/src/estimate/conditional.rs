//! Labels exchanged as length allows: does the direction separate beyond what length gives?

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::held_out::{Exchanged, TRIES, in_every_fold};
use super::pipeline::Reduced;
use super::{EstimateError, HeldOutParams, NullTest, Pipeline, Samples, SplitBy};
use crate::math::Seeds;
use crate::split::Folds;

/// Sweeps of disjoint pairs between draws, as many as Berrett and others use.
const SWEEPS: usize = 50;
/// The penalty on the squared standardised slope: without one it has no end where length tells the classes apart.
const RIDGE: f64 = 1e-2;

/// The conditional permutation test of Berrett, Wang, Barber and Samworth (2020): labels are drawn from what length
/// alone says of them, holding the classes' sizes. Given its length, the label of a text is as likely as a logistic
/// regression on log length has it; within pairs, the order is as likely as one on the difference has it.
pub(super) enum Conditional {
    /// The rows of the pairs of each cluster, and the chance to swap them.
    Flips(Vec<(Vec<(usize, usize)>, f64)>),
    /// Rows that have one label and belong together, with their mean log length; exchanged among themselves.
    Deals { strata: Vec<Vec<(Vec<usize>, f64)>>, slope: f64, hub: Vec<bool> },
}

impl Conditional {
    /// None where lengths are not known.
    ///
    /// Whole axes of classes are turned round and not dealt, so that there is no such test of them.
    pub fn of(samples: &Samples, by: SplitBy, rng: &mut impl Rng) -> Result<Option<Self>, EstimateError> {
        let Some(lengths) = &samples.log_length else { return Ok(None) };
        if !samples.paired && by == SplitBy::Axis {
            return Ok(None);
        }
        let units = samples.units(by);
        if samples.paired {
            let pairs = samples.pairs()?;
            let gaps: Vec<f64> = pairs.iter().map(|(p, n)| lengths[*p] - lengths[*n]).collect();
            let slope = slope_of_gaps(&gaps);
            let mut clusters: BTreeMap<usize, (Vec<(usize, usize)>, f64)> = BTreeMap::new();
            for (pair, gap) in pairs.into_iter().zip(gaps) {
                let cluster = clusters.entry(units[pair.0]).or_default();
                cluster.0.push(pair);
                cluster.1 += gap;
            }
            let flips = clusters.into_values().map(|(pairs, gap)| (pairs, 1.0 / (1.0 + (slope * gap).exp())));
            return Ok(Some(Self::Flips(flips.collect())));
        }
        let slope = slope_of_labels(&lengths.to_vec(), &samples.positive);
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (row, unit) in units.iter().enumerate() {
            groups.entry(*unit).or_default().push(row);
        }
        let of = |rows: Vec<usize>| {
            let length = rows.iter().map(|r| lengths[*r]).sum::<f64>() / rows.len() as f64;
            (rows, length)
        };
        let (whole, mixed): (Vec<_>, Vec<_>) = groups
            .into_values()
            .partition(|rows| rows.iter().all(|r| samples.positive[*r] == samples.positive[rows[0]]));
        let mut strata: Vec<Vec<_>> =
            mixed.into_iter().map(|rows| rows.into_iter().map(|r| of(vec![r])).collect()).collect();
        strata.push(whole.into_iter().map(of).collect());
        let mut labels = samples.positive.clone();
        sweep(&mut labels, &strata, slope, rng);
        Ok(Some(Self::Deals { strata, slope, hub: labels }))
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
            Self::Deals { strata, slope, hub } => {
                let mut labels = hub.clone();
                sweep(&mut labels, strata, *slope, rng);
                labels
            }
        }
    }
}

impl Pipeline {
    /// As the null of the held-out separation, on the first split, labels exchanged as often as length has it.
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

/// Dealt in disjoint pairs again and again, each swapped as often as its lengths say.
fn sweep(labels: &mut [bool], strata: &[Vec<(Vec<usize>, f64)>], slope: f64, rng: &mut impl Rng) {
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
                let gain = slope * (la - lb) * if ya { -1.0 } else { 1.0 };
                if rng.random::<f64>() < 1.0 / (1.0 + (-gain).exp()) {
                    a.iter().for_each(|r| labels[*r] = yb);
                    b.iter().for_each(|r| labels[*r] = ya);
                }
            }
        }
    }
}

/// The log-odds of being the positive text of a pair a unit of difference in log length: logistic regression
/// through the origin.
pub(super) fn slope_of_gaps(gaps: &[f64]) -> f64 {
    let scale = (gaps.iter().map(|g| g * g).sum::<f64>() / gaps.len().max(1) as f64).sqrt();
    if scale <= 0.0 {
        return 0.0;
    }
    let mut slope = 0.0;
    for _ in 0..100 {
        let (mut first, mut second) = (-RIDGE * slope, RIDGE);
        for g in gaps {
            let g = g / scale;
            let p = 1.0 / (1.0 + (-slope * g).exp());
            first += g * (1.0 - p);
            second += g * g * p * (1.0 - p);
        }
        // Newton, with a bound on the step where the curve is flat.
        let step = (first / second).clamp(-2.0, 2.0);
        slope += step;
        if step.abs() < 1e-12 {
            break;
        }
    }
    slope / scale
}

/// The log-odds of being positive a unit of log length.
pub(super) fn slope_of_labels(lengths: &[f64], positive: &[bool]) -> f64 {
    let n = lengths.len().max(1) as f64;
    let mean = lengths.iter().sum::<f64>() / n;
    let scale = (lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n).sqrt();
    if scale <= 0.0 {
        return 0.0;
    }
    let (mut slope, mut level) = (0.0_f64, 0.0_f64);
    for _ in 0..100 {
        let mut g = [0.0, -RIDGE * slope];
        let mut h = [0.0, 0.0, RIDGE];
        for (l, up) in lengths.iter().zip(positive) {
            let z = (l - mean) / scale;
            let p = 1.0 / (1.0 + (-(level + slope * z)).exp());
            let (miss, w) = (f64::from(u8::from(*up)) - p, p * (1.0 - p));
            g[0] += miss;
            g[1] += miss * z;
            h[0] += w;
            h[1] += w * z;
            h[2] += w * z * z;
        }
        let det = (h[0] * h[2] - h[1] * h[1]).max(1e-12);
        let steps = [(h[2] * g[0] - h[1] * g[1]) / det, (h[0] * g[1] - h[1] * g[0]) / det];
        let steps = steps.map(|s| s.clamp(-2.0, 2.0));
        level += steps[0];
        slope += steps[1];
        if steps.iter().all(|s| s.abs() < 1e-12) {
            break;
        }
    }
    slope / scale
}
