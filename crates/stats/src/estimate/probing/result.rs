//! What a probe found, with interval and null beside every number.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::ProbeError;
use super::design::Design;
use super::gram::LayerGram;
use super::probe::{Probe, ProbeEstimator, TestSet, TrainSet};
use super::relabel::{Exchange, Relabel};
use super::rounds::Done;
use super::select::Selection;
use crate::estimate::held_out::{Estimate, NullTest};
use crate::estimate::samples::numbered;
use crate::math::{Bootstrap, MathError, Seeds, SortedScores, cluster_bootstrap, dense};
use crate::math::{permutation_p, reaches};

/// One layer.
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
    /// The layer of each outer fold.
    pub chosen: Vec<usize>,
    /// The null of the whole procedure, choices included.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// AUROC less its mean under permuted labels: what random labels can't be made to give (the
    /// selectivity of Hewitt and Liang 2019).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub selectivity: Option<f64>,
    /// Held-out score of each row, in standard deviations of the rows fitted on.
    pub scores: Vec<f64>,
}

/// A test set, scored with the fit on all training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestProbe {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Groups, the clusters of the bootstrap.
    pub groups: usize,
    /// AUROC at each layer, with the interval over groups of test rows for the fit as it is.
    pub layers: Vec<(f64, Bootstrap)>,
    /// The layer with the largest held-out AUROC on the training rows.
    pub chosen: usize,
    /// AUROC at that layer.
    pub auroc: f64,
    /// Share of its rows on the right side of the threshold chosen on held-out training rows.
    pub accuracy: (f64, Bootstrap),
    /// The AUROC at the chosen layer when training labels are permuted, the choice repeated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub null: Option<NullTest>,
    /// Score of each row at the chosen layer; not written.
    #[serde(skip)]
    pub scores: Vec<f64>,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probing {
    /// The estimator.
    pub estimator: ProbeEstimator,
    /// Training rows.
    pub rows: usize,
    /// Their groups.
    pub groups: usize,
    /// Outer folds; the inner folds of one are the others.
    pub folds: usize,
    /// Each layer on its own.
    pub layers: Vec<LayerProbe>,
    /// The layer chosen inside.
    pub nested: NestedProbe,
    /// The layer with the largest held-out AUROC.
    pub best: usize,
    /// The largest held-out AUROC against the largest of every permutation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub maximum: Option<NullTest>,
    /// Test sets in the order given.
    pub tests: Vec<TestProbe>,
    /// What was exchanged by the permutations.
    pub exchange: Exchange,
    /// About how many different relabellings the groups allow.
    pub relabellings: f64,
    /// Permutations asked for; each null says how many were done.
    pub permutations_asked: usize,
    /// Permutations done.
    pub permutations: usize,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// What the results are about.
pub(super) struct Shape<'a> {
    pub groups: &'a [usize],
    pub design: &'a Design,
    pub relabel: &'a Relabel,
    pub grams: &'a [LayerGram],
}

/// Rows in clusters, to be resampled.
struct Resample<'a> {
    probe: &'a Probe,
    clusters: Vec<usize>,
    count: usize,
    seeds: &'a Seeds,
}

impl<'a> Resample<'a> {
    fn new(probe: &'a Probe, groups: &[usize], seeds: &'a Seeds) -> Self {
        let clusters = dense(groups);
        let count = clusters.iter().max().map_or(0, |m| m + 1);
        Self { probe, clusters, count, seeds }
    }

    fn auroc(&self, scores: &[f64], labels: &[bool], label: &str) -> Result<(f64, Bootstrap), MathError> {
        let sorted = SortedScores::new(scores, labels)?;
        let value = sorted.auroc(None)?;
        let mut weights = vec![0; labels.len()];
        let boot = self.boot(label, |counts| {
            for (w, c) in weights.iter_mut().zip(&self.clusters) {
                *w = counts[*c];
            }
            sorted.auroc(Some(&weights)).ok()
        })?;
        Ok((value, boot))
    }

    fn share(&self, right: &[bool], label: &str) -> Result<(f64, Bootstrap), MathError> {
        let value = right.iter().filter(|r| **r).count() as f64 / right.len() as f64;
        let boot = self.boot(label, |counts| {
            let (mut hits, mut all) = (0, 0);
            for (right, cluster) in right.iter().zip(&self.clusters) {
                all += counts[*cluster];
                hits += counts[*cluster] * u32::from(*right);
            }
            (all > 0).then(|| f64::from(hits) / f64::from(all))
        })?;
        Ok((value, boot))
    }

    fn boot(
        &self,
        label: &str,
        statistic: impl FnMut(&[u32]) -> Option<f64>,
    ) -> Result<Bootstrap, MathError> {
        let mut rng = self.seeds.stream(label);
        cluster_bootstrap(self.count, self.probe.resamples, self.probe.level, &mut rng, statistic)
    }
}

/// Which held-out rows a threshold a fold puts on the right side.
fn right(scores: &[f64], labels: &[bool], design: &Design, thresholds: &[f64]) -> Vec<bool> {
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
    probe: &Probe,
    estimator: &ProbeEstimator,
    train: &TrainSet<'_>,
    tests: &[TestSet<'_>],
    shape: &Shape<'_>,
    done: Done,
    seeds: &Seeds,
) -> Result<Probing, ProbeError> {
    let Done { observed, permuted, nested } = done;
    let resample = Resample::new(probe, shape.groups, seeds);
    let folds = shape.design.folds;
    let estimate = |(value, boot): (f64, Bootstrap)| Estimate::new(value, boot, folds);
    let maxima: Vec<f64> = permuted.iter().map(|s| s.best().1).collect();
    let alpha = |at: usize| match estimator {
        ProbeEstimator::Logistic { alphas } => alphas.get(at).copied(),
        _ => None,
    };
    let mut layers = Vec::with_capacity(observed.layers.len());
    for (layer, (seen, gram)) in observed.layers.iter().zip(shape.grams).enumerate() {
        let auroc = resample.auroc(&seen.scores, train.labels, "bootstrap")?;
        let right = right(&seen.scores, train.labels, shape.design, &seen.thresholds);
        let reached = maxima.iter().filter(|m| reaches(**m, auroc.0)).count();
        layers.push(LayerProbe {
            layer,
            auroc: estimate(auroc),
            accuracy: estimate(resample.share(&right, "accuracy")?),
            null: null(&permuted, |s| s.layers[layer], auroc.0)?,
            p_any_layer: (!maxima.is_empty()).then(|| permutation_p(reached, maxima.len())),
            alphas: seen.penalties.iter().chain([&seen.penalty]).filter_map(|at| alpha(*at)).collect(),
            constant_columns: gram.constant_columns,
        });
    }
    let selection = &observed.selection;
    let (best, largest) = selection.best();
    let auroc = resample.auroc(&selection.scores, train.labels, "bootstrap")?;
    let right = right(&selection.scores, train.labels, shape.design, &selection.thresholds);
    let nested_null = if nested.is_empty() { None } else { Some(NullTest::greater(nested, auroc.0)?) };
    let mut starts = 0;
    let mut found = Vec::with_capacity(tests.len());
    for (set, test) in tests.iter().enumerate() {
        let own = Resample::new(probe, &numbered(test.groups), seeds);
        let rows = starts..starts + test.labels.len();
        starts = rows.end;
        // By its place: a set is called after its file, where nothing else is said.
        let label = format!("test {set}");
        let per_layer = observed
            .layers
            .iter()
            .map(|l| own.auroc(&l.tests[rows.clone()], test.labels, &label))
            .collect::<Result<Vec<_>, _>>()?;
        let chosen = &observed.layers[best];
        let right: Vec<bool> = chosen.tests[rows.clone()]
            .iter()
            .zip(test.labels)
            .map(|(s, l)| (*s > chosen.threshold) == *l)
            .collect();
        let auroc = per_layer[best].0;
        found.push(TestProbe {
            name: test.name.to_owned(),
            rows: test.labels.len(),
            groups: own.count,
            accuracy: own.share(&right, &label)?,
            layers: per_layer,
            chosen: best,
            auroc,
            null: null(&permuted, |s| s.tests[set][s.best().0], auroc)?,
            scores: chosen.tests[rows].to_vec(),
        });
    }
    Ok(Probing {
        estimator: estimator.clone(),
        rows: train.labels.len(),
        groups: resample.count,
        folds,
        layers,
        nested: NestedProbe {
            selectivity: nested_null.as_ref().map(|n| auroc.0 - n.mean),
            auroc: estimate(auroc),
            accuracy: estimate(resample.share(&right, "accuracy")?),
            chosen: selection.chosen.clone(),
            null: nested_null,
            scores: selection.scores.clone(),
        },
        best,
        maximum: null(&permuted, |s| s.best().1, largest)?,
        tests: found,
        exchange: shape.relabel.exchange,
        relabellings: shape.relabel.count(),
        permutations_asked: probe.permutations,
        permutations: permuted.len(),
        seconds: 0.0,
    })
}

/// The difference of two AUROCs on the same rows, with the interval over resampled groups: whether
/// a probe knows more than a baseline.
///
/// # Errors
/// When lengths differ, a score is not finite, a class is missing, or there are fewer than two groups.
pub fn auroc_difference(
    first: &[f64],
    second: &[f64],
    labels: &[bool],
    groups: &[String],
    resamples: usize,
    level: f64,
    rng: &mut impl Rng,
) -> Result<(f64, Bootstrap), MathError> {
    let (a, b) = (SortedScores::new(first, labels)?, SortedScores::new(second, labels)?);
    if groups.len() != labels.len() {
        return Err(MathError::Length { what: "groups", expected: labels.len(), found: groups.len() });
    }
    let clusters = numbered(groups);
    let count = clusters.iter().max().map_or(0, |m| m + 1);
    let value = a.auroc(None)? - b.auroc(None)?;
    let mut weights = vec![0; labels.len()];
    let boot = cluster_bootstrap(count, resamples, level, rng, |counts| {
        for (w, c) in weights.iter_mut().zip(&clusters) {
            *w = counts[*c];
        }
        Some(a.auroc(Some(&weights)).ok()? - b.auroc(Some(&weights)).ok()?)
    })?;
    Ok((value, boot))
}
