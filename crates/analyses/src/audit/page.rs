//! The audit of a direction: a row a confound, the estimators beside each other, value flips.

use crate::audit::{Audited, ConfoundRow, EstimatorAgreement, EstimatorHeldOut, flip_page};
use truenorth_reading::LeftOutTexts;
use truenorth_reading::beside::{self, SeparationBeside};
use truenorth_reading::cosine::cosine_table;
use truenorth_report::{
    Adjustment, Axis, Block, Cell, Column, Figure, Finding, FindingStatus, Forest, ForestRow, HeatMap,
    HeatRow, Mark, Measure, NoteKind, Num, Plot, ReportedInterval, ReportedNull, Rich, Sample, Section, Span,
    Table, Test,
};
use truenorth_stats::estimate::audit::{ConfoundVerdict, DistanceNull};
use truenorth_stats::math::feasible;

/// A verdict in a word or two.
#[must_use]
pub fn word(verdict: ConfoundVerdict) -> &'static str {
    match verdict {
        ConfoundVerdict::Circular => "circular",
        ConfoundVerdict::TooLittleData => "not tested",
        ConfoundVerdict::Confounded => "found",
        ConfoundVerdict::RuledOut => "ruled out",
        ConfoundVerdict::NotRuledOut => "not ruled out",
    }
}

/// How far the evidence carries the sentence that is said of a verdict.
fn status(verdict: ConfoundVerdict, separates: bool) -> FindingStatus {
    match verdict {
        // "The direction follows it": the sentence stands, and it speaks against the direction.
        ConfoundVerdict::Confounded => FindingStatus::Caution,
        _ => cleared(verdict, separates),
    }
}

/// How far the evidence carries "the direction is not this confound".
fn cleared(verdict: ConfoundVerdict, separates: bool) -> FindingStatus {
    match verdict {
        ConfoundVerdict::Circular => FindingStatus::Caution,
        ConfoundVerdict::NotRuledOut if separates => FindingStatus::Caution,
        ConfoundVerdict::TooLittleData | ConfoundVerdict::NotRuledOut => FindingStatus::Unclear,
        ConfoundVerdict::Confounded => FindingStatus::NotSupported,
        ConfoundVerdict::RuledOut => FindingStatus::Supported,
    }
}

const NOT_SHOWN: &str = "Confounds that no set was written for, and effects that are not linear. A set differs in \
    more than its name says, so a direction that separates it need not follow that; one that does not may still \
    follow it in other texts.";

/// The lines for a front page, the most important first.
#[must_use]
pub fn findings(result: &Audited) -> Vec<Finding> {
    // Where its null was left out, the separation is told elsewhere.
    let mut out: Vec<Finding> = result.held_out.found.null.iter().map(|_| separated(result)).collect();
    let mut rows: Vec<&ConfoundRow> = result.rows.iter().collect();
    rows.sort_by_key(|r| match r.row.verdict {
        ConfoundVerdict::Confounded => 0,
        ConfoundVerdict::NotRuledOut => 1,
        ConfoundVerdict::RuledOut => 2,
        ConfoundVerdict::TooLittleData => 3,
        ConfoundVerdict::Circular => 4,
    });
    out.extend(rows.into_iter().map(|r| confound(result, r)));
    out.extend(result.flips.iter().map(flip_page::finding));
    out
}

/// The place among them of the test that decides whether the direction is what it says: whether value flips are
/// ranked by the value, of the first set of flips.
#[must_use]
pub fn primary(result: &Audited) -> Option<usize> {
    let flips = findings(result).len() - result.flips.len();
    (!result.flips.is_empty()).then_some(flips)
}

/// What the direction follows besides, where an audit found something: with it no direction is what it says and nothing
/// else.
#[must_use]
pub fn keeps_back(result: &Audited) -> Option<String> {
    let found = result.rows.iter().filter(|r| r.row.verdict == ConfoundVerdict::Confounded);
    let names: Vec<&str> = found.map(|r| r.row.name.as_str()).collect();
    (!names.is_empty())
        .then(|| format!(" But the audit finds that the direction follows {}.", names.join(", ")))
}

fn separated(result: &Audited) -> Finding {
    let h = &result.held_out.found;
    let auroc = h.auroc.number("groups", h.null.as_ref().map(|n| (n, "labels permuted")));
    let above = auroc.above(0.5) && auroc.null.as_ref().is_none_or(|n| n.p <= 0.05);
    Finding {
        status: if above { FindingStatus::Supported } else { FindingStatus::Unclear },
        statement: format!(
            "A direction found this way at {} tells apart training texts that it has not seen.",
            result.site
        ),
        measure: Measure::of("held-out AUROC", &auroc, 2),
        n: Sample::of(&auroc, "groups, each held out once"),
        interval: ReportedInterval::of(&auroc),
        null: ReportedNull::of(&auroc),
        see: Some("audit-estimators".into()).filter(|_| result.agreement.is_some()),
    }
}

fn confound(result: &Audited, r: &ConfoundRow) -> Finding {
    let name = &r.row.name;
    let statement = match r.row.verdict {
        ConfoundVerdict::Confounded => {
            format!("The direction follows {name}, or what goes with it in its set.")
        }
        ConfoundVerdict::RuledOut => {
            format!("The direction does not separate {name} by more than {:.2}.", result.margin)
        }
        ConfoundVerdict::NotRuledOut if r.row.separates => {
            format!(
                "The texts of the {name} set lie apart on the direction, as they do on matched directions: nothing is \
                 shown of {name} itself."
            )
        }
        ConfoundVerdict::NotRuledOut => {
            format!("Whether the direction follows {name} can't be told from these texts.")
        }
        ConfoundVerdict::TooLittleData => format!("Whether the direction follows {name} was not tested."),
        ConfoundVerdict::Circular => format!("The test on {name} is circular and says nothing."),
    };
    let ci = r.row.separation.interval;
    // A set that is not in the family was not tested, and has no p; what is ruled out is so by the interval.
    let p = r.row.p_adjusted.filter(|_| r.row.verdict != ConfoundVerdict::RuledOut);
    let null = ReportedNull::new(
        match (p, r.row.verdict) {
            (Some(_), _) => {
                "random directions with the covariance of the training texts; p after Holm over the sets"
            }
            (None, ConfoundVerdict::RuledOut) => {
                "random directions with the covariance of the training texts; no p: the interval rules it out"
            }
            _ => "random directions with the covariance of the training texts; not tested",
        },
        r.null_interval[0],
        r.null_interval[1],
    );
    let draws = Some(r.row.random.draws as u64);
    let null = match p {
        Some(p) => null.with_p(Test::AuditMatched, p, draws),
        None => null,
    };
    Finding {
        status: status(r.row.verdict, r.row.separates),
        statement,
        measure: Measure::new(format!("AUROC of the {name} set"), r.row.separation.auroc),
        n: Sample::new(
            r.row.groups as u64,
            r.row.detectable.separates.map_or_else(
                || "groups, which find no AUROC with 80 % power".to_owned(),
                |t| format!("groups, which tell an AUROC of {t:.2} from 1/2 with 80 % power"),
            ),
        ),
        interval: ReportedInterval::p95(
            ci.low,
            ci.high,
            "score interval over groups (Newcombe 2006), the direction as it is",
        ),
        null,
        see: Some("audit-forest".into()),
    }
}

/// The section of a report, with its figures and tables.
#[must_use]
pub fn section(result: &Audited) -> Section {
    let of = if result.given { "The direction given" } else { "The direction the pipeline finds" };
    let lead = format!(
        "{of} at {} held against {} sets of texts that vary in one thing each. Cosine with what the {} pipeline \
         finds in the training texts: {:.2}.",
        result.site,
        result.rows.len(),
        result.estimator,
        result.cosine_to_pipeline
    );
    let said = result
        .rows
        .iter()
        .map(|r| Rich::default().with(Span::Strong(format!("{}. ", r.row.name))).plain(r.says.as_str()))
        .collect();
    let mut section = Section::new("audit", "Audit of confounds", lead)
        .with(forest(result))
        .with(Block::List { ordered: false, items: said })
        .with(table(result));
    for (name, reason) in &result.absent {
        let text = format!("{name} was asked for and not projected out: {reason}");
        section = section.with(Block::note(NoteKind::Warning, text));
    }
    for sentence in result.flips.iter().filter_map(|r| r.apart.as_ref()).flat_map(LeftOutTexts::sentences) {
        section = section.with(Block::note(NoteKind::Warning, sentence));
    }
    if !result.flips.is_empty() {
        section = section.with(flip_page::strip(&result.flips)).with(flip_page::table(&result.flips));
        for r in &result.flips {
            section = section.with(Block::text(format!("{}: {}", r.name, r.says)));
        }
    }
    if let Some(agreement) = &result.agreement {
        section = agreed(section, agreement);
    }
    section
        .with(Block::note(NoteKind::Method, method(result)))
        .with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}

fn method(result: &Audited) -> String {
    let out: Vec<&str> = result.projected_out.iter().map(|p| p.name.as_str()).collect();
    format!(
        "Read at {}, position {}; estimator {}; directions taken out of the training texts: {}. {} Random directions: {} draws \
         from the covariance of the training texts within their classes. Shuffled pipeline: {} of {} permutations \
         of the training labels. Family of the adjusted p values: {} ({} tests, family-wise error {}).",
        result.site,
        result.positions,
        result.estimator,
        if out.is_empty() { "none".to_owned() } else { out.join(", ") },
        SeparationBeside(&result.held_out.found).erased().join(" "),
        result.random_directions,
        result.permutations,
        result.permutations_asked,
        result.family.name,
        result.family.size,
        result.family.alpha,
    )
}

fn forest(result: &Audited) -> Figure {
    let rows = result
        .rows
        .iter()
        .map(|r| {
            let ci = r.row.separation.interval;
            ForestRow {
                label: format!("{} ({})", r.row.name, word(r.row.verdict)),
                group: None,
                estimate: r.row.separation.auroc.into(),
                interval: [ci.low.into(), ci.high.into()],
                null: Some(r.null_interval.map(Num::new)),
                n: r.row.groups as u64,
                status: Some(cleared(r.row.verdict, r.row.separates)),
            }
        })
        .collect();
    let plot = Forest {
        x: Axis::new("AUROC of the confound set on the direction").range(0.0, 1.0),
        reference: Some(Mark::at(0.5, "does not separate")),
        digits: 2,
        rows,
    };
    Figure::new(
        "audit-forest",
        "How far the direction separates each confound set",
        Plot::Forest(plot),
        "95 % intervals over groups. Pale bar: where 95 % of random directions with the covariance of the training \
         texts lie. The sign speaks of the claim that the direction is not this confound: supported is ruled out, \
         not supported is found, caution is circular.",
        NOT_SHOWN,
    )
}

fn against(test: Test, null: Option<&DistanceNull>) -> Cell {
    null.map_or_else(|| Cell::empty("not run"), |n| Cell::p(test, n.p, Some(n.draws as u64)))
}

fn table(result: &Audited) -> Block {
    let mut table = Table::new(
        "audit-table",
        "All numbers. Cosine: with the confound's own direction, fitted by the same estimator, for the direction \
         found without projection and for the audited one. Recovery: how far that probe of the confound alone \
         separates the training contrast. Own: the same probe on its held-out texts. Without: held-out AUROC of \
         the training contrast with the confound's direction projected out of every text.",
        NOT_SHOWN,
        [
            "confound",
            "groups",
            "cosine before",
            "cosine",
            "p (cosine, shuffled labels)",
            "AUROC",
            "separates it",
            "p (AUROC 1/2)",
            "more than matched directions",
            "p (random)",
            "p (shuffled labels)",
            "p (Holm)",
            "p (Benjamini-Hochberg)",
            "recovery",
            "own",
            "without",
            "least AUROC told from 1/2",
            "least beyond matched",
            "power to rule out",
            "groups needed: from 1/2",
            "groups needed: beyond matched",
            "groups needed: to rule out",
            "verdict",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for r in &result.rows {
        let (row, draws) = (&r.row, Some(r.row.random.draws as u64));
        let interval = |s: &truenorth_stats::estimate::audit::Separation| {
            Cell::estimate(s.auroc, s.interval.low, s.interval.high, 2)
        };
        let adjusted = |how, p: Option<f64>| {
            p.map_or_else(
                || Cell::empty("not in the family"),
                |p| Cell::adjusted(Test::AuditMatched, how, p, draws),
            )
        };
        let without = r.without.as_ref().map(|w| w.auroc);
        table.push(vec![
            row.name.as_str().into(),
            row.groups.into(),
            Cell::number(row.cosine_unprojected, 3),
            Cell::number(row.cosine, 3),
            against(Test::AuditCosine, row.cosine_shuffled.as_ref()),
            interval(&row.separation),
            yes(row.separates).into(),
            Cell::p(Test::AuditSeparates, row.p_separates, None),
            row.p_adjusted
                .map_or_else(|| Cell::empty("not in the family"), |p| yes(p <= result.family.alpha).into()),
            Cell::p(Test::AuditMatched, r.p, draws),
            against(Test::AuditShuffled, row.shuffled.as_ref()),
            adjusted(Adjustment::Holm, row.p_adjusted),
            adjusted(Adjustment::BenjaminiHochberg, r.p_bh),
            interval(&row.recovery),
            Cell::number(row.own, 2),
            without
                .map_or_else(|| "".into(), |w| Cell::estimate(w.value, w.interval.low, w.interval.high, 2)),
            least(row.detectable.separates),
            least(row.detectable.matched),
            Cell::number(row.detectable.power_to_rule_out, 2),
            needed(row.needed.separates),
            needed(row.needed.matched),
            needed(row.needed.rule_out),
            word(row.verdict).into(),
        ]);
    }
    let beside = beside::table(
        "audit-beside",
        &[([result.estimator.clone(), "pairs or groups".into()], SeparationBeside(&result.held_out.found))],
    );
    Block::Details { summary: "All numbers of the audit".into(), blocks: vec![table.into(), beside.into()] }
}

fn yes(whether: bool) -> &'static str {
    if whether { "yes" } else { "no" }
}

fn least(auroc: Option<f64>) -> Cell {
    auroc.map_or_else(|| Cell::empty("none: not even 1 with 80 % power"), |t| Cell::number(t, 2))
}

pub(super) fn needed(groups: Option<usize>) -> Cell {
    groups.map_or_else(|| Cell::empty(feasible(None)), Into::into)
}

fn agreed(section: Section, agreement: &EstimatorAgreement) -> Section {
    let names = &agreement.names;
    let heat = names
        .iter()
        .zip(&agreement.cosines)
        .map(|(n, row)| HeatRow::new(n.clone(), row.iter().map(|c| Num::new(c.value)).collect()))
        .collect();
    let reach = agreement.cosines.iter().flatten().next().map_or_else(String::new, |c| {
        format!(" Uniformly random directions of this width lie within ±{:.2}.", c.uniform_95)
    });
    let rows = agreement
        .held_out
        .iter()
        .map(|EstimatorHeldOut { estimator, found: h }| ForestRow {
            label: estimator.clone(),
            group: None,
            estimate: h.auroc.value.into(),
            interval: [h.auroc.interval.low.into(), h.auroc.interval.high.into()],
            null: h.null.map(|n| [n.low.into(), n.high.into()]),
            n: h.units as u64,
            status: None,
        })
        .collect();
    let held_out = Forest {
        x: Axis::new("held-out AUROC").range(0.0, 1.0),
        reference: Some(Mark::at(0.5, "chance")),
        digits: 2,
        rows,
    };
    let shared = "Which estimator is right: all share the texts, and so what confounds the texts.";
    let section = section.with(Block::Row {
        figures: vec![
            Figure::new(
                "audit-cosines",
                "Cosine between estimators",
                Plot::HeatMap(HeatMap::cosine(names.clone(), heat)),
                format!("Directions from all training texts.{reach}"),
                shared,
            ),
            Figure::new(
                "audit-estimators",
                "Held-out separation by estimator",
                Plot::Forest(held_out),
                "95 % intervals over groups; pale bar: labels permuted, where that was run.",
                shared,
            ),
        ],
    });
    let pairs = (0..names.len()).flat_map(|i| (i + 1..names.len()).map(move |j| (i, j)));
    let cosines = pairs.map(|(i, j)| (format!("{} and {}", names[i], names[j]), &agreement.cosines[i][j]));
    let section =
        section.with(cosine_table("audit-agreement", "Cosines of every two estimators.", shared, cosines));
    agreement.absent.iter().fold(section, |s, (name, reason)| {
        s.with(Block::note(NoteKind::Warning, format!("{name} found no direction: {reason}")))
    })
}
