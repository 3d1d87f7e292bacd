//! The page of a board that was kept.

use super::super::page::{asymmetry, ends, kinds, rank_table, ranks, ranks_alike};
use super::SavedSummary;
use truenorth_report::{Axis, Block, Board, BoardRow, Figure, Finding, NoteKind, Num, Section};

/// Rows of the board drawn at each end.
const ENDS: usize = 12;

const NOT_SHOWN: &str = "That a sequence holds, or lacks, what the direction is named for; and, without the model, \
    whether directions that mean nothing reach as far.";

/// Lines of the front page.
#[must_use]
pub fn findings(result: &SavedSummary) -> Vec<Finding> {
    let mut out = vec![ends(&result.asymmetry)];
    out.extend(result.contrast.as_ref().map(kinds));
    out.extend(result.rank_changes.as_ref().map(ranks_alike));
    out
}

/// The section of a report, with its figures and tables.
#[must_use]
pub fn section(result: &SavedSummary) -> Section {
    let lead = format!(
        "{}: {} sequences, of which {} are no copies or near copies of others. The scores are those of the file; no model \
         was asked.",
        result.board, result.sequences, result.distinct
    );
    let mut section = Section::new("board", "The board of sequences", lead).with(both_ends(result));
    for sentence in result.copies.sentences() {
        section = section.with(Block::note(NoteKind::Warning, sentence));
    }
    section = section.with(asymmetry(&result.asymmetry));
    if let Some(changes) = &result.rank_changes {
        section = section.with(ranks(changes)).with(rank_table(changes));
    }
    section.with(Block::limits(&result.not_shown))
}

fn both_ends(result: &SavedSummary) -> Figure {
    let n = result.rows.len();
    let shown = result.rows.iter().enumerate().filter(|(i, _)| *i < ENDS || *i + ENDS >= n);
    let rows = shown
        .map(|(_, row)| BoardRow {
            rank: (row.rank as f64).into(),
            label: row.text.clone(),
            group: String::new(),
            score: row.score.into(),
            interval: None,
            z: row.z.map_or(Num::missing("the board has none"), Num::new),
        })
        .collect();
    Figure::new(
        "board-ends",
        "Both ends of the board",
        Board { x: Axis::new("score"), digits: 3, rows },
        format!("The outermost of {n} sequences."),
        NOT_SHOWN,
    )
}
