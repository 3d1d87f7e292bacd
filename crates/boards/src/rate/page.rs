//! What people say who rated without knowing, against what was predicted.

use crate::judge::page::agreed_pairs;
use crate::rate::{RaterResult, Unblinded};
use truenorth_reading::stat::{Number, p_said};
use truenorth_report::{
    Axis, Block, Cell, Column, Figure, Finding, FindingStatus, Forest, ForestRow, LabelledValue, Mark,
    Measure, NoteKind, ReportedInterval, ReportedNull, Sample, Section, Strip, StripGroup, Table, Test,
};
use truenorth_stats::math;

const NOT_SHOWN: &str = "What other people would say: intervals are over items, not over raters. Nor that raters \
    were blind to style; a push that leaves marks in the text can be recognised.";

/// Lines of the front page: whether the steered texts win, and what became of the predictions.
#[must_use]
pub fn findings(result: &Unblinded) -> Vec<Finding> {
    let m = &result.steered;
    let p = m.null.as_ref().map_or(1.0, |n| n.p);
    let mut out = vec![Finding {
        // As of every test: what is within its null is not supported.
        status: if p < 0.05 && m.value > 0.5 {
            FindingStatus::Supported
        } else {
            FindingStatus::NotSupported
        },
        statement: format!("Blind raters choose the steered text: {}", result.question),
        measure: Measure::of("share of decided items", m, 2),
        n: Sample::of(m, format!("items, {} raters", result.raters.len())),
        interval: ReportedInterval::of(m),
        null: ReportedNull::of(m),
        see: Some("rate".into()),
    }];
    for prediction in &result.predictions {
        out.push(Finding {
            status: match (prediction.held, prediction.clear) {
                (true, true) => FindingStatus::Supported,
                (true, false) => FindingStatus::Unclear,
                (false, _) => FindingStatus::NotSupported,
            },
            statement: format!("Predicted before the key was opened: {}", prediction.claim),
            measure: Measure::of("share of decided items", m, 2),
            n: Sample::of(m, "items"),
            interval: ReportedInterval::of(m),
            null: ReportedNull::of(m),
            see: Some("rate-predictions".into()),
        });
    }
    out
}

/// The section of a report, with its figures and tables.
#[must_use]
pub fn section(result: &Unblinded) -> Section {
    let lead = format!(
        "{} Of {} decided items the steered text wins {:.0} %; {} are without a majority.",
        result.question,
        result.steered.n,
        100.0 * result.steered.value,
        result.ties
    );
    let mut section = Section::new("rate", "What people say who did not know", lead)
        .with(shares(result))
        .with(predictions(result))
        .with(items(result));
    if !result.agreement.is_empty() {
        section = section.with(agreement(result));
    }
    let copies = result.copies.iter().flat_map(truenorth_data::Copies::sentences);
    for sentence in copies.chain(result.clusters_said()) {
        section = section.with(Block::note(NoteKind::Warning, sentence));
    }
    for habit in habits(&result.raters) {
        section = section.with(Block::note(NoteKind::Warning, habit));
    }
    let altered = result.items.iter().filter(|i| i.altered > 0).count();
    if altered > 0 {
        section = section.with(Block::note(
            NoteKind::Warning,
            format!("{altered} items were rated on sheets that show other texts than those given out."),
        ));
    }
    section
        .with(Block::note(
            NoteKind::Method,
            match (&result.registered_at, &result.registration_sha256) {
                (Some(at), Some(sha256)) => format!(
                    "Texts were dealt to both sides and shuffled; the key was sealed by its SHA-256. Predictions were \
                     registered at {at} as {sha256}, before it was opened."
                ),
                _ => "The sheets and their key were made by another program. No predictions were registered here, so \
                      that nothing but the key's word says what was known before."
                    .to_owned(),
            },
        ))
        .with(Block::limits(&result.not_shown))
}

/// Raters who take one side whatever the texts, by the exact test of one half after Holm over the raters.
fn habits(raters: &[RaterResult]) -> Vec<String> {
    let tested: Vec<(&str, &Number, f64)> = raters
        .iter()
        .filter_map(|r| r.left.as_ref().and_then(|l| Some((r.rater.as_str(), l, l.null.as_ref()?.p))))
        .collect();
    let p: Vec<f64> = tested.iter().map(|(_, _, p)| *p).collect();
    let adjusted = math::holm_adjusted(&p).unwrap_or_default();
    let has_habit = tested.iter().zip(adjusted).filter(|(_, p)| *p < 0.05);
    has_habit
        .map(|((rater, left, _), p)| {
            let (side, share) = if left.value > 0.5 { ("left", left.value) } else { ("right", 1.0 - left.value) };
            format!(
                "{rater} chose the {side} side in {:.0} of {} decided items (exact p {} after Holm over the raters). Each text \
                 was dealt to a side by chance: what this rater chose says little of the texts.",
                share * left.n as f64,
                left.n,
                p_said(p, None)
            )
        })
        .collect()
}

fn shares(result: &Unblinded) -> Figure {
    let mut rows =
        vec![ForestRow::of(Some("Steered text wins"), "all raters, an item once", &result.steered)];
    rows.extend(
        result
            .raters
            .iter()
            .filter_map(|r| Some(ForestRow::of(Some("Steered text wins"), &r.rater, r.steered.as_ref()?))),
    );
    rows.extend(
        result
            .raters
            .iter()
            .filter_map(|r| Some(ForestRow::of(Some("Left side chosen"), &r.rater, r.left.as_ref()?))),
    );
    Figure::new(
        "rate-shares",
        "How often the steered text wins",
        Forest {
            x: Axis::new("share of decided items").range(0.0, 1.0),
            reference: Some(Mark::at(0.5, "no preference")),
            digits: 2,
            rows,
        },
        "Wilson's 95 % intervals; p by the exact sign test, in the table. A rater who always takes one side has a \
         habit, whatever the texts.",
        NOT_SHOWN,
    )
}

fn predictions(result: &Unblinded) -> Table {
    let mut table = Table::new(
        "rate-predictions",
        format!(
            "Predictions, all items ({}), and each rater. Exact sign test against one half; signed-rank test (Wilcoxon) \
             over the items' mean strengths.",
            result.items.len()
        ),
        NOT_SHOWN,
        ["who or what", "share for steered", "p", "ties", "blank", "missing", "signed-rank p", "outcome"]
            .map(Column::new)
            .to_vec(),
    );
    let nothing = || Cell::empty("not of a prediction");
    let ranks = |p: Option<f64>| {
        p.map_or_else(|| Cell::empty("no strengths were given"), |p| Cell::p(Test::RatedRank, p, None))
    };
    table.push(vec![
        "all items".into(),
        Cell::of(&result.steered, 2),
        Cell::p_of(&result.steered),
        nothing(),
        nothing(),
        nothing(),
        ranks(result.signed_rank_p),
        Cell::empty("the items"),
    ]);
    for p in &result.predictions {
        table.push(vec![
            format!("{}: {}", p.id, p.claim).into(),
            Cell::of(&result.steered, 2),
            Cell::p_of(&result.steered),
            nothing(),
            nothing(),
            nothing(),
            nothing(),
            match (p.held, p.clear) {
                (true, true) => "held, with its whole interval",
                (true, false) => "held, within the error",
                (false, _) => "did not hold",
            }
            .into(),
        ]);
    }
    for r in &result.raters {
        let why = "no item is decided";
        table.push(vec![
            r.rater.as_str().into(),
            Cell::maybe(r.steered.as_ref(), 2, why),
            r.steered.as_ref().map_or_else(|| Cell::empty(why), Cell::p_of),
            r.ties.into(),
            r.blank.into(),
            r.missing.into(),
            ranks(r.signed_rank_p),
            Cell::empty("a rater"),
        ]);
    }
    table
}

fn items(result: &Unblinded) -> Figure {
    let points = result
        .items
        .iter()
        .filter(|i| i.raters > 0)
        .map(|i| LabelledValue { label: i.id.clone(), value: i.steered.into() })
        .collect();
    Figure::new(
        "rate-items",
        "Each item",
        Strip {
            x: Axis::new("mean strength for the steered text"),
            reference: Some(Mark::at(0.0, "no preference")),
            groups: vec![StripGroup { label: "items".into(), points }],
        },
        "A mark an item: above 0 the steered text is preferred. Choices without a strength count as 1.",
        NOT_SHOWN,
    )
}

fn agreement(result: &Unblinded) -> Table {
    let caption = "Agreement of every two raters: Cohen's κ over steered, base and tie; the null deals one rater's choices anew.";
    agreed_pairs(("rate-agreement", "raters"), caption, NOT_SHOWN, &result.agreement)
}
