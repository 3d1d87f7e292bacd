//! The board: its ends, its kinds, score against z, how its ranks change, and whether it is lopsided.

mod lines;
mod over;

pub(super) use lines::{ends, findings, kinds, ranks_alike};

use crate::board::{Asymmetry, BoardSummary, Over, RankChanges, SummaryRow};
use truenorth_reading::stat::Number;
use truenorth_report::{
    Axis, Block, Board, BoardRow, Cell, Column, Figure, Forest, ForestRow, KeyValueList, LabelledValue, Mark,
    NoteKind, Num, Scatter, ScatterPoint, Section, Slope, SlopeRow, Strip, StripGroup, Table, Test,
};

/// Rows of the board drawn at each end.
const ENDS: usize = 12;
/// Rows of the table of all sequences at most; the JSON has them all.
const ROWS: usize = 2000;
/// Marks of a plot at most.
const MARKS: usize = 600;

/// Why a board of another program has no mean of it.
const NO_Z: &str = "the board has none";

const NOT_SHOWN: &str = "That a sequence holds, or lacks, the value. A score says how the sequence moves the \
    residual of neutral probes behind it along the direction, in this model, at this site. |z| is bounded by the \
    root of the width, and p compares with directions that mean nothing, not with other meanings.";

/// The section of a report, with its figures and tables.
#[must_use]
pub fn section(result: &BoardSummary) -> Section {
    let mut lead = format!(
        "How far each of {} sequences, put before {} neutral probes, moves them along the direction. |z| can't \
         exceed {:.1}; the largest here is {:.1}.",
        result.sequences, result.probes, result.z_bound, result.largest_z
    );
    if let Some(over) = &result.over {
        lead += &match over.over {
            Over::Mean if over.shared => format!(
                " A score is the mean over {}, which share one vector; z and p are those of the mean of their shifts, against \
                 random directions that are shared too.",
                over.sites.join(", ")
            ),
            Over::Mean => format!(
                " A score is the mean over {}; z and p are those of the shifts at all of these sites as one vector.",
                over.sites.join(", ")
            ),
            Over::Worst => format!(
                " A score is the least of those at {}; z and p are those of the site with it, and so are those of each direction \
                 drawn, which has a worst site of its own.",
                over.sites.join(", ")
            ),
        };
    }
    if result.distinct < result.sequences {
        lead += &format!(
            " {} of them are no copies or near copies of others; ranks, corrections and all that is said of the board \
             rest on these.",
            result.distinct
        );
    }
    let mut section = Section::new("board", "The board of sequences", lead).with(both_ends(result));
    let grouped = result.rows.iter().any(|r| r.kind.is_some());
    if grouped {
        section = section.with(strip(result));
    }
    section = section.with(score_and_z(result));
    if let Some(check) = &result.monte_carlo {
        let kind = if check.agrees { NoteKind::Method } else { NoteKind::Warning };
        section = section.with(Block::note(kind, check.statement.as_str()));
    }
    section = section.with(asymmetry(&result.asymmetry)).with(facts(result));
    if let Some(changes) = &result.rank_changes {
        section = section.with(ranks(changes)).with(rank_table(changes));
    }
    let summary = match result.rows.len() {
        n if n > ROWS => format!("The {ROWS} outermost of {n} sequences"),
        n => format!("All {n} sequences"),
    };
    let mut blocks = vec![table(result).into()];
    blocks.extend(over::table(result).map(Block::from));
    section.with(Block::Details { summary, blocks }).with(Block::limits(&result.not_shown))
}

/// A corrected p, or with which sequence the row is counted.
fn corrected(row: &SummaryRow) -> Cell {
    let without = || match &row.counted_with {
        Some(with) => format!("counted with {with}"),
        None => "no null was run".into(),
    };
    row.p_family.map_or_else(|| Cell::empty(without()), |p| Cell::p(Test::BoardFamily, p, None))
}

fn kind(row: &SummaryRow) -> String {
    row.kind.clone().unwrap_or_else(|| "unlabelled".into())
}

/// So many of the outermost rows, in order of rank.
fn outermost(rows: &[SummaryRow], most: usize) -> Vec<&SummaryRow> {
    let n = rows.len();
    if n <= most {
        return rows.iter().collect();
    }
    let low = most / 2;
    rows.iter().take(most - low).chain(rows.iter().skip(n - low)).collect()
}

fn both_ends(result: &BoardSummary) -> Figure {
    let grouped = result.rows.iter().any(|r| r.kind.is_some());
    let rows = outermost(&result.rows, 2 * ENDS)
        .into_iter()
        .map(|row| {
            let [low, high] = Num::ends(&row.score);
            BoardRow {
                rank: (row.rank as f64).into(),
                label: row.text.clone(),
                group: if grouped { kind(row) } else { String::new() },
                score: row.score.value.into(),
                interval: row.score.interval.map(|_| [low, high]),
                z: row.z.into(),
            }
        })
        .collect();
    Figure::new(
        "board-ends",
        "Both ends of the board",
        Board { x: Axis::new("score"), digits: 3, rows },
        format!(
            "The outermost of {} sequences; score: mean shift of {} normalised probe residuals along the direction, \
             grey: 95 % interval over the probes.",
            result.sequences, result.probes
        ),
        NOT_SHOWN,
    )
}

fn strip(result: &BoardSummary) -> Figure {
    let mut names: Vec<String> = result.rows.iter().map(kind).collect();
    names.sort();
    names.dedup();
    let groups = names
        .into_iter()
        .map(|name| StripGroup {
            points: result
                .rows
                .iter()
                .filter(|r| kind(r) == name)
                .map(|r| LabelledValue { label: r.text.clone(), value: r.z.into() })
                .collect(),
            label: name,
        })
        .collect();
    Figure::new(
        "board-kinds",
        "z by kind of sequence",
        Strip {
            x: Axis::new("z"),
            reference: Some(Mark::span(
                -1.96,
                1.96,
                "95 % of uniformly random directions, probes that move alike",
            )),
            groups,
        },
        "Each mark is a sequence; z is the score in units of what a random direction would give. The pale range \
         holds where coherence is 1; where it is less, random directions reach less far.",
        NOT_SHOWN,
    )
}

fn score_and_z(result: &BoardSummary) -> Figure {
    let named: Vec<&str> = result.score_and_z.apart.iter().take(5).map(|c| c.id.as_str()).collect();
    let points = outermost(&result.rows, MARKS)
        .into_iter()
        .map(|r| ScatterPoint {
            label: r.text.clone(),
            named: named.contains(&r.id.as_str()),
            group: r.kind.clone().unwrap_or_default(),
            x: r.score.value.into(),
            y: r.z.into(),
        })
        .collect();
    let c = &result.score_and_z.correlation;
    let ci = c.interval.map_or_else(String::new, |i| format!(" [{:.2}, {:.2}]", i.low, i.high));
    let drawn = match result.sequences {
        n if n > MARKS => format!("The {MARKS} outermost of {n} sequences are drawn."),
        n => format!("{n} sequences."),
    };
    Figure::new(
        "board-z",
        "Score against specificity",
        Scatter { x: Axis::new("score"), y: Axis::new("z"), diagonal: false, points },
        format!(
            "{drawn} Spearman's ρ {:.3}{ci}; mean coherence {:.2}. Named: those whose two ranks lie furthest apart.",
            c.value, result.coherence.value
        ),
        result.score_and_z.not_shown.as_str(),
    )
}

pub(super) fn asymmetry(a: &Asymmetry) -> Figure {
    let row = |label: &str, m: &Number, centre: f64| ForestRow {
        label: label.into(),
        group: None,
        estimate: (m.value - centre).into(),
        interval: Num::ends(m).map(|e| e.get().map_or(e, |v| Num::new(v - centre))),
        null: m.null.as_ref().and_then(|n| n.range).map(|r| r.map(|v| Num::new(v - centre))),
        n: m.n as u64,
        status: None,
    };
    Figure::new(
        "board-asymmetry",
        "Do both ends reach equally far?",
        Forest {
            x: Axis::new("asymmetry").range(-1.0, 1.0),
            reference: Some(Mark::at(0.0, "equally far")),
            digits: 2,
            rows: vec![
                row("about zero", &a.about_zero, 0.0),
                row("about the median", &a.about_median, 0.0),
                row("share of positive scores, less one half", &a.positive, 0.5),
            ],
        },
        format!(
            "(top − bottom reach) / (top + bottom reach), {} sequences at each end of {}; 95 % intervals over the \
             sequences, pale: central 95 % of the null. About zero holds the lean of the board, about the median \
             its shape.",
            a.ends, a.n
        ),
        a.not_shown.join(" "),
    )
}

fn facts(result: &BoardSummary) -> KeyValueList {
    let a = &result.asymmetry;
    KeyValueList::new("The ends, means")
        .with("score at the top", Cell::of(&a.top.score, 4))
        .with("score at the bottom", Cell::of(&a.bottom.score, 4))
        .with("z at the top", Cell::maybe(a.top.z.as_ref(), 2, NO_Z))
        .with("z at the bottom", Cell::maybe(a.bottom.z.as_ref(), 2, NO_Z))
        .with("coherence at the top", Cell::maybe(a.top.coherence.as_ref(), 2, NO_Z))
        .with("coherence at the bottom", Cell::maybe(a.bottom.coherence.as_ref(), 2, NO_Z))
        .with("bound of |z|", Cell::number(result.z_bound, 1))
        .with("family of the p values", result.family.name.as_str())
}

pub(super) fn ranks(c: &RankChanges) -> Figure {
    let n = c.rows.len();
    let out = |r: usize| (r.max(1) - 1).min(n.saturating_sub(r));
    let rows: Vec<SlopeRow> = c
        .rows
        .iter()
        .filter(|r| out(r.first) < ENDS || out(r.second) < ENDS / 2)
        .map(|r| SlopeRow {
            label: r.text.clone(),
            group: String::new(),
            ranks: vec![Num::new(r.first as f64), Num::new(r.second as f64)],
        })
        .collect();
    let m = &c.mean_change;
    let expected =
        m.null.as_ref().map_or_else(String::new, |n| format!(" (unrelated boards: {:.1})", n.expected));
    Figure::new(
        "board-ranks",
        format!("Ranks on {} and on {}", c.first, c.second),
        Slope {
            columns: vec![c.first.clone(), c.second.clone()],
            mover: Num::new((n as f64 / 4.0).max(1.0)),
            rows,
        },
        format!(
            "The outermost sequences of either board, of {n}. A sequence moves {:.1} places on average{expected}.",
            m.value
        ),
        c.not_shown.as_str(),
    )
}

pub(super) fn rank_table(c: &RankChanges) -> Block {
    let mut table = Table::new(
        "board-rank-table",
        format!("The largest changes of rank from {} to {}.", c.first, c.second),
        c.not_shown.as_str(),
        ["sequence", c.first.as_str(), c.second.as_str(), "places"].map(Column::new).to_vec(),
    );
    let mut rows: Vec<_> = c.rows.iter().collect();
    rows.sort_by_key(|r| std::cmp::Reverse(r.change.unsigned_abs()));
    for r in rows.into_iter().take(20) {
        table.push(vec![
            r.text.as_str().into(),
            r.first.into(),
            r.second.into(),
            Cell::number(r.change as f64, 0),
        ]);
    }
    table.into()
}

fn table(result: &BoardSummary) -> Table {
    let mut table = Table::new(
        "board-table",
        format!(
            "Sequences by score, with 95 % intervals over the probes. p: share of {} directions drawn like the \
             readings, and of {} fitted to exchanged labels, with at least this |z|; corrected: the null that reaches \
             further, over {}. Uniform: share of uniformly random directions, closed form, described only, as \
             activations are far from uniform; drawn: from {} drawn ones.",
            result.family.matched,
            result.family.permuted,
            result.family.name,
            result.monte_carlo.as_ref().map_or(0, |m| m.draws)
        ),
        NOT_SHOWN,
        [
            "rank",
            "sequence",
            "kind",
            "score",
            "z",
            "coherence",
            "shift norm",
            "p, like the readings",
            "p, exchanged labels",
            "p, corrected",
            "uniform",
            "uniform, drawn",
        ]
        .map(Column::new)
        .to_vec(),
    );
    let draws = result.monte_carlo.as_ref().map(|m| m.draws as u64);
    let (matched, permuted) = (result.family.matched as u64, result.family.permuted as u64);
    for row in outermost(&result.rows, ROWS) {
        table.push(vec![
            row.rank.into(),
            row.text.as_str().into(),
            row.kind.as_deref().map_or_else(|| Cell::empty("no kind was given"), Cell::from),
            Cell::of(&row.score, 4),
            Cell::number(row.z, 2),
            Cell::number(row.coherence, 2),
            Cell::number(row.shift_norm, 3),
            row.p_matched.map_or_else(
                || Cell::empty("none was drawn"),
                |p| Cell::p(Test::BoardMatched, p, Some(matched)),
            ),
            row.p_permuted.map_or_else(
                || Cell::empty("the labels are not at hand"),
                |p| Cell::p(Test::BoardPermuted, p, Some(permuted)),
            ),
            corrected(row),
            Cell::p(Test::BoardUniform, row.p_random, None),
            row.p_drawn
                .map_or_else(|| Cell::empty("none was drawn"), |p| Cell::p(Test::BoardUniform, p, draws)),
        ]);
    }
    table
}
