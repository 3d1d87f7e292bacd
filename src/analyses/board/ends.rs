//! Whether the two ends of a board reach equally far, whether scores and specificity rank alike, and how
//! ranks change between two boards.

use rand::Rng as _;
use serde::Serialize;

use super::OnBoard;
use crate::analyses::AnalysisError;
use crate::analyses::stat::{self, Null, Number, Test, drawn_null, of, resampled};
use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

/// The least sequences that the ends of a board are told from.
const LEAST: usize = 8;

/// One end of a board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct End {
    /// Mean score.
    pub score: Number,
    /// Mean z; none where the board has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub z: Option<Number>,
    /// Mean coherence; none where the board has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coherence: Option<Number>,
    /// Its sequences, the outermost first.
    pub ids: Vec<String>,
}

/// Whether the two ends of a board reach equally far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asymmetry {
    /// Sequences of the board.
    pub n: usize,
    /// Sequences at each end.
    pub ends: usize,
    /// The highest scores.
    pub top: End,
    /// The lowest scores.
    pub bottom: End,
    /// `(top - bottom reach) / (top + bottom reach)` about 0, in [-1, 1] where the ends lie on both sides
    /// of it; 0 when both reach equally far. The null turns the sign of every score at random.
    pub about_zero: Number,
    /// The same about the median: the shape of the board without its lean.
    pub about_median: Number,
    /// Share of positive scores, against one half.
    pub positive: Number,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// Compares the ends of a board; each holds `ends` sequences.
///
/// # Errors
/// With fewer than eight sequences, ends that overlap, or scores that are all equal or not finite.
pub fn asymmetry<R: OnBoard>(
    board: &[R],
    ends: usize,
    permutations: usize,
    seeds: &Seeds,
) -> Result<Asymmetry, AnalysisError> {
    let scores = scores_of(board, "the board")?;
    let n = board.len();
    if ends == 0 || 2 * ends > n {
        return Err(AnalysisError::Input(format!(
            "{ends} sequences at each end (--ends) of {n}; the ends must hold at least one and not overlap"
        )));
    }
    let named = |e: MathError| of("asymmetry", &e);
    let seeds = seeds.child("asymmetry");
    let median = math::quantile(&scores, 0.5).map_err(named)?;
    let centred: Vec<f64> = scores.iter().map(|s| s - median).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let end = |rows: &[usize]| -> Result<End, AnalysisError> {
        let mut rng = seeds.stream("ends");
        let mut mean = |f: fn(&R) -> Option<f64>| {
            let values: Option<Vec<f64>> = rows.iter().map(|i| f(&board[*i])).collect();
            values.map(|v| stat::mean(&v, &mut rng).map_err(named)).transpose()
        };
        Ok(End {
            score: mean(|r| Some(r.score()))?.expect("every row has a score"),
            z: mean(R::z)?,
            coherence: mean(R::coherence)?,
            ids: rows.iter().map(|i| board[*i].id().to_owned()).collect(),
        })
    };
    let bottom: Vec<usize> = order.iter().rev().take(ends).copied().collect();
    Ok(Asymmetry {
        n,
        ends,
        top: end(&order[..ends])?,
        bottom: end(&bottom)?,
        about_zero: about(&scores, false, ends, permutations, &seeds.child("zero")).map_err(named)?,
        about_median: about(&centred, true, ends, permutations, &seeds.child("median")).map_err(named)?,
        positive: stat::share_against(
            scores.iter().filter(|s| **s > 0.0).count(),
            n,
            0.5,
            (Test::BoardSigns, "scores of either sign equally often, exact binomial"),
        )?,
        not_shown: vec![
            "That the direction is asymmetric: the sequences that were chosen may be.".into(),
            "The ends are chosen by their scores, so their means are further out than those of new \
             sequences of their kind would be."
                .into(),
        ],
    })
}

fn about(
    scores: &[f64],
    centre_again: bool,
    ends: usize,
    permutations: usize,
    seeds: &Seeds,
) -> Result<Number, MathError> {
    let statistic = |mut values: Vec<f64>| -> Option<f64> {
        values.sort_by(f64::total_cmp);
        let centre = if centre_again { math::quantile(&values, 0.5).ok()? } else { 0.0 };
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64 - centre;
        let (top, bottom) = (mean(&values[values.len() - ends..]), -mean(&values[..ends]));
        let whole = top.abs() + bottom.abs();
        (whole > 0.0).then(|| (top - bottom) / whole)
    };
    let value = statistic(scores.to_vec())
        .ok_or(MathError::Constant { what: "scores", value: scores.first().copied().unwrap_or(f64::NAN) })?;
    let interval = resampled(scores.len(), &mut seeds.stream("bootstrap"), |counts| {
        let drawn = scores.iter().zip(counts).flat_map(|(s, c)| std::iter::repeat_n(*s, *c as usize));
        statistic(drawn.collect())
    })?;
    let mut rng = seeds.stream("signs");
    let draws: Vec<f64> = (0..permutations)
        .filter_map(|_| {
            statistic(scores.iter().map(|s| if rng.random::<bool>() { *s } else { -s }).collect())
        })
        .collect();
    let found = Number {
        value,
        n: scores.len(),
        interval: Some(interval),
        method: stat::bootstrap_over("sequences"),
        null: None,
    };
    if draws.is_empty() {
        return Ok(found);
    }
    let what = if centre_again {
        "every score reflected about the median at random"
    } else {
        "the sign of every score turned at random"
    };
    Ok(found.against(drawn_null((Test::BoardEnds, what), value, 0.0, &draws)?))
}

/// Whether scores and z rank sequences alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreAndZ {
    /// Spearman's correlation of score and z.
    pub correlation: Number,
    /// Sequences that score far up or down without being specific, and the reverse: those whose two ranks
    /// lie furthest apart.
    pub apart: Vec<RankChange>,
    /// What this does not show.
    pub not_shown: String,
}

/// Ranks sequences by score and by z, and names the `most` that differ most.
///
/// # Errors
/// As [`rank_changes`].
pub fn score_and_z<R: OnBoard>(
    board: &[R],
    most: usize,
    permutations: usize,
    seeds: &Seeds,
) -> Result<ScoreAndZ, AnalysisError> {
    let scores = scores_of(board, "the board")?;
    let z: Option<Vec<f64>> = board.iter().map(R::z).collect();
    let z = z.ok_or_else(|| AnalysisError::Input("the board has sequences without a z".into()))?;
    let clusters: Vec<usize> = (0..board.len()).collect();
    let found = stat::rank_correlation(&scores, &z, &clusters, permutations, &seeds.child("score and z"));
    let mut apart = changes(board, &scores, &z);
    apart.sort_by_key(|c| std::cmp::Reverse(c.change.unsigned_abs()));
    apart.truncate(most);
    Ok(ScoreAndZ {
        correlation: found.map_err(|e| of("scores and z", &e))?,
        apart,
        not_shown: "Both are made of the same shifts, so they go together by construction; the correlation \
                    says how far coherence reorders the board, its p nothing more than that."
            .into(),
    })
}

/// A sequence's ranks on two boards.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankChange {
    /// The sequence's name.
    pub id: String,
    /// The sequence.
    pub text: String,
    /// Its rank on the first board, 1 the highest; equal scores share the better place.
    pub first: usize,
    /// Its rank on the second board.
    pub second: usize,
    /// Places gained, negative for places lost.
    pub change: i64,
}

/// How ranks change from one board to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankChanges {
    /// What the first board is.
    pub first: String,
    /// What the second board is.
    pub second: String,
    /// Spearman's correlation of the scores.
    pub correlation: Number,
    /// Mean number of places moved; unrelated boards would give `(n² - 1) / 3n`.
    pub mean_change: Number,
    /// Every sequence, in the first board's order.
    pub rows: Vec<RankChange>,
    /// What this does not show.
    pub not_shown: String,
}

/// Compares the ranks of two boards over the same sequences, such as with and without projection.
///
/// # Errors
/// With fewer than eight sequences, boards of other sequences, or scores that are all equal or not finite.
pub fn rank_changes<R: OnBoard>(
    (first_name, first): (&str, &[R]),
    (second_name, second): (&str, &[R]),
    permutations: usize,
    seeds: &Seeds,
) -> Result<RankChanges, AnalysisError> {
    let (a, b) = (scores_of(first, first_name)?, scores_of(second, second_name)?);
    if first.len() != second.len() || first.iter().zip(second).any(|(x, y)| x.id() != y.id()) {
        return Err(AnalysisError::Input(format!(
            "the boards `{first_name}` and `{second_name}` are not of the same sequences in the same order"
        )));
    }
    let seeds = seeds.child("rank changes");
    let named = |e: MathError| of(&format!("{first_name} and {second_name}"), &e);
    let clusters: Vec<usize> = (0..a.len()).collect();
    let correlation = stat::rank_correlation(&a, &b, &clusters, permutations, &seeds).map_err(named)?;
    let mut rows = changes(first, &a, &b);
    let moved: Vec<f64> = rows.iter().map(|c| c.change.unsigned_abs() as f64).collect();
    let mut mean_change = stat::mean(&moved, &mut seeds.stream("moved")).map_err(named)?;
    let n = a.len() as f64;
    if let Some(null) = &correlation.null {
        mean_change = mean_change.against(Null {
            what: "unrelated boards; p is that of the correlation".into(),
            expected: (n * n - 1.0) / (3.0 * n),
            range: None,
            ..null.clone()
        });
    }
    rows.sort_by_key(|c| c.first);
    Ok(RankChanges {
        first: first_name.to_owned(),
        second: second_name.to_owned(),
        correlation,
        mean_change,
        rows,
        not_shown: "A rank changes as easily by a hair as by a mile where scores lie close together.".into(),
    })
}

fn changes<R: OnBoard>(board: &[R], a: &[f64], b: &[f64]) -> Vec<RankChange> {
    let rank = |all: &[f64], own: f64| 1 + all.iter().filter(|s| **s > own).count();
    board
        .iter()
        .enumerate()
        .map(|(i, row)| {
            let (first, second) = (rank(a, a[i]), rank(b, b[i]));
            let change = first as i64 - second as i64;
            RankChange { id: row.id().to_owned(), text: row.text().to_owned(), first, second, change }
        })
        .collect()
}

/// Scores that a board can be judged by.
fn scores_of<R: OnBoard>(board: &[R], name: &str) -> Result<Vec<f64>, AnalysisError> {
    if board.len() < LEAST {
        return Err(AnalysisError::Input(format!(
            "{name} has {} sequences; at least {LEAST} are needed",
            board.len()
        )));
    }
    if let Some(bad) = board.iter().find(|r| !r.score().is_finite() || r.z().is_some_and(|z| !z.is_finite()))
    {
        let z = bad.z().map_or_else(String::new, |z| format!(" with z {z}"));
        return Err(AnalysisError::Input(format!("{name} scores `{}` as {}{z}", bad.id(), bad.score())));
    }
    if board.iter().all(|r| r.score() == board[0].score()) {
        return Err(AnalysisError::Input(format!(
            "{name} gives every sequence the score {}; there are no ends and no order",
            board[0].score()
        )));
    }
    Ok(board.iter().map(R::score).collect())
}
