//! What directions that know nothing of the labels make of a board: drawn like the readings, or fitted to
//! exchanged labels.

use ndarray::{Array1, Array2, ArrayView2};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

use super::Scored;
use super::ends::Lean;
use truenorth_reading::stat::permutation_p;
use truenorth_stats::math::{Seeds, reaches};

/// A board's `|z|` against those under other directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Directions.
    pub draws: usize,
    /// Share of directions with at least this sequence's `|z|`, the one seen among them.
    pub p: Vec<f64>,
    /// Share of directions whose largest `|z|` of the board is at least this sequence's (Westfall and Young 1993,
    /// single-step): right however much the sequences are alike.
    pub family: Vec<f64>,
    /// How the board lies along each of the directions, its ends of so many sequences.
    pub leans: Vec<Lean>,
}

/// Directions with the covariance of readings, which come a sequence at a time.
pub(super) struct Matched {
    /// Weighted sums of readings, `[draws, width]`.
    drawn: Array2<f32>,
    /// Sum of each direction's weights.
    weights: Array1<f32>,
    sum: Array1<f64>,
    rows: usize,
}

impl Matched {
    pub fn new(draws: usize, width: usize) -> Self {
        Self {
            drawn: Array2::zeros((draws, width)),
            weights: Array1::zeros(draws),
            sum: Array1::zeros(width),
            rows: 0,
        }
    }

    /// Takes in the readings behind sequence `at`, at unit norm as they are scored. Each sequence has a stream of
    /// its own, so that it does not matter how many are read at once.
    pub fn add(&mut self, at: usize, readings: ArrayView2<'_, f64>, seeds: &Seeds) {
        if self.weights.is_empty() {
            return;
        }
        let mut units = readings.to_owned();
        for mut row in units.outer_iter_mut() {
            let norm = row.dot(&row).sqrt();
            if norm > 0.0 {
                row.mapv_inplace(|v| v / norm);
            }
        }
        let mut rng = seeds.stream(&format!("matched directions, sequence {at}"));
        let weights = Array2::<f32>::from_shape_simple_fn((self.weights.len(), units.nrows()), || {
            StandardNormal.sample(&mut rng)
        });
        self.drawn += &weights.dot(&units.mapv(super::scan::narrow));
        self.weights += &weights.sum_axis(ndarray::Axis(1));
        self.sum += &units.sum_axis(ndarray::Axis(0));
        self.rows += units.nrows();
    }

    /// The directions: combinations of the readings about their mean.
    pub fn directions(mut self) -> Array2<f32> {
        let mean = (self.sum / self.rows.max(1) as f64).mapv(super::scan::narrow);
        for (mut row, weight) in self.drawn.outer_iter_mut().zip(&self.weights) {
            row.scaled_add(-weight, &mean);
        }
        self.drawn
    }
}

/// Holds a board against directions, `[draws, width]`; those of zeros, which exchanged labels can leave, are left
/// out. `means` are the mean shifts, `[sequences, width]`; an end of the board holds `ends` sequences.
pub(super) fn held(
    board: &[Scored],
    means: &Array2<f32>,
    directions: ArrayView2<'_, f32>,
    ends: usize,
) -> Option<Held> {
    let norms: Vec<f32> = directions.outer_iter().map(|d| d.dot(&d).sqrt()).collect();
    let kept: Vec<usize> = (0..norms.len()).filter(|i| norms[*i] > 0.0).collect();
    if kept.is_empty() {
        return None;
    }
    let along = means.dot(&directions.t());
    // |z| is the shift along a unit direction, times what depends on the shifts alone.
    let factor: Vec<f64> = board
        .iter()
        .map(|r| if r.shift_norm > 0.0 { r.z_bound * r.coherence / r.shift_norm } else { 0.0 })
        .collect();
    let z = |s: usize, b: usize| f64::from((along[[s, b]] / norms[b]).abs()) * factor[s];
    let stands = |s: &usize| board[*s].counted_with.is_none();
    let largest: Vec<f64> =
        kept.iter().map(|b| (0..board.len()).filter(stands).map(|s| z(s, *b)).fold(0.0, f64::max)).collect();
    let distinct: Vec<usize> = (0..board.len()).filter(stands).collect();
    let leans = kept
        .par_iter()
        .filter_map(|b| Lean::of(distinct.iter().map(|s| f64::from(along[[*s, *b]])).collect(), ends))
        .collect();
    // The shifts are kept in f32.
    let reaches = |drawn: f64, seen: f64| reaches(drawn, seen.abs() * (1.0 - 1e-6));
    let draws = kept.len();
    let share = |count: usize| permutation_p(count, draws);
    Some(Held {
        draws,
        p: (0..board.len())
            .map(|s| share(kept.iter().filter(|b| reaches(z(s, **b), board[s].z)).count()))
            .collect(),
        family: board.iter().map(|r| share(largest.iter().filter(|l| reaches(**l, r.z)).count())).collect(),
        leans,
    })
}
