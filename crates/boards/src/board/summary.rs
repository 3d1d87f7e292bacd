//! A board as a whole: every sequence with what random directions would give it, corrected for the
//! number of sequences; and what the ends, the ranks and another board say.

use std::collections::HashMap;

use super::contrast::contrast;
use super::ends::{KnowsNothing, asymmetry, end_of, rank_changes, score_and_z};
use super::scan::Scanned;
use super::{BoardSummary, BoardTestFamily, MonteCarlo, Params, ScoreRow, ScoredSequence, SummaryRow};
use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{self, of};
use truenorth_stats::math;
use truenorth_stats::math::Seeds;

/// Another board of the same sequences.
#[derive(Clone, Copy, Debug)]
pub(super) struct Against<'a> {
    pub own: &'a str,
    pub other: &'a str,
    pub board: &'a [ScoreRow],
}

/// Summarises a scanned board. `kinds` and `pairs` are one a sequence, or none at all.
///
/// # Errors
/// With fewer than eight sequences, scores that are all equal, ends that overlap, or another board of other
/// sequences.
pub(super) fn summarise(
    scanned: Scanned,
    kinds: &[Option<String>],
    pairs: &[Option<String>],
    against: Option<Against<'_>>,
    params: &Params,
    seeds: &Seeds,
) -> Result<BoardSummary, AnalysisError> {
    let board = &scanned.board;
    let n = board.len();
    let seeds = seeds.child("board");
    let stands = |i: usize| board[i].counted_with.is_none();
    let distinct: Vec<ScoredSequence> = (0..n).filter(|i| stands(*i)).map(|i| board[i].clone()).collect();
    // Exchanged labels are the question's own null; directions like the readings stand in where there are none.
    let unrelated =
        [(KnowsNothing::Relabelled, &scanned.relabelled), (KnowsNothing::Matched, &scanned.matched)];
    let unrelated = unrelated.into_iter().find_map(|(which, held)| Some((which, &held.as_ref()?.leans[..])));
    let asymmetry = asymmetry(&distinct, end_of(params.ends, distinct.len()), unrelated, &seeds)?;
    let score_and_z = score_and_z(&distinct, 10, params.permutations, &seeds)?;
    let kind = |i: usize| if kinds.is_empty() { None } else { kinds[i].clone() };
    let nulls = [&scanned.matched, &scanned.relabelled];
    // The null that reaches further decides.
    let family = |i: usize| nulls.iter().filter_map(|n| Some(n.as_ref()?.family[i])).reduce(f64::max);
    let mut rng = seeds.stream("probes");
    let mut rows = Vec::with_capacity(n);
    for (i, row) in board.iter().enumerate() {
        let along = scanned.along.row(i).to_vec();
        let mut score = stat::mean_over(&along, "probes", &mut rng)
            .map_err(|e| of(&format!("sequence `{}`", row.id), &e))?;
        score.value = row.score;
        if score.interval.is_none() {
            score.method = "none: one probe has no spread".into();
        }
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
            p_matched: scanned.matched.as_ref().map(|h| h.p[i]),
            p_permuted: scanned.relabelled.as_ref().map(|h| h.p[i]),
            p_family: if stands(i) { family(i) } else { None },
            counted_with: row.counted_with.clone(),
            sites: scanned.at_sites.get(i).cloned().unwrap_or_default(),
        });
    }
    let level = 0.05;
    let stand = rows.iter().filter(|r| r.p_family.is_some_and(|p| p <= level)).count();
    let contrast = match params.kinds()? {
        None => None,
        Some(compared) => {
            let kinds: Vec<Option<String>> = (0..n).filter(|i| stands(*i)).map(kind).collect();
            let pair = |i: usize| pairs.get(i).cloned().flatten();
            let pairs: Vec<Option<String>> = (0..n).filter(|i| stands(*i)).map(pair).collect();
            Some(contrast(&distinct, &kinds, &pairs, compared, params.permutations, &seeds)?)
        }
    };
    let rank_changes = match against {
        None => None,
        Some(Against { own, other: name, board: other }) => {
            let other = in_order(board, name, other)?;
            let other: Vec<ScoreRow> =
                other.into_iter().enumerate().filter(|(i, _)| stands(*i)).map(|(_, r)| r).collect();
            Some(rank_changes((own, &distinct), (name, &other), params.permutations, &seeds)?)
        }
    };
    let coherences: Vec<f64> = distinct.iter().map(|r| r.coherence).collect();
    rows.sort_by_key(|r| (r.rank, r.counted_with.is_some()));
    Ok(BoardSummary {
        sequences: n,
        distinct: distinct.len(),
        probes: scanned.along.ncols(),
        over: None,
        width: scanned.width,
        z_bound: (scanned.width as f64).sqrt(),
        largest_z: board.iter().map(|r| r.z.abs()).fold(0.0, f64::max),
        coherence: stat::mean(&coherences, &mut seeds.stream("coherence")).map_err(|e| of("coherence", &e))?,
        rows,
        family: BoardTestFamily {
            name: format!("|z| of the {} sequences of this board, the largest of each draw", distinct.len()),
            tests: distinct.len(),
            level,
            matched: scanned.matched.as_ref().map_or(0, |h| h.draws),
            permuted: scanned.relabelled.as_ref().map_or(0, |h| h.draws),
            no_labels: scanned.relabelled.is_none().then(|| {
                "the labels that the direction was fitted to are not at hand with a direction alone; a study has them"
                    .to_owned()
            }),
            stands: stand,
        },
        monte_carlo: monte_carlo(&scanned)?,
        asymmetry,
        score_and_z,
        contrast,
        rank_changes,
        not_shown: vec![
            "That a sequence holds, or lacks, what the direction is named for: a score says how it moves these \
             probes in this model at this site."
                .into(),
            "Other directions with a meaning: p is against directions that mean nothing, drawn like the readings or \
             fitted to exchanged labels; a direction of sentiment or length might score as high."
                .into(),
            "Sequences that were not tried.".into(),
        ],
        board: scanned.board,
        at_sites: scanned.at_sites,
    })
}

/// The other board's rows in this board's order.
fn in_order(
    board: &[ScoredSequence],
    name: &str,
    other: &[ScoreRow],
) -> Result<Vec<ScoreRow>, AnalysisError> {
    let by_id: HashMap<&str, &ScoreRow> = other.iter().map(|r| (r.id.as_str(), r)).collect();
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
         `{at}`), least binomial p after Holm over {} sequences {}.",
        scanned.board.len(),
        stat::p_said(least_p, None)
    );
    Ok(Some(MonteCarlo { draws, largest_difference, at, least_p, agrees, statement }))
}
