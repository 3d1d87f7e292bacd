//! One checkpoint's activations turned into what is kept of them.

use std::collections::BTreeMap;

use ndarray::{Array1, Array2, Axis};
use rand::seq::SliceRandom;

use super::GeometryTexts;
use truenorth_reading::{AnalysisError, Unrelated};
use truenorth_stats::estimate::{
    CheckedEstimator, EstimateError, Estimator, Nuisances, Pipeline, Samples, SplitBy,
};
use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

/// A contrast: the rows of a category, or of all.
#[derive(Clone, Debug)]
pub(super) struct CategoryContrast {
    pub name: String,
    pub rows: Vec<usize>,
    pub positive: Vec<bool>,
    groups: Vec<String>,
    /// The fold of each of these rows, the same at every checkpoint and in every contrast.
    fold: Vec<usize>,
    folds: usize,
    half: Vec<usize>,
    /// Whether its negative rows are shared by other categories.
    pub shared_negatives: bool,
}

/// The fold and the half of every text.
#[derive(Clone, Debug)]
pub(super) struct FoldsAndHalves {
    fold: Vec<usize>,
    folds: usize,
    half: Vec<usize>,
}

impl FoldsAndHalves {
    /// Deals whole groups to folds in turn, those of one category and class after each other, so that
    /// every fold gets its part of each.
    pub fn new(texts: &GeometryTexts, folds: usize, seeds: &Seeds) -> Self {
        let mut first: BTreeMap<&str, usize> = BTreeMap::new();
        for (i, group) in texts.groups.iter().enumerate() {
            first.entry(group).or_insert(i);
        }
        let deal = |folds: usize, label: &str| -> Vec<usize> {
            let mut groups: Vec<(&str, usize)> = first.iter().map(|(g, i)| (*g, *i)).collect();
            groups.shuffle(&mut seeds.stream(label));
            groups.sort_by_cached_key(|(_, i)| (texts.categories[*i].first().cloned(), texts.positive[*i]));
            let place: BTreeMap<&str, usize> =
                groups.iter().enumerate().map(|(at, (g, _))| (*g, at % folds)).collect();
            texts.groups.iter().map(|g| place[g.as_str()]).collect()
        };
        Self { fold: deal(folds, "folds"), folds, half: deal(2, "halves") }
    }
}

/// What is kept of a contrast at a checkpoint.
#[derive(Clone, Debug)]
pub(super) struct FittedContrast {
    pub direction: Array1<f64>,
    /// A direction a fold, fitted on the others.
    pub without: Vec<Array1<f64>>,
    /// Means of the positive rows: of all, then without each fold.
    pub centroids: Vec<Array1<f64>>,
    /// The positive rows' mean less the negative ones'.
    pub difference: Array1<f64>,
    /// Norms of the mean difference: of all, then without each fold.
    pub magnitudes: Vec<f64>,
    /// Mean norm of the rows.
    pub row_norm: f64,
    /// Cosine of the directions of two halves.
    pub reliability: f64,
}

impl CategoryContrast {
    /// The groups by number, a row each.
    pub fn clusters(&self) -> Vec<usize> {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        self.groups
            .iter()
            .map(|group| {
                let next = seen.len();
                *seen.entry(group).or_insert(next)
            })
            .collect()
    }

    /// In how many groups negative rows are.
    pub fn negative_groups(&self) -> usize {
        let down = self.groups.iter().zip(&self.positive).filter(|(_, p)| !**p);
        down.map(|(g, _)| g).collect::<std::collections::BTreeSet<_>>().len()
    }

    pub fn new(
        name: &str,
        texts: &GeometryTexts,
        keep: impl Fn(usize) -> bool,
        split: &FoldsAndHalves,
    ) -> Result<Self, AnalysisError> {
        let folds = split.folds;
        let mut rows: Vec<usize> = (0..texts.positive.len()).filter(|i| keep(*i)).collect();
        let negatives = rows.iter().filter(|i| !texts.positive[**i]).count();
        let shared_negatives = negatives == 0;
        if shared_negatives {
            rows.extend((0..texts.positive.len()).filter(|i| !texts.positive[*i]));
        }
        let positive: Vec<bool> = rows.iter().map(|i| texts.positive[*i]).collect();
        let up = positive.iter().filter(|p| **p).count();
        if up < 2 * folds || positive.len() - up < 2 * folds {
            return Err(AnalysisError::Input(format!(
                "category `{name}` has {up} positive and {} negative texts; {folds} folds (--folds) need at least {} \
                 of each",
                positive.len() - up,
                2 * folds
            )));
        }
        let groups: Vec<String> = rows.iter().map(|i| texts.groups[*i].clone()).collect();
        let of = |all: &[usize]| rows.iter().map(|i| all[*i]).collect::<Vec<_>>();
        let (fold, half) = (of(&split.fold), of(&split.half));
        let found =
            Self { name: name.to_owned(), rows, positive, groups, fold, folds, half, shared_negatives };
        for fold in 0..folds {
            let train = found.train(fold);
            let up = train.iter().filter(|i| found.positive[**i]).count();
            if up == 0 || up == train.len() {
                return Err(AnalysisError::Input(found.too_few_clusters(folds)));
            }
        }
        Ok(found)
    }

    /// Held-out scores of something that has a value a row, from the rows of the other folds: turned so that it separates
    /// those, in their standard deviations.
    pub fn held_out(&self, of: impl Fn(&[usize]) -> Vec<f64>) -> Result<Vec<f64>, MathError> {
        let mut out = vec![0.0; self.rows.len()];
        for fold in 0..self.folds {
            let train = self.train(fold);
            let values = of(&train);
            let seen: Vec<f64> = train.iter().map(|i| values[*i]).collect();
            let labels: Vec<bool> = train.iter().map(|i| self.positive[*i]).collect();
            let turn = if math::auroc(&seen, &labels)? < 0.5 { -1.0 } else { 1.0 };
            let mean = math::mean(&seen)?;
            let spread = (seen.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / seen.len() as f64).sqrt();
            let spread = if spread > 0.0 { spread } else { 1.0 };
            for row in (0..self.rows.len()).filter(|i| self.fold[*i] == fold) {
                out[row] = turn * (values[row] - mean) / spread;
            }
        }
        Ok(out)
    }

    /// What is wrong, and what mends it, where the rows of a fold hold all of a class.
    fn too_few_clusters(&self, folds: usize) -> String {
        let of = |class: Option<bool>| {
            let own = self.groups.iter().zip(&self.positive).filter(|(_, p)| class.is_none_or(|c| c == **p));
            own.map(|(group, _)| group).collect::<std::collections::BTreeSet<_>>().len()
        };
        let (all, up, down) = (of(None), of(Some(true)), of(Some(false)));
        let s = if all == 1 { "" } else { "s" };
        // Folds are of whole clusters: fewer of them help where each class has clusters for them.
        let fewer = folds > 2 && up.min(down) > 1;
        let fewer = if fewer { "ask for fewer --folds, or " } else { "" };
        format!(
            "category `{}`: its {} texts make {all} cluster{s} of copies, near copies or groups, positive texts in {up} and \
             negative in {down}; of {folds} folds one holds all of a class; {fewer}add texts that are no copies, near \
             copies or of one group with others",
            self.name,
            self.groups.len(),
        )
    }

    /// The texts of the negative and of the positive class: all, then those outside each fold.
    pub fn classes(&self) -> Vec<[Vec<usize>; 2]> {
        let all = std::iter::once((0..self.rows.len()).collect());
        let of = |rows: Vec<usize>, positive: bool| {
            rows.into_iter().filter(|i| self.positive[*i] == positive).map(|i| self.rows[i]).collect()
        };
        all.chain((0..self.folds).map(|f| self.train(f)))
            .map(|rows: Vec<usize>| [of(rows.clone(), false), of(rows, true)])
            .collect()
    }

    /// Places among this contrast's rows that are not in a fold.
    fn train(&self, fold: usize) -> Vec<usize> {
        (0..self.rows.len()).filter(|i| self.fold[*i] != fold).collect()
    }

    fn samples(&self, x: &Array2<f64>, of: &[usize]) -> Result<Samples, EstimateError> {
        let rows: Vec<usize> = of.iter().map(|i| self.rows[*i]).collect();
        let positive: Vec<bool> = of.iter().map(|i| self.positive[*i]).collect();
        let groups: Vec<&String> = of.iter().map(|i| &self.groups[*i]).collect();
        Samples::from_classes(x.select(Axis(0), &rows).view(), &positive, &groups, &groups)
    }

    /// Fits everything that is kept of a checkpoint.
    pub fn fit(
        &self,
        x: &Array2<f64>,
        estimator: &CheckedEstimator,
        seeds: &Seeds,
    ) -> Result<FittedContrast, AnalysisError> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let direction = |of: &[usize]| -> Result<Array1<f64>, AnalysisError> {
            Ok(estimator.fit(&self.samples(x, of)?, SplitBy::Pair, seeds)?.direction)
        };
        let trains: Vec<Vec<usize>> = (0..self.folds).map(|f| self.train(f)).collect();
        let halves = [0, 1].map(|h| {
            let rows: Vec<usize> = all.iter().copied().filter(|i| self.half[*i] == h).collect();
            direction(&rows)
        });
        let named = |e: MathError| truenorth_reading::stat::of(&self.name, &e);
        let reliability = match halves {
            [Ok(a), Ok(b)] => math::cosine(a.view(), b.view()).map_err(named)?,
            [Err(e), _] | [_, Err(e)] => return Err(e),
        };
        let mean = |rows: &[usize]| {
            x.select(Axis(0), rows).mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(x.ncols()))
        };
        let mut centroids = Vec::with_capacity(1 + trains.len());
        let mut differences = Vec::with_capacity(1 + trains.len());
        for [down, up] in self.classes() {
            let (up, down) = (mean(&up), mean(&down));
            differences.push(&up - &down);
            centroids.push(up);
        }
        let magnitudes = differences.iter().map(|d| math::norm(d.view())).collect();
        let norms: Vec<f64> = self.rows.iter().map(|i| math::norm(x.row(*i))).collect();
        Ok(FittedContrast {
            direction: direction(&all)?,
            without: trains.iter().map(|t| direction(t)).collect::<Result<_, _>>()?,
            centroids,
            difference: differences.swap_remove(0),
            magnitudes,
            row_norm: math::mean(&norms).map_err(named)?,
            reliability,
        })
    }

    /// Unit directions drawn like the activations within the classes, as many.
    pub fn drawn(&self, x: &Array2<f64>, draws: usize, seeds: &Seeds) -> Result<Array2<f64>, AnalysisError> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let estimator = Estimator::MeanDiff.check()?;
        let pipeline = Pipeline { estimator, nuisances: Nuisances::none() };
        Ok(pipeline.matched_directions(&self.samples(x, &all)?, draws, seeds)?)
    }

    /// Directions of this contrast that know nothing of the labels: fitted to exchanged ones, which are of all texts,
    /// and drawn like the activations.
    pub fn unrelated(
        &self,
        x: &Array2<f64>,
        estimator: &CheckedEstimator,
        labels: &[Vec<bool>],
        seeds: &Seeds,
    ) -> Result<Unrelated, AnalysisError> {
        let all: Vec<usize> = (0..self.rows.len()).collect();
        let samples = self.samples(x, &all)?;
        let own: Vec<Vec<bool>> =
            labels.iter().map(|l| self.rows.iter().map(|row| l[*row]).collect()).collect();
        let pipeline = Pipeline { estimator: estimator.clone(), nuisances: Nuisances::none() };
        Ok(Unrelated {
            permuted: pipeline.directions_of(&samples, &own, SplitBy::Pair, seeds)?,
            matched: pipeline.matched_directions(&samples, labels.len(), seeds)?,
        })
    }

    /// Held-out projections of this contrast's rows on another checkpoint's directions: each fold on the
    /// direction fitted without it, in standard deviations of the rows outside the fold.
    pub fn project(&self, x: &Array2<f64>, without: &[Array1<f64>]) -> Vec<f64> {
        let mut scores = vec![0.0; self.rows.len()];
        for (fold, d) in without.iter().enumerate() {
            let on = |i: usize| x.row(self.rows[i]).dot(d);
            let train: Array1<f64> = self.train(fold).into_iter().map(on).collect();
            let (centre, spread) = (train.mean().expect("a fold leaves rows to fit on"), train.std(0.0));
            let spread = if spread > 0.0 { spread } else { 1.0 };
            for i in (0..self.rows.len()).filter(|i| self.fold[*i] == fold) {
                scores[i] = (on(i) - centre) / spread;
            }
        }
        scores
    }
}
