//! Boards of the same sequences, brought into one order.

use std::collections::{BTreeMap, HashMap};

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
    /// The place of the sequence that stands for the cluster of each; its own where it stands for itself.
    pub firsts: Vec<usize>,
    /// Copies and near copies among them, which count once.
    pub copies: Copies,
    /// Sequences that are not on every board, left out.
    pub left_out: Vec<String>,
}

/// Brings boards into the order of the first. A sequence is known by its text, since what rows are called differs from program
/// to program. Of texts that differ in letter case or spaces alone, those that are the same character for character belong
/// together, then those of one id, then those that are left where there is but one of them on each board.
///
/// For a cluster of copies and near copies stands the row that the boards themselves let stand (`counted_with`); where they
/// say nothing, the first by id, or by text where the ids are row numbers. The order of a file never decides: boards
/// are often sorted by score, and the highest of each cluster would stand for it.
///
/// # Errors
/// Without boards, when they have no sequence in common, when it is not certain which of two texts that differ in letter case
/// is which, or when copies are of different kinds.
pub fn align(boards: &[SavedBoard], near: NearCopies) -> Result<Aligned, AnalysisError> {
    let input = |what: String| AnalysisError::Input(what);
    if boards.is_empty() {
        return Err(input("no boards".into()));
    }
    boards.iter().try_for_each(told_once)?;
    let (kept, others): (Vec<Places>, Vec<Places>) =
        places(boards)?.into_iter().partition(|p| p.len() == boards.len());
    let left_out = others.iter().map(|p| boards[p[0].0].rows[p[0].1].id.clone()).collect();
    if kept.is_empty() {
        let names: Vec<&str> = boards.iter().map(|b| b.name.as_str()).collect();
        return Err(input(format!("the boards {} have no sequence in common", names.join(", "))));
    }
    let mut aligned: Vec<SavedBoard> = boards
        .iter()
        .enumerate()
        .map(|(b, board)| SavedBoard {
            rows: kept.iter().map(|places| board.rows[places[b].1].clone()).collect(),
            ..board.clone()
        })
        .collect();
    let rows = rows(&aligned);
    let order = standing(boards, &aligned);
    let sorted: Vec<SequenceRow> = order.iter().map(|i| rows[*i].clone()).collect();
    let found = first_sequences(&sorted, near).map_err(|e| AnalysisError::Asked {
        what: format!("can't tell the sequences of the boards apart: {e}"),
        remedy: e.hint().unwrap_or_default(),
    })?;
    let mut firsts = vec![0; rows.len()];
    for (at, first) in order.iter().zip(&found.of) {
        firsts[*at] = order[*first];
    }
    for board in &mut aligned {
        for (i, entry) in board.rows.iter_mut().enumerate() {
            entry.id.clone_from(&rows[i].id);
            let with = firsts[i];
            entry.counted_with = (with != i).then(|| rows[with].id.clone());
        }
        placed(&mut board.rows);
    }
    Ok(Aligned { boards: aligned, rows, firsts, copies: found.copies, left_out })
}

/// The rows in an order in which the first of a cluster is the one that stands for it, whatever the order of the files.
fn standing(boards: &[SavedBoard], aligned: &[SavedBoard]) -> Vec<usize> {
    let marked = |b: &SavedBoard| b.rows.iter().any(|r| r.counted_with.is_some());
    let marks = boards.iter().position(marked);
    let named = boards.iter().position(is_named);
    let key = |i: &usize| {
        let counted = marks.is_some_and(|b| aligned[b].rows[*i].counted_with.is_some());
        let id = named.map(|b| id_parts(&aligned[b].rows[*i].id));
        let text = &aligned[0].rows[*i].text;
        (counted, id, folded(text), text.clone())
    };
    let mut order: Vec<usize> = (0..aligned[0].rows.len()).collect();
    order.sort_by_cached_key(key);
    order
}

/// Whether the ids of a board are more than the numbers of its rows, which say where a row stood and not what it is.
fn is_named(board: &SavedBoard) -> bool {
    let rows = 1..=board.rows.len();
    !board.rows.iter().all(|r| r.id.parse::<usize>().is_ok_and(|n| rows.contains(&n)))
}

/// A part of an id: numbers go by their size, so that `s9` comes before `s10`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum IdPart {
    Number(usize, String),
    Text(String),
}

fn id_parts(id: &str) -> Vec<IdPart> {
    let (mut parts, mut rest) = (Vec::new(), id);
    while let Some(digit) = rest.chars().next().map(|c| c.is_ascii_digit()) {
        let end = rest.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        let number = part.trim_start_matches('0');
        parts.push(match digit {
            true => IdPart::Number(number.len(), number.to_owned()),
            false => IdPart::Text(part.to_owned()),
        });
        rest = more;
    }
    parts
}

/// Board and row.
type Place = (usize, usize);

/// Where a sequence is: a place on each board that has it, in the order of the boards.
type Places = Vec<Place>;

/// The sequences of all boards, in the order of the first board that has each.
fn places(boards: &[SavedBoard]) -> Result<Vec<Places>, AnalysisError> {
    let mut all: BTreeMap<String, Vec<Places>> = BTreeMap::new();
    let named: Vec<bool> = boards.iter().map(is_named).collect();
    for (b, board) in boards.iter().enumerate() {
        let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (i, row) in board.rows.iter().enumerate() {
            alike.entry(folded(&row.text)).or_default().push(i);
        }
        for (text, rows) in alike {
            matched((boards, &named), b, rows, all.entry(text).or_default())?;
        }
    }
    let mut found: Vec<Places> = all.into_values().flatten().collect();
    found.sort_by_key(|places| places[0]);
    Ok(found)
}

/// Gives the rows of a board, alike but for letter case and spaces, their places among sequences of earlier boards that are so
/// too.
fn matched(
    (boards, named): (&[SavedBoard], &[bool]),
    b: usize,
    mut rows: Vec<usize>,
    found: &mut Vec<Places>,
) -> Result<(), AnalysisError> {
    let row = |(b, i): Place| &boards[b].rows[i];
    let text = |a: Place, c: Place| row(a).text == row(c).text;
    let id = |a: Place, c: Place| named[a.0] && named[c.0] && row(a).id == row(c).id;
    let both = |a: Place, c: Place| text(a, c) && id(a, c);
    let rules: [&dyn Fn(Place, Place) -> bool; 3] = [&both, &text, &id];
    let mut open: Vec<usize> = (0..found.len()).collect();
    for rule in rules {
        // The first board's word comes first, and the order of rows decides nothing.
        for before in 0..b {
            rows.retain(|i| {
                let fits = |s: &usize| found[*s].iter().any(|a| a.0 == before && rule(*a, (b, *i)));
                let at = open.iter().position(fits);
                if let Some(at) = at {
                    found[open.remove(at)].push((b, *i));
                }
                at.is_none()
            });
        }
    }
    if let (Some(own), Some(other)) = (rows.first(), open.first()) {
        let (own, other) = ((b, *own), found[*other][0]);
        // Rows of one text have one score, so that it is the same which of them is taken.
        let one = rows.iter().all(|i| text((b, *i), own)) && open.iter().all(|s| text(found[*s][0], other));
        if !one {
            let others: Vec<Place> = open.iter().map(|s| found[*s][0]).collect();
            return Err(unsure(boards, (b, &rows), &others));
        }
    }
    let taken = rows.len().min(open.len());
    for (i, s) in rows.drain(..taken).zip(open) {
        found[s].push((b, i));
    }
    found.extend(rows.into_iter().map(|i| vec![(b, i)]));
    Ok(())
}

/// That texts differ in letter case or spaces alone, and which is which can't be told.
fn unsure(boards: &[SavedBoard], (b, rows): (usize, &[usize]), others: &[Place]) -> AnalysisError {
    let shown =
        |row: &ScoreRow| format!("`{}` ({:?})", row.id, row.text.chars().take(40).collect::<String>());
    let own: Vec<String> = rows.iter().map(|i| shown(&boards[b].rows[*i])).collect();
    let theirs: Vec<String> = others.iter().map(|(b, i)| shown(&boards[*b].rows[*i])).collect();
    AnalysisError::Asked {
        what: format!(
            "can't tell which is which of {} on the board {} and {} on the board {}: their texts differ in letter case or \
             spaces alone",
            theirs.join(", "),
            boards[others[0].0].name,
            own.join(", "),
            boards[b].name
        ),
        remedy: "write each text the same on all boards, or give its rows one `id`".into(),
    }
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

/// The sequences of boards in one order, with what any of them says of each.
fn rows(boards: &[SavedBoard]) -> Vec<SequenceRow> {
    let said = |i: usize| -> Vec<&ScoreRow> { boards.iter().map(|b| &b.rows[i]).collect() };
    (0..boards[0].rows.len())
        .map(|i| {
            let mut extra = BTreeMap::new();
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
