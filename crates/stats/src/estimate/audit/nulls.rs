//! Directions that know nothing: drawn like the activations, or fitted to permuted labels.

use std::ops::Range;
use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::AuditError;
use super::result::DistanceNull;
use crate::estimate::null_directions::matched;
use crate::estimate::pipeline::{Reduced, fit_projected};
use crate::estimate::probing::{Relabel, dual_discriminants, label_contrasts};
use crate::estimate::{EstimateError, Estimator, Pipeline, Samples, SplitBy};
use crate::math::{
    MathError, Seeds, SortedScores, gram_matrix, norm, permutation_p, product, quantile, reaches,
};

/// Relabellings fitted between looks at the clock.
const BLOCK: usize = 256;

/// What directions of a null make of rows: `[draws, rows]` scores, and cosines `[draws, directions]`.
pub(super) struct NullDraws {
    pub scores: Array2<f64>,
    pub cosines: Array2<f64>,
}

/// The training rows where the nulls are computed.
pub(super) struct TrainingRows<'a> {
    pub pipeline: &'a Pipeline,
    pub reduced: &'a Reduced,
    pub by: SplitBy,
    /// Rows to score, in the reduced coordinates.
    pub rows: ArrayView2<'a, f64>,
    /// Unit directions to take cosines with, in the reduced coordinates (their part in them).
    pub directions: ArrayView2<'a, f64>,
}

impl TrainingRows<'_> {
    /// Directions drawn like the activations.
    pub fn random(&self, draws: usize, seeds: &Seeds) -> Result<NullDraws, AuditError> {
        let drawn = matched(self.pipeline, self.reduced, draws, seeds).map_err(AuditError::of("train"))?;
        self.draws(&drawn)
    }

    /// The pipeline on permuted training labels, until `budget` is spent.
    pub fn shuffled(
        &self,
        permutations: usize,
        budget: Option<Duration>,
        seeds: &Seeds,
    ) -> Result<NullDraws, AuditError> {
        let samples = &self.reduced.samples;
        let relabel = Relabel::of(samples, self.by).map_err(AuditError::of("train"))?;
        let begun = Instant::now();
        let mut directions = Array2::zeros((0, samples.x.ncols()));
        while directions.nrows() < permutations
            && (directions.nrows() == 0 || budget.is_none_or(|b| begun.elapsed() < b))
        {
            let start = directions.nrows();
            let labels: Vec<Vec<bool>> = (start..(start + BLOCK).min(permutations))
                .map(|i| relabel.any(&mut seeds.stream(&format!("audit permutation {i}"))))
                .collect();
            let block = self.fit(&labels, start, seeds)?;
            directions.append(Axis(0), block.view()).map_err(|e| MathError::decomposition("stacking", e))?;
        }
        self.draws(&directions)
    }

    /// Directions of several relabellings, `[relabellings, columns]`; a row of zeros where there is
    /// none.
    fn fit(&self, labels: &[Vec<bool>], start: usize, seeds: &Seeds) -> Result<Array2<f64>, AuditError> {
        let samples = &self.reduced.samples;
        let estimator = self.pipeline.estimator.params();
        let shrinkage = match estimator {
            Estimator::Lda { shrinkage } if *shrinkage != Some(0.0) => Some(*shrinkage),
            _ => None,
        };
        // Length is estimated anew on every relabelling; without it all share their scalar products.
        if !self.pipeline.nuisances.needs_labels()
            && (shrinkage.is_some() || matches!(estimator, Estimator::MeanDiff))
        {
            let found = self.reduced.nuisances.find(samples).map_err(AuditError::of("train"))?;
            let z = found.erasers.rows(samples.activations());
            let z = &z - &z.mean_axis(Axis(0)).expect("samples have rows");
            let contrasts = label_contrasts(labels);
            let duals = match shrinkage {
                Some(shrinkage) => {
                    dual_discriminants(&gram_matrix(z.view())?, samples.width, &contrasts, shrinkage)?
                }
                None => contrasts,
            };
            return Ok(found.erasers.directions(product(duals.view(), z.view())?.view()));
        }
        let rows: Vec<Array1<f64>> = labels
            .par_iter()
            .enumerate()
            .map(|(i, labels)| {
                let mut permuted: Samples = samples.clone();
                permuted.positive.clone_from(labels);
                let seeds = seeds.child(&format!("audit fit {}", start + i));
                let nuisances = &self.reduced.nuisances;
                match fit_projected(&self.pipeline.estimator, nuisances, &permuted, self.by, &seeds) {
                    Ok((_, fit)) => Ok(fit.direction),
                    // Labels that happen to leave no difference point nowhere.
                    Err(EstimateError::NoDifference { .. }) => Ok(Array1::zeros(samples.x.ncols())),
                    Err(e) => Err(AuditError::of("train")(e)),
                }
            })
            .collect::<Result<_, _>>()?;
        let views: Vec<_> = rows.iter().map(Array1::view).collect();
        Ok(ndarray::stack(Axis(0), &views).map_err(|e| MathError::decomposition("stacking", e))?)
    }

    fn draws(&self, directions: &Array2<f64>) -> Result<NullDraws, AuditError> {
        let scores = product(directions.view(), self.rows.t())?;
        let mut cosines = product(directions.view(), self.directions.t())?;
        for (mut row, direction) in cosines.outer_iter_mut().zip(directions.outer_iter()) {
            let length = norm(direction);
            row.mapv_inplace(|c| if length > 0.0 { c / length } else { 0.0 });
        }
        Ok(NullDraws { scores, cosines })
    }
}

/// Directions that the spread of the null is taken over when it is asked how sure that spread is.
const SPREAD_OVER: usize = 400;

/// Blocks of groups that are left out in turn.
const BLOCKS: usize = 20;

/// The standard error of the spread of the null's distances from 1/2, in units of the spread, over other groups like
/// these: the delete-a-group jackknife (Shao and Tu 1995, The Jackknife and Bootstrap, 2.3).
pub(super) fn relative_error(
    draws: &NullDraws,
    at: Range<usize>,
    samples: &Samples,
) -> Result<f64, MathError> {
    let units = samples.units(SplitBy::Pair);
    let count = samples.unit_count(SplitBy::Pair);
    let blocks = BLOCKS.min(count);
    let scores = draws.scores.slice(s![..SPREAD_OVER.min(draws.scores.nrows()), at]);
    let spreads: Vec<f64> = (0..blocks)
        .into_par_iter()
        .map(|block| {
            let kept: Vec<usize> = (0..units.len()).filter(|row| units[*row] % blocks != block).collect();
            let positive: Vec<bool> = kept.iter().map(|row| samples.positive()[*row]).collect();
            // What is left may be of one class where whole groups are.
            if positive.iter().all(|p| *p) || !positive.contains(&true) {
                return Ok(None);
            }
            let mut sum = 0.0;
            for draw in scores.outer_iter() {
                let scores: Vec<f64> = kept.iter().map(|row| draw[*row]).collect();
                sum += (SortedScores::new(&scores, &positive)?.auroc(None)? - 0.5).powi(2);
            }
            Ok(Some((sum / scores.nrows() as f64).sqrt()))
        })
        .collect::<Result<Vec<_>, MathError>>()?
        .into_iter()
        .flatten()
        .collect();
    let n = spreads.len().max(1) as f64;
    let mean = spreads.iter().sum::<f64>() / n;
    let variance = (n - 1.0) / n * spreads.iter().map(|s| (s - mean).powi(2)).sum::<f64>();
    Ok(if mean > 0.0 { variance.sqrt() / mean } else { 0.0 })
}

/// A distance against those of the null, the larger the more against it.
pub(super) fn distance(null: Vec<f64>, seen: f64, alpha: f64) -> Result<DistanceNull, MathError> {
    let reached = null.iter().filter(|v| reaches(**v, seen)).count();
    Ok(DistanceNull {
        draws: null.len(),
        critical: quantile(&null, 1.0 - alpha)?,
        p: permutation_p(reached, null.len()),
        median: quantile(&null, 0.5)?,
        high: quantile(&null, 0.95)?,
    })
}
