//! A board that was kept, as a whole: its ends, score against specificity, kinds, and another board.

use serde::Serialize;

use super::super::contrast::contrast;
use super::super::ends::{asymmetry, end_of, rank_changes, score_and_z};
use super::super::{Asymmetry, KindContrast, Params, RankChanges, ScoreAndZ, ScoreRow};
use super::Aligned;
use truenorth_data::Copies;
use truenorth_reading::stat::p_cell;
use truenorth_reading::{AnalysisError, Listing};
use truenorth_stats::math::Seeds;

/// What a board says by itself. Without the shifts nothing is held against other directions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SavedSummary {
    /// Name of the board.
    pub board: String,
    /// Sequences of the board.
    pub sequences: usize,
    /// Of these the ones that are no copy and no near copy of an earlier one, on which all but the rows rests.
    pub distinct: usize,
    /// Copies and near copies that were found among them.
    pub copies: Copies,
    /// A row a sequence, by rank.
    pub rows: Vec<ScoreRow>,
    /// Whether the two ends reach equally far.
    pub asymmetry: Asymmetry,
    /// Whether score and specificity rank alike; none where the board has no specificity, or the same throughout.
    pub score_and_z: Option<ScoreAndZ>,
    /// One kind against another, where that was asked for.
    pub contrast: Option<KindContrast>,
    /// Rank changes to another board, where one was given.
    pub rank_changes: Option<RankChanges>,
    /// What the board does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// Sums up the first board; a second one is what its ranks are held against.
///
/// # Errors
/// With fewer than eight sequences, ends that overlap, scores that are all equal, or kinds that are missing.
pub fn summarise(aligned: &Aligned, params: &Params, seeds: &Seeds) -> Result<SavedSummary, AnalysisError> {
    let Some(board) = aligned.boards.first() else {
        return Err(AnalysisError::Input("no board".into()));
    };
    let seeds = seeds.child("board");
    let stands: Vec<usize> =
        (0..board.rows.len()).filter(|i| board.rows[*i].counted_with.is_none()).collect();
    let of = |rows: &[ScoreRow]| stands.iter().map(|i| rows[*i].clone()).collect::<Vec<ScoreRow>>();
    let distinct = of(&board.rows);
    let ends = end_of(params.ends, distinct.len());
    // A column that is the same throughout ranks nothing.
    let z: Option<Vec<f64>> = distinct.iter().map(|r| r.z).collect();
    let specific = z.is_some_and(|z| z.windows(2).any(|two| two[0] != two[1]));
    let contrasted = params.kinds()?.map(|compared| {
        let kinds: Vec<Option<String>> = stands.iter().map(|i| aligned.rows[*i].kind.clone()).collect();
        let pairs: Vec<Option<String>> = stands.iter().map(|i| aligned.rows[*i].pair.clone()).collect();
        contrast(&distinct, &kinds, &pairs, compared, params.permutations, &seeds)
    });
    let changes = aligned.boards.get(1).map(|other| {
        let second = of(&other.rows);
        rank_changes((&board.name, &distinct), (&other.name, &second), params.permutations, &seeds)
    });
    let mut rows = board.rows.clone();
    rows.sort_by_key(|r| (r.rank, r.counted_with.is_some()));
    Ok(SavedSummary {
        board: board.name.clone(),
        sequences: rows.len(),
        distinct: distinct.len(),
        copies: aligned.copies.clone(),
        rows,
        asymmetry: asymmetry(&distinct, ends, None, &seeds)?,
        score_and_z: match specific {
            true => Some(score_and_z(&distinct, 10, params.permutations, &seeds)?),
            false => None,
        },
        contrast: contrasted.transpose()?,
        rank_changes: changes.transpose()?,
        not_shown: vec![
            "That a score is more than a direction of any labels would give: that needs the model and the probes, as \
             `score --summary` has them."
                .into(),
            "Sequences that were not tried.".into(),
        ],
    })
}

/// The rows and sentences of a terminal.
#[must_use]
pub fn table(found: &SavedSummary) -> Listing {
    let mut out = Listing::new(&["", "value", "95 %", "p"]);
    let a = &found.asymmetry;
    let mut lines = vec![
        ("asymmetry about zero", &a.about_zero),
        ("asymmetry about the median", &a.about_median),
        ("share of positive scores", &a.positive),
    ];
    lines.extend(found.score_and_z.as_ref().map(|s| ("rank correlation of score and z", &s.correlation)));
    lines.extend(
        found.rank_changes.as_ref().map(|c| ("rank correlation with the other board", &c.correlation)),
    );
    for (what, m) in lines {
        out.rows.push(vec![
            what.to_owned(),
            format!("{:.3}", m.value),
            m.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high)),
            m.null.as_ref().map_or_else(|| "-".into(), |n| p_cell(n.p, n.draws)),
        ]);
    }
    out.rows.extend(found.contrast.as_ref().map(KindContrast::cells));
    out.says.push(format!("{} of {} sequences count", found.distinct, found.sequences));
    out
}
