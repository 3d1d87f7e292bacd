//! The null of the whole procedure: labels flipped, the direction fitted anew, the model steered with it.

use ndarray::{Array1, Array2};
use rand::Rng as _;
use serde::Serialize;

use super::reading::PairRows;
use truenorth_reading::AnalysisError;
use truenorth_stats::estimate::{EstimateError, Pipeline, SplitBy};
use truenorth_stats::math::{Seeds, dense_count};
use truenorth_stats::split::Folds;

/// What the label flips ask of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// Label flips, each fitted and steered anew.
    pub draws: usize,
    /// Doses other than 0.
    pub doses: usize,
    /// Texts pushed: both responses of every steered pair.
    pub texts: usize,
    /// Sites that are swept.
    pub sites: usize,
    /// Texts pushed by matched random directions, at all doses and sites.
    pub controls: usize,
    /// All texts pushed for the two nulls.
    pub total: usize,
}

impl Budget {
    pub(super) fn new((draws, directions): (usize, usize), doses: usize, texts: usize, sites: usize) -> Self {
        let controls = directions * doses * texts * sites;
        Self { draws, doses, texts, sites, controls, total: draws * doses * texts * sites + controls }
    }

    /// A sentence with all of it, for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { draws, doses, texts, sites, controls, total } = self;
        format!(
            "nulls of steering: {draws} label flips x {doses} doses x {texts} texts x {sites} sites, and {controls} \
             texts under random directions; {total} texts in all"
        )
    }
}

/// Which pairs have their labels flipped, `[draws][pairs]`: the same at every site, so that the sites' slopes
/// can be held against each other draw by draw. Pairs of one unit are flipped together.
pub(super) fn draw(units: &[usize], draws: usize, seeds: &Seeds) -> Vec<Vec<bool>> {
    let count = dense_count(units);
    (0..draws)
        .map(|i| {
            let mut rng = seeds.stream(&format!("label flip {i}"));
            let of_unit: Vec<bool> = (0..count).map(|_| rng.random()).collect();
            units.iter().map(|u| of_unit[*u]).collect()
        })
        .collect()
}

/// The directions of each fold under flipped labels, `[draws][folds]`; zeros, which push nowhere, where flipped
/// labels leave no difference.
pub(super) fn directions(
    rows: &PairRows<'_>,
    flips: &[Vec<bool>],
    pipeline: &Pipeline,
    folds: &Folds,
    by: SplitBy,
    seeds: &Seeds,
) -> Result<Vec<Vec<Array1<f64>>>, AnalysisError> {
    flips
        .iter()
        .enumerate()
        .map(|(i, flipped)| {
            let swapped = Swapped::new(rows, flipped);
            let rows = PairRows {
                chosen: swapped.chosen.view(),
                rejected: swapped.rejected.view(),
                lengths: &swapped.lengths,
                ..*rows
            };
            (0..folds.count())
                .map(|f| {
                    let seeds = seeds.child(&format!("label flip {i}, fold {f}"));
                    match pipeline.extract(&rows.samples(&folds.train(f))?, by, &seeds) {
                        Ok(found) => Ok(found.fit.direction),
                        Err(EstimateError::NoDifference { .. }) => Ok(Array1::zeros(rows.chosen.ncols())),
                        Err(e) => Err(e.into()),
                    }
                })
                .collect()
        })
        .collect()
}

/// Rows with the responses of some pairs exchanged.
struct Swapped {
    chosen: Array2<f64>,
    rejected: Array2<f64>,
    lengths: Vec<f64>,
}

impl Swapped {
    fn new(rows: &PairRows<'_>, flipped: &[bool]) -> Self {
        let (mut chosen, mut rejected) = (rows.chosen.to_owned(), rows.rejected.to_owned());
        let mut lengths = rows.lengths.to_vec();
        for (p, _) in flipped.iter().enumerate().filter(|(_, f)| **f) {
            chosen.row_mut(p).assign(&rows.rejected.row(p));
            rejected.row_mut(p).assign(&rows.chosen.row(p));
            lengths.swap(p, flipped.len() + p);
        }
        Self { chosen, rejected, lengths }
    }
}
