//! Logistic regression with an L2 penalty chosen on held-out groups.

use linfa::DatasetBase;
use linfa::traits::Fit as _;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use super::estimator::FitDetails;
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::data::group_folds;
use crate::math::{Seeds, norm, solve_positive_definite};

/// Hyperparameters of logistic regression.
///
/// The penalty is `alpha/2 ‖w‖²` beside the summed log loss, on rows centred and divided by one
/// number so that their root mean square norm is 1: an alpha means the same at every layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogisticParams {
    /// Penalties to choose from; a single one is used as it is.
    pub alphas: Vec<f64>,
    /// Folds of the choice, each keeping groups whole; fewer when there are fewer groups.
    pub folds: usize,
}

impl Default for LogisticParams {
    /// Seven penalties from 1e-4 to 100, chosen over five folds.
    fn default() -> Self {
        Self { alphas: vec![1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0], folds: 5 }
    }
}

impl LogisticParams {
    pub(super) fn check(&self) -> Result<(), EstimateError> {
        let parameter = |what, value, expected| Err(EstimateError::Parameter { what, value, expected });
        if let Some(&alpha) = self.alphas.iter().find(|a| !(a.is_finite() && **a > 0.0)) {
            return parameter("alpha", alpha, "a positive number");
        }
        if self.alphas.is_empty() {
            return parameter("number of alphas", 0.0, "at least one");
        }
        if self.alphas.len() > 1 && self.folds < 2 {
            return parameter("number of folds", self.folds as f64, "at least 2");
        }
        Ok(())
    }
}

/// Slopes and intercept.
#[derive(Clone, Debug)]
struct Weights {
    slopes: Array1<f64>,
    intercept: f64,
}

/// How close to the minimum a fit must come, as the largest entry of the gradient a row.
#[derive(Clone, Copy)]
enum Precision {
    /// Enough to compare penalties.
    Rough,
    /// The reported direction.
    Full,
}

/// Slopes at the penalty with the least held-out log loss, larger penalties winning ties.
pub(super) fn fit_logistic_path(
    samples: &Samples,
    params: &LogisticParams,
    by: SplitBy,
    seeds: &Seeds,
) -> Result<(Array1<f64>, FitDetails), EstimateError> {
    // From large to small, so that each fit starts near the next.
    let mut alphas = params.alphas.clone();
    alphas.sort_by(|a, b| b.total_cmp(a));
    let losses =
        if alphas.len() > 1 { held_out_losses(samples, &alphas, params.folds, by, seeds)? } else { vec![] };
    let best =
        losses.iter().zip(&alphas).fold(None, |best: Option<(f64, f64)>, (&loss, &alpha)| match best {
            Some((least, _)) if least <= loss => best,
            _ => Some((loss, alpha)),
        });
    let alpha = best.map_or_else(|| alphas[0], |(_, alpha)| alpha);
    let (x, _) = scaled(samples.x.view(), None);
    let weights = fit(x.view(), &samples.positive, alpha, None, Precision::Full)?;
    let alpha_losses = alphas.into_iter().zip(losses).collect();
    Ok((weights.slopes, FitDetails { alpha: Some(alpha), alpha_losses, ..FitDetails::default() }))
}

/// Mean held-out log loss a row at each penalty.
fn held_out_losses(
    samples: &Samples,
    alphas: &[f64],
    folds: usize,
    by: SplitBy,
    seeds: &Seeds,
) -> Result<Vec<f64>, EstimateError> {
    let folds = folds.min(samples.unit_count(by));
    let folds = group_folds(samples.units(by), folds, &mut seeds.stream("logistic alpha"))?;
    let mut losses = vec![0.0; alphas.len()];
    for fold in 0..folds.count() {
        let train = samples.select(&folds.train(fold));
        train.check_classes()?;
        let test = samples.select(&folds.test(fold));
        let (x, transform) = scaled(train.x.view(), None);
        let (held_out, _) = scaled(test.x.view(), Some(&transform));
        let mut start = None;
        for (loss, &alpha) in losses.iter_mut().zip(alphas) {
            let weights = fit(x.view(), &train.positive, alpha, start.as_ref(), Precision::Rough)?;
            *loss += log_loss(held_out.view(), &test.positive, &weights);
            start = Some(weights);
        }
    }
    Ok(losses.into_iter().map(|l| l / samples.rows() as f64).collect())
}

/// Rows less a centre, over one scale; both taken from the rows themselves unless given.
fn scaled(x: ArrayView2<'_, f64>, given: Option<&(Array1<f64>, f64)>) -> (Array2<f64>, (Array1<f64>, f64)) {
    let (centre, scale) = given.cloned().unwrap_or_else(|| {
        let centre = x.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()));
        let squares: f64 = x.outer_iter().map(|r| norm((&r - &centre).view()).powi(2)).sum();
        let scale = (squares / x.nrows().max(1) as f64).sqrt();
        (centre, if scale > 0.0 { scale } else { 1.0 })
    });
    ((&x - &centre) / scale, (centre, scale))
}

/// `ln(1 + eᵗ)` without overflow.
fn softplus(t: f64) -> f64 {
    t.max(0.0) + (-t.abs()).exp().ln_1p()
}

fn sign(positive: bool) -> f64 {
    if positive { 1.0 } else { -1.0 }
}

fn log_loss(x: ArrayView2<'_, f64>, positive: &[bool], w: &Weights) -> f64 {
    let logits = x.dot(&w.slopes) + w.intercept;
    logits.iter().zip(positive).map(|(t, &p)| softplus(-sign(p) * t)).sum()
}

fn fit(
    x: ArrayView2<'_, f64>,
    positive: &[bool],
    alpha: f64,
    start: Option<&Weights>,
    precision: Precision,
) -> Result<Weights, EstimateError> {
    let tolerance = match precision {
        Precision::Rough => 1e-5,
        Precision::Full => 1e-11,
    } * x.nrows() as f64;
    let first =
        start.cloned().unwrap_or_else(|| Weights { slopes: Array1::zeros(x.ncols()), intercept: 0.0 });
    let rough = quasi_newton(x, positive, alpha, &first).unwrap_or(first);
    newton(x, positive, alpha, rough, tolerance)
}

/// L-BFGS; `None` where its line search gives up, which happens next to the minimum.
fn quasi_newton(x: ArrayView2<'_, f64>, positive: &[bool], alpha: f64, start: &Weights) -> Option<Weights> {
    let labels: Array1<bool> = positive.iter().copied().collect();
    let mut initial = start.slopes.to_vec();
    initial.push(start.intercept);
    let model = LogisticRegression::default()
        .alpha(alpha)
        .max_iterations(200)
        .gradient_tolerance(1e-5)
        .initial_params(Array1::from(initial))
        .fit(&DatasetBase::new(x, labels))
        .ok()?;
    // The library calls the larger class positive.
    let turn = sign(model.labels().pos.class);
    let weights = Weights { slopes: model.params() * turn, intercept: model.intercept() * turn };
    let finite = weights.intercept.is_finite() && weights.slopes.iter().all(|w| w.is_finite());
    finite.then_some(weights)
}

/// Newton's method with step halving, from a start near the minimum.
fn newton(
    x: ArrayView2<'_, f64>,
    positive: &[bool],
    alpha: f64,
    mut w: Weights,
    tolerance: f64,
) -> Result<Weights, EstimateError> {
    let n = x.ncols();
    let objective = |w: &Weights| log_loss(x, positive, w) + alpha / 2.0 * w.slopes.dot(&w.slopes);
    let mut value = objective(&w);
    let mut gradient_size = f64::INFINITY;
    for _ in 0..100 {
        let logits = x.dot(&w.slopes) + w.intercept;
        // p - y with y in {0, 1}, and p (1 - p).
        let residual: Array1<f64> =
            logits.iter().zip(positive).map(|(t, &p)| -sign(p) / (1.0 + (sign(p) * t).exp())).collect();
        let mut gradient = Array1::zeros(n + 1);
        gradient.slice_mut(s![..n]).assign(&(x.t().dot(&residual) + &w.slopes * alpha));
        gradient[n] = residual.sum();
        gradient_size = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
        if gradient_size <= tolerance {
            return Ok(w);
        }
        let curvature = residual.mapv(|r| r.abs() * (1.0 - r.abs()));
        let step = solve_positive_definite(hessian(x, curvature.view(), alpha).view(), gradient.view())?;
        let mut length = 1.0;
        let next = loop {
            let next = Weights {
                slopes: &w.slopes - &(&step.slice(s![..n]) * length),
                intercept: w.intercept - step[n] * length,
            };
            let after = objective(&next);
            // Near the minimum the objective no longer resolves a step that still helps.
            if after <= value + 1e-12 * value.abs() {
                value = after;
                break Some(next);
            }
            length /= 2.0;
            if length < 1e-6 {
                break None;
            }
        };
        match next {
            Some(next) => w = next,
            None => break,
        }
    }
    // Rounding bounds what can be reached where the penalty is small.
    let enough = tolerance.max(1e-9 * x.nrows() as f64);
    if gradient_size <= enough {
        Ok(w)
    } else {
        Err(EstimateError::NotConverged { alpha, gradient: gradient_size, expected: enough })
    }
}

/// Second derivatives in slopes and intercept.
fn hessian(x: ArrayView2<'_, f64>, curvature: ArrayView1<'_, f64>, alpha: f64) -> Array2<f64> {
    let n = x.ncols();
    let weighted = &x * &curvature.insert_axis(Axis(1));
    let mut h = Array2::zeros((n + 1, n + 1));
    h.slice_mut(s![..n, ..n]).assign(&x.t().dot(&weighted));
    for v in h.slice_mut(s![..n, ..n]).diag_mut() {
        *v += alpha;
    }
    let edge = weighted.sum_axis(Axis(0));
    h.slice_mut(s![..n, n]).assign(&edge);
    h.slice_mut(s![n, ..n]).assign(&edge);
    // Fully separated rows have no curvature left; the floor keeps the system solvable.
    h[[n, n]] = curvature.sum().max(1e-300);
    h
}
