//! Activations in which what is planted is known. The calibration suite stands on this file too.

use ndarray::{Array1, Array2};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::{EstimateError, Samples, unit};

/// Activations in which a few dimensions carry most of the variance, as in a residual stream.
pub(super) struct World {
    size: Array1<f64>,
}

impl World {
    pub(super) fn new(width: usize) -> Self {
        Self { size: (0..width).map(|i| 1.0 / (1.0 + i as f64).powf(0.4)).collect() }
    }

    pub(super) fn rows(&self, n: usize, rng: &mut impl Rng) -> Array2<f64> {
        Array2::from_shape_simple_fn((n, self.size.len()), || {
            let v: f64 = StandardNormal.sample(rng);
            v
        }) * &self.size
    }

    /// A direction as the activations have them, of unit norm.
    pub(super) fn direction(&self, rng: &mut impl Rng) -> Result<Array1<f64>, EstimateError> {
        Ok(unit(self.rows(1, rng).row(0))?)
    }

    /// Pairs that differ by `shift` and noise, around a prompt of their own: positive rows, negative rows.
    pub(super) fn pairs(
        &self,
        n: usize,
        shift: &Array1<f64>,
        rng: &mut impl Rng,
    ) -> (Array2<f64>, Array2<f64>) {
        let prompt = self.rows(n, rng);
        let (one, other) = (self.rows(n, rng), self.rows(n, rng));
        (&prompt + &one + &(shift * 0.5), &prompt + &other - &(shift * 0.5))
    }

    pub(super) fn samples(
        &self,
        n: usize,
        shift: &Array1<f64>,
        name: &str,
        rng: &mut impl Rng,
    ) -> Result<Samples, EstimateError> {
        let (chosen, rejected) = self.pairs(n, shift, rng);
        let ids: Vec<String> = (0..n).map(|i| format!("{name} {i}")).collect();
        Samples::from_pairs(chosen.view(), rejected.view(), &ids, &ids)
    }
}
