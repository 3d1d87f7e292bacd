//! Mean differences of all permutations and all folds, from one product with the Gram matrix.

use ndarray::{Array1, Array2, Axis, concatenate, s};
use rayon::prelude::*;

use super::ProbeError;
use super::design::NestedDesign;
use super::gram::LayerGram;
use super::rounds::{HeldOutScores, LabelRows, standardise};
use crate::math::{MathError, product};

/// Scores of every model, in the order of the design.
///
/// A row's product with a class mean is a sum over folds, so the products with the labels of each
/// fold serve every set of training folds.
pub(super) fn fit(
    gram: &LayerGram,
    design: &NestedDesign,
    labels: &LabelRows,
) -> Result<Vec<Vec<HeldOutScores>>, ProbeError> {
    let n = gram.train.nrows();
    let all = concatenate(Axis(1), &[gram.train.view(), gram.cross.t()])
        .map_err(|e| MathError::decomposition("stacking", e))?;
    let ones = labels.matrix();
    let folds: Vec<(Array2<f64>, Array1<f64>, Array1<f64>)> = (0..design.folds)
        .into_par_iter()
        .map(|fold| {
            let rows: Vec<usize> = design.rows(fold).collect();
            let part = all.select(Axis(0), &rows);
            let own = ones.select(Axis(1), &rows);
            Ok((product(own.view(), part.view())?, part.sum_axis(Axis(0)), own.sum_axis(Axis(1))))
        })
        .collect::<Result<_, MathError>>()?;
    let models = if gram.cross.nrows() > 0 { &design.models[..] } else { &design.models[..design.all()] };
    models
        .par_iter()
        .map(|model| {
            let columns: Vec<usize> =
                if model.scored.is_empty() { (n..all.ncols()).collect() } else { model.scored.clone() };
            let used =
                || folds.iter().enumerate().filter(|(f, _)| !model.left_out.contains(f)).map(|(_, f)| f);
            let base = used().fold(Array1::<f64>::zeros(all.ncols()), |sum, f| sum + &f.1);
            let mut scores = Array2::zeros((labels.count(), columns.len()));
            let mut line = Array1::zeros(all.ncols());
            let mut fitted = vec![0.0; model.train.len()];
            for (p, mut out) in scores.outer_iter_mut().enumerate() {
                line.fill(0.0);
                let mut positive = 0.0;
                for (sums, _, counts) in used() {
                    line += &sums.slice(s![p, ..]);
                    positive += counts[p];
                }
                let negative = model.train.len() as f64 - positive;
                let (a, b) = (1.0 / positive + 1.0 / negative, 1.0 / negative);
                let value = |i: usize| a * line[i] - b * base[i];
                for (f, row) in fitted.iter_mut().zip(&model.train) {
                    *f = value(*row);
                }
                for (o, column) in out.iter_mut().zip(&columns) {
                    *o = value(*column);
                }
                standardise(&mut out, &fitted);
            }
            Ok(vec![HeldOutScores { scores, loss: None }])
        })
        .collect()
}
