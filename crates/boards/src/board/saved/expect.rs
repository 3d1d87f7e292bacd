//! A new board held against one that was kept.

use serde::Serialize;
use truenorth_stats::math;

use super::SavedBoard;
use super::align::align;
use truenorth_data::NearCopies;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::of;

/// A sequence on two boards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// Name of the sequence.
    pub id: String,
    /// Text of the sequence.
    pub text: String,
    /// Its score on this board.
    pub score: f64,
    /// Its score on the board that was expected.
    pub expected: f64,
    /// `score` less `expected`.
    pub gap: f64,
}

/// How far a board is from the one that was expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Whether every sequence is there and no gap is larger than `within`.
    pub agrees: bool,
    /// Sequences on both boards.
    pub sequences: usize,
    /// Sequences on one of them alone.
    pub not_on_both: Vec<String>,
    /// The largest gap that counts as none: a share of the standard deviation of the expected scores.
    pub within: f64,
    /// The sequence with the largest gap.
    pub largest: Gap,
    /// Mean size of a gap.
    pub mean_gap: f64,
    /// Standard deviation of the expected scores.
    pub spread: f64,
    /// Spearman's correlation; none where one board has no order.
    pub spearman: Option<f64>,
    /// Pearson's correlation; none where one board has no spread.
    pub pearson: Option<f64>,
    /// Pairs of sequences whose order is the other way round.
    pub inversions: usize,
    /// Of these the pairs that lie further apart than two gaps of `within` on both boards.
    pub clear_inversions: usize,
    /// Pairs of sequences.
    pub pairs: usize,
}

/// Holds a board against the expected one. `within` is the share of the standard deviation of the expected scores that
/// counts as no gap.
///
/// # Errors
/// When the boards have fewer than two sequences in common.
pub fn expect(new: &SavedBoard, old: &SavedBoard, within: f64) -> Result<Expected, AnalysisError> {
    let aligned = align(&[new.clone(), old.clone()], NearCopies::default())?;
    let [own, other] = aligned.boards.as_slice() else {
        return Err(AnalysisError::Input("two boards are compared".into()));
    };
    let scores = |b: &SavedBoard| b.rows.iter().map(|r| r.score).collect::<Vec<f64>>();
    let (a, b) = (scores(own), scores(other));
    if a.len() < 2 {
        return Err(AnalysisError::Input(format!(
            "the boards `{}` and `{}` have {} sequences in common; at least 2 are compared",
            new.name,
            old.name,
            a.len()
        )));
    }
    let spread = math::standard_deviation(&b).map_err(|e| of(&old.name, &e))?;
    let allowed = within * spread;
    let gaps: Vec<f64> = a.iter().zip(&b).map(|(x, y)| x - y).collect();
    let at = (0..gaps.len()).max_by(|i, j| gaps[*i].abs().total_cmp(&gaps[*j].abs())).unwrap_or(0);
    let (mut inversions, mut clear) = (0, 0);
    for i in 0..a.len() {
        for j in i + 1..a.len() {
            let (x, y) = (a[i] - a[j], b[i] - b[j]);
            if x * y < 0.0 {
                inversions += 1;
                clear += usize::from(x.abs() > 2.0 * allowed && y.abs() > 2.0 * allowed);
            }
        }
    }
    Ok(Expected {
        agrees: aligned.left_out.is_empty() && gaps[at].abs() <= allowed,
        sequences: a.len(),
        not_on_both: aligned.left_out,
        within: allowed,
        largest: Gap {
            id: own.rows[at].id.clone(),
            text: own.rows[at].text.clone(),
            score: a[at],
            expected: b[at],
            gap: gaps[at],
        },
        mean_gap: gaps.iter().map(|g| g.abs()).sum::<f64>() / gaps.len() as f64,
        spread,
        spearman: math::spearman(&a, &b).ok(),
        pearson: math::pearson(&a, &b).ok(),
        inversions,
        clear_inversions: clear,
        pairs: a.len() * (a.len() - 1) / 2,
    })
}
