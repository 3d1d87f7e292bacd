//! The board: its ends, its kinds, score against z, how its ranks change, and whether it is lopsided.

use crate::analyses::board::{Asymmetry, BoardSummary, Contrast, RankChanges, SummaryRow};
use crate::analyses::sentence::capital;
use crate::analyses::stat::Number;
use truenorth_report::{
    Axis, Block, Board, BoardRow, Cell, Column, Figure, Finding, Forest, ForestRow, Group, Interval,
    Labelled, Mark, Measure, NoteKind, Null, Num, Sample, Scatter, ScatterPoint, Section, Slope, SlopeRow,
    Status, Strip, StripGroup, Table, Test,
};
use truenorth_stats::math::feasible;

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

/// Lines of the front page: specificity, the check of its closed form, the lean of the ends, kinds, another
/// board.
#[must_use]
pub fn findings(result: &BoardSummary) -> Vec<Finding> {
    let mut out = vec![specific(result), ends(&result.asymmetry)];
    out.extend(result.contrast.as_ref().map(kinds));
    out.extend(result.rank_changes.as_ref().map(ranks_alike));
    out
}

/// Whether two boards rank alike.
pub(super) fn ranks_alike(c: &RankChanges) -> Finding {
    Finding {
        status: match c.correlation.above(0.0) {
            true => Status::Supported,
            false if c.correlation.value > 0.0 => Status::Unclear,
            false => Status::NotSupported,
        },
        statement: format!("{} and {} rank the sequences alike.", capital(&c.first), c.second),
        measure: Measure::of("Spearman's ρ", &c.correlation, 2),
        n: Sample::of(&c.correlation, "sequences"),
        interval: Interval::of(&c.correlation),
        null: Null::of(&c.correlation),
        see: Some("board-ranks".into()),
    }
}

fn specific(result: &BoardSummary) -> Finding {
    let f = &result.family;
    let beside = match (f.matched, f.permuted) {
        (_, 0) => "directions drawn like the readings (the labels it was fitted to are not at hand)",
        (0, _) => "directions of exchanged labels",
        _ => "directions drawn like the readings and directions of exchanged labels",
    };
    Finding {
        status: match (f.stands, f.matched.min(f.permuted)) {
            _ if f.matched + f.permuted == 0 => Status::Unclear,
            (0, _) => Status::NotSupported,
            // One of the two nulls is wanting.
            (_, 0) => Status::Caution,
            _ => Status::Supported,
        },
        statement: match f.matched + f.permuted {
            0 => "Whether sequences move the probes along the direction further than along unrelated ones was not \
                  tested."
                .into(),
            _ => format!(
                "Some sequences move the probes along the direction further than {beside} do: {} of {} after \
                 correction over the board.",
                f.stands, f.tests
            ),
        },
        measure: Measure {
            name: "share of sequences that stand".into(),
            value: (f.stands as f64 / f.tests as f64).into(),
            digits: 2,
        },
        n: Sample::new(f.tests as u64, format!("sequences, {} probes each", result.probes)),
        interval: Interval::none("a count over a fixed list of sequences"),
        null: Null::new(
            format!(
                "{} directions drawn like the readings, {} of exchanged labels; {}, level {}",
                f.matched, f.permuted, f.name, f.level
            ),
            0.0,
            f.level,
        ),
        see: Some("board".into()),
    }
}

pub(super) fn ends(a: &Asymmetry) -> Finding {
    let m = &a.about_median;
    let p = m.null.as_ref().map(|n| n.p);
    let longer = if m.value >= 0.0 { "top" } else { "bottom" };
    let clear = m.interval.is_some_and(|i| i.low > 0.0 || i.high < 0.0);
    Finding {
        status: match (clear, p) {
            (true, Some(p)) if p < 0.05 => Status::Supported,
            (false, Some(p)) if p >= 0.05 => Status::NotSupported,
            _ => Status::Unclear,
        },
        statement: format!(
            "The {longer} end of the board reaches further from its middle than the other end."
        ),
        measure: Measure::of("asymmetry about the median, from −1 to 1", m, 2),
        n: Sample::of(m, format!("sequences, {} at each end", a.ends)),
        interval: Interval::of(m),
        null: Null::of(m),
        see: Some("board-asymmetry".into()),
    }
}

/// What was compared, what so many can find, and how many a difference like the one seen takes.
fn powered(units: &str, detectable: Option<f64>, needed: Option<usize>) -> String {
    let least = detectable.map_or_else(|| "no AUROC".to_owned(), |t| format!("an AUROC of {t:.2} or more"));
    format!("{units}, which find {least} with 80 % power; {} would find one like this", feasible(needed))
}

pub(super) fn kinds(c: &Contrast) -> Finding {
    let ci = c.interval;
    let (units, exchanged) = match c.matched {
        0 => ("sequences".to_owned(), "kinds shuffled, two-sided".to_owned()),
        sets => (
            format!("sequences, {sets} matched sets with both kinds"),
            "kinds exchanged within matched sequences, others shuffled, two-sided".to_owned(),
        ),
    };
    Finding {
        status: match (c.p < 0.05, c.auroc > 0.5) {
            (true, true) => Status::Supported,
            (true, false) | (false, _) => Status::NotSupported,
        },
        statement: format!("On the board, {} scores above {}.", c.high, c.low),
        measure: Measure { name: "AUROC".into(), value: c.auroc.into(), digits: 2 },
        n: Sample::new(c.n as u64, powered(&units, c.detectable, c.needed)),
        interval: Interval::p95(
            ci.low,
            ci.high,
            if c.matched == 0 {
                "score interval over sequences (Newcombe 2006)"
            } else {
                "score interval over matched sequences (Newcombe 2006)"
            },
        ),
        null: Null::new(exchanged, c.null[0], c.null[1]).with_p(
            Test::BoardKinds,
            c.p,
            Some(c.permutations as u64),
        ),
        see: Some("board".into()),
    }
}

/// The section.
#[must_use]
pub fn section(result: &BoardSummary) -> Section {
    let mut lead = format!(
        "How far each of {} sequences, put before {} neutral probes, moves them along the direction. |z| can't \
         exceed {:.1}; the largest here is {:.1}.",
        result.sequences, result.probes, result.z_bound, result.largest_z
    );
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
    section
        .with(Block::Details { summary, blocks: vec![table(result).into()] })
        .with(Block::limits(&result.not_shown))
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
                .map(|r| Labelled { label: r.text.clone(), value: r.z.into() })
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

fn facts(result: &BoardSummary) -> Group {
    let a = &result.asymmetry;
    Group::new("The ends, means")
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
