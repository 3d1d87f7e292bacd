//! Linear discriminants of all permutations of a fold, with one inverse or a few.
//!
//! The within-class scatter is the total scatter `T` less a multiple of `δδᵀ`, and by the formula of
//! Sherman and Morrison that multiple changes the length of `(a T + b I)⁻¹ δ` but not its
//! direction. With `δ = Xᵀc` for the contrast `c` of the labels, the direction is
//! `Xᵀ (K + ρI)⁻¹ c`: the matrix does not depend on the labels, but for the little that the
//! shrinkage `ρ` does.

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};

use super::ProbeError;
use super::design::FoldFit;
use super::gram::LayerGram;
use super::rounds::{HeldOutScores, LabelRows, standardise};
use crate::estimate::EstimateError;
use crate::math::{inverse_positive_definite, product};

/// Permutations whose `ρ` differ by no more than this factor share an inverse.
const SPREAD: f64 = 1.1;
/// What may be left of the series that makes up for the difference in `ρ`.
const REST: f64 = 1e-11;

pub(super) fn fit(
    gram: &LayerGram,
    model: &FoldFit,
    labels: &LabelRows,
    shrinkage: Option<f64>,
) -> Result<Vec<HeldOutScores>, ProbeError> {
    let centred = gram.centred(model);
    let duals = dual(&centred.train, centred.width, &labels.contrasts(&model.train), shrinkage)?;
    let mut scores = product(duals.coefficients.view(), centred.scored.t())?;
    let mut fitted = Vec::new();
    for (mut out, fit) in scores.outer_iter_mut().zip(duals.fitted.outer_iter()) {
        fitted.clear();
        fitted.extend(fit.iter());
        standardise(&mut out, &fitted);
    }
    Ok(vec![HeldOutScores { scores, loss: None }])
}

/// Directions as combinations of the training rows.
pub(in super::super) struct Duals {
    /// `[permutations, t]`.
    pub coefficients: Array2<f64>,
    /// Their projections of the rows themselves, `[permutations, t]`.
    pub fitted: Array2<f64>,
}

/// The discriminants for contrasts `[permutations, t]` and the centred Gram matrix of `t` rows.
///
/// # Errors
/// When the shrinkage is 0, or the rows leave nothing within the classes.
pub(in super::super) fn dual(
    k: &Array2<f64>,
    width: usize,
    contrasts: &Array2<f64>,
    shrinkage: Option<f64>,
) -> Result<Duals, ProbeError> {
    let products = product(contrasts.view(), k.view())?;
    let rho = ridges(k, width, contrasts, products.view(), shrinkage)?;
    let mut order: Vec<usize> = (0..rho.len()).collect();
    order.sort_by(|a, b| rho[*a].total_cmp(&rho[*b]));
    let mut coefficients = Array2::zeros(contrasts.raw_dim());
    let mut rest = &order[..];
    while let Some(least) = rest.first().map(|p| rho[*p]) {
        let many = rest.iter().take_while(|p| rho[**p] <= least * SPREAD || rho[**p] == least).count();
        let (bucket, after) = rest.split_at(many.max(1));
        rest = after;
        if least.is_infinite() {
            // Only the identity counts: the mean difference.
            for p in bucket {
                coefficients.row_mut(*p).assign(&contrasts.row(*p));
            }
            continue;
        }
        solve(k, &rho, bucket, contrasts, &mut coefficients)?;
    }
    // (K + ρI) a = c, so K a needs no product.
    let mut fitted = products;
    for (p, mut row) in fitted.outer_iter_mut().enumerate() {
        if rho[p].is_finite() {
            Zip::from(&mut row)
                .and(contrasts.row(p))
                .and(coefficients.row(p))
                .for_each(|f, c, a| *f = c - rho[p] * a);
        }
    }
    Ok(Duals { coefficients, fitted })
}

/// `(K + ρₚI)⁻¹ cₚ` for ρ close to each other, as a power series about their middle.
fn solve(
    k: &Array2<f64>,
    rho: &[f64],
    bucket: &[usize],
    contrasts: &Array2<f64>,
    out: &mut Array2<f64>,
) -> Result<(), ProbeError> {
    let (least, most) = (rho[bucket[0]], rho[bucket[bucket.len() - 1]]);
    let middle = f64::midpoint(least, most);
    let mut shifted = k.clone();
    shifted.diag_mut().mapv_inplace(|v| v + middle);
    let inverse = inverse_positive_definite(shifted.view())?;
    let ratio = (most - least) / (most + least);
    let terms = if ratio == 0.0 { 1 } else { (REST.ln() / ratio.ln()).ceil().max(1.0) as usize };
    let mut term = product(contrasts.select(Axis(0), bucket).view(), inverse.view())?;
    let mut sum = term.clone();
    for _ in 1..terms {
        term = product(term.view(), inverse.view())?;
        for (row, p) in term.outer_iter_mut().zip(bucket) {
            let factor = middle - rho[*p];
            row.into_iter().for_each(|v| *v *= factor);
        }
        sum += &term;
    }
    for (row, p) in sum.outer_iter().zip(bucket) {
        out.row_mut(*p).assign(&row);
    }
    Ok(())
}

/// The `ρ = n λ μ / (1 - λ)` of each permutation, with `μ` the mean variance within classes and `λ`
/// as given or by Ledoit and Wolf (2004) from the rows centred within their classes.
fn ridges(
    k: &Array2<f64>,
    width: usize,
    contrasts: &Array2<f64>,
    products: ArrayView2<'_, f64>,
    shrinkage: Option<f64>,
) -> Result<Vec<f64>, ProbeError> {
    let (n, width) = (k.nrows() as f64, width as f64);
    let diagonal: Array1<f64> = k.diag().to_owned();
    let (trace, squares) = (diagonal.sum(), k.iter().map(|v| v * v).sum::<f64>());
    let one = |(c, g): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| {
        // c is 1/n₊ and −1/n₋; a class mean lies at `t δ` from the mean of all rows.
        let positive = c.iter().filter(|v| **v > 0.0).count() as f64;
        let negative = n - positive;
        let between = positive * negative / n;
        let q = c.dot(&g);
        let inner_trace = trace - between * q;
        let mean_variance = inner_trace / n / width;
        let lambda = match shrinkage {
            Some(lambda) => lambda,
            None => {
                let frobenius = (squares - 2.0 * between * g.dot(&g) + between * between * q * q) / (n * n);
                let fourth: f64 = diagonal
                    .iter()
                    .zip(c)
                    .zip(g)
                    .map(|((d, c), g)| {
                        let t = if *c > 0.0 { negative / n } else { -positive / n };
                        (d - 2.0 * t * g + t * t * q).powi(2)
                    })
                    .sum();
                let mean = inner_trace / n / width;
                let distance = (frobenius - width * mean * mean) / width;
                let noise = (fourth / n - frobenius) / (n * width);
                if distance <= 0.0 { 0.0 } else { (noise.min(distance) / distance).clamp(0.0, 1.0) }
            }
        };
        (
            lambda,
            mean_variance,
            if lambda >= 1.0 { f64::INFINITY } else { n * lambda * mean_variance / (1.0 - lambda) },
        )
    };
    contrasts
        .outer_iter()
        .zip(products.outer_iter())
        .map(one)
        .map(|(lambda, variance, rho)| {
            // The Gram matrix has no inverse of its own; rounding would take its place.
            if rho > 1e-12 * trace / n && variance > 0.0 {
                Ok(rho)
            } else {
                Err(EstimateError::Singular { rows: k.nrows(), width: width as usize, shrinkage: lambda }
                    .into())
            }
        })
        .collect()
}
