//! What a probe found, with interval and null beside every number.

use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::design::NestedDesign;
use super::gram::LayerGram;
use super::probe::{ProbeEstimator, ProbeSettings, TestSet, TrainSet};
use super::relabel::{Exchange, Relabel};
use super::rounds::RoundsResult;
use super::select::{Observed, Selection};
use crate::estimate::{Estimate, NullTest};
use crate::math::{ClusteredStatistic, MathError, Placement, numbered};
use crate::math::{permutation_p, reaches};

/// What held-out probing found at one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerProbe {
    /// Layer from 0, in the order of the source.
    pub layer: usize,
    /// Chance that a held-out positive row scores above a held-out negative one.
    pub auroc: Estimate,
    /// Share of held-out rows on the right side of a threshold chosen in the training folds.
    pub accuracy: Estimate,
    /// The AUROC's null at this layer alone; looking at several layers is not allowed for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// The chance that any layer reaches this AUROC under the null.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub p_any_layer: Option<f64>,
    /// Logistic regression: the penalty of each outer fold, then that of the fit on all rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub alphas: Vec<f64>,
    /// Columns with one value in all training rows.
    pub constant_columns: usize,
}

/// The layer chosen in the training folds of each outer fold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NestedProbe {
    /// Held-out AUROC; the choice of layer has not seen the rows it is scored on.
    pub auroc: Estimate,
    /// Accuracy at the threshold chosen with the layer.
    pub accuracy: Estimate,
    /// The layer of each outer fold of the first split.
    pub chosen: Vec<usize>,
    /// The null of the whole procedure, choices included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// AUROC on the first split less its mean under permuted labels: what random labels can't be made to give (the
    /// selectivity of Hewitt and Liang 2019).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub selectivity: Option<f64>,
    /// Held-out score of each row on the first split, in standard deviations of the rows fitted on.
    pub scores: Vec<f64>,
    /// The groups' parts of the AUROC, for differences with other probes; not written.
    #[serde(skip)]
    pub placed: Option<Placement>,
}

/// A test set, scored with the fit on all training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestProbe {
    /// Name of the set, as [`TestSet`](super::TestSet) has it.
    pub name: String,
    /// Rows of the set.
    pub rows: usize,
    /// Groups, the clusters of the intervals.
    pub groups: usize,
    /// AUROC at each layer, with the interval over groups of test rows for the fit as it is.
    pub layers: Vec<ClusteredStatistic>,
    /// The layer whose held-out AUROC on the training rows is furthest above its null.
    pub chosen: usize,
    /// AUROC at that layer.
    pub auroc: f64,
    /// Share of its rows on the right side of the threshold chosen on held-out training rows.
    pub accuracy: ClusteredStatistic,
    /// The AUROC at the chosen layer when training labels are permuted, the choice repeated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// Score of each row at the chosen layer; not written.
    #[serde(skip)]
    pub scores: Vec<f64>,
}

/// What probing found: each layer, the layer chosen inside, and test sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbingResult {
    /// What found the directions.
    pub estimator: ProbeEstimator,
    /// Training rows, over all groups.
    pub rows: usize,
    /// Groups of the training rows, the clusters of the intervals.
    pub groups: usize,
    /// Outer folds; the inner folds of one are the others.
    pub folds: usize,
    /// Each layer by itself, in the order of the source.
    pub layers: Vec<LayerProbe>,
    /// Nested cross-validation: the layer chosen anew in the training folds of each outer fold.
    pub nested: NestedProbe,
    /// The layer whose held-out AUROC is furthest above its null; with nothing permuted the one with the largest.
    pub best: usize,
    /// The held-out AUROC there against that of every permutation's own such layer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub maximum: Option<NullTest>,
    /// Test sets in the order given.
    pub tests: Vec<TestProbe>,
    /// What was exchanged by the permutations.
    pub exchange: Exchange,
    /// Groups with unequal numbers of the two labels: these are shuffled row by row, which is right where rows of one
    /// label are no more alike within a group than others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uneven: usize,
    /// About how many different relabellings the groups allow.
    pub relabellings: f64,
    /// Permutations asked for; each null says how many were done.
    pub permutations_asked: usize,
    /// Permutations done; fewer than asked for where the time ran out.
    pub permutations: usize,
    /// Wall time in seconds.
    pub seconds: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde calls
fn is_zero(n: &usize) -> bool {
    *n == 0
}

pub(super) struct ResultInputs<'a> {
    pub groups: &'a [usize],
    pub design: &'a NestedDesign,
    pub relabel: &'a Relabel,
    pub grams: &'a [LayerGram],
    /// Further ways to split, and what the observed labels came to.
    pub others: &'a [(NestedDesign, Observed)],
}

struct Clusters<'a> {
    of_rows: &'a [usize],
}

impl Clusters<'_> {
    fn auroc(&self, scores: &[f64], labels: &[bool]) -> Result<Placement, MathError> {
        Placement::auroc(scores, labels, self.of_rows)
    }

    fn share(&self, right: &[bool]) -> Result<Placement, MathError> {
        let wins: Vec<f64> = right.iter().map(|r| f64::from(u8::from(*r))).collect();
        Placement::share(&wins, self.of_rows)
    }
}

/// Which held-out rows a threshold a fold puts on the right side.
fn right(scores: &[f64], labels: &[bool], design: &NestedDesign, thresholds: &[f64]) -> Vec<bool> {
    let sides = scores.iter().zip(&design.of_rows).map(|(s, fold)| *s > thresholds[*fold]);
    sides.zip(labels).map(|(above, label)| above == *label).collect()
}

fn null(
    permuted: &[Selection],
    of: impl Fn(&Selection) -> f64,
    seen: f64,
) -> Result<Option<NullTest>, MathError> {
    if permuted.is_empty() {
        return Ok(None);
    }
    Ok(Some(NullTest::greater(permuted.iter().map(of).collect(), seen)?))
}

pub(super) fn assemble(
    probe: &ProbeSettings,
    estimator: &ProbeEstimator,
    train: &TrainSet<'_>,
    tests: &[TestSet<'_>],
    shape: &ResultInputs<'_>,
    done: RoundsResult,
) -> Result<ProbingResult, ProbeError> {
    let RoundsResult { observed, permuted, nested } = done;
    let clusters = Clusters { of_rows: shape.groups };
    let folds = shape.design.folds;
    let splits: Vec<(&NestedDesign, &Observed)> =
        std::iter::once((shape.design, &observed)).chain(shape.others.iter().map(|(d, o)| (d, o))).collect();
    let labels = train.labels;
    // A statistic of one split over all of them, and on the first.
    let mean = |of: &dyn Fn(&NestedDesign, &Observed) -> Result<Placement, MathError>| {
        let placed = splits.iter().map(|(d, o)| of(d, o)).collect::<Result<Vec<_>, _>>()?;
        Ok::<_, MathError>((Estimate::new(&placed, folds, probe.level)?, placed))
    };
    let maxima: Vec<f64> = permuted.iter().map(Selection::largest).collect();
    let alpha = |at: usize| match estimator {
        ProbeEstimator::Logistic { alphas } => alphas.get(at).copied(),
        _ => None,
    };
    let mut layers = Vec::with_capacity(observed.layers.len());
    for (layer, (seen, gram)) in observed.layers.iter().zip(shape.grams).enumerate() {
        let first = clusters.auroc(&seen.scores, labels)?.value();
        let reached = maxima.iter().filter(|m| reaches(**m, first)).count();
        layers.push(LayerProbe {
            layer,
            auroc: mean(&|_, o| clusters.auroc(&o.layers[layer].scores, labels))?.0,
            accuracy: mean(&|design, o| {
                let layer = &o.layers[layer];
                clusters.share(&right(&layer.scores, labels, design, &layer.thresholds))
            })?
            .0,
            null: null(&permuted, |s| s.layers[layer], first)?,
            p_any_layer: (!maxima.is_empty()).then(|| permutation_p(reached, maxima.len())),
            alphas: seen.penalties.iter().chain([&seen.penalty]).filter_map(|at| alpha(*at)).collect(),
            constant_columns: gram.constant_columns,
        });
    }
    let selection = &observed.selection;
    let (best, largest) = selection.best();
    let (auroc, placed) = mean(&|_, o| clusters.auroc(&o.selection.scores, labels))?;
    let first = placed[0].value();
    let nested_null = if nested.is_empty() { None } else { Some(NullTest::greater(nested, first)?) };
    let mut starts = 0;
    let mut found = Vec::with_capacity(tests.len());
    for (set, test) in tests.iter().enumerate() {
        let groups = numbered(test.groups);
        let own = Clusters { of_rows: &groups };
        let rows = starts..starts + test.labels.len();
        starts = rows.end;
        let per_layer = observed
            .layers
            .iter()
            .map(|l| own.auroc(&l.tests[rows.clone()], test.labels)?.estimate(probe.level, 1.0))
            .collect::<Result<Vec<_>, _>>()?;
        let chosen = &observed.layers[best];
        let right: Vec<bool> = chosen.tests[rows.clone()]
            .iter()
            .zip(test.labels)
            .map(|(s, l)| (*s > chosen.threshold) == *l)
            .collect();
        let auroc = per_layer[best].value;
        found.push(TestProbe {
            name: test.name.to_owned(),
            rows: test.labels.len(),
            groups: per_layer[best].clusters,
            accuracy: own.share(&right)?.estimate(probe.level, 1.0)?,
            layers: per_layer,
            chosen: best,
            auroc,
            null: null(&permuted, |s| s.tests[set][s.best().0], auroc)?,
            scores: chosen.tests[rows].to_vec(),
        });
    }
    Ok(ProbingResult {
        estimator: estimator.clone(),
        rows: train.labels.len(),
        groups: auroc.clusters,
        folds,
        layers,
        nested: NestedProbe {
            selectivity: nested_null.as_ref().map(|n| first - n.mean),
            auroc,
            accuracy: mean(&|design, o| {
                let s = &o.selection;
                clusters.share(&right(&s.scores, labels, design, &s.thresholds))
            })?
            .0,
            placed: Placement::mean(&placed),
            chosen: selection.chosen.clone(),
            null: nested_null,
            scores: selection.scores.clone(),
        },
        best,
        maximum: null(&permuted, |s| s.best().1, largest)?,
        tests: found,
        exchange: shape.relabel.exchange,
        uneven: shape.relabel.uneven(),
        relabellings: shape.relabel.count(),
        permutations_asked: probe.permutations,
        permutations: permuted.len(),
        seconds: 0.0,
    })
}

/// The difference of two AUROCs on the same rows, with its interval over groups: whether a probe knows more than
/// a baseline.
///
/// # Errors
/// When lengths differ, a score is not finite, a class is missing, or there are fewer than two groups.
pub fn auroc_difference(
    first: &[f64],
    second: &[f64],
    labels: &[bool],
    groups: &[String],
    level: f64,
) -> Result<ClusteredStatistic, MathError> {
    let clusters = numbered(groups);
    let of = |scores| Placement::auroc(scores, labels, &clusters);
    of(first)?.less(&of(second)?, level, 1.0)
}
