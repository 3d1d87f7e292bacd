//! Directions at one or several sites, along which a sequence gets one score.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, concatenate, s};
use serde::{Deserialize, Serialize};
use truenorth_protocol::Site;
use truenorth_stats::math;

use super::scan::unit;
use super::scored::{ScoredSequence, Sequence, ranked, scored};
use truenorth_reading::{AnalysisError, Reader, stat};

/// Unit vectors that differ by no more are one vector, written at several sites.
const SAME: f64 = 1e-9;

/// How the scores of several sites become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// The mean over the sites.
    #[default]
    Mean,
    /// That of the worst site: the least for the positive end, the greatest for the negative one.
    Worst,
}

impl FromStr for Over {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s {
            "mean" => Ok(Self::Mean),
            "worst" => Ok(Self::Worst),
            other => Err(format!("`{other}` is no way to go over sites; expected mean or worst")),
        }
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Worst => "worst",
        })
    }
}

/// One line of a board over several sites.
///
/// Of the mean, `z`, `coherence`, `shift_norm` and `p_random` are those of the shifts at all sites as one vector, along
/// the directions as one; where one vector is shared by all sites, those of the mean of their shifts along it. Of the
/// worst site all are those of the site with the least score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverSites {
    /// The line as a board of one site would have it.
    #[serde(flatten)]
    pub row: ScoredSequence,
    /// Of the worst site, the greatest score: the one by which a sequence is at the negative end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_score: Option<f64>,
    /// Its place by that score from the negative end, 1 the lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_rank: Option<usize>,
    /// The same at each site by itself.
    pub sites: Vec<ScoreAtSite>,
}

/// A sequence's score at one site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreAtSite {
    /// The site, as it is written.
    pub site: String,
    /// Mean shift of the normalised probes along its direction.
    pub score: f64,
    /// In units of what a random direction would give.
    pub z: f64,
    /// How alike the probes moved, 0 to 1.
    pub coherence: f64,
    /// Norm of the mean shift.
    pub shift_norm: f64,
    /// Share of random directions with at least this `|z|`.
    pub p_random: f64,
}

/// Unit directions at sites, and how their scores become one.
#[derive(Clone, Debug)]
pub(super) struct SiteBand {
    pub sites: Vec<Site>,
    pub over: Over,
    units: Vec<Array1<f64>>,
    /// The unit directions one behind the other.
    all: Array1<f64>,
    /// Whether one vector is shared by several sites. A random direction is then one vector too, of as many numbers as
    /// the residual stream is wide: one of its own a site would reach as far by chance less often.
    shared: bool,
}

pub(super) struct SequenceScores {
    pub row: ScoredSequence,
    /// What each site gives; empty where there is one.
    pub sites: Vec<ScoreAtSite>,
    /// The shift of every probe, whose mean is the score.
    pub along: Array1<f64>,
    /// The mean shift at each site, one behind the other; over the sites where they share one vector.
    pub mean: Array1<f64>,
    /// The place of the one site that the row is of; none where it is of all.
    pub of: Option<usize>,
}

impl SiteBand {
    /// Directions `[hidden]`, one behind the other, at as many sites; they need not have unit norm.
    pub fn new(
        reader: &Reader<'_>,
        direction: ArrayView1<'_, f64>,
        (sites, over): (&[Site], Over),
    ) -> Result<Self, AnalysisError> {
        if sites.is_empty() || !direction.len().is_multiple_of(sites.len()) {
            return Err(AnalysisError::Input(format!(
                "directions of {} numbers at {} sites; expected one of the same width each",
                direction.len(),
                sites.len()
            )));
        }
        let width = direction.len() / sites.len();
        let own = |i: usize| unit(reader, direction.slice(s![i * width..(i + 1) * width]));
        let units: Vec<Array1<f64>> = (0..sites.len()).map(own).collect::<Result<_, _>>()?;
        let all = units.iter().flatten().copied().collect();
        let alike = |unit: &Array1<f64>| unit.iter().zip(&units[0]).all(|(a, b)| (a - b).abs() < SAME);
        let shared = units.len() > 1 && units.iter().all(alike);
        Ok(Self { sites: sites.to_vec(), over, units, all, shared })
    }

    /// Whether a row is of the mean shift over the sites, along the one vector that they share.
    pub fn is_pooled(&self) -> bool {
        self.shared && self.over == Over::Mean
    }

    /// Whether one vector is shared by several sites.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// How many numbers the mean shift of a sequence has: of all sites, one behind the other, or of their mean.
    pub fn width(&self) -> usize {
        if self.is_pooled() { self.part(0).len() } else { self.all.len() }
    }

    /// Directions of all sites, `[draws, width of all sites]`, as this one is made: at unit norm a site, and their mean
    /// where one vector is shared. Those that are zero at a site stay zero, or leave the site out of the mean.
    pub fn made_alike(&self, directions: ArrayView2<'_, f32>) -> Array2<f32> {
        let part = self.part(0).len();
        let mut units = directions.to_owned();
        if self.units.len() == 1 {
            return units;
        }
        for mut direction in units.outer_iter_mut() {
            for mut part in direction.exact_chunks_mut(part) {
                let norm = part.dot(&part).sqrt();
                if norm > 0.0 {
                    part.mapv_inplace(|v| v / norm);
                }
            }
        }
        if !self.shared {
            return units;
        }
        let mut mean = Array2::<f32>::zeros((units.nrows(), part));
        for site in 0..self.units.len() {
            mean += &units.slice(s![.., self.part(site)]);
        }
        if self.is_pooled() {
            return mean;
        }
        for site in 0..self.units.len() {
            units.slice_mut(s![.., self.part(site)]).assign(&mean);
        }
        units
    }

    /// The unit direction that a row is along: that of the one site it is of, or all of them one behind the other.
    pub fn along(&self, of: Option<usize>) -> Array1<f64> {
        match (of, &self.units[..]) {
            (Some(site), units) => units[site].clone(),
            (None, [one, ..]) if self.units.len() == 1 || self.is_pooled() => one.clone(),
            #[allow(clippy::cast_precision_loss, reason = "a count of sites")]
            (None, units) => &self.all / (units.len() as f64).sqrt(),
        }
    }

    /// Where a site's numbers lie among those of all.
    pub fn part(&self, site: usize) -> std::ops::Range<usize> {
        let width = self.all.len() / self.units.len();
        site * width..(site + 1) * width
    }

    /// Whether a row is that of its worst site.
    pub fn is_worst(&self) -> bool {
        self.over == Over::Worst && self.units.len() > 1
    }

    /// Scores the shifts of a sequence, `[probes, hidden]` a site.
    pub fn line(&self, sequence: &Sequence, shifts: &[Array2<f64>]) -> Result<SequenceScores, AnalysisError> {
        let of = |e: math::MathError| stat::of(&format!("sequence `{}`", sequence.id), &e);
        let each = shifts.iter().zip(&self.units).map(|(d, u)| scored(sequence, d.view(), u.view()));
        let each: Vec<ScoredSequence> = each.collect::<Result<_, _>>().map_err(of)?;
        let along = |s: usize| shifts[s].dot(&self.units[s]);
        let mean = |d: &Array2<f64>| d.mean_axis(Axis(0)).unwrap_or_default();
        let mean: Array1<f64> = shifts.iter().flat_map(mean).collect();
        if let [one] = &each[..] {
            return Ok(SequenceScores { row: one.clone(), sites: vec![], along: along(0), mean, of: None });
        }
        let least = (0..each.len()).min_by(|a, b| each[*a].score.total_cmp(&each[*b].score)).unwrap_or(0);
        let sites = self.sites.iter().zip(&each).map(|(site, s)| ScoreAtSite {
            site: site.to_string(),
            score: s.score,
            z: s.z,
            coherence: s.coherence,
            shift_norm: s.shift_norm,
            p_random: s.p_random,
        });
        let sites = sites.collect();
        if self.over == Over::Worst {
            let row = each[least].clone();
            return Ok(SequenceScores { row, sites, along: along(least), mean, of: Some(least) });
        }
        #[allow(clippy::cast_precision_loss, reason = "a count of sites")]
        let count = each.len() as f64;
        let along = (0..each.len()).map(along).reduce(|a, b| a + b).unwrap_or_default() / count;
        if self.is_pooled() {
            let pooled = shifts.iter().skip(1).fold(shifts[0].clone(), |sum, d| sum + d) / count;
            let mean = pooled.mean_axis(Axis(0)).unwrap_or_default();
            let row = scored(sequence, pooled.view(), self.units[0].view()).map_err(of)?;
            return Ok(SequenceScores { row, sites, along, mean, of: None });
        }
        let views: Vec<_> = shifts.iter().map(Array2::view).collect();
        let together = concatenate(Axis(1), &views)
            .map_err(|e| AnalysisError::Input(format!("the sites of a band: {e}")))?;
        let of_all = scored(sequence, together.view(), self.all.view()).map_err(of)?;
        let row = ScoredSequence { score: each.iter().map(|s| s.score).sum::<f64>() / count, ..of_all };
        Ok(SequenceScores { row, sites, along, mean, of: None })
    }
}

/// The rows of a board over several sites with what each site gives, in the order of the sequences.
#[must_use]
pub fn over_sites(board: &[ScoredSequence], sites: &[Vec<ScoreAtSite>], over: Over) -> Vec<OverSites> {
    let highest = |at: &[ScoreAtSite]| at.iter().map(|s| s.score).fold(f64::NEG_INFINITY, f64::max);
    let mut low: Vec<ScoredSequence> = board
        .iter()
        .zip(sites)
        .map(|(row, at)| ScoredSequence { score: -highest(at), ..row.clone() })
        .collect();
    // The lowest is the first of the board turned over.
    ranked(&mut low);
    let worst = over == Over::Worst;
    let line = |((row, at), low): ((&ScoredSequence, &Vec<ScoreAtSite>), ScoredSequence)| OverSites {
        row: row.clone(),
        high_score: worst.then(|| highest(at)),
        low_rank: worst.then_some(low.rank),
        sites: at.clone(),
    };
    board.iter().zip(sites).zip(low).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::tests::{direction, sequences};
    use crate::board::{Board, BoardData, Params, ScanData, ScanParams, scan};
    use crate::fixture::{Tiny, named};
    use truenorth_protocol::run::{Runner as _, Unwatched};
    use truenorth_reading::{Analysis as _, AnalysisContext};
    use truenorth_stats::math::Seeds;

    const SITES: [Site; 2] = [Site::AttnOut(0), Site::ResidPost(0)];

    #[test]
    fn each_site_scores_as_it_does_alone_and_all_are_read_in_one_pass() {
        let tiny = Tiny::open();
        let width = tiny.info().hidden as usize;
        let reader = Reader::new(&tiny, None);
        let probes = named(&["the old hat", "an old tin"]);
        let sequences = sequences(3);
        let all = direction(2 * width);
        let board = |sites: &[Site], over, part: std::ops::Range<usize>| {
            let direction = all.slice(s![part]);
            let data = ScanData { probes: &probes, sequences: &sequences, direction };
            let how = ScanParams { draws: 0, over, sites: sites.to_vec(), ..ScanParams::new(SITES[0]) };
            scan(&reader, &data, &how, &Seeds::new(0), &Unwatched).unwrap()
        };
        let before = tiny.asked();
        let lines = [Over::Mean, Over::Worst].map(|over| {
            let found = board(&SITES, over, 0..2 * width);
            for (row, along) in found.board.iter().zip(found.along.outer_iter()) {
                assert!((row.score - along.mean().unwrap()).abs() < 1e-12);
            }
            over_sites(&found.board, &found.at_sites, over)
        });
        let [mean, worst] = lines;
        assert_eq!(tiny.asked() - before, 4, "two readings a board, of all sites");
        for (s, site) in SITES.iter().enumerate() {
            let alone = board(&[*site], Over::Mean, s * width..(s + 1) * width).board;
            for (row, own) in mean.iter().zip(&alone) {
                let at = &row.sites[s];
                assert_eq!((at.score, at.z, at.p_random), (own.score, own.z, own.p_random));
            }
        }
        for (mean, worst) in mean.iter().zip(&worst) {
            let scores = [mean.sites[0].score, mean.sites[1].score];
            assert!((mean.row.score - (scores[0] + scores[1]) / 2.0).abs() < 1e-12);
            assert_eq!(worst.row.score, scores[0].min(scores[1]));
            assert_eq!(worst.high_score, Some(scores[0].max(scores[1])));
            assert!(mean.high_score.is_none() && mean.low_rank.is_none());
        }
        let places: Vec<usize> = worst.iter().filter_map(|w| w.low_rank).collect();
        let lowest = worst.iter().min_by(|a, b| a.high_score.partial_cmp(&b.high_score).unwrap()).unwrap();
        assert_eq!(lowest.low_rank, Some(1));
        assert_eq!(places.iter().sum::<usize>(), 6);
    }

    #[test]
    fn a_board_over_sites_is_held_against_draws_that_choose_their_worst_site_too() {
        let tiny = Tiny::open();
        let width = tiny.info().hidden as usize;
        let (reader, seeds) = (Reader::new(&tiny, None), Seeds::new(1));
        let probes = named(&["the hat", "an old tin", "no"]);
        let sequences = sequences(12);
        let (all, params) = (direction(2 * width), Params { permutations: 99, ..Params::default() });
        for over in [Over::Mean, Over::Worst] {
            let data = BoardData {
                probes: &probes,
                sequences: &sequences,
                kinds: &[],
                direction: all.view(),
                sites: &SITES,
                over,
                relabelled: None,
                beside: None,
            };
            let asked = AnalysisContext { reader, seeds: &seeds, watch: &Unwatched };
            let found = Board::run(&data, &params, &asked).unwrap();
            assert_eq!(found.over.as_ref().unwrap().sites, ["attn_out.0", "resid_post.0"]);
            assert!(found.monte_carlo.as_ref().unwrap().agrees, "{:?}", found.monte_carlo);
            for row in &found.rows {
                assert_eq!(row.sites.len(), 2);
                assert!(row.p_family.unwrap() >= row.p_matched.unwrap());
                assert!((row.p_drawn.unwrap() - row.p_random).abs() < 0.02);
            }
            // Directions that are this one reach as far as it does, whichever site is the worst.
            let same = Array2::from_shape_fn((19, all.len()), |(_, j)| all[j]);
            let held =
                Board::run(&BoardData { relabelled: Some(same.view()), ..data }, &params, &asked).unwrap();
            assert!(held.rows.iter().all(|r| r.p_permuted == Some(1.0)), "{over}");
        }
    }
}
