//! A board as a whole: every sequence with what random directions would give it, corrected for the
//! number of sequences; and what the ends, the ranks and another board say.

use std::collections::HashMap;

use serde::Serialize;

use super::super::AnalysisError;
use super::super::scan::Scanned;
use super::super::score::{Contrast, Scored, contrast};
use super::super::stat::{self, Measured, of};
use super::{Asymmetry, RankChanges, ScoreAndZ, asymmetry, rank_changes, score_and_z};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// The least draws that a check may rest on.
const LEAST_DRAWS: usize = 10_000;

/// What a summary is asked for beside the board itself.
#[derive(Clone, Debug)]
pub struct SummaryParams<'a> {
    /// Sequences at each end; none takes a tenth, and at least three.
    pub ends: Option<usize>,
    /// What kind each sequence is, in their order; none gives none of them a kind.
    pub kinds: Option<&'a [Option<String>]>,
    /// Two kinds to set against each other, the first expected to score higher.
    pub contrast: Option<[String; 2]>,
    /// Another board over the same sequences, in any order, and what it is.
    pub against: Option<(&'a str, &'a [Scored])>,
    /// What this board is, beside the other.
    pub name: &'a str,
    /// Shuffles behind p values that are not exact.
    pub permutations: usize,
}

impl Default for SummaryParams<'_> {
    fn default() -> Self {
        Self {
            ends: None,
            kinds: None,
            contrast: None,
            against: None,
            name: "this board",
            permutations: 10_000,
        }
    }
}

/// One sequence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SummaryRow {
    /// Its name.
    pub id: String,
    /// Its text.
    pub text: String,
    /// Its kind, where the sequences have kinds.
    pub kind: Option<String>,
    /// Place by score, 1 the highest.
    pub rank: usize,
    /// Mean shift along the direction; the interval resamples the probes.
    pub score: Measured,
    /// The score in units of what a random direction would give.
    pub z: f64,
    /// How alike the probes moved, 0 to 1.
    pub coherence: f64,
    /// Norm of the mean shift.
    pub shift_norm: f64,
    /// Share of random directions with at least this `|z|`, closed form.
    pub p_random: f64,
    /// The same from drawn directions, `(1 + reached) / (1 + draws)`; none where none was drawn.
    pub p_drawn: Option<f64>,
    /// `p_random` after Holm's correction over the board; none for a sequence that is counted with another.
    pub p_holm: Option<f64>,
    /// `p_random` after that of Benjamini and Hochberg.
    pub p_bh: Option<f64>,
    /// The earlier sequence of which it is a copy or near copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_with: Option<String>,
}

/// The closed form of `p_random` held against drawn directions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MonteCarlo {
    /// Random unit directions drawn, the same for every sequence.
    pub draws: usize,
    /// The largest difference between the closed form and the share drawn.
    pub largest_difference: f64,
    /// The sequence with it.
    pub at: String,
    /// The least exact binomial p of a sequence's count against its closed form, after Holm over the
    /// board; Holm holds although the sequences share their draws.
    pub least_p: f64,
    /// Whether that leaves the closed form standing at 5 %.
    pub agrees: bool,
    /// The same in words.
    pub statement: String,
}

/// The family that the board's p values are corrected over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Family {
    /// What is in it.
    pub name: String,
    /// Tests.
    pub tests: usize,
    /// Level.
    pub level: f64,
    /// Sequences whose p stands after Holm.
    pub holm: usize,
    /// Sequences whose p stands after Benjamini and Hochberg.
    pub benjamini_hochberg: usize,
}

/// A board as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoardSummary {
    /// Sequences.
    pub sequences: usize,
    /// Of these the ones that are no copy and no near copy of an earlier one, on which all but the rows rests.
    pub distinct: usize,
    /// Probes behind each.
    pub probes: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// What no `|z|` can exceed, the root of the width.
    pub z_bound: f64,
    /// The largest `|z|` of the board.
    pub largest_z: f64,
    /// Mean coherence; 1 where every probe moves alike.
    pub coherence: Measured,
    /// Every sequence, by rank.
    pub rows: Vec<SummaryRow>,
    /// What the p values are corrected over.
    pub family: Family,
    /// The closed form checked by drawing; none where none was drawn.
    pub monte_carlo: Option<MonteCarlo>,
    /// Whether the two ends reach equally far.
    pub asymmetry: Asymmetry,
    /// Whether score and z rank alike.
    pub score_and_z: ScoreAndZ,
    /// One kind against another, where that was asked for.
    pub contrast: Option<Contrast>,
    /// Rank changes to another board, where one was given.
    pub rank_changes: Option<RankChanges>,
    /// What this does not show.
    pub not_shown: Vec<String>,
}

/// Summarises a scanned board.
///
/// # Errors
/// With fewer than eight sequences, scores that are all equal, ends that overlap, kinds that are not one
/// a sequence or are missing, fewer than 10 000 draws where there are any, or another board of other
/// sequences.
pub fn summarise(
    scanned: &Scanned,
    params: &SummaryParams<'_>,
    seeds: &Seeds,
) -> Result<BoardSummary, AnalysisError> {
    let refuse = |what: String| Err(AnalysisError::Input(what));
    let board = &scanned.board;
    let n = board.len();
    if let Some(kinds) = params.kinds.filter(|k| k.len() != n) {
        return refuse(format!("{} kinds for {n} sequences", kinds.len()));
    }
    if (1..LEAST_DRAWS).contains(&scanned.draws) {
        return refuse(format!(
            "{} random directions (--draws); a check of the closed form needs at least {LEAST_DRAWS}, or none at all",
            scanned.draws
        ));
    }
    let seeds = seeds.child("board");
    let stands = |i: usize| board[i].counted_with.is_none();
    let distinct: Vec<Scored> = (0..n).filter(|i| stands(*i)).map(|i| board[i].clone()).collect();
    let ends = params.ends.unwrap_or_else(|| (distinct.len() / 10).max(3));
    let asymmetry = asymmetry(&distinct, ends, params.permutations, &seeds)?;
    let score_and_z = score_and_z(&distinct, 10, params.permutations, &seeds)?;
    let p: Vec<f64> = distinct.iter().map(|r| r.p_random).collect();
    let named = |e| of("p_random", &e);
    let holm = math::holm_adjusted(&p).map_err(named)?;
    let bh = math::benjamini_hochberg(&p).map_err(named)?;
    let kind = |i: usize| params.kinds.and_then(|k| k.get(i).cloned().flatten());
    let mut adjusted = holm.iter().copied().zip(bh.iter().copied());
    let mut rng = seeds.stream("probes");
    let mut rows = Vec::with_capacity(n);
    for (i, row) in board.iter().enumerate() {
        let along = scanned.along.row(i).to_vec();
        let mut score =
            stat::mean(&along, &mut rng).map_err(|e| of(&format!("sequence `{}`", row.id), &e))?;
        score.value = row.score;
        if score.interval.is_some() {
            score.method = stat::bootstrap_over("probes");
        } else {
            score.method = "none: one probe has no spread".into();
        }
        let adjusted = if stands(i) { adjusted.next() } else { None };
        rows.push(SummaryRow {
            id: row.id.clone(),
            text: row.text.clone(),
            kind: kind(i),
            rank: row.rank,
            score,
            z: row.z,
            coherence: row.coherence,
            shift_norm: row.shift_norm,
            p_random: row.p_random,
            p_drawn: scanned
                .reached
                .get(i)
                .filter(|_| scanned.draws > 0)
                .map(|r| stat::permutation_p(*r, scanned.draws)),
            p_holm: adjusted.map(|a| a.0),
            p_bh: adjusted.map(|a| a.1),
            counted_with: row.counted_with.clone(),
        });
    }
    let level = 0.05;
    let stand = |p: &[f64]| p.iter().filter(|p| **p <= level).count();
    let contrast = match (&params.contrast, params.kinds) {
        (None, _) => None,
        (Some([high, low]), None) => {
            return refuse(format!(
                "kinds `{high}` and `{low}` are set against each other, but no sequence has a kind (--contrast compares them)"
            ));
        }
        (Some([high, low]), Some(kinds)) => {
            let kinds: Vec<Option<String>> =
                (0..n).filter(|i| stands(*i)).map(|i| kinds[i].clone()).collect();
            Some(contrast(&distinct, &kinds, [high, low], params.permutations, &seeds)?)
        }
    };
    let rank_changes = match params.against {
        None => None,
        Some((name, other)) => {
            let other = in_order(board, name, other)?;
            let other: Vec<Scored> =
                other.into_iter().enumerate().filter(|(i, _)| stands(*i)).map(|(_, r)| r).collect();
            Some(rank_changes((params.name, &distinct), (name, &other), params.permutations, &seeds)?)
        }
    };
    let coherences: Vec<f64> = distinct.iter().map(|r| r.coherence).collect();
    rows.sort_by_key(|r| (r.rank, r.counted_with.is_some()));
    Ok(BoardSummary {
        sequences: n,
        distinct: distinct.len(),
        probes: scanned.along.ncols(),
        width: scanned.width,
        z_bound: (scanned.width as f64).sqrt(),
        largest_z: board.iter().map(|r| r.z.abs()).fold(0.0, f64::max),
        coherence: stat::mean(&coherences, &mut seeds.stream("coherence")).map_err(|e| of("coherence", &e))?,
        rows,
        family: Family {
            name: format!("p_random of the {} sequences of this board", distinct.len()),
            tests: distinct.len(),
            level,
            holm: stand(&holm),
            benjamini_hochberg: stand(&bh),
        },
        monte_carlo: monte_carlo(scanned)?,
        asymmetry,
        score_and_z,
        contrast,
        rank_changes,
        not_shown: vec![
            "That a sequence holds, or lacks, what the direction is named for: a score says how it moves these \
             probes in this model at this site."
                .into(),
            "Other directions with a meaning: p_random is against directions drawn at random, which mean \
             nothing; a direction of sentiment or length might score as high."
                .into(),
            "Sequences that were not tried.".into(),
        ],
    })
}

/// The other board's rows in this board's order.
fn in_order(board: &[Scored], name: &str, other: &[Scored]) -> Result<Vec<Scored>, AnalysisError> {
    let by_id: HashMap<&str, &Scored> = other.iter().map(|r| (r.id.as_str(), r)).collect();
    let refuse = |id: &str, there: &str| {
        AnalysisError::Input(format!(
            "the board `{name}` is not of the same sequences: `{id}` is on {there} board alone"
        ))
    };
    let own: HashMap<&str, ()> = board.iter().map(|r| (r.id.as_str(), ())).collect();
    if let Some(extra) = other.iter().find(|r| !own.contains_key(r.id.as_str())) {
        return Err(refuse(&extra.id, "that"));
    }
    board
        .iter()
        .map(|r| {
            let found = by_id.get(r.id.as_str()).ok_or_else(|| refuse(&r.id, "this"))?;
            if found.text != r.text {
                return Err(AnalysisError::Input(format!(
                    "the board `{name}` is not of the same sequences: the texts of `{}` differ",
                    r.id
                )));
            }
            Ok((*found).clone())
        })
        .collect()
}

fn monte_carlo(scanned: &Scanned) -> Result<Option<MonteCarlo>, AnalysisError> {
    let draws = scanned.draws;
    if draws == 0 {
        return Ok(None);
    }
    let p: Vec<f64> = scanned
        .board
        .iter()
        .zip(&scanned.reached)
        .map(|(row, reached)| {
            // Below this no count but 0 has any chance to speak of, and the law's logarithms run out.
            if row.p_random < 1e-12 {
                return Ok(if *reached == 0 { 1.0 } else { 0.0 });
            }
            stat::binomial_p(*reached, draws, row.p_random.min(1.0))
        })
        .collect::<Result<_, _>>()?;
    let adjusted = math::holm_adjusted(&p).map_err(|e| of("counts of drawn directions", &e))?;
    let least_p = adjusted.iter().copied().fold(1.0, f64::min);
    let differences = scanned
        .board
        .iter()
        .zip(&scanned.reached)
        .map(|(r, c)| (r, (*c as f64 / draws as f64 - r.p_random).abs()));
    let largest = differences.max_by(|a, b| a.1.total_cmp(&b.1));
    let (at, largest_difference) = largest.map_or_else(|| (String::new(), 0.0), |(r, d)| (r.id.clone(), d));
    let agrees = least_p > 0.05;
    let verdict = if agrees { "agrees with" } else { "does not agree with" };
    let statement = format!(
        "The closed form {verdict} {draws} drawn directions: they differ by at most {largest_difference:.4} (at \
         `{at}`), least binomial p after Holm over {} sequences {least_p:.3}.",
        scanned.board.len()
    );
    Ok(Some(MonteCarlo { draws, largest_difference, at, least_p, agrees, statement }))
}
