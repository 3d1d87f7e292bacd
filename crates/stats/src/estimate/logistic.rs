//! Logistic regression with an L2 penalty chosen on held-out groups.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use serde::{Deserialize, Serialize};

use super::estimator::FitDetails;
use super::samples::SplitBy;
use super::{EstimateError, Samples};
use crate::math::{
    Seeds, each_row, norm, solve_positive_definite, stretch, stretch_mut, there_and_back, weighted_squares,
};
use crate::split::group_folds;

/// Hyperparameters of logistic regression.
///
/// The penalty is `alpha/2 ‖w‖²` beside the summed log loss, on rows centred and divided by one
/// number so that their root mean square norm is 1: an alpha means the same at every layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The middle penalty, the smaller of two.
    pub(super) fn middle(&self) -> f64 {
        let mut alphas = self.alphas.clone();
        alphas.sort_by(f64::total_cmp);
        alphas[(alphas.len() - 1) / 2]
    }

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
struct LogisticWeights {
    slopes: Array1<f64>,
    intercept: f64,
}

/// How close to the minimum a fit must come, as the largest entry of the gradient a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum FitTolerance {
    /// Enough to compare penalties.
    Rough,
    /// Enough for the order of held-out scores.
    Ranks,
    /// Enough for a direction that is reported.
    Full,
}

/// Slopes at the penalty with the least held-out log loss, larger penalties winning ties.
pub(super) fn fit_logistic_path(
    samples: &Samples,
    params: &LogisticParams,
    precision: FitTolerance,
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
    let weights = fit(&LogisticRows::new(x, &samples.positive), alpha, None, precision)?;
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
    let folds = folds.min(samples.unit_count(by)).max(2);
    let folds = group_folds(samples.units(by), folds, &mut seeds.stream("logistic alpha"))?;
    let mut losses = vec![0.0; alphas.len()];
    for fold in 0..folds.count() {
        let train = samples.select(&folds.train(fold));
        train.check_classes()?;
        let test = samples.select(&folds.test(fold));
        let (x, transform) = scaled(train.x.view(), None);
        let (held_out, _) = scaled(test.x.view(), Some(&transform));
        let (design, held_out) =
            (LogisticRows::new(x, &train.positive), LogisticRows::new(held_out, &test.positive));
        let mut start = None;
        for (loss, &alpha) in losses.iter_mut().zip(alphas) {
            let weights = fit(&design, alpha, start.as_ref(), FitTolerance::Rough)?;
            *loss += held_out.log_loss(&weights);
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

/// Rows, one after the other in memory, and which are of the positive class.
struct LogisticRows<'a> {
    x: Array2<f64>,
    positive: &'a [bool],
}

impl<'a> LogisticRows<'a> {
    fn new(x: Array2<f64>, positive: &'a [bool]) -> Self {
        Self { x: x.as_standard_layout().into_owned(), positive }
    }

    fn sign(&self, row: usize) -> f64 {
        sign(self.positive[row])
    }

    fn log_loss(&self, w: &LogisticWeights) -> f64 {
        let mut loss = 0.0;
        each_row(self.x.view(), w.slopes(), |i, t| loss += softplus(-self.sign(i) * (t + w.intercept)));
        loss
    }

    /// `Xᵀ g` beside `Σ g` for `g = f(i, xᵢ · w + intercept)`.
    fn there_and_back(&self, w: &LogisticWeights, mut f: impl FnMut(usize, f64) -> f64) -> LogisticWeights {
        let mut back = LogisticWeights::zero(self.x.ncols());
        let mut sum = 0.0;
        let out = stretch_mut(&mut back.slopes);
        there_and_back(self.x.view(), w.slopes(), out, |i, t| {
            let g = f(i, t + w.intercept);
            sum += g;
            g
        });
        back.intercept = sum;
        back
    }

    /// Probability less label of each row, and the gradient in slopes and intercept.
    fn gradient(&self, w: &LogisticWeights, alpha: f64) -> (Array1<f64>, LogisticWeights) {
        let mut residual = Array1::zeros(self.x.nrows());
        let mut gradient = self.there_and_back(w, |i, t| {
            let s = self.sign(i);
            let r = -s / (1.0 + (s * t).exp());
            residual[i] = r;
            r
        });
        gradient.slopes.scaled_add(alpha, &w.slopes);
        (residual, gradient)
    }
}

impl LogisticWeights {
    fn zero(columns: usize) -> Self {
        Self { slopes: Array1::zeros(columns), intercept: 0.0 }
    }

    fn slopes(&self) -> &[f64] {
        stretch(&self.slopes)
    }

    fn largest(&self) -> f64 {
        self.slopes.iter().fold(self.intercept.abs(), |m, v| m.max(v.abs()))
    }

    fn dot(&self, other: &Self) -> f64 {
        self.slopes.dot(&other.slopes) + self.intercept * other.intercept
    }

    /// `self + factor · other`.
    fn plus(&self, factor: f64, other: &Self) -> Self {
        Self {
            slopes: &self.slopes + &(&other.slopes * factor),
            intercept: self.intercept + factor * other.intercept,
        }
    }
}

fn fit(
    design: &LogisticRows<'_>,
    alpha: f64,
    start: Option<&LogisticWeights>,
    precision: FitTolerance,
) -> Result<LogisticWeights, EstimateError> {
    let rows = design.x.nrows() as f64;
    let first = start.cloned().unwrap_or_else(|| LogisticWeights::zero(design.x.ncols()));
    match precision {
        // With a small penalty the gradient is small far from the minimum.
        FitTolerance::Rough => {
            newton(design, alpha, first, 1e-5 * rows * (100.0 * alpha).min(1.0), &conjugate_gradient)
        }
        FitTolerance::Ranks | FitTolerance::Full => {
            let digits = if matches!(precision, FitTolerance::Full) { 1e-11 } else { 1e-6 };
            // With a small penalty the gradient is small far from the minimum.
            let tolerance = (digits * (100.0 * alpha).min(1.0)).max(1e-11) * rows;
            newton(design, alpha, first.clone(), tolerance, &conjugate_gradient)
                .or_else(|_| newton(design, alpha, first, tolerance, &exact))
        }
    }
}

/// Solves `H step = gradient` for the second derivatives `H` at curvatures `p (1 - p)`.
type Solve =
    dyn Fn(&LogisticRows<'_>, &Array1<f64>, f64, &LogisticWeights) -> Result<LogisticWeights, EstimateError>;

/// Newton's method with step halving.
fn newton(
    design: &LogisticRows<'_>,
    alpha: f64,
    mut w: LogisticWeights,
    tolerance: f64,
    solve: &Solve,
) -> Result<LogisticWeights, EstimateError> {
    let objective = |w: &LogisticWeights| design.log_loss(w) + alpha / 2.0 * w.slopes.dot(&w.slopes);
    let mut value = objective(&w);
    let mut size = f64::INFINITY;
    for _ in 0..200 {
        let (residual, gradient) = design.gradient(&w, alpha);
        size = gradient.largest();
        if size <= tolerance {
            return Ok(w);
        }
        let curvature = residual.mapv(|r| r.abs() * (1.0 - r.abs()));
        let step = solve(design, &curvature, alpha, &gradient)?;
        let mut length = 1.0;
        let next = loop {
            let next = w.plus(-length, &step);
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
    let enough = tolerance.max(1e-9 * design.x.nrows() as f64);
    if size <= enough {
        Ok(w)
    } else {
        Err(EstimateError::NotConverged { alpha, gradient: size, expected: enough })
    }
}

/// The step by Cholesky decomposition.
fn exact(
    design: &LogisticRows<'_>,
    curvature: &Array1<f64>,
    alpha: f64,
    gradient: &LogisticWeights,
) -> Result<LogisticWeights, EstimateError> {
    let n = design.x.ncols();
    let weighted = &design.x * &curvature.view().insert_axis(Axis(1));
    let mut h = Array2::zeros((n + 1, n + 1));
    h.slice_mut(s![..n, ..n]).assign(&design.x.t().dot(&weighted));
    for v in h.slice_mut(s![..n, ..n]).diag_mut() {
        *v += alpha;
    }
    let edge = weighted.sum_axis(Axis(0));
    h.slice_mut(s![..n, n]).assign(&edge);
    h.slice_mut(s![n, ..n]).assign(&edge);
    // Fully separated rows have no curvature left; the floor keeps the system solvable.
    h[[n, n]] = curvature.sum().max(1e-300);
    let mut right = gradient.slopes.to_vec();
    right.push(gradient.intercept);
    let step = solve_positive_definite(h.view(), Array1::from(right).view())?;
    Ok(LogisticWeights { slopes: step.slice(s![..n]).to_owned(), intercept: step[n] })
}

/// The step to a twentieth of the gradient by conjugate gradients, scaled by the diagonal: in
/// principal axes, where wide activations are fitted, that leaves few iterations.
fn conjugate_gradient(
    design: &LogisticRows<'_>,
    curvature: &Array1<f64>,
    alpha: f64,
    gradient: &LogisticWeights,
) -> Result<LogisticWeights, EstimateError> {
    let product = |v: &LogisticWeights| {
        let mut image = design.there_and_back(v, |i, t| curvature[i] * t);
        image.slopes.scaled_add(alpha, &v.slopes);
        image
    };
    let curvatures = stretch(curvature);
    let diagonal = Array1::from(weighted_squares(design.x.view(), curvatures)) + alpha;
    let total = curvature.sum().max(1e-300);
    let scale = |v: &LogisticWeights| LogisticWeights {
        slopes: &v.slopes / &diagonal,
        intercept: v.intercept / total,
    };
    let mut step = LogisticWeights::zero(design.x.ncols());
    let mut rest = gradient.clone();
    let mut scaled = scale(&rest);
    let mut search = scaled.clone();
    let mut size = rest.dot(&scaled);
    let enough = size * 0.05_f64.powi(2);
    for _ in 0..design.x.ncols() + 1 {
        if size <= enough {
            break;
        }
        let image = product(&search);
        let length = size / search.dot(&image);
        if !length.is_finite() {
            break;
        }
        step = step.plus(length, &search);
        rest = rest.plus(-length, &image);
        scaled = scale(&rest);
        let next = rest.dot(&scaled);
        search = scaled.plus(next / size, &search);
        size = next;
    }
    Ok(step)
}
