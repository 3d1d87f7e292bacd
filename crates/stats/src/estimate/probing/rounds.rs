//! Relabellings in blocks: what every layer makes of them, and when to stop.

use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayViewMut1};
use rayon::prelude::*;

use super::design::NestedDesign;
use super::gram::LayerGram;
use super::logistic::ProbeTolerances;
use super::probe::ProbeEstimator;
use super::reference::LayerNulls;
use super::relabel::Relabel;
use super::select::{Observed, RelabelledLayer, Selection, Tests, auroc};
use super::{ProbeError, discriminant, logistic, mean_difference};
use crate::estimate::EstimateError;
use crate::math::Seeds;

/// Relabellings in one block, which bounds the memory of their scores.
const BLOCK: usize = 1024;
/// The first block where time is limited, from which the cost of one is estimated.
const TRIAL: usize = 15;
/// What a block may take of the time that is left, estimates being estimates.
const SHARE: f64 = 0.9;

/// Labels of several relabellings, a row each.
pub(in super::super) struct LabelRows {
    rows: Vec<Vec<bool>>,
    /// Whether the first row is the labels as observed.
    pub observed: bool,
}

/// What a model makes of the rows it did not see.
pub(super) struct HeldOutScores {
    /// `[relabellings, rows]`, in standard deviations of the rows fitted on, about their mean.
    pub scores: Array2<f64>,
    /// `[relabellings, 2]`: log loss on the first and on the second fold left out; logistic only.
    pub loss: Option<Array2<f64>>,
}

/// Scores less the mean and over the standard deviation of the fitted ones.
pub(super) fn standardise(scores: &mut ArrayViewMut1<'_, f64>, fitted: &[f64]) {
    let n = fitted.len().max(1) as f64;
    let mean = fitted.iter().sum::<f64>() / n;
    let spread = (fitted.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / n).sqrt();
    let spread = if spread > 0.0 { spread } else { 1.0 };
    scores.iter_mut().for_each(|s| *s = (*s - mean) / spread);
}

impl LabelRows {
    pub fn new(rows: Vec<Vec<bool>>, observed: bool) -> Self {
        Self { rows, observed }
    }

    pub fn count(&self) -> usize {
        self.rows.len()
    }

    pub fn row(&self, p: usize) -> &[bool] {
        &self.rows[p]
    }

    pub fn rows(&self) -> impl Iterator<Item = &[bool]> {
        self.rows.iter().map(Vec::as_slice)
    }

    /// Ones and zeros, `[relabellings, n]`.
    pub fn matrix(&self) -> Array2<f64> {
        let n = self.row(0).len();
        Array2::from_shape_fn((self.count(), n), |(p, i)| if self.rows[p][i] { 1.0 } else { 0.0 })
    }

    /// `1/n₊` and `-1/n₋` on some rows, `[relabellings, rows]`: what turns rows into the difference of
    /// the class means.
    pub fn contrasts(&self, rows: &[usize]) -> Array2<f64> {
        let mut out = Array2::zeros((self.count(), rows.len()));
        for (mut line, labels) in out.outer_iter_mut().zip(&self.rows) {
            let positive = rows.iter().filter(|i| labels[**i]).count() as f64;
            let negative = rows.len() as f64 - positive;
            for (v, i) in line.iter_mut().zip(rows) {
                *v = if labels[*i] { 1.0 / positive } else { -1.0 / negative };
            }
        }
        out
    }
}

/// Scores of every model at a layer, `[model][penalty]`.
fn fit_models(
    gram: &LayerGram,
    design: &NestedDesign,
    labels: &LabelRows,
    estimator: &ProbeEstimator,
    precision: ProbeTolerances,
) -> Result<Vec<Vec<HeldOutScores>>, ProbeError> {
    let models = if gram.cross.nrows() > 0 { &design.models[..] } else { &design.models[..design.all()] };
    match estimator {
        ProbeEstimator::MeanDiff => mean_difference::fit(gram, design, labels),
        ProbeEstimator::Lda { shrinkage } => {
            models.par_iter().map(|m| discriminant::fit(gram, m, labels, *shrinkage)).collect()
        }
        ProbeEstimator::Logistic { alphas } => {
            models.par_iter().map(|m| logistic::fit(gram, m, labels, alphas, precision)).collect()
        }
    }
}

pub(super) struct Rounds<'a> {
    pub grams: &'a [LayerGram],
    pub design: &'a NestedDesign,
    pub labels: &'a [bool],
    pub relabel: &'a Relabel,
    pub estimator: &'a ProbeEstimator,
    pub precision: ProbeTolerances,
    pub tests: Tests<'a>,
    pub permutations: usize,
    pub budget: Option<Duration>,
    pub reference: LayerNulls,
}

/// What came out: the observed labels in full, and of each permutation what the nulls need.
pub(super) struct RoundsResult {
    pub observed: Observed,
    pub permuted: Vec<Selection>,
    /// Nested AUROC of each permutation.
    pub nested: Vec<f64>,
}

impl Rounds<'_> {
    /// What layers are chosen by: the null of each layer's AUROC, from relabellings of its own, so that observed and
    /// permuted labels meet one rule. Nothing where there is one layer, or nothing is permuted.
    pub fn refer(&self, seeds: &Seeds) -> Result<LayerNulls, ProbeError> {
        let draws = self.permutations.min(super::reference::DRAWS);
        if self.grams.len() < 2 || draws == 0 {
            return Ok(LayerNulls::default());
        }
        let draw = |i| self.relabel.draw(self.design, &mut seeds.stream(&format!("reference {i}")));
        let rows = (0..draws).map(draw).collect::<Result<Vec<_>, _>>()?;
        let (_, selections) = self.block(&LabelRows::new(rows, false))?;
        Ok(LayerNulls::of(&selections))
    }

    pub fn run(&self, seeds: &Seeds) -> Result<RoundsResult, ProbeError> {
        let begun = Instant::now();
        let mut observed = None;
        let mut permuted: Vec<Selection> = Vec::new();
        let mut nested = Vec::new();
        // A trial tells what one costs; only penalties make that hard to know beforehand.
        let mut next = if self.budget.is_some() { TRIAL } else { BLOCK }.min(self.permutations);
        loop {
            let start = Instant::now();
            let first = observed.is_none();
            let mut rows = Vec::with_capacity(next + 1);
            if first {
                rows.push(self.labels.to_vec());
            }
            for i in permuted.len()..permuted.len() + next {
                // A stream each, so that the count of the others changes nothing.
                rows.push(self.relabel.draw(self.design, &mut seeds.stream(&format!("permutation {i}")))?);
            }
            let labels = LabelRows::new(rows, first);
            let (seen, mut selections) = self.block(&labels)?;
            observed = observed.or(seen);
            for (selection, labels) in selections.iter_mut().zip(labels.rows().skip(usize::from(first))) {
                // Scores are wanted of the observed labels only.
                let scores = std::mem::take(&mut selection.scores);
                nested.push(auroc(&mut scores.into_iter().zip(labels.iter().copied()).collect::<Vec<_>>()));
            }
            let fitted = selections.len() + usize::from(first);
            permuted.extend(selections);
            let left = self.permutations - permuted.len();
            next = left.min(BLOCK);
            if let Some(budget) = self.budget {
                let each = start.elapsed().as_secs_f64() / fitted as f64;
                let rest = budget.saturating_sub(begun.elapsed()).as_secs_f64() * SHARE;
                next = next.min((rest / each.max(1e-9)) as usize);
            }
            if next == 0 {
                break;
            }
        }
        let observed = observed.ok_or(ProbeError::EqualScores { layer: 0 })?;
        Ok(RoundsResult { observed, permuted, nested })
    }

    fn block(&self, labels: &LabelRows) -> Result<(Option<Observed>, Vec<Selection>), ProbeError> {
        let mut selections: Vec<Selection> =
            (0..labels.count()).map(|_| Selection::new(self.design, self.tests.count())).collect();
        let mut observed = labels.observed.then(Observed::default);
        for (layer, gram) in self.grams.iter().enumerate() {
            let at_layer = |source: ProbeError| ProbeError::Fit { layer, source: Box::new(source) };
            if labels.observed {
                check_difference(gram, self.labels).map_err(at_layer)?;
            }
            let models =
                fit_models(gram, self.design, labels, self.estimator, self.precision).map_err(at_layer)?;
            let seen: Vec<_> = selections
                .par_iter_mut()
                .enumerate()
                .map(|(p, selection)| {
                    let keep = labels.observed && p == 0;
                    let at = RelabelledLayer {
                        layer,
                        p,
                        labels: labels.row(p),
                        design: self.design,
                        keep,
                        reference: &self.reference,
                    };
                    selection.take(&at, &models, &self.tests)
                })
                .collect::<Result<_, _>>()?;
            if let (Some(observed), Some(Some(first))) = (&mut observed, seen.into_iter().next()) {
                observed.layers.push(first);
            }
        }
        if let Some(observed) = &mut observed {
            observed.selection = selections.remove(0);
        }
        Ok((observed, selections))
    }
}

/// Refuses classes of one mean.
fn check_difference(gram: &LayerGram, labels: &[bool]) -> Result<(), ProbeError> {
    let rows: Vec<usize> = (0..labels.len()).collect();
    let contrast = LabelRows::new(vec![labels.to_vec()], true).contrasts(&rows);
    let c = contrast.row(0);
    let spread = (gram.train.diag().sum() / labels.len() as f64).sqrt();
    let difference = c.dot(&gram.train.dot(&c)).max(0.0).sqrt() / spread;
    // Scalar products square, so rounding shows at half the digits.
    if difference < 1e-7 { Err(EstimateError::NoDifference { difference }.into()) } else { Ok(()) }
}
