//! The reading half: directions of a site, each pair's own without its fold, and how they separate.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};
use serde::Serialize;
use truenorth_protocol::Site;

use truenorth_reading::AnalysisError;
use truenorth_reading::extract::LabelledTexts;
use truenorth_reading::stat::{Number, of};
use truenorth_stats::estimate::{
    EstimateError, HeldOut, HeldOutParams, Pipeline, Samples, SplitBy, WordSets, whole_axes,
};
use truenorth_stats::math::{MathError, Seeds, SortedScores, dense_count, numbered};
use truenorth_stats::split::{Folds, group_folds};

/// How a site reads the contrast, on pairs that its direction was not fitted on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReadingPoint {
    /// Chance that a chosen text projects above a rejected one, with interval and null.
    pub held_out: HeldOut,
    /// Mean projection of the chosen texts less that of the rejected ones, in standard deviations of
    /// the projections that the direction was fitted on.
    pub separation: Number,
}

impl ReadingPoint {
    /// Whether the whole interval of the AUROC lies above one half.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.held_out.auroc.interval.low > 0.5
    }
}

impl ReadingPoint {
    /// How far the AUROC is above its null ([`NullTest::margin`](truenorth_stats::estimate::NullTest::margin)); where no
    /// null was run the lower end of its interval. What a best site is chosen by.
    #[must_use]
    pub fn margin(&self) -> f64 {
        let h = &self.held_out;
        h.null.and_then(|null| null.margin(h.auroc.value)).unwrap_or(h.auroc.interval.low)
    }
}

/// Activations of pairs at a site, `[pairs, hidden]` a side.
#[derive(Clone, Copy)]
pub(super) struct PairRows<'a> {
    pub chosen: ArrayView2<'a, f64>,
    pub rejected: ArrayView2<'a, f64>,
    pub ids: &'a [String],
    pub axes: &'a [String],
    pub clusters: &'a [usize],
    /// Lengths of the chosen texts, then of the rejected ones.
    pub lengths: &'a [f64],
    pub words: Option<&'a WordSets>,
    /// The same texts, which know their other length.
    pub question: &'a LabelledTexts,
}

impl PairRows<'_> {
    /// The rows of the pairs with these numbers, as samples.
    pub fn samples(&self, pairs: &[usize]) -> Result<Samples, EstimateError> {
        let names = |all: &[String]| pairs.iter().map(|p| all[*p].clone()).collect::<Vec<_>>();
        let n = self.ids.len();
        let lengths: Vec<f64> =
            pairs.iter().copied().chain(pairs.iter().map(|p| n + p)).map(|i| self.lengths[i]).collect();
        Samples::from_pairs(
            self.chosen.select(Axis(0), pairs).view(),
            self.rejected.select(Axis(0), pairs).view(),
            &names(self.ids),
            &names(self.axes),
        )?
        .with_clusters(&pairs.iter().map(|p| self.clusters[*p]).collect::<Vec<_>>())?
        .with_lengths(&lengths)
    }
}

/// What is known of a site before anything is steered there.
pub(super) struct SiteReading {
    pub reading: ReadingPoint,
    /// Fitted on all pairs, `[hidden]`.
    pub direction: Array1<f64>,
    /// A direction a fold, fitted on the others.
    pub without: Vec<Array1<f64>>,
    /// Random directions drawn like the activations, `[draws, hidden]`.
    pub controls: Array2<f64>,
}

/// What stays together: the cluster of each pair, or its axis with those that share a cluster with it.
pub(super) fn units(clusters: &[usize], axes: &[String], by: SplitBy) -> Vec<usize> {
    match by {
        SplitBy::Pair => clusters.to_vec(),
        SplitBy::Axis => whole_axes(clusters, &numbered(axes)),
    }
}

/// Folds of units that no direction sees from inside; without a number each unit is a fold.
pub(super) fn folds(units: &[usize], folds: Option<usize>, seeds: &Seeds) -> Result<Folds, AnalysisError> {
    let folds = folds.unwrap_or_else(|| dense_count(&numbered(units)));
    Ok(group_folds(units, folds, &mut seeds.stream("steering folds")).map_err(EstimateError::from)?)
}

pub(super) fn read(
    site: Site,
    rows: &PairRows<'_>,
    pipeline: &Pipeline,
    folds: &Folds,
    params: &HeldOutParams,
    controls: usize,
    seeds: &Seeds,
) -> Result<SiteReading, AnalysisError> {
    let seeds = seeds.child(&site.to_string());
    let all: Vec<usize> = (0..rows.ids.len()).collect();
    let samples = rows.samples(&all)?.with_words(rows.words.cloned())?;
    // A sweep counts tokens, or asks nothing.
    let samples = rows.question.with_lengths(samples, rows.lengths, true)?;
    let held_out = pipeline.held_out(&samples, params, &seeds)?;
    let direction = pipeline.extract(&samples, params.by, &seeds)?.fit.direction;
    let without = (0..folds.count())
        .map(|f| {
            let seeds = seeds.child(&format!("steering fold {f}"));
            let train = rows.samples(&folds.train(f))?;
            Ok(pipeline.extract(&train, params.by, &seeds)?.fit.direction)
        })
        .collect::<Result<_, AnalysisError>>()?;
    let controls = pipeline.matched_directions(&samples, controls, &seeds)?;
    let separation = held_out.gap(&samples).map_err(|e| of("separation", &e))?;
    Ok(SiteReading { reading: ReadingPoint { held_out, separation }, direction, without, controls })
}

/// Held-out scores of pairs, ready to be weighed by how often each pair is drawn.
pub(super) struct Weighed {
    sorted: SortedScores,
    pairs: usize,
}

impl Weighed {
    /// `scores` of the chosen texts, then of the rejected ones.
    pub fn new(scores: &[f64]) -> Result<Self, MathError> {
        let pairs = scores.len() / 2;
        let positive: Vec<bool> = (0..scores.len()).map(|i| i < pairs).collect();
        Ok(Self { sorted: SortedScores::new(scores, &positive)?, pairs })
    }

    /// The AUROC when pair `p` counts `counts[p]` times.
    pub fn auroc(&self, counts: &[u32]) -> Option<f64> {
        let twice: Vec<u32> = (0..2 * self.pairs).map(|i| counts[i % self.pairs]).collect();
        self.sorted.auroc(Some(&twice)).ok()
    }
}

/// Chosen rows above rejected ones, as `f64`.
pub(super) fn stacked(values: &Array2<f32>) -> Array2<f64> {
    values.mapv(f64::from)
}

/// The mean of directions of the folds against the one of all pairs, as a plain number: how little it
/// matters which pairs are left out.
pub(super) fn stability(read: &SiteReading) -> Result<f64, MathError> {
    let rows: Vec<_> = read.without.iter().map(|d| d.view().insert_axis(Axis(0))).collect();
    let all =
        concatenate(Axis(0), &rows).map_err(|_| MathError::TooFew { what: "folds", least: 1, found: 0 })?;
    let cosines: Vec<f64> = all
        .outer_iter()
        .map(|d| truenorth_stats::math::cosine(d, read.direction.view()))
        .collect::<Result<_, _>>()?;
    truenorth_stats::math::mean(&cosines)
}
