//! Logistic regression of all permutations of a fold, side by side.
//!
//! With `w = Xᵀa` the gradient of `Σ loss + alpha/2 ‖w‖²` is `Xᵀg` with `g = r + alpha·a` for the
//! residuals `r`, and `(h XᵀX + alpha)⁻¹ Xᵀ = Xᵀ M` for `M = (h K + alpha)⁻¹`: one inverse a penalty scales
//! the steps of every permutation, and the step `s = M g` moves the rows' projections by
//! `K s = (g - alpha·s)/h`, so a single product is all that grows with `t²`.
//!
//! Steps are those of nonlinear conjugate gradients (Polak and Ribière 1969), their lengths by
//! Newton's method along the line.

use ndarray::{Array1, Array2, ArrayView1, Zip};

use super::ProbeError;
use super::design::FoldFit;
use super::gram::LayerGram;
use super::rounds::{HeldOutScores, LabelRows, standardise};
use crate::estimate::EstimateError;
use crate::math::{along, inverse_positive_definite, product, stretch, stretch_mut};

/// When a fit is near enough to its minimum.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct ProbeTolerances {
    /// Largest relative error of the observed labels' weights.
    pub observed: f64,
    /// The same for permuted labels, which only have to rank.
    pub permuted: f64,
}

/// A fit gives up after so many steps.
const STEPS: usize = 400;
/// And so many of Newton's method, which squares its error.
const NEWTON_STEPS: usize = 60;

/// No step moves a projection by more: past some 40 a loss is 0 or grows by what is moved.
const FARTHEST: f64 = 64.0;

/// One permutation's weights, with what is kept between steps.
struct PermutationFit {
    labels: Vec<f64>,
    /// Weights as a combination of the rows.
    dual: Array1<f64>,
    /// Projections `K a` of the rows.
    fitted: Array1<f64>,
    offset: f64,
    residual: Array1<f64>,
    gradient: Array1<f64>,
    before: Array1<f64>,
    sum_before: f64,
    /// What the search direction adds to weights, projections and offset.
    search: Array1<f64>,
    fitted_search: Array1<f64>,
    offset_search: f64,
    size: f64,
    tolerance: f64,
    done: bool,
}

/// A Gram matrix, and how to keep out what it takes to zero: there the gradient never vanishes, and
/// steps as long as the curvature elsewhere asks for would make it grow.
struct GramKernel {
    k: Array2<f64>,
    /// A small ridge and `(K + ridge)⁻¹`, where more than the mean is taken to zero.
    null: Option<(f64, Array2<f64>)>,
}

impl GramKernel {
    fn new(k: Array2<f64>) -> Result<Self, ProbeError> {
        let t = k.nrows() as f64;
        // The matrix has a mean diagonal of 1 here; what lies below this moves no projection.
        let ridge = 1e-6;
        let shifted = |mean: f64| {
            let mut m = &k + mean / t;
            m.diag_mut().mapv_inplace(|v| v + ridge);
            inverse_positive_definite(m.view())
        };
        // Of a centred matrix the mean is always among it, and a shift takes care of that.
        let regular = shifted(1.0)?;
        let null = if regular.diag().sum() > 0.1 / ridge { Some((ridge, shifted(0.0)?)) } else { None };
        Ok(Self { k, null })
    }

    /// `(h K + alpha)⁻¹`, less its part on what `K` takes to zero.
    fn scaling(&self, curvature: f64, alpha: f64) -> Result<Array2<f64>, ProbeError> {
        let mut shifted = &self.k * curvature;
        shifted.diag_mut().mapv_inplace(|v| v + alpha);
        let inverse = inverse_positive_definite(shifted.view())?;
        Ok(match &self.null {
            Some((ridge, null)) => &inverse - &(product(inverse.view(), null.view())? * *ridge),
            None => inverse,
        })
    }
}

pub(super) fn fit(
    gram: &LayerGram,
    model: &FoldFit,
    labels: &LabelRows,
    alphas: &[f64],
    precision: ProbeTolerances,
) -> Result<Vec<HeldOutScores>, ProbeError> {
    let centred = gram.centred(model);
    let t = model.train.len();
    // One scale for all columns, so that a penalty means the same at every layer.
    let scale = (centred.train.diag().sum() / t as f64).max(f64::MIN_POSITIVE);
    let kernel = GramKernel::new(centred.train / scale)?;
    let scored = centred.scored / scale;
    let mut states: Vec<PermutationFit> = labels
        .rows()
        .enumerate()
        .map(|(p, labels_of)| {
            let tolerance = if labels.observed && p == 0 { precision.observed } else { precision.permuted };
            PermutationFit::new(&model.train, labels_of, tolerance)
        })
        .collect();
    let mut curvature = 0.25;
    let mut out = Vec::new();
    for &alpha in alphas {
        descend(&kernel, alpha, curvature, &mut states)?;
        // Steps scaled for all labels may be slow for these, where a small penalty lets projections saturate.
        if labels.observed
            && let Some(state) = states.first_mut().filter(|s| !s.done)
        {
            state.finish(&kernel.k, alpha)?;
            if !state.done {
                return Err(EstimateError::NotConverged {
                    alpha,
                    gradient: state.size.abs().sqrt(),
                    expected: precision.observed,
                }
                .into());
            }
        }
        let bend =
            |s: &PermutationFit| s.residual.iter().map(|r| r.abs() * (1.0 - r.abs())).sum::<f64>() / t as f64;
        curvature = (states.iter().map(bend).sum::<f64>() / states.len().max(1) as f64).clamp(1e-6, 0.25);
        out.push(score(&states, &scored, model, labels)?);
    }
    Ok(out)
}

fn score(
    states: &[PermutationFit],
    scored: &Array2<f64>,
    model: &FoldFit,
    labels: &LabelRows,
) -> Result<HeldOutScores, ProbeError> {
    let mut a = Array2::zeros((states.len(), model.train.len()));
    for (mut row, state) in a.outer_iter_mut().zip(states) {
        row.assign(&state.dual);
    }
    let mut scores = product(a.view(), scored.t())?;
    let mut loss = Array2::zeros((states.len(), 2));
    for (p, (mut row, state)) in scores.outer_iter_mut().zip(states).enumerate() {
        let truth = labels.row(p);
        for (at, (score, i)) in row.iter().zip(&model.scored).enumerate() {
            let logit = score + state.offset;
            let against = if truth[*i] { -logit } else { logit };
            // ln(1 + eᵗ) without overflow.
            loss[[p, usize::from(at >= model.first)]] += against.max(0.0) + (-against.abs()).exp().ln_1p();
        }
        standardise(&mut row, stretch(&state.fitted));
    }
    Ok(HeldOutScores { scores, loss: Some(loss) })
}

impl PermutationFit {
    fn new(train: &[usize], labels: &[bool], tolerance: f64) -> Self {
        let zero = || Array1::zeros(train.len());
        Self {
            labels: train.iter().map(|i| if labels[*i] { 1.0 } else { 0.0 }).collect(),
            dual: zero(),
            fitted: zero(),
            offset: 0.0,
            residual: zero(),
            gradient: zero(),
            before: zero(),
            sum_before: 0.0,
            search: zero(),
            fitted_search: zero(),
            offset_search: 0.0,
            size: 0.0,
            tolerance,
            done: false,
        }
    }

    /// Makes the residuals those at a step along the search direction, and returns the derivatives there.
    fn at(&mut self, step: f64) -> (f64, f64) {
        along(
            stretch(&self.fitted),
            self.offset,
            stretch(&self.fitted_search),
            self.offset_search,
            step,
            &self.labels,
            stretch_mut(&mut self.residual),
        )
    }

    /// Ready for another penalty, from where it is.
    fn restart(&mut self) {
        self.search.fill(0.0);
        self.fitted_search.fill(0.0);
        self.offset_search = 0.0;
        self.size = 0.0;
        self.done = false;
        self.at(0.0);
    }

    /// The gradient as a combination of the rows; their mean is the intercept's affair.
    fn differentiate(&mut self, alpha: f64) {
        std::mem::swap(&mut self.gradient, &mut self.before);
        let mean = self.residual.sum() / self.labels.len() as f64;
        Zip::from(&mut self.gradient)
            .and(&self.residual)
            .and(&self.dual)
            .for_each(|g, r, a| *g = r - mean + alpha * a);
    }

    /// Takes in the scaled gradient and what it does to the projections; goes a step, or finds that
    /// none is needed.
    ///
    /// A centred matrix takes the mean of a step to zero: no line search would hold it, so it is left out.
    fn advance(&mut self, step: ArrayView1<'_, f64>, image: ArrayView1<'_, f64>, alpha: f64, curvature: f64) {
        let t = self.labels.len() as f64;
        let sum = self.residual.sum();
        let offset_step = sum / (curvature * t);
        let moved = image.dot(&image) + offset_step * offset_step * t;
        if moved <= self.tolerance.powi(2) * self.fitted.dot(&self.fitted) {
            self.done = true;
            return;
        }
        let size = self.gradient.dot(&image) + sum * offset_step;
        let kept = self.before.dot(&image) + self.sum_before * offset_step;
        let turn = if self.size > 0.0 { ((size - kept) / self.size).max(0.0) } else { 0.0 };
        self.size = size;
        self.sum_before = sum;
        let mut slope = 0.0;
        let mean = step.sum() / t;
        for turn in [turn, 0.0] {
            Zip::from(&mut self.search).and(step).for_each(|w, s| *w = turn * *w - (s - mean));
            Zip::from(&mut self.fitted_search).and(image).for_each(|w, s| *w = turn * *w - s);
            self.offset_search = turn * self.offset_search - offset_step;
            slope = self.gradient.dot(&self.fitted_search) + sum * self.offset_search;
            if slope < 0.0 {
                break;
            }
        }
        if slope >= 0.0 {
            // Rounding is all that is left.
            self.done = true;
            return;
        }
        self.go(alpha, slope);
    }

    /// Goes on to the minimum by Newton's method, at the cost of an inverse a step.
    ///
    /// With the curvatures `D` of the losses, `(alpha + D K) s = g` is solved by
    /// `s = (g - D½ (alpha + D½ K D½)⁻¹ D½ K g) / alpha`, of which the matrix is positive definite.
    fn finish(&mut self, k: &Array2<f64>, alpha: f64) -> Result<(), ProbeError> {
        let t = self.labels.len() as f64;
        for _ in 0..NEWTON_STEPS {
            self.at(0.0);
            self.differentiate(alpha);
            let weights = self.residual.mapv(|r| r.abs() * (1.0 - r.abs()));
            let roots = weights.mapv(f64::sqrt);
            let mut inner = Array2::from_shape_fn(k.raw_dim(), |(i, j)| roots[i] * k[[i, j]] * roots[j]);
            inner.diag_mut().mapv_inplace(|v| v + alpha);
            let inverse = inverse_positive_definite(inner.view())?;
            let solve = |x: &Array1<f64>| (x - &(&roots * &inverse.dot(&(&roots * &k.dot(x))))) / alpha;
            let (down, by_offset) = (solve(&self.gradient), solve(&weights));
            let (image, offset_image) = (k.dot(&down), k.dot(&by_offset));
            let sum = self.residual.sum();
            // The intercept's own equation, the weights having followed it.
            let stiffness = weights.sum() - weights.dot(&offset_image);
            // Where the weights already follow the labels what is left of it is rounding.
            let stiff = stiffness > 1e-12 * weights.sum();
            let offset = if stiff { (weights.dot(&image) - sum) / stiffness } else { 0.0 };
            self.search = -(down + by_offset * offset);
            self.search -= self.search.sum() / t;
            self.fitted_search = -(image + offset_image * offset);
            self.offset_search = offset;
            let moved = self.fitted_search.dot(&self.fitted_search) + offset * offset * t;
            let slope = self.gradient.dot(&self.fitted_search) + sum * offset;
            self.size = -slope;
            if !slope.is_finite() {
                break;
            }
            // A slope that does not lead down is rounding.
            if moved <= self.tolerance.powi(2) * self.fitted.dot(&self.fitted) || slope >= 0.0 {
                self.done = true;
                break;
            }
            self.go(alpha, slope);
        }
        Ok(())
    }

    /// Goes the best length along the search direction, which slopes down.
    fn go(&mut self, alpha: f64, slope: f64) {
        let across = self.dual.dot(&self.fitted_search);
        // Never below zero but by rounding.
        let bend = self.search.dot(&self.fitted_search).max(0.0);
        let moves = |m: f64, search: &f64| m.max((search + self.offset_search).abs());
        let reach = self.fitted_search.iter().fold(0.0, moves);
        if reach == 0.0 {
            self.done = true;
            return;
        }
        // Where losses have saturated, rounding is all that would hold a step.
        let longest = FARTHEST / reach;
        // The derivative grows along the line, so its root lies between what is known of it.
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let (_, second) = self.at(0.0);
        let mut next = (-slope / (second + alpha * bend)).min(longest);
        let mut step = 0.0;
        for _ in 0..20 {
            if !(next.is_finite() && next > 0.0) || step == longest {
                break;
            }
            step = next;
            let (first, second) = self.at(step);
            let first = first + alpha * (across + step * bend);
            if first.abs() <= 0.1 * slope.abs() {
                break;
            }
            if first < 0.0 {
                low = step
            } else {
                high = step
            }
            next = step - first / (second + alpha * bend);
            if !(next > low && next < high) {
                next = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * step };
            }
            next = next.min(longest);
        }
        self.dual.scaled_add(step, &self.search);
        self.fitted.scaled_add(step, &self.fitted_search);
        self.offset += step * self.offset_search;
    }
}

/// Takes every permutation to its minimum at one penalty, from where it is.
fn descend(
    kernel: &GramKernel,
    alpha: f64,
    curvature: f64,
    states: &mut [PermutationFit],
) -> Result<(), ProbeError> {
    let scaling = kernel.scaling(curvature, alpha)?;
    states.iter_mut().for_each(PermutationFit::restart);
    for _ in 0..STEPS {
        let mut active: Vec<&mut PermutationFit> = states.iter_mut().filter(|s| !s.done).collect();
        if active.is_empty() {
            break;
        }
        let mut gradients = Array2::zeros((active.len(), kernel.k.nrows()));
        for (mut row, state) in gradients.outer_iter_mut().zip(&mut active) {
            state.differentiate(alpha);
            row.assign(&state.gradient);
        }
        let steps = product(gradients.view(), scaling.view())?;
        let images = if kernel.null.is_some() {
            product(steps.view(), kernel.k.view())?
        } else {
            // From (hK + alpha) s = g, without another product.
            Zip::from(&mut gradients).and(&steps).for_each(|g, s| *g = (*g - alpha * s) / curvature);
            gradients
        };
        for ((step, image), state) in steps.outer_iter().zip(images.outer_iter()).zip(&mut active) {
            state.advance(step, image, alpha, curvature);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;
    use crate::math::{Seeds, gram_matrix};

    /// Labels drawn at random are separable where there are more columns than rows, and losses saturate at
    /// small penalties: what a step leaves undetermined must not grow there.
    #[test]
    fn weights_stay_numbers_where_losses_saturate() {
        for (seed, (rows, width, scale)) in
            [(72, 576, 1.0), (72, 576, 1e4), (40, 1, 1.0)].into_iter().enumerate()
        {
            let mut rng = Seeds::new(seed as u64).stream("rows");
            // A few columns carry most of what rows have in common, as in a residual stream.
            let x = Array2::from_shape_fn((rows, width), |(i, j)| {
                let v: f64 = StandardNormal.sample(&mut rng);
                v * if j < 3 { scale } else { 1.0 } + if j % 50 == i % 2 { 30.0 } else { 0.0 }
            });
            let x = &x - &x.mean_axis(ndarray::Axis(0)).unwrap();
            let k = gram_matrix(x.view()).unwrap();
            let kernel = GramKernel::new(&k / (k.diag().sum() / rows as f64)).unwrap();
            let train: Vec<usize> = (0..rows).collect();
            let mut states: Vec<PermutationFit> = (0..60)
                .map(|_| {
                    let labels: Vec<bool> = (0..rows).map(|_| rng.random()).collect();
                    PermutationFit::new(&train, &labels, 1e-3)
                })
                .collect();
            for alpha in [100.0, 10.0, 1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6] {
                descend(&kernel, alpha, 1e-3, &mut states).unwrap();
                for s in &states {
                    assert!(s.fitted.iter().all(|v| v.is_finite()), "{rows} {width} {alpha}");
                    let size = s.dual.dot(&s.dual).sqrt();
                    assert!(s.dual.sum().abs() <= 1e-6 * size, "{rows} {width} {alpha}: {}", s.dual.sum());
                }
            }
        }
    }

    /// From nothing to where both equations of the minimum hold, and to where conjugate gradients end.
    #[test]
    fn newton_finds_the_minimum_at_small_penalties() {
        let mut rng = Seeds::new(0).stream("rows");
        for (rows, width, alpha) in [(40, 300, 1e-4), (40, 300, 1.0), (60, 12, 1e-3), (60, 12, 1.0)] {
            let x: Array2<f64> =
                Array2::from_shape_simple_fn((rows, width), || StandardNormal.sample(&mut rng));
            let x = &x - &x.mean_axis(ndarray::Axis(0)).unwrap();
            let k = gram_matrix(x.view()).unwrap();
            let k = &k / (k.diag().sum() / rows as f64);
            let labels: Vec<bool> = (0..rows).map(|i| i % 3 == 0 || x[[i, 0]] > 0.5).collect();
            let train: Vec<usize> = (0..rows).collect();
            let mut newton = PermutationFit::new(&train, &labels, 1e-8);
            newton.finish(&k, alpha).unwrap();
            assert!(newton.done);
            newton.at(0.0);
            newton.differentiate(alpha);
            let first = k.dot(&newton.gradient);
            let left = first.dot(&first).sqrt() / newton.fitted.dot(&newton.fitted).sqrt();
            assert!(left < 1e-7 && newton.residual.sum().abs() < 1e-7, "{rows} {width} {alpha}: {left:e}");
            assert!((&k.dot(&newton.dual) - &newton.fitted).iter().all(|d| d.abs() < 1e-8));
            let mut plain = [PermutationFit::new(&train, &labels, 1e-8)];
            descend(&GramKernel::new(k).unwrap(), alpha, 0.25, &mut plain).unwrap();
            if plain[0].done {
                let apart = &plain[0].fitted - &newton.fitted;
                let size = newton.fitted.dot(&newton.fitted).sqrt();
                assert!(apart.dot(&apart).sqrt() < 1e-5 * size, "{rows} {width} {alpha}");
            }
        }
    }
}
