//! What directions that know nothing of the labels make of a board: drawn like the readings, or fitted to
//! exchanged labels.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use rand_distr::{Distribution as _, StandardNormal};
use rayon::prelude::*;

use super::band::SiteBand;
use super::ends::Lean;
use super::{ScoreAtSite, ScoredSequence};
use truenorth_reading::stat::permutation_p;
use truenorth_stats::math::{Seeds, reaches};

/// A board's `|z|` against those under other directions.
#[derive(Clone, Debug, PartialEq)]
pub struct BoardNulls {
    /// Other directions that were scored.
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

    /// Takes in the readings behind sequence `at`, `[probes, hidden]` a site, at unit norm as they are scored. Each
    /// sequence has a stream of its own, so that it does not matter how many are read at once.
    pub fn add(&mut self, at: usize, readings: &[ArrayView2<'_, f64>], seeds: &Seeds) {
        if self.weights.is_empty() {
            return;
        }
        let mut units = concatenate(Axis(1), readings).expect("readings of one model are of the same probes");
        let width = units.ncols() / readings.len();
        for mut row in units.outer_iter_mut() {
            for mut part in row.exact_chunks_mut(width) {
                let norm = part.dot(&part).sqrt();
                if norm > 0.0 {
                    part.mapv_inplace(|v| v / norm);
                }
            }
        }
        let mut rng = seeds.stream(&format!("matched directions, sequence {at}"));
        let weights = Array2::<f32>::from_shape_simple_fn((self.weights.len(), units.nrows()), || {
            StandardNormal.sample(&mut rng)
        });
        self.drawn += &weights.dot(&units.mapv(super::scan::narrow));
        self.weights += &weights.sum_axis(Axis(1));
        self.sum += &units.sum_axis(Axis(0));
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

/// A board and the shifts that it rests on.
pub(super) struct Shifted<'a> {
    pub board: &'a [ScoredSequence],
    /// What each site gives; empty lists where there is one.
    pub at_sites: &'a [Vec<ScoreAtSite>],
    pub band: &'a SiteBand,
    /// The mean shifts, `[sequences, width of the band]`.
    pub means: &'a Array2<f32>,
}

/// |z| is the shift along a unit direction, times what depends on the shifts alone.
fn factor(z_bound: f64, coherence: f64, shift_norm: f64) -> f64 {
    if shift_norm > 0.0 { z_bound * coherence / shift_norm } else { 0.0 }
}

impl Shifted<'_> {
    /// How far each sequence goes along each direction, up to a factor a direction, and its `|z|`, `[sequences, draws]`.
    fn along(&self, directions: ArrayView2<'_, f32>, norms: &[f32]) -> (Array2<f32>, Array2<f64>) {
        let shape = (self.board.len(), directions.nrows());
        if self.band.is_worst() {
            let parts: Vec<Array2<f32>> = (0..self.band.sites.len())
                .map(|site| {
                    let part = self.band.part(site);
                    self.means.slice(s![.., part.clone()]).dot(&directions.slice(s![.., part]).t())
                })
                .collect();
            // Each direction has a worst site of its own, as the one that is seen has.
            let mut along = Array2::zeros(shape);
            let z_bound = (self.band.part(0).len() as f64).sqrt();
            let z = Array2::from_shape_fn(shape, |at| {
                let least = (0..parts.len()).min_by(|a, b| parts[*a][at].total_cmp(&parts[*b][at]));
                let (least, site) = (least.unwrap_or(0), &self.at_sites[at.0]);
                along[at] = parts[least][at];
                let of = &site[least];
                f64::from(parts[least][at].abs()) * factor(z_bound, of.coherence, of.shift_norm)
            });
            return (along, z);
        }
        let along = self.means.dot(&directions.t());
        let factors: Vec<f64> =
            self.board.iter().map(|r| factor(r.z_bound, r.coherence, r.shift_norm)).collect();
        let z =
            Array2::from_shape_fn(shape, |(s, b)| f64::from((along[[s, b]] / norms[b]).abs()) * factors[s]);
        (along, z)
    }
}

/// Holds a board against directions, `[draws, width of all sites]`; those of zeros, which exchanged labels can leave, are
/// left out. An end of the board holds `ends` sequences.
pub(super) fn held(
    shifted: &Shifted<'_>,
    directions: ArrayView2<'_, f32>,
    ends: usize,
) -> Option<BoardNulls> {
    let board = shifted.board;
    let directions = shifted.band.made_alike(directions);
    let norms: Vec<f32> = directions.outer_iter().map(|d| d.dot(&d).sqrt()).collect();
    // A direction that is zero at a site of its own has no unit norm there, as the one that is seen has.
    let part = shifted.band.part(0).len();
    let zero = |d: ArrayView1<'_, f32>| d.exact_chunks(part).into_iter().any(|p| p.iter().all(|v| *v == 0.0));
    let norms: Vec<f32> =
        directions.outer_iter().zip(norms).map(|(d, norm)| if zero(d) { 0.0 } else { norm }).collect();
    let kept: Vec<usize> = (0..norms.len()).filter(|i| norms[*i] > 0.0).collect();
    if kept.is_empty() {
        return None;
    }
    let (along, z) = shifted.along(directions.view(), &norms);
    let stands = |s: &usize| board[*s].counted_with.is_none();
    let largest: Vec<f64> = kept
        .iter()
        .map(|b| (0..board.len()).filter(stands).map(|s| z[[s, *b]]).fold(0.0, f64::max))
        .collect();
    let distinct: Vec<usize> = (0..board.len()).filter(stands).collect();
    let leans = kept
        .par_iter()
        .filter_map(|b| Lean::of(distinct.iter().map(|s| f64::from(along[[*s, *b]])).collect(), ends))
        .collect();
    // The shifts are kept in f32.
    let reaches = |drawn: f64, seen: f64| reaches(drawn, seen.abs() * (1.0 - 1e-6));
    let draws = kept.len();
    let share = |count: usize| permutation_p(count, draws);
    Some(BoardNulls {
        draws,
        p: (0..board.len())
            .map(|s| share(kept.iter().filter(|b| reaches(z[[s, **b]], board[s].z)).count()))
            .collect(),
        family: board.iter().map(|r| share(largest.iter().filter(|l| reaches(**l, r.z)).count())).collect(),
        leans,
    })
}
