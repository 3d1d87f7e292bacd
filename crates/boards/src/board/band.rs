//! A board over several sites: sequences scored at each of them, all read in one pass.

use std::fmt;
use std::str::FromStr;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};
use truenorth_protocol::Site;
use truenorth_protocol::run::Watch;

use super::scored::{Scored, Sequence, ranked};
use super::scorer::Scorer;
use truenorth_reading::{AnalysisError, Named, Reader};

/// How the scores of several sites become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Their mean.
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
/// the directions as one. Of the worst site all are those of the site with the least score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverSites {
    /// The line as that of one site.
    #[serde(flatten)]
    pub row: Scored,
    /// Of the worst site, the greatest score: the one by which a sequence is at the negative end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_score: Option<f64>,
    /// Its place by that score from the negative end, 1 the lowest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_rank: Option<usize>,
    /// What each site gives.
    pub sites: Vec<AtSite>,
}

/// The score at one site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtSite {
    /// Which.
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

/// Scores sequences at several sites, each along its own direction, `[hidden]`.
///
/// # Errors
/// As [`scan`](super::scan), and without sites.
pub fn scan_over(
    reader: &Reader<'_>,
    (probes, sequences): (&[Named], &[Sequence]),
    directions: &[(Site, ArrayView1<'_, f64>)],
    (over, join): (Over, &str),
    watch: &dyn Watch,
) -> Result<Vec<OverSites>, AnalysisError> {
    if sequences.is_empty() {
        return Err(AnalysisError::Input("no sequences to score; name a file with at least one".into()));
    }
    let scorer = Scorer::open(reader, probes, &[directions.to_vec()], (over, join), watch)?;
    let lined = scorer.score(reader, sequences, watch)?;
    let mut board: Vec<OverSites> = lined.into_iter().flatten().map(|l| l.line).collect();
    rank(&mut board);
    Ok(board)
}

pub(super) fn line(sites: &[Site], each: Vec<Scored>, of_all: Scored, over: Over) -> OverSites {
    let scores = || each.iter().map(|s| s.score);
    #[allow(clippy::cast_precision_loss)]
    let mean = scores().sum::<f64>() / each.len().max(1) as f64;
    let least = each.iter().min_by(|a, b| a.score.total_cmp(&b.score));
    let row = match (over, least) {
        (Over::Worst, Some(least)) => least.clone(),
        _ => Scored { score: mean, ..of_all },
    };
    let at = |(site, s): (&Site, &Scored)| AtSite {
        site: site.to_string(),
        score: s.score,
        z: s.z,
        coherence: s.coherence,
        shift_norm: s.shift_norm,
        p_random: s.p_random,
    };
    OverSites {
        row,
        high_score: (over == Over::Worst).then(|| scores().fold(f64::NEG_INFINITY, f64::max)),
        low_rank: None,
        sites: sites.iter().zip(&each).map(at).collect(),
    }
}

/// Gives every line its rank, and of the worst site its place from the negative end.
fn rank(board: &mut [OverSites]) {
    let mut rows: Vec<Scored> = board.iter().map(|line| line.row.clone()).collect();
    ranked(&mut rows);
    // The lowest is the first of the board turned over.
    let mut low: Vec<Scored> = board
        .iter()
        .map(|line| Scored { score: -line.high_score.unwrap_or(line.row.score), ..line.row.clone() })
        .collect();
    ranked(&mut low);
    for ((line, row), low) in board.iter_mut().zip(rows).zip(low) {
        line.row.rank = row.rank;
        line.low_rank = line.high_score.map(|_| low.rank);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::{ScanData, ScanParams, scan};
    use crate::fixture::{Tiny, named};
    use ndarray::Array1;
    use truenorth_protocol::run::{Runner as _, Unwatched};
    use truenorth_stats::math::Seeds;

    #[test]
    fn each_site_scores_as_it_does_alone_and_all_are_read_in_one_pass() {
        let tiny = Tiny::open();
        let width = tiny.info().hidden as usize;
        let reader = Reader::new(&tiny, None);
        let probes = named(&["the old hat", "an old tin"]);
        let sequence = |id: &str, text: &str| Sequence {
            id: id.into(),
            text: text.into(),
            counted_with: None,
            turns: vec![],
            pair: None,
            labels: Default::default(),
        };
        let sequences = [sequence("a", "a cat"), sequence("b", "no"), sequence("c", "the shelf is on")];
        let direction =
            |k: usize| -> Array1<f64> { (0..width).map(|i| ((i * k) % 7) as f64 - 3.0).collect() };
        let directions = [(Site::AttnOut(0), direction(3)), (Site::ResidPost(0), direction(5))];
        let views: Vec<_> = directions.iter().map(|(site, d)| (*site, d.view())).collect();
        let board =
            |over| scan_over(&reader, (&probes, &sequences), &views, (over, " "), &Unwatched).unwrap();
        let before = tiny.asked();
        let (mean, worst) = (board(Over::Mean), board(Over::Worst));
        assert_eq!(tiny.asked() - before, 4, "two readings a board, of all sites");
        for (s, (site, d)) in directions.iter().enumerate() {
            let data = ScanData { probes: &probes, sequences: &sequences, direction: d.view() };
            let how = ScanParams { draws: 0, ..ScanParams::new(*site) };
            let alone = scan(&reader, &data, &how, &Seeds::new(0), &Unwatched).unwrap().board;
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
        }
        let places: Vec<usize> = worst.iter().filter_map(|w| w.low_rank).collect();
        let lowest = worst.iter().min_by(|a, b| a.high_score.partial_cmp(&b.high_score).unwrap()).unwrap();
        assert_eq!(lowest.low_rank, Some(1));
        assert_eq!(places.iter().sum::<usize>(), 6);
    }
}
