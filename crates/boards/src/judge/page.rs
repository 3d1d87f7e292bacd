//! What a model that judges says, how far it can be trusted, and whether others say the same.

use super::agree::after_holm;
use super::found::same_said;
use crate::judge::{Agreed, JudgeSummary, JudgeVerdict, Judgement};
use truenorth_reading::stat::Number;
use truenorth_report::{
    Axis, Block, Cell, Column, Curve, CurvePoint, Figure, Finding, FindingStatus, Forest, ForestRow,
    Histogram, Mark, Measure, NoteKind, Num, ReportedInterval, ReportedNull, Sample, Section, Series, Table,
};

/// Rows of the table of verdicts at most; the JSON has them all.
const ROWS: usize = 500;

const NOT_SHOWN: &str = "That the judge is right. A judge that is consistent and agrees with another may share its \
    faults; only blind ratings by people say more.";

fn two_texts(j: &Judgement) -> bool {
    j.question == "which of two texts"
}

/// Lines of the front page: what the judge prefers, whether it can be trusted, whether others agree.
#[must_use]
pub fn findings(result: &JudgeSummary) -> Vec<Finding> {
    let j = &result.judgement;
    let mut out = Vec::new();
    if two_texts(j) {
        let m = &j.preference;
        let p = m.null.as_ref().map_or(1.0, |n| n.p);
        let clear = m.interval.is_some_and(|i| i.low > 0.0 || i.high < 0.0);
        let trusted = trusted(j);
        out.push(Finding {
            status: match (clear && p < 0.05, trusted) {
                (true, true) => FindingStatus::Supported,
                (true, false) => FindingStatus::Caution,
                (false, _) if p >= 0.05 => FindingStatus::NotSupported,
                _ => FindingStatus::Unclear,
            },
            statement: format!(
                "{} prefers the {} text of a pair, its liking for a place taken out.",
                j.judge,
                if m.value >= 0.0 { "first" } else { "second" }
            ),
            measure: Measure::of("mean preference, nats of log-odds", m, 2),
            n: Sample::of(m, "pairs, each asked in both orders"),
            interval: ReportedInterval::of(m),
            null: ReportedNull::of(m),
            see: Some("judge".into()),
        });
    }
    if let Some(c) = &j.consistency {
        out.push(Finding {
            status: if trusted(j) { FindingStatus::Supported } else { FindingStatus::NotSupported },
            statement: format!(
                "{} answers by the text: its two askings agree more often than its habits give.",
                j.judge
            ),
            measure: Measure::of("share of consistent answers", c, 2),
            n: Sample::of(c, "things asked twice"),
            interval: ReportedInterval::of(c),
            null: ReportedNull::of(c),
            see: Some("judge-trust".into()),
        });
    }
    out.extend(agreed_findings(&result.agreement));
    out
}

/// The place among them of the test that decides what the judge prefers.
#[must_use]
pub fn primary(result: &JudgeSummary) -> Option<usize> {
    two_texts(&result.judgement).then_some(0)
}

/// Whether the judge is more consistent than its habits alone would make it.
fn trusted(j: &Judgement) -> bool {
    j.consistency
        .as_ref()
        .is_some_and(|c| c.null.as_ref().is_some_and(|n| n.p < 0.05 && c.value > n.expected))
}

/// The section of a report, with its figures and tables.
#[must_use]
pub fn section(result: &JudgeSummary) -> Section {
    let j = &result.judgement;
    let lead = format!(
        "{} was asked {} of {} things, each twice. It abstains from {:.0} % of them.",
        j.judge,
        if two_texts(j) {
            "which of two texts is better".to_owned()
        } else {
            format!("about {}", j.question)
        },
        j.abstained.n,
        100.0 * j.abstained.value
    );
    let mut section = Section::new("judge", "What the judge says", lead)
        .with(Block::Row { figures: vec![shares(j), preferences(j)] })
        .with(trust(j));
    if let Some(figure) = doses(result) {
        section = section.with(figure);
    }
    if !result.groups.is_empty() {
        section = section.with(groups(result));
    }
    if !result.agreement.is_empty() {
        section = section.with(agreement(&result.agreement));
    }
    for sentence in j.copies.sentences().into_iter().chain(same_said(&j.same_texts)).chain(j.clusters_said())
    {
        section = section.with(Block::note(NoteKind::Warning, sentence));
    }
    if !trusted(j) {
        section = section.with(Block::note(
            NoteKind::Warning,
            "The judge is no more consistent than its habits alone would make it: its verdicts say nothing of the \
             texts.",
        ));
    }
    let summary = match j.rows.len() {
        n if n > ROWS => format!("The first {ROWS} of {n} verdicts"),
        n => format!("All {n} verdicts"),
    };
    section
        .with(Block::Details { summary, blocks: vec![verdicts(j).into()] })
        .with(Block::limits(&j.not_shown))
}

fn first(j: &Judgement) -> String {
    if two_texts(j) { "verdicts for the first text".into() } else { format!("{}: yes", j.question) }
}

fn shares(j: &Judgement) -> Figure {
    let mut rows = Vec::new();
    rows.extend(j.first.as_ref().map(|m| ForestRow::of(None, &first(j), m)));
    rows.push(ForestRow::of(None, "abstentions", &j.abstained));
    rows.extend(j.consistency.as_ref().map(|m| ForestRow::of(None, "askings that agree", m)));
    Figure::new(
        "judge-shares",
        "Verdicts, abstentions, consistency",
        Forest {
            x: Axis::new("share").range(0.0, 1.0),
            reference: Some(Mark::at(0.5, "one half")),
            digits: 2,
            rows,
        },
        "Shares with 95 % intervals: Wilson's, over prompts where several things answer one. Verdicts are shares of those given, the others of all asked.",
        NOT_SHOWN,
    )
}

fn preferences(j: &Judgement) -> Figure {
    let stands = || j.rows.iter().filter(|r| r.counted_with.is_none());
    let all = |f: fn(&crate::judge::JudgedItem) -> f64| stands().map(|r| Num::new(f(r))).collect();
    Figure::new(
        "judge-preferences",
        "Preference of each thing, and the habit beside it",
        Histogram {
            x: Axis::new("log-odds").unit("nats"),
            name: "preference".into(),
            values: all(|r| r.preference),
            null_name: "bias".into(),
            null: all(|r| r.bias),
            marks: vec![Mark::at(0.0, "none")],
        },
        format!(
            "Half the difference of the two askings' log-odds ({}), and half their sum: what the judge answers \
             whatever the text. Mean preference {:.2}, mean bias {:.2}.",
            if two_texts(j) { "above 0 for the first text" } else { "above 0 for yes" },
            j.preference.value,
            j.bias.value
        ),
        "Which askings contradict each other; the table of verdicts has them.",
    )
}

fn trust(j: &Judgement) -> Table {
    let why: Vec<String> = j.reasons.iter().map(|(why, n)| format!("{n} {why}")).collect();
    let mut table = Table::new(
        "judge-trust",
        format!(
            "How far the judge can be trusted. Abstentions: {}. It counts as having no opinion below {} nats of \
             preference, or where its two answers have less than {} of the probability.",
            why.join(", "),
            j.band.least_preference,
            j.band.least_mass
        ),
        NOT_SHOWN,
        ["", "n", "value", "expected without reading", "p"].map(Column::new).to_vec(),
    );
    let mut push = |label: &str, m: Option<&Number>, digits: usize, why: &str| match m {
        None => table.push(vec![
            label.into(),
            Cell::empty(why),
            Cell::empty(why),
            Cell::empty(why),
            Cell::empty(why),
        ]),
        Some(m) => table.push(vec![
            label.into(),
            m.n.into(),
            Cell::of(m, digits),
            Cell::null_of(m, digits),
            Cell::p_of(m),
        ]),
    };
    push(&first(j), j.first.as_ref(), 2, "it always abstains");
    push("abstentions", Some(&j.abstained), 2, "");
    push("askings that agree with each other", j.consistency.as_ref(), 2, "it never answers");
    let bias = if two_texts(j) { "bias to what is named first, nats" } else { "bias to yes, nats" };
    push(bias, Some(&j.bias), 2, "");
    push("preference, nats", Some(&j.preference), 2, "");
    table
}

fn doses(result: &JudgeSummary) -> Option<Figure> {
    let at: Vec<(f64, &crate::judge::GroupVerdicts)> =
        result.groups.iter().map(|g| g.at.map(|a| (a, g))).collect::<Option<_>>()?;
    if at.len() < 2 {
        return None;
    }
    let yes = at.iter().filter_map(|(x, g)| Some(CurvePoint::of(*x, g.first.as_ref()?))).collect();
    let none = at.iter().map(|(x, g)| CurvePoint::of(*x, &g.abstained)).collect();
    let j = &result.judgement;
    Some(Figure::new(
        "judge-doses",
        format!("{} by dose", first(j)),
        Curve {
            x: Axis::new("α"),
            y: Axis::new("share").range(0.0, 1.0),
            series: vec![Series::new(first(j), yes), Series::control("abstentions", none)],
            x_marks: vec![Mark::at(0.0, "unsteered")],
            y_marks: vec![],
        },
        "Shares of the verdicts given at each dose, with Wilson's 95 % intervals.",
        "That the doses differ: intervals are of each dose by itself, though the prompts are the same at all.",
    ))
}

fn groups(result: &JudgeSummary) -> Table {
    let j = &result.judgement;
    let mut table = Table::new(
        "judge-groups",
        format!("{} by group, shares with Wilson's 95 % intervals.", first(j)),
        NOT_SHOWN,
        ["group", "verdicts", "share", "abstentions"].map(Column::new).to_vec(),
    );
    for g in &result.groups {
        table.push(vec![
            g.group.as_str().into(),
            g.first.as_ref().map_or(0, |m| m.n).into(),
            Cell::maybe(g.first.as_ref(), 2, "all are abstentions"),
            Cell::of(&g.abstained, 2),
        ]);
    }
    table
}

/// Lines of the front page about judges beside each other.
#[must_use]
pub fn agreed_findings(agreement: &[Agreed]) -> Vec<Finding> {
    let mut out = Vec::new();
    for (a, p) in agreement.iter().zip(after_holm(agreement)) {
        if let Some(k) = &a.kappa {
            let p = p.unwrap_or(1.0);
            out.push(Finding {
                status: match (k.above(0.0) && p < 0.05, k.value >= 0.6) {
                    (true, true) => FindingStatus::Supported,
                    (true, false) => FindingStatus::Caution,
                    // One who always says the same agrees as often however the verdicts are dealt.
                    _ if k.null.as_ref().and_then(|n| n.range).is_some_and(|[low, high]| low == high) => {
                        FindingStatus::Unclear
                    }
                    (false, _) => FindingStatus::NotSupported,
                },
                statement: format!("{} and {} give the same verdicts beyond chance.", a.first, a.second),
                measure: Measure::of("Cohen's κ", k, 2),
                n: Sample::of(k, "things judged by both"),
                interval: ReportedInterval::of(k),
                null: ReportedNull::of(k),
                see: Some("judge-agreement".into()),
            });
        }
    }
    out
}

/// A section about judges beside each other alone.
#[must_use]
pub fn agreed_section(agreed: &[Agreed]) -> Section {
    let lead = "Verdicts that were kept, of things that two judges judged both. No model was asked.";
    Section::new("judge", "Whether judges agree", lead).with(agreement(agreed))
}

fn agreement(agreed: &[Agreed]) -> Table {
    let caption = "Agreement of every two judges: Cohen's κ over first, second and abstain, with a score interval over the \
                   things judged; the null deals one judge's verdicts anew.";
    agreed_pairs(("judge-agreement", "judges"), caption, NOT_SHOWN, agreed)
}

/// The table of every two who judged the same things. Where there are several pairs, p stands also after Holm over them.
pub(crate) fn agreed_pairs(
    (id, who): (&str, &str),
    caption: &str,
    not_shown: &str,
    agreed: &[Agreed],
) -> Table {
    let several = agreed.len() > 1;
    let mut columns = vec![who, "n", "same", "κ", "p"];
    if several {
        columns.push("p, Holm");
    }
    columns.push("κ, decided");
    let holm = if several { " Holm: over the pairs; verdicts rest on it." } else { "" };
    let caption = format!("{caption}{holm} Decided: the same over what both decided.");
    let columns = columns.into_iter().map(Column::new).collect();
    let mut table = Table::new(id, caption, not_shown, columns);
    let why = "both always say the same one thing";
    for (a, p) in agreed.iter().zip(after_holm(agreed)) {
        let mut row = vec![
            format!("{} and {}", a.first, a.second).into(),
            a.n.into(),
            Cell::of(&a.same, 2),
            Cell::maybe(a.kappa.as_ref(), 2, why),
            a.kappa.as_ref().map_or_else(|| Cell::empty(why), Cell::p_of),
        ];
        if several {
            let null = a.kappa.as_ref().and_then(|k| k.null.as_ref());
            let cell = p.zip(null).map(|(p, n)| Cell::p(n.test, p, n.draws.map(|d| d as u64)));
            row.push(cell.unwrap_or_else(|| Cell::empty(why)));
        }
        row.push(Cell::maybe(a.decided.as_ref(), 2, "fewer than two decided, or one verdict alone"));
        table.push(row);
    }
    table
}

fn verdicts(j: &Judgement) -> Table {
    let words = if two_texts(j) { ["first", "second"] } else { ["yes", "no"] };
    let mut table = Table::new(
        "judge-verdicts",
        "Each thing judged: log-odds of the first answer in both askings, and what follows from them.",
        NOT_SHOWN,
        ["id", "log-odds", "turned", "preference", "bias", "verdict"].map(Column::new).to_vec(),
    );
    for r in j.rows.iter().take(ROWS) {
        let verdict = match r.verdict {
            JudgeVerdict::First => words[0].to_owned(),
            JudgeVerdict::Second => words[1].to_owned(),
            JudgeVerdict::Abstain => format!("abstains: {}", r.why.unwrap_or("no reason")),
        };
        table.push(vec![
            r.id.as_str().into(),
            Cell::number(r.log_odds[0], 2),
            Cell::number(r.log_odds[1], 2),
            Cell::number(r.preference, 2),
            Cell::number(r.bias, 2),
            verdict.into(),
        ]);
    }
    table
}
