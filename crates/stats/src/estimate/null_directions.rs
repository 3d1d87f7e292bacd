//! Directions that know nothing of the labels: drawn like the activations, or fitted to exchanged labels.

use ndarray::{Array1, Array2};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::estimator::ledoit_wolf;
use super::pipeline::{Reduced, fit_projected};
use super::probing::Relabel;
use super::{EstimateError, Estimator, Pipeline, Samples, SplitBy};
use crate::math::{MathError, Seeds, inverse_positive_definite, norm, product};

impl Pipeline {
    /// Unit directions with the covariance that the rows have within their classes, `[draws, width]`: random
    /// combinations of the rows about the means of their classes, with what is projected out of the real
    /// direction projected out of them too. For a discriminant, that of such a contrast.
    ///
    /// # Errors
    /// As [`Pipeline::extract`].
    pub fn matched_directions(
        &self,
        samples: &Samples,
        draws: usize,
        seeds: &Seeds,
    ) -> Result<Array2<f64>, EstimateError> {
        let reduced = self.reduce(samples)?;
        let drawn = matched(self, &reduced, draws, seeds)?;
        lifted(&reduced, &drawn, samples.width())
    }

    /// Unit directions of the whole pipeline on exchanged labels, `[draws, width]`: a row of zeros where exchanged
    /// labels leave no difference. Labels are exchanged by the units of `by`.
    ///
    /// # Errors
    /// As [`Pipeline::extract`].
    pub fn relabelled_directions(
        &self,
        samples: &Samples,
        by: SplitBy,
        draws: usize,
        seeds: &Seeds,
    ) -> Result<Array2<f64>, EstimateError> {
        let relabel = Relabel::of(samples, by)?;
        let labels: Vec<Vec<bool>> =
            (0..draws).map(|i| relabel.any(&mut seeds.stream(&format!("relabelled {i}")))).collect();
        self.directions_of(samples, &labels, by, seeds)
    }

    /// Unit directions of the whole pipeline on other labels of the same rows, `[labels, width]`: a row of zeros where
    /// they leave one class or no difference.
    ///
    /// # Errors
    /// As [`Pipeline::extract`].
    pub fn directions_of(
        &self,
        samples: &Samples,
        labels: &[Vec<bool>],
        by: SplitBy,
        seeds: &Seeds,
    ) -> Result<Array2<f64>, EstimateError> {
        let reduced = self.reduce(samples)?;
        let one = |(i, labels): (usize, &Vec<bool>)| -> Result<Array1<f64>, EstimateError> {
            let seeds = seeds.child(&format!("relabelled {i}"));
            let mut permuted = reduced.samples.clone();
            permuted.positive.clone_from(labels);
            match fit_projected(&self.estimator, &reduced.nuisances, &permuted, by, &seeds) {
                Ok((_, fit)) => Ok(fit.direction),
                Err(EstimateError::NoDifference { .. } | EstimateError::OneClass { .. }) => {
                    Ok(Array1::zeros(permuted.x.ncols()))
                }
                Err(e) => Err(e),
            }
        };
        let rows = labels.par_iter().enumerate().map(one).collect::<Result<Vec<_>, _>>()?;
        let mut fitted = Array2::zeros((labels.len(), reduced.samples.x.ncols()));
        for (mut to, from) in fitted.outer_iter_mut().zip(&rows) {
            to.assign(from);
        }
        lifted(&reduced, &fitted, samples.width())
    }
}

/// Labels exchanged as groups allow, `[draws][rows]`: swapped or dealt in whole groups, a group that holds more of
/// one label than of the other shuffled within.
#[must_use]
pub fn relabellings(labels: &[bool], groups: &[usize], draws: usize, seeds: &Seeds) -> Vec<Vec<bool>> {
    let relabel = Relabel::new(labels, groups);
    (0..draws).map(|i| relabel.any(&mut seeds.stream(&format!("relabelled {i}")))).collect()
}

/// Rows in the coordinates of the span as unit vectors of the whole space.
fn lifted(reduced: &Reduced, rows: &Array2<f64>, width: usize) -> Result<Array2<f64>, EstimateError> {
    let mut out = Array2::zeros((rows.nrows(), width));
    for (mut to, from) in out.outer_iter_mut().zip(rows.outer_iter()) {
        let whole = reduced.space.lift(from)?;
        let length = norm(whole.view());
        if length > 0.0 {
            to.assign(&(whole / length));
        }
    }
    Ok(out)
}

/// Directions `Zᵀg` for standard normal `g` and the rows `Z` about the means of their classes, so that their
/// covariance is that of the rows within classes; the contrast itself would make the null about what is tested.
/// What is projected out of the real direction is projected out of them too.
///
/// A discriminant does not look like the activations but like their inverse: it turns to where they vary least.
/// Its null is the discriminant of a contrast that looks like the activations.
pub(super) fn matched(
    pipeline: &Pipeline,
    reduced: &Reduced,
    draws: usize,
    seeds: &Seeds,
) -> Result<Array2<f64>, EstimateError> {
    let samples = &reduced.samples;
    let found = reduced.nuisances.find(samples)?;
    let (positive, negative) = samples.class_means()?;
    let mut z = samples.x.clone();
    for (mut row, &p) in z.outer_iter_mut().zip(&samples.positive) {
        row -= if p { &positive } else { &negative };
    }
    let z = found.erasers.rows(z.view());
    let mut rng = seeds.stream("random directions");
    let weights: Array2<f64> =
        Array2::from_shape_simple_fn((draws, z.nrows()), || StandardNormal.sample(&mut rng));
    let contrasts = product(weights.view(), z.view())?;
    match pipeline.estimator.params() {
        Estimator::Lda { shrinkage } => {
            let beside: Array2<f64> =
                Array2::from_shape_simple_fn(contrasts.raw_dim(), || StandardNormal.sample(&mut rng));
            let beside = found.erasers.rows(beside.view());
            let drawn = discriminants(&z, samples.width, contrasts, beside, *shrinkage)?;
            Ok(found.erasers.directions(drawn.view()))
        }
        _ => Ok(found.erasers.directions(contrasts.view())),
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
