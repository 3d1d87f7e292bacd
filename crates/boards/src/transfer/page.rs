//! What carries over from one model to another.

use crate::board::ScoreRow;
use crate::transfer::{OwnBoard, PairTransfer, Transferred};
use truenorth_reading::stat::{Number, p_said};
use truenorth_report::{
    Axis, Block, Cell, Column, Figure, Finding, FindingStatus, Forest, ForestRow, Mark, Measure, NoteKind,
    Num, ReportedInterval, ReportedNull, Sample, Scatter, ScatterPoint, Section, Slope, SlopeRow, Table,
    Test,
};

/// Points named in a scatter, and lines drawn of a change of ranks, at each end.
const NAMED: usize = 6;
/// Points drawn in a scatter at most.
const POINTS: usize = 600;

const NOT_SHOWN: &str = "That two models share a concept: shared training text moves both alike. The two \
    directions live in different spaces and are not compared themselves.";

/// Lines of the front page: rank correlation and agreement of signs of every two models.
#[must_use]
pub fn findings(result: &Transferred) -> Vec<Finding> {
    let mut out = Vec::new();
    for (i, pair) in result.transfer.pairs.iter().enumerate() {
        out.push(order(pair, i));
        out.extend(signs(pair, i));
    }
    out
}

/// The place among them of the test that decides whether the direction holds elsewhere: the rank correlation of the
/// first model with the other with which it is least sure. All must stand for that one to stand, so it needs no
/// correction (intersection-union test; Berger 1982).
#[must_use]
pub fn primary(result: &Transferred) -> Option<usize> {
    let own = result.transfer.pairs.first().map(|pair| &pair.first)?;
    let mut place = 0;
    let mut worst: Option<(usize, f64)> = None;
    for (i, pair) in result.transfer.pairs.iter().enumerate() {
        if let (true, Some(null)) = (pair.first == *own, &pair.spearman.null)
            && worst.is_none_or(|(_, p)| null.p > p)
        {
            worst = Some((place, null.p));
        }
        place += 1 + usize::from(signs(pair, i).is_some());
    }
    worst.map(|(place, _)| place)
}

fn order(pair: &PairTransfer, i: usize) -> Finding {
    let m = &pair.spearman;
    let p = m.null.as_ref().map(|n| n.p);
    let status = match (m.above(0.0), p) {
        (true, Some(p)) if p < 0.05 => FindingStatus::Supported,
        (true, _) => FindingStatus::Unclear,
        (false, Some(p)) if p >= 0.05 => FindingStatus::NotSupported,
        (false, _) if m.value < 0.0 => FindingStatus::NotSupported,
        _ => FindingStatus::Unclear,
    };
    Finding {
        status,
        statement: format!(
            "Sequences rank alike on {} and on {}.{}",
            pair.first,
            pair.second,
            // Not only unlike: what is high on one is low on the other.
            if m.interval.is_some_and(|i| i.high < 0.0) && p.is_some_and(|p| p < 0.05) {
                " They rank in reverse."
            } else {
                ""
            }
        ),
        measure: Measure::of("Spearman's ρ", m, 2),
        n: Sample::of(m, "sequences"),
        interval: ReportedInterval::of(m),
        null: ReportedNull::of(m),
        see: Some(id("transfer-scatter", i)),
    }
}

/// Whether signs agree more often than each model's lean gives; `stands` after correction.
fn agrees(stands: bool, rate: &Number) -> FindingStatus {
    let Some(null) = &rate.null else { return FindingStatus::Unclear };
    match (stands, rate.value > null.expected) {
        (true, true) => FindingStatus::Supported,
        (true, false) => FindingStatus::NotSupported,
        // What stands alone and not among the groups.
        (false, _) if null.p < 0.05 => FindingStatus::Unclear,
        (false, _) => FindingStatus::NotSupported,
    }
}

fn signs(pair: &PairTransfer, i: usize) -> Option<Finding> {
    let (all, stands) = pair.agreement.iter().zip(&pair.stands).find(|(a, _)| a.group == "all")?;
    let expected = all.rate.null.as_ref().map_or(0.5, |n| n.expected);
    let status = agrees(*stands, &all.rate);
    // Kinds that differ in sign on both models agree by themselves.
    let within = pair.within_kinds.as_ref().filter(|_| status == FindingStatus::Supported).map(|n| {
        let more = n.p <= 0.05 && all.rate.value > n.expected;
        let said = if more {
            "More than the lean within each kind gives too"
        } else {
            "The lean within each kind gives it"
        };
        (more, format!(" {said} ({:.0} %, p {}).", 100.0 * n.expected, p_said(n.p, n.draws)))
    });
    let (more, within) = within.unwrap_or((true, String::new()));
    Some(Finding {
        status: if more { status } else { FindingStatus::Unclear },
        statement: format!(
            "The signs of the scores on {} and {} agree more often than the lean of each model gives \
             ({:.0} %; Holm over the groups).{within}",
            pair.first,
            pair.second,
            100.0 * expected
        ),
        measure: Measure::of("rate of agreement", &all.rate, 2),
        n: Sample::of(&all.rate, "sequences with a sign on both"),
        interval: ReportedInterval::of(&all.rate),
        null: ReportedNull::of(&all.rate),
        see: Some(id("transfer-signs", i)),
    })
}

/// Parts of a pair of models are told apart by its place: names may hold anything.
fn id(part: &str, i: usize) -> String {
    format!("{part}-{}", i + 1)
}

fn board<'a>(result: &'a Transferred, model: &str) -> Option<&'a OwnBoard> {
    result.boards.iter().find(|b| b.model == model)
}

/// The section: for every two models a scatter, the signs by group, the movers and the ranks.
#[must_use]
pub fn section(result: &Transferred) -> Section {
    let t = &result.transfer;
    let names: Vec<&str> = result.boards.iter().map(|b| b.model.as_str()).collect();
    let lead = format!(
        "{} sequences scored on {}, each with its own direction. Agreement is held against what the lean of each \
         model gives by itself.",
        t.sequences,
        names.join(", ")
    );
    let lead = match t.clusters {
        None => lead,
        Some(count) => format!(
            "{lead} Sequences that are matched, or share a label that they are resampled by, are dealt and resampled as \
             one: {count} clusters."
        ),
    };
    let mut section = Section::new("transfer", "Transfer between models", lead);
    for (i, pair) in t.pairs.iter().enumerate() {
        if let (Some(a), Some(b)) = (board(result, &pair.first), board(result, &pair.second)) {
            section = section.with(scatter(result, pair, (a, b), i));
            section = section.with(forest(pair, i)).with(signs_table(pair, i)).with(movers(pair, i));
            section = section.with(ranks(result, (a, b), i));
        }
        if let Some(kinds) = kinds(pair, i) {
            section = section.with(kinds);
        }
    }
    if let Some(all) = &t.unanimous {
        let p = all.share.null.as_ref().map_or_else(String::new, |n| {
            format!("; {:.2} is expected of each model's lean alone, p {}", n.expected, p_said(n.p, n.draws))
        });
        section = section.with(Block::note(
            NoteKind::Remark,
            format!(
                "All {} models agree on the sign of {:.0} % of the {} sequences{p}.",
                all.models,
                100.0 * all.share.value,
                all.share.n
            ),
        ));
    }
    section.with(Block::limits(&t.not_shown))
}

fn kind(result: &Transferred, row: usize) -> String {
    // One a sequence, or none at all.
    if result.kinds.is_empty() { String::new() } else { result.kinds[row].clone().unwrap_or_default() }
}

/// How far out a sequence lies on a board, from 0 at either end.
fn from_end(row: &ScoreRow, n: usize) -> usize {
    (row.rank.max(1) - 1).min(n.saturating_sub(row.rank))
}

fn scatter(result: &Transferred, pair: &PairTransfer, (a, b): (&OwnBoard, &OwnBoard), i: usize) -> Figure {
    let n = a.board.len();
    let mut rows: Vec<usize> = (0..n).collect();
    let out = |i: &usize| from_end(&a.board[*i], n).min(from_end(&b.board[*i], n));
    // Of a long board the outermost are drawn; which those are is said below the plot.
    rows.sort_by_key(out);
    rows.truncate(POINTS);
    let points = rows
        .iter()
        .map(|i| ScatterPoint {
            label: a.board[*i].text.clone(),
            named: out(i) < NAMED / 2,
            group: kind(result, *i),
            x: a.board[*i].score.into(),
            y: b.board[*i].score.into(),
        })
        .collect();
    let drawn = if n > POINTS {
        format!("The {POINTS} outermost of {n} sequences are drawn.")
    } else {
        format!("{n} sequences.")
    };
    let ci = pair.spearman.interval.map_or_else(String::new, |i| format!(" [{:.2}, {:.2}]", i.low, i.high));
    let null = pair.spearman.null.as_ref().map_or_else(String::new, |n| {
        let range = n.range.map_or_else(String::new, |[l, h]| format!(", null [{l:.2}, {h:.2}]"));
        format!("{range}, p {}", p_said(n.p, n.draws))
    });
    Figure::new(
        id("transfer-scatter", i),
        format!("Scores on {} and on {}", a.model, b.model),
        Scatter { x: Axis::new(score(a)), y: Axis::new(score(b)), diagonal: false, points },
        format!(
            "{drawn} Spearman's ρ {:.2}{ci}{null}; Pearson's r {:.2}.",
            pair.spearman.value, pair.pearson.value
        ),
        NOT_SHOWN,
    )
}

fn score(of: &OwnBoard) -> String {
    of.site.map_or_else(|| format!("score, {}", of.model), |site| format!("score, {} {site}", of.model))
}

fn forest(pair: &PairTransfer, i: usize) -> Figure {
    let rows = pair
        .agreement
        .iter()
        .zip(&pair.stands)
        .map(|(g, stands)| {
            let null = g.rate.null.as_ref();
            ForestRow {
                label: g.group.clone(),
                group: None,
                estimate: g.rate.value.into(),
                interval: Num::ends(&g.rate),
                null: null.and_then(|n| n.range).map(|r| r.map(Num::new)),
                n: g.n as u64,
                status: Some(agrees(*stands, &g.rate)),
            }
        })
        .collect();
    Figure::new(
        id("transfer-signs", i),
        format!("Agreement of signs by group, {} and {}", pair.first, pair.second),
        Forest {
            x: Axis::new("rate of agreement").range(0.0, 1.0),
            reference: Some(Mark::at(0.5, "a fair coin")),
            digits: 2,
            rows,
        },
        format!(
            "Rate with Wilson's 95 % interval; the pale bar is the central 95 % when the scores of {} are dealt \
             anew over all sequences, which keeps how often each model is positive. Verdicts after Holm over the \
             groups.",
            pair.second
        ),
        "How far scores agree in size. Groups top, middle and bottom are those of the first model.",
    )
}

fn signs_table(pair: &PairTransfer, i: usize) -> Table {
    let mut table = Table::new(
        id("transfer-signs-table", i),
        format!(
            "Agreement of signs. {} of its scores are positive on {}, {} on {}; {} sequences have no sign on one \
             of them.",
            percent(pair.first_positive.value),
            pair.first,
            percent(pair.second_positive.value),
            pair.second,
            pair.no_sign
        ),
        NOT_SHOWN,
        ["group", "n", "agree", "rate", "expected of the lean", "p", "p, fair coin", "stands after Holm"]
            .map(Column::new)
            .to_vec(),
    );
    for (g, stands) in pair.agreement.iter().zip(&pair.stands) {
        table.push(vec![
            g.group.as_str().into(),
            g.n.into(),
            g.agree.into(),
            Cell::of(&g.rate, 2),
            Cell::null_of(&g.rate, 2),
            Cell::p_of(&g.rate),
            g.p_coin.map_or_else(
                || Cell::empty("sequences are clustered"),
                |p| Cell::p(Test::SignsCoin, p, None),
            ),
            if *stands { "yes" } else { "no" }.into(),
        ]);
    }
    table
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

fn movers(pair: &PairTransfer, i: usize) -> Table {
    let mut table = Table::new(
        id("transfer-movers", i),
        "The ends of both boards. Overlap: share of an end that both hold; the null draws both ends at random, \
         exact hypergeometric.",
        "Why a sequence is at one end. One place more or less decides who is in.",
        ["end", "overlap", "expected", "p", "shared", "first only", "second only", "opposed"]
            .map(Column::new)
            .to_vec(),
    );
    let list = |ids: &[String]| if ids.is_empty() { Cell::empty("none") } else { ids.join(", ").into() };
    for m in &pair.movers {
        table.push(vec![
            m.end.into(),
            Cell::of(&m.overlap, 2),
            Cell::null_of(&m.overlap, 2),
            Cell::p_of(&m.overlap),
            list(&m.shared),
            list(&m.first_only),
            list(&m.second_only),
            list(&m.opposed),
        ]);
    }
    table
}

fn ranks(result: &Transferred, (a, b): (&OwnBoard, &OwnBoard), i: usize) -> Figure {
    let n = a.board.len();
    let mut rows: Vec<usize> = (0..n).filter(|i| from_end(&a.board[*i], n) < 2 * NAMED).collect();
    rows.sort_by_key(|i| a.board[*i].rank);
    let slope = Slope {
        columns: vec![a.model.clone(), b.model.clone()],
        mover: Num::new((n as f64 / 4.0).max(1.0)),
        rows: rows
            .iter()
            .map(|i| SlopeRow {
                label: a.board[*i].text.clone(),
                group: kind(result, *i),
                ranks: vec![Num::new(a.board[*i].rank as f64), Num::new(b.board[*i].rank as f64)],
            })
            .collect(),
    };
    Figure::new(
        id("transfer-ranks", i),
        format!("Ranks of the ends of {} on {}", a.model, b.model),
        slope,
        format!("The {} outermost sequences of the first board, of {n}.", rows.len()),
        "Sequences in the middle of the first board. A rank changes as easily by a hair as by a mile where scores \
         lie close together.",
    )
}

fn kinds(pair: &PairTransfer, i: usize) -> Option<Table> {
    let kinds = pair.kinds.as_ref()?;
    let test = match (kinds.chi_square, kinds.p) {
        (Some(c), Some(p)) => {
            format!(
                "χ² of kind against agreement {c:.2}, within the sequences of one sign on the first model, p {} over {} shuffles.",
                p_said(p, Some(kinds.permutations)),
                kinds.permutations
            )
        }
        _ => "No test: all agree, none does, or there is one kind.".to_owned(),
    };
    let mut table = Table::new(
        id("transfer-kinds", i),
        format!("Agreement of signs by `{}`, {} sequences. {test}", kinds.label, kinds.n),
        "Why a kind carries over: kinds differ in length and in how common their words are, too.",
        [kinds.label.as_str(), "n", "agree"].map(Column::new).to_vec(),
    );
    for row in &kinds.rows {
        table.push(vec![row.kind.as_str().into(), row.agree.n.into(), Cell::of(&row.agree, 2)]);
    }
    Some(table)
}
