//! Boards of the same sequences, brought into one order.

use std::collections::{HashMap, HashSet};

use truenorth_data::{Copies, NearCopies, SequenceRow, first_sequences};
use truenorth_stats::words::folded;

use super::super::ScoreRow;
use super::super::entry::placed;
use super::SavedBoard;
use super::columns::word;
use truenorth_reading::AnalysisError;

/// Boards over the sequences that all of them have.
#[derive(Clone, Debug, PartialEq)]
pub struct Aligned {
    /// The boards, each in the order of the first.
    pub boards: Vec<SavedBoard>,
    /// The sequences, with the labels that the boards give them.
    pub rows: Vec<SequenceRow>,
    /// Copies and near copies among them, which count once.
    pub copies: Copies,
    /// Sequences that are not on every board, left out.
    pub left_out: Vec<String>,
}

/// Brings boards into the order of the first. A sequence is known by its text, letter case and spaces aside, and one that
/// comes again by how often it came before: what rows are called differs from program to program.
///
/// # Errors
/// Without boards, when they have no sequence in common, or when copies are of different kinds.
pub fn align(boards: &[SavedBoard], near: NearCopies) -> Result<Aligned, AnalysisError> {
    let input = |what: String| AnalysisError::Input(what);
    let Some(first) = boards.first() else { return Err(input("no boards".into())) };
    boards.iter().try_for_each(told_once)?;
    let places: Vec<HashMap<(String, usize), usize>> =
        boards.iter().map(|b| keys(b).into_iter().enumerate().map(|(i, k)| (k, i)).collect()).collect();
    let own = keys(first);
    let everywhere = |key: &(String, usize)| places.iter().all(|p| p.contains_key(key));
    let kept: Vec<&(String, usize)> = own.iter().filter(|k| everywhere(k)).collect();
    let (mut left_out, mut seen) = (Vec::new(), HashSet::new());
    for board in boards {
        for (key, row) in keys(board).into_iter().zip(&board.rows) {
            if !everywhere(&key) && seen.insert(key) {
                left_out.push(row.id.clone());
            }
        }
    }
    if kept.is_empty() {
        let names: Vec<&str> = boards.iter().map(|b| b.name.as_str()).collect();
        return Err(input(format!("the boards {} have no sequence in common", names.join(", "))));
    }
    let mut aligned: Vec<SavedBoard> = boards
        .iter()
        .zip(&places)
        .map(|(board, place)| SavedBoard {
            rows: kept.iter().map(|key| board.rows[place[*key]].clone()).collect(),
            ..board.clone()
        })
        .collect();
    let rows = rows(&aligned);
    let firsts = first_sequences(&rows, near).map_err(|e| AnalysisError::Asked {
        what: format!("can't tell the sequences of the boards apart: {e}"),
        remedy: e.hint().unwrap_or_default(),
    })?;
    for board in &mut aligned {
        for (i, entry) in board.rows.iter_mut().enumerate() {
            entry.id.clone_from(&rows[i].id);
            let with = firsts.of[i];
            entry.counted_with = (with != i).then(|| rows[with].id.clone());
        }
        placed(&mut board.rows);
    }
    Ok(Aligned { boards: aligned, rows, copies: firsts.copies, left_out })
}

/// Refuses a text that has two scores on one board: whichever is taken, the other is lost.
fn told_once(board: &SavedBoard) -> Result<(), AnalysisError> {
    let mut scores: HashMap<&str, &ScoreRow> = HashMap::new();
    for row in &board.rows {
        let first = *scores.entry(&row.text).or_insert(row);
        if (first.score - row.score).abs() > 1e-6 * first.score.abs().max(1.0) {
            return Err(AnalysisError::Asked {
                what: format!(
                    "the board {} has one text twice, with the score {} as `{}` and {} as `{}`",
                    board.name, first.score, first.id, row.score, row.id
                ),
                remedy: "keep the row that is meant".into(),
            });
        }
    }
    Ok(())
}

fn keys(board: &SavedBoard) -> Vec<(String, usize)> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let key = |row: &ScoreRow| {
        let text = folded(&row.text);
        let before = seen.entry(text.clone()).or_default();
        *before += 1;
        (text, *before)
    };
    board.rows.iter().map(key).collect()
}

/// The sequences of boards in one order, with what any of them says of each.
fn rows(boards: &[SavedBoard]) -> Vec<SequenceRow> {
    let said = |i: usize| -> Vec<&ScoreRow> { boards.iter().map(|b| &b.rows[i]).collect() };
    (0..boards[0].rows.len())
        .map(|i| {
            let mut extra = std::collections::BTreeMap::new();
            for entry in said(i).into_iter().rev() {
                extra.extend(entry.extra.clone());
            }
            let mut label = |name: &str| extra.remove(name).and_then(|label| word(&label));
            let (kind, pair) = (label("kind"), label("pair"));
            let row = &boards[0].rows[i];
            SequenceRow { id: row.id.clone(), text: row.text.clone(), kind, pair, turns: vec![], extra }
        })
        .collect()
}
