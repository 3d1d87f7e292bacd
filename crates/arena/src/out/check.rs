//! Whether a season scores as on the day it was opened.

use serde::Serialize;
use truenorth_boards::board::saved::{Expected, SavedBoard, expect};
use truenorth_boards::board::{Scorer, Sequence};
use truenorth_protocol::run::Watch;

use super::export::saved_board;
use crate::backend::ScoringModel;
use crate::error::ArenaError;
use crate::season::{Season, fresh_scorer, open_scorer};

/// The differences between a board that is scored anew and the one that was kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeasonCheck {
    /// Name of the season.
    pub season: String,
    /// Entries on its board.
    pub entries: usize,
    /// The largest difference of a baseline from the one that was kept, over the largest norm of one.
    pub baselines: f64,
    /// The board as scored now against the one that was kept.
    pub board: Expected,
}

/// Scores entries anew, on baselines that are computed anew, and holds the scores against those that were kept. `most`
/// takes so many, spread evenly over the board; none takes all. `within` is the share of the scores' standard deviation
/// that counts as no gap.
///
/// # Errors
/// When the season has fewer than two entries, the model is another, or can't be asked.
pub fn check(
    season: &Season,
    backend: &dyn ScoringModel,
    (most, within): (Option<usize>, f64),
    watch: &dyn Watch,
) -> Result<SeasonCheck, ArenaError> {
    let mut kept = saved_board(season)?;
    let entries = kept.rows.len();
    if let Some(most) = most.filter(|m| (2..entries).contains(m)) {
        // Both ends are among them.
        let at: Vec<usize> = (0..most).map(|i| i * (entries - 1) / (most - 1)).collect();
        kept.rows = at.into_iter().map(|i| kept.rows[i].clone()).collect();
    }
    if kept.rows.len() < 2 {
        return Err(ArenaError::asked(
            format!("season `{}` has {} entries with a score", season.name(), kept.rows.len()),
            "at least 2 are compared; check it once there are some",
        ));
    }
    let sealed = open_scorer(season, backend)?;
    let fresh = fresh_scorer(season, backend, watch)?;
    let reader = backend.reader();
    let texts: Vec<Sequence> =
        kept.rows.iter().map(|r| Sequence::new(r.id.clone(), r.text.clone())).collect();
    let lined = fresh.score(&reader, &texts, watch)?;
    let mut new = SavedBoard { name: "now".into(), ..kept.clone() };
    for (row, lanes) in new.rows.iter_mut().zip(lined) {
        if let Some(lane) = lanes.first() {
            row.score = lane.line.row.score;
        }
    }
    Ok(SeasonCheck {
        season: season.name().to_owned(),
        entries,
        baselines: apart(&sealed, &fresh),
        board: expect(&new, &kept, within)?,
    })
}

fn apart(kept: &Scorer, fresh: &Scorer) -> f64 {
    let pairs = || kept.baselines().iter().zip(fresh.baselines());
    let largest =
        pairs().flat_map(|(a, b)| a.iter().zip(b.iter()).map(|(a, b)| (a - b).abs())).fold(0.0, f64::max);
    let norm = kept
        .baselines()
        .iter()
        .flat_map(|a| a.outer_iter().map(|r| r.dot(&r).sqrt()).collect::<Vec<_>>())
        .fold(0.0, f64::max);
    if norm > 0.0 { largest / norm } else { largest }
}
