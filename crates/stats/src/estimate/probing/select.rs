//! Choices made inside the training folds, a layer after the other, for one relabelling.

use super::ProbeError;
use super::design::NestedDesign;
use super::reference::LayerNulls;
use super::rounds::HeldOutScores;

/// Where each test set's rows are among the columns of the fit on all rows.
pub(super) struct Tests<'a> {
    /// Start of each set, and the end of the last.
    pub starts: Vec<usize>,
    /// The class of each row of all sets.
    pub labels: &'a [bool],
}

impl Tests<'_> {
    pub fn count(&self) -> usize {
        self.starts.len() - 1
    }

    fn range(&self, set: usize) -> std::ops::Range<usize> {
        self.starts[set]..self.starts[set + 1]
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    /// AUROC of the held-out rows at each layer.
    pub layers: Vec<f64>,
    /// AUROC within the training folds at each layer, for each outer fold.
    pub inner_layers: Vec<Vec<f64>>,
    /// The layer with the largest margin of its held-out AUROC, and that margin.
    best: (usize, f64),
    /// Margin within the training folds of the layer chosen so far, for each outer fold.
    inner: Vec<f64>,
    /// The layer chosen so far, for each outer fold.
    pub chosen: Vec<usize>,
    /// Held-out scores at the chosen layer, row by row.
    pub scores: Vec<f64>,
    /// Threshold chosen in the training folds at the chosen layer, for each outer fold.
    pub thresholds: Vec<f64>,
    /// AUROC of each test set at each layer.
    pub tests: Vec<Vec<f64>>,
}

/// One layer of the observed labels.
#[derive(Clone, Debug)]
pub(super) struct ObservedLayer {
    pub scores: Vec<f64>,
    /// Threshold of each outer fold, chosen in its training folds.
    pub thresholds: Vec<f64>,
    /// Place of the penalty chosen for each outer fold.
    pub penalties: Vec<usize>,
    /// Place of the penalty chosen for the fit on all rows.
    pub penalty: usize,
    /// Scores of the rows of all test sets.
    pub tests: Vec<f64>,
    /// Threshold for the test rows, chosen on the held-out training rows.
    pub threshold: f64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub layers: Vec<ObservedLayer>,
    pub selection: Selection,
}

/// Which layer of which relabelling is taken in.
#[derive(Clone, Copy)]
pub(super) struct RelabelledLayer<'a> {
    pub layer: usize,
    /// Row of the relabelling among the scores.
    pub p: usize,
    pub labels: &'a [bool],
    pub design: &'a NestedDesign,
    /// Whether what only the observed labels need is wanted.
    pub keep: bool,
    pub reference: &'a LayerNulls,
}

impl Selection {
    pub fn new(design: &NestedDesign, tests: usize) -> Self {
        Self {
            inner_layers: Vec::new(),
            best: (0, f64::NEG_INFINITY),
            inner: vec![f64::NEG_INFINITY; design.folds],
            chosen: vec![0; design.folds],
            scores: vec![0.0; design.of_rows.len()],
            thresholds: vec![0.0; design.folds],
            tests: vec![Vec::new(); tests],
            layers: Vec::new(),
        }
    }

    /// Takes in a layer.
    pub fn take(
        &mut self,
        at: &RelabelledLayer<'_>,
        models: &[Vec<HeldOutScores>],
        tests: &Tests<'_>,
    ) -> Result<Option<ObservedLayer>, ProbeError> {
        let RelabelledLayer { layer, p, labels, design, keep, reference } = *at;
        let n = labels.len();
        let mut held_out = vec![0.0; n];
        let (mut penalties, mut thresholds) = (Vec::new(), Vec::new());
        let mut ranked: Vec<(f64, bool)> = Vec::with_capacity(n);
        let mut inner_aurocs = Vec::with_capacity(design.folds);
        for fold in 0..design.folds {
            let inner = |other: usize| &models[design.without_two(fold, other)];
            let others = || (0..design.folds).filter(move |j| *j != fold);
            let penalty =
                cheapest(inner(others().next().expect("there are two folds at least")).len(), |alpha| {
                    others().map(|j| loss(&inner(j)[alpha], p, usize::from(j > fold))).sum()
                });
            ranked.clear();
            for other in others() {
                let scored = &inner(other)[penalty].scores;
                let model = &design.models[design.without_two(fold, other)];
                // The smaller fold's rows come first.
                let part = if other < fold { 0..model.first } else { model.first..model.scored.len() };
                ranked.extend(part.map(|at| (scored[[p, at]], labels[model.scored[at]])));
            }
            let inner_auroc = auroc(&mut ranked);
            let outer = design.without(fold);
            let scores = models[outer][penalty].scores.row(p);
            let rows = &design.models[outer].scored;
            for (row, score) in rows.iter().zip(scores) {
                held_out[*row] = *score;
            }
            inner_aurocs.push(inner_auroc);
            let margin = reference.inside(layer, fold, inner_auroc);
            let better = margin > self.inner[fold];
            if keep {
                penalties.push(penalty);
                thresholds.push(threshold(&ranked));
            }
            if better {
                self.inner[fold] = margin;
                self.chosen[fold] = layer;
                for (row, score) in rows.iter().zip(scores) {
                    self.scores[*row] = *score;
                }
                if keep {
                    self.thresholds[fold] = thresholds[fold];
                }
            }
        }
        ranked.clear();
        ranked.extend(held_out.iter().copied().zip(labels.iter().copied()));
        let held_out_auroc = auroc(&mut ranked);
        let margin = reference.held_out(layer, held_out_auroc);
        if margin > self.best.1 {
            self.best = (layer, margin);
        }
        self.layers.push(held_out_auroc);
        self.inner_layers.push(inner_aurocs);
        let mut observed = keep.then(|| ObservedLayer {
            thresholds,
            penalties,
            penalty: 0,
            tests: Vec::new(),
            threshold: threshold(&ranked),
            scores: held_out,
        });
        if let Some(fits) = models.get(design.all()) {
            let penalty = cheapest(fits.len(), |alpha| {
                (0..design.folds).map(|k| loss(&models[design.without(k)][alpha], p, 0)).sum()
            });
            let scores = fits[penalty].scores.row(p);
            for set in 0..tests.count() {
                ranked.clear();
                ranked.extend(tests.range(set).map(|at| (scores[at], tests.labels[at])));
                self.tests[set].push(auroc(&mut ranked));
            }
            if let Some(observed) = &mut observed {
                observed.penalty = penalty;
                observed.tests = scores.to_vec();
            }
        }
        if let Some(observed) = &observed
            && observed.scores.iter().all(|s| *s == observed.scores[0])
        {
            return Err(ProbeError::EqualScores { layer });
        }
        Ok(observed)
    }

    /// The layer whose held-out AUROC is furthest above its null, the first of equals, and that AUROC.
    pub fn best(&self) -> (usize, f64) {
        (self.best.0, self.layers[self.best.0])
    }

    /// The largest held-out AUROC of any layer.
    pub fn largest(&self) -> f64 {
        self.layers.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

fn loss(scored: &HeldOutScores, p: usize, part: usize) -> f64 {
    scored.loss.as_ref().expect("who has penalties to choose from keeps losses")[[p, part]]
}

/// Place of the least cost, the first of equals: penalties descend, so the largest wins ties.
fn cheapest(count: usize, cost: impl Fn(usize) -> f64) -> usize {
    if count < 2 {
        return 0;
    }
    let costs: Vec<f64> = (0..count).map(cost).collect();
    (1..count).fold(0, |best, i| if costs[i] < costs[best] { i } else { best })
}

/// The area under the curve, ties half; sorts. NaN without one of the classes.
pub(super) fn auroc(ranked: &mut [(f64, bool)]) -> f64 {
    ranked.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut area, mut positives) = (0.0, 0.0, 0.0);
    for tie in ranked.chunk_by(|a, b| a.0 == b.0) {
        let up = tie.iter().filter(|r| r.1).count() as f64;
        let down = tie.len() as f64 - up;
        area += up * (below + down / 2.0);
        below += down;
        positives += up;
    }
    area / (positives * below)
}

/// The score above which to call a row positive so that the mean of the two classes' accuracies is
/// largest; halfway between the scores around it, the middle one of equals. Needs sorted rows.
fn threshold(sorted: &[(f64, bool)]) -> f64 {
    let positives = sorted.iter().filter(|r| r.1).count() as f64;
    let negatives = sorted.len() as f64 - positives;
    let mut best: Vec<f64> = Vec::new();
    let (mut most, mut value) = (f64::NEG_INFINITY, 0.0);
    for pair in sorted.windows(2) {
        value += if pair[0].1 { -1.0 / positives } else { 1.0 / negatives };
        if pair[0].0 == pair[1].0 {
            continue;
        }
        // Sums of equal shares in another order differ in the last bits.
        if value > most + 1e-12 {
            most = value;
            best.clear();
        }
        if value >= most - 1e-12 {
            best.push(f64::midpoint(pair[0].0, pair[1].0));
        }
    }
    best.get(best.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_parts_the_classes_best() {
        let rows = [(0.0, false), (1.0, false), (2.0, true), (3.0, false), (4.0, true), (5.0, true)];
        // Both 1.5 and 3.5 err once, 1.5 on a negative and 3.5 on a positive; the middle of two is the later.
        assert!((threshold(&rows) - 3.5).abs() < 1e-12);
        assert!((threshold(&[(0.0, false), (0.0, false), (2.0, true)]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn areas_equal_those_of_sorted_scores() {
        let mut rows = [(0.3, true), (0.1, false), (0.3, false), (0.9, true), (-2.0, false), (-2.0, true)];
        let (scores, labels): (Vec<f64>, Vec<bool>) = rows.iter().copied().unzip();
        let expected = crate::math::auroc(&scores, &labels).unwrap();
        assert!((auroc(&mut rows) - expected).abs() < 1e-15);
    }
}
