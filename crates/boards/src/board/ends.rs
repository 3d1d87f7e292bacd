//! Whether the two ends of a board reach equally far, whether scores and specificity rank alike, and how
//! ranks change between two boards.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::OnBoard;
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, LEVEL, Null, Number, RESAMPLES, Test, drawn_null, of};
use truenorth_stats::math;
use truenorth_stats::math::{Interval, MathError, Seeds};

/// The least sequences that the ends of a board are told from.
const LEAST: usize = 8;

/// Why the means of an end have no interval. Resampling the board itself holds the mean that a tenth of 102 normal scores
/// has in 89 %: resamples reach no further than what was seen.
const CHOSEN: &str = "none: the ends are chosen by their scores";

/// The sequences at one end of a board.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndScores {
    /// Mean score of the end.
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
    /// The end with the highest scores.
    pub top: EndScores,
    /// The end with the lowest scores.
    pub bottom: EndScores,
    /// `(top - bottom reach) / (top + bottom reach)` about 0, in [-1, 1] where the ends lie on both sides
    /// of it; 0 when both reach equally far. The null is what the same sequences give along directions that know nothing
    /// of the labels: what any two sequences share moves their scores together, so no sequence is a draw of its own.
    pub about_zero: Number,
    /// The same about the median: the shape of the board without its lean.
    pub about_median: Number,
    /// Share of positive scores, against one half, under the same null.
    pub positive: Number,
    /// What the asymmetry does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// How many sequences an end holds, of so many: a tenth, at least three, unless it is said.
pub(super) fn end_of(said: Option<usize>, sequences: usize) -> usize {
    said.unwrap_or_else(|| (sequences / 10).max(3))
}

/// How scores lie: what [`Asymmetry`] says, of any direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lean {
    about_zero: f64,
    about_median: f64,
    positive: f64,
}

impl Lean {
    /// Of scores in any order, an end being so many of them; none where the ends overlap or nothing reaches anywhere.
    #[must_use]
    pub fn of(mut scores: Vec<f64>, ends: usize) -> Option<Self> {
        if ends == 0 || 2 * ends > scores.len() {
            return None;
        }
        scores.sort_by(f64::total_cmp);
        let median = math::quantile(&scores, 0.5).ok()?;
        Some(Self {
            about_zero: reach(&scores, 0.0, ends)?,
            about_median: reach(&scores, median, ends)?,
            positive: scores.iter().filter(|s| **s > 0.0).count() as f64 / scores.len() as f64,
        })
    }
}

/// `(top - bottom reach) / (top + bottom reach)` about a centre; `scores` ascend.
fn reach(scores: &[f64], centre: f64, ends: usize) -> Option<f64> {
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64 - centre;
    let (top, bottom) = (mean(&scores[scores.len() - ends..]), -mean(&scores[..ends]));
    let whole = top.abs() + bottom.abs();
    (whole > 0.0).then(|| (top - bottom) / whole)
}

/// Directions that know nothing of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnowsNothing {
    /// Those of exchanged labels.
    Relabelled,
    /// Those drawn like the readings, where the labels are not at hand.
    Matched,
}

impl KnowsNothing {
    /// The tests of the ends and of the signs, and the null in words.
    fn tests(self) -> ([Test; 2], &'static str) {
        match self {
            Self::Relabelled => (
                [Test::BoardEnds, Test::BoardSigns],
                "the same sequences along directions of exchanged labels",
            ),
            Self::Matched => (
                [Test::BoardEndsMatched, Test::BoardSignsMatched],
                "the same sequences along directions drawn like the readings",
            ),
        }
    }
}

/// Compares the ends of a board; each holds `ends` sequences. `against` says what directions know nothing, and how the
/// same sequences lie along each.
///
/// # Errors
/// With fewer than eight sequences, ends that overlap, or scores that are all equal or not finite.
pub fn asymmetry<R: OnBoard>(
    board: &[R],
    ends: usize,
    against: Option<(KnowsNothing, &[Lean])>,
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
    let held = |found: Number, which: usize, centre: f64, of: fn(&Lean) -> f64| match against {
        Some((unrelated, leans)) if !leans.is_empty() => {
            let (tests, what) = unrelated.tests();
            let draws: Vec<f64> = leans.iter().map(of).collect();
            let null = drawn_null((tests[which], what), found.value, centre, &draws).map_err(named)?;
            Ok::<_, AnalysisError>(found.against(null))
        }
        _ => Ok(found),
    };
    let positive = stat::share(scores.iter().filter(|s| **s > 0.0).count(), n).map_err(named)?;
    let about = |which: &str, level: f64, of: fn(&Lean) -> f64| -> Result<Number, AnalysisError> {
        held(about(&scores, ends, level, of, &seeds.child(which)).map_err(named)?, 0, 0.0, of)
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let end = |rows: &[usize]| -> Result<EndScores, AnalysisError> {
        let mean = |f: fn(&R) -> Option<f64>| {
            let values: Option<Vec<f64>> = rows.iter().map(|i| f(&board[*i])).collect();
            let of = |v: Vec<f64>| -> Result<Number, AnalysisError> {
                Ok(Number::bare(math::mean(&v).map_err(named)?, rows.len(), CHOSEN))
            };
            values.map(of).transpose()
        };
        Ok(EndScores {
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
        about_zero: about("zero", widened(ends), |l| l.about_zero)?,
        about_median: about("median", LEVEL, |l| l.about_median)?,
        positive: held(positive, 1, 0.5, |l| l.positive)?,
        not_shown: vec![
            "That the direction is asymmetric: the sequences that were chosen may be.".into(),
            "The ends are chosen by their scores, so their means are further out than those of new \
             sequences of their kind would be."
                .into(),
        ],
    })
}

/// The level of percentiles for a statistic that rests on both ends alone: those of Student's law for so few sequences
/// (Hesterberg 2015, "expanded percentiles"). Plain ones hold the asymmetry about zero of 12 to 102 normal or Laplace
/// scores in 87 to 93 %, these in 94 to 97 %; about the median plain ones hold it in 96 to 98 %.
fn widened(ends: usize) -> f64 {
    let n = 2.0 * ends as f64;
    let reach = StudentsT::new(0.0, 1.0, n - 1.0).map_or(f64::INFINITY, |t| t.inverse_cdf(0.5 + LEVEL / 2.0));
    // With one at each end it is 1 up to rounding, which is no level.
    (2.0 * Normal::standard().cdf((n / (n - 1.0)).sqrt() * reach) - 1.0).min(1.0 - 1e-9)
}

/// How scores lie, with the bootstrap over sequences and its percentiles of a level.
fn about(
    scores: &[f64],
    ends: usize,
    level: f64,
    of: fn(&Lean) -> f64,
    seeds: &Seeds,
) -> Result<Number, MathError> {
    let value = Lean::of(scores.to_vec(), ends)
        .ok_or(MathError::Constant { what: "scores", value: scores.first().copied().unwrap_or(f64::NAN) })?;
    let mut rng = seeds.stream("bootstrap");
    let found = math::cluster_bootstrap(scores.len(), RESAMPLES, level, &mut rng, |counts| {
        let drawn = scores.iter().zip(counts).flat_map(|(s, c)| std::iter::repeat_n(*s, *c as usize));
        Some(of(&Lean::of(drawn.collect(), ends)?))
    })?;
    let how = if level > LEVEL { ", its percentiles widened for so few at the ends" } else { "" };
    Ok(Number {
        value: of(&value),
        n: scores.len(),
        interval: Some(Interval { level: LEVEL, ..found.interval }),
        method: format!("{}{how}", stat::bootstrap_over("sequences")),
        null: None,
    })
}

/// Whether scores and z rank sequences alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreAndZ {
    /// Spearman's correlation of score and z.
    pub correlation: Number,
    /// Sequences that score far up or down without being specific, and the reverse: those whose two ranks
    /// lie furthest apart.
    pub apart: Vec<RankChange>,
    /// What the correlation does not show.
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
    /// Name of the sequence.
    pub id: String,
    /// Text of the sequence.
    pub text: String,
    /// Its rank on the first board, 1 the highest; equal scores share the better place.
    pub first: usize,
    /// Its rank on the second board, counted likewise.
    pub second: usize,
    /// Places gained, negative for places lost.
    pub change: i64,
}

/// How ranks change from one board to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankChanges {
    /// What the first board is, in words.
    pub first: String,
    /// What the second board is, in words.
    pub second: String,
    /// Spearman's correlation of the scores.
    pub correlation: Number,
    /// Mean number of places moved; unrelated boards would give `(n² - 1) / 3n`.
    pub mean_change: Number,
    /// Every sequence, in the first board's order.
    pub rows: Vec<RankChange>,
    /// What the changes do not show.
    pub not_shown: String,
}

/// Compares the ranks of two boards over the same sequences, such as with and without projection.
///
/// # Errors
/// With fewer than eight sequences, boards of other sequences, or scores that are all equal or not finite.
pub fn rank_changes<R: OnBoard, S: OnBoard>(
    (first_name, first): (&str, &[R]),
    (second_name, second): (&str, &[S]),
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
