//! Activations in which what is planted is known. The calibration suite stands on this file too.

use ndarray::{Array1, Array2};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};

use super::{EstimateError, Samples, unit};

/// Activations in which a few dimensions carry most of the variance, as in a residual stream.
pub struct World {
    size: Array1<f64>,
}

impl World {
    pub fn new(width: usize) -> Self {
        Self { size: (0..width).map(|i| 1.0 / (1.0 + i as f64).powf(0.4)).collect() }
    }

    pub fn rows(&self, n: usize, rng: &mut impl Rng) -> Array2<f64> {
        Array2::from_shape_simple_fn((n, self.size.len()), || {
            let v: f64 = StandardNormal.sample(rng);
            v
        }) * &self.size
    }

    /// A direction as the activations have them, of unit norm.
    pub fn direction(&self, rng: &mut impl Rng) -> Result<Array1<f64>, EstimateError> {
        Ok(unit(self.rows(1, rng).row(0))?)
    }

    /// Pairs that differ by `shift` and noise, around a prompt of their own: positive rows, negative rows.
    pub fn pairs(&self, n: usize, shift: &Array1<f64>, rng: &mut impl Rng) -> (Array2<f64>, Array2<f64>) {
        let prompt = self.rows(n, rng);
        let (one, other) = (self.rows(n, rng), self.rows(n, rng));
        (&prompt + &one + &(shift * 0.5), &prompt + &other - &(shift * 0.5))
    }

    pub fn samples(
        &self,
        n: usize,
        shift: &Array1<f64>,
        name: &str,
        rng: &mut impl Rng,
    ) -> Result<Samples, EstimateError> {
        let axes: Vec<usize> = (0..n).collect();
        self.in_axes(&axes, shift, 0.0, name, rng)
    }

    /// Pairs in axes, a number a pair, whose shifts have a part of their own axis, `spread` times as large as a row.
    pub fn in_axes(
        &self,
        axes: &[usize],
        shift: &Array1<f64>,
        spread: f64,
        name: &str,
        rng: &mut impl Rng,
    ) -> Result<Samples, EstimateError> {
        let n = axes.len();
        let (mut chosen, mut rejected) = self.pairs(n, shift, rng);
        let own = self.rows(axes.iter().max().map_or(0, |a| a + 1), rng) * spread;
        for (i, axis) in axes.iter().enumerate() {
            chosen.row_mut(i).scaled_add(0.5, &own.row(*axis));
            rejected.row_mut(i).scaled_add(-0.5, &own.row(*axis));
        }
        let ids: Vec<String> = (0..n).map(|i| format!("{name} {i}")).collect();
        let axes: Vec<String> = axes.iter().map(|a| format!("{name} axis {a}")).collect();
        Samples::from_pairs(chosen.view(), rejected.view(), &ids, &axes)
    }

    /// The AUROC that pairs shifted by `shift` truly have along a direction: two texts of other pairs differ by twice a
    /// row's and a prompt's variance.
    pub fn auroc(&self, direction: &Array1<f64>, shift: &Array1<f64>) -> f64 {
        let variance = (direction * &self.size).mapv(|v| v * v).sum();
        Normal::standard().cdf(direction.dot(shift) / (2.0 * variance.sqrt()))
    }
}
