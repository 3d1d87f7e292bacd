//! Directions that know nothing: drawn like the activations, or fitted to permuted labels.

use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::AuditError;
use super::result::DistanceNull;
use crate::estimate::estimator::ledoit_wolf;
use crate::estimate::pipeline::{Reduced, fit_projected};
use crate::estimate::probing::{Relabel, dual_discriminants, label_contrasts};
use crate::estimate::{EstimateError, Estimator, Pipeline, Samples, SplitBy};
use crate::math::{MathError, Seeds, gram_matrix, inverse_positive_definite, norm, product, quantile};
use crate::math::{permutation_p, reaches};

/// Relabellings fitted between looks at the clock.
const BLOCK: usize = 256;

/// What directions of a null make of rows: `[draws, rows]` scores, and cosines `[draws, directions]`.
pub(super) struct Draws {
    pub scores: Array2<f64>,
    pub cosines: Array2<f64>,
}

/// The training rows where the nulls are computed.
pub(super) struct Ground<'a> {
    pub pipeline: &'a Pipeline,
    pub reduced: &'a Reduced,
    pub by: SplitBy,
    /// Rows to score, in the reduced coordinates.
    pub rows: ArrayView2<'a, f64>,
    /// Unit directions to take cosines with, in the reduced coordinates (their part in them).
    pub directions: ArrayView2<'a, f64>,
}

impl Ground<'_> {
    /// Directions `Zᵀg` for standard normal `g` and the training rows `Z` about the means of their
    /// classes, so that their covariance is that of the rows within classes; the contrast itself
    /// would make the null about what is tested. What is projected out of the real direction is
    /// projected out of them too.
    ///
    /// A discriminant does not look like the activations but like their inverse: it turns to where they
    /// vary least. Its null is the discriminant of a contrast that looks like the activations.
    pub fn random(&self, draws: usize, seeds: &Seeds) -> Result<Draws, AuditError> {
        let samples = &self.reduced.samples;
        let found = self.reduced.nuisances.find(samples).map_err(AuditError::of("train"))?;
        let (positive, negative) = samples.class_means().map_err(AuditError::of("train"))?;
        let mut z = samples.x.clone();
        for (mut row, &p) in z.outer_iter_mut().zip(&samples.positive) {
            row -= if p { &positive } else { &negative };
        }
        let z = found.set.project_out_rows(z.view())?;
        let mut rng = seeds.stream("random directions");
        let weights: Array2<f64> =
            Array2::from_shape_simple_fn((draws, z.nrows()), || StandardNormal.sample(&mut rng));
        let contrasts = product(weights.view(), z.view())?;
        match self.pipeline.estimator.params() {
            Estimator::Lda { shrinkage } => {
                let beside: Array2<f64> =
                    Array2::from_shape_simple_fn(contrasts.raw_dim(), || StandardNormal.sample(&mut rng));
                let beside = found.set.project_out_rows(beside.view())?;
                self.draws(&discriminants(&z, samples.width, contrasts, beside, *shrinkage)?)
            }
            _ => self.draws(&contrasts),
        }
    }

    /// The pipeline on permuted training labels, until `budget` is spent.
    pub fn shuffled(
        &self,
        permutations: usize,
        budget: Option<Duration>,
        seeds: &Seeds,
    ) -> Result<Draws, AuditError> {
        let samples = &self.reduced.samples;
        let relabel = Relabel::of(samples).map_err(AuditError::of("train"))?;
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
            let z = found.set.project_out_rows(samples.activations())?;
            let z = &z - &z.mean_axis(Axis(0)).expect("samples have rows");
            let contrasts = label_contrasts(labels);
            let duals = match shrinkage {
                Some(shrinkage) => {
                    dual_discriminants(&gram_matrix(z.view())?, samples.width, &contrasts, shrinkage)?
                }
                None => contrasts,
            };
            return Ok(product(duals.view(), z.view())?);
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

    fn draws(&self, directions: &Array2<f64>) -> Result<Draws, AuditError> {
        let scores = product(directions.view(), self.rows.t())?;
        let mut cosines = product(directions.view(), self.directions.t())?;
        for (mut row, direction) in cosines.outer_iter_mut().zip(directions.outer_iter()) {
            let length = norm(direction);
            row.mapv_inplace(|c| if length > 0.0 { c / length } else { 0.0 });
        }
        Ok(Draws { scores, cosines })
    }
}

/// Discriminants of random contrasts: `A⁻¹ δ` with `A` the within-class covariance as the estimator
/// shrinks it, and `δ` of the covariance as Ledoit and Wolf (2004) shrink it. The sample's own would leave out
/// of `δ` just the directions in which the rows happen to vary little, and which `A⁻¹` stretches most.
///
/// `z` are the rows about the means of their classes, `contrasts` combinations of them with standard normal
/// weights, `beside` standard normal.
fn discriminants(
    z: &Array2<f64>,
    width: usize,
    contrasts: Array2<f64>,
    beside: Array2<f64>,
    shrinkage: Option<f64>,
) -> Result<Array2<f64>, MathError> {
    let (n, width) = (z.nrows() as f64, width as f64);
    let squares: Vec<f64> = z.outer_iter().map(|r| r.dot(&r)).collect();
    let trace = squares.iter().sum::<f64>() / n;
    let variance = trace / width;
    let mut covariance = product(z.t(), z.view())? / n;
    let own = ledoit_wolf(&squares, covariance.iter().map(|v| v * v).sum(), trace, n, width);
    let shrinkage = shrinkage.unwrap_or(own);
    covariance *= 1.0 - shrinkage;
    // What is projected out has no variance; neither have the contrasts there.
    let floor = shrinkage * variance + 1e-12 * variance;
    covariance.diag_mut().mapv_inplace(|v| v + floor);
    let inverse = inverse_positive_definite(covariance.view())?;
    let contrasts = contrasts * ((1.0 - own) / n).sqrt() + beside * (own * variance).sqrt();
    product(contrasts.view(), inverse.view())
}

/// A distance against those of the null, the larger the more against it.
pub(super) fn distance(null: Vec<f64>, seen: f64) -> Result<DistanceNull, MathError> {
    let reached = null.iter().filter(|v| reaches(**v, seen)).count();
    Ok(DistanceNull {
        draws: null.len(),
        p: permutation_p(reached, null.len()),
        median: quantile(&null, 0.5)?,
        high: quantile(&null, 0.95)?,
    })
}
