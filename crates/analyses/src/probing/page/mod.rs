//! Probes: curves over sites with their controls, then what they beat and what they do not.

mod curves;
mod forests;
mod numbers;

use crate::probing::{ContrastProbe, Probed};
use curves::{cosines, curve};
use forests::{controls, sets};
use numbers::table;
use truenorth_reading::LeftOutTexts;
use truenorth_reading::stat::Number;
use truenorth_report::{
    Block, Finding, FindingStatus, Measure, NoteKind, Num, ReportedInterval, ReportedNull, Sample, Section,
};

const NOT_SHOWN: &str = "That the model uses what is read here, or that it is the category that is read: whatever \
    else the two classes differ in, in these texts, would do as well.";

fn bounds(m: &Number) -> [Num; 2] {
    m.interval.map_or_else(|| [Num::missing("none"), Num::missing("none")], |i| [i.low.into(), i.high.into()])
}

fn above(m: &Number, p: Option<f64>) -> FindingStatus {
    let low = m.interval.is_some_and(|i| i.low > 0.5);
    match p {
        Some(p) if low && p <= 0.05 => FindingStatus::Supported,
        // Few permutations can't give a small p, whatever there is to find; the interval must agree.
        Some(p) if !low && p > 0.05 => FindingStatus::NotSupported,
        _ => FindingStatus::Unclear,
    }
}

/// The lines for a front page, of all categories together.
#[must_use]
pub fn findings(result: &Probed) -> Vec<Finding> {
    let Some(all) = result.contrasts.first() else { return vec![] };
    // Counted in groups; power goes by texts, as the interval's n does.
    let groups = |n: usize, of: &Number| {
        let power = of.power().map_or_else(String::new, |power| format!("; counted in texts, {power}"));
        Sample::new(n as u64, format!("groups{power}"))
    };
    let mut out = vec![Finding {
        status: above(&all.held_out, all.held_out.null.as_ref().map(|n| n.p)),
        statement: format!("Texts labelled {} can be told from others on held-out groups.", result.positive),
        measure: Measure::new("held-out AUROC, site chosen inside", all.held_out.value),
        n: groups(all.groups, &all.held_out),
        interval: ReportedInterval::of(&all.held_out),
        null: ReportedNull::of(&all.held_out),
        see: Some(format!("probing-{}", slug(all, 0))),
    }];
    for test in &all.tests {
        out.push(Finding {
            status: above(&test.auroc, test.auroc.null.as_ref().map(|n| n.p)),
            statement: format!("The probe carries over to the set {}.", test.name),
            measure: Measure::new(format!("AUROC at {}", test.site), test.auroc.value),
            n: groups(test.groups, &test.auroc),
            interval: ReportedInterval::of(&test.auroc),
            null: ReportedNull::of(&test.auroc),
            see: Some("probing-sets".into()),
        });
    }
    for baseline in &all.baselines {
        // The set that is hardest to fake by surface cues is the last one named.
        if let Some(d) = baseline.differences.last() {
            let i = d.difference.interval;
            out.push(Finding {
                status: match i {
                    Some(i) if i.low > 0.0 => FindingStatus::Supported,
                    Some(i) if i.high <= 0.0 => FindingStatus::NotSupported,
                    _ => FindingStatus::Unclear,
                },
                statement: format!(
                    "On {} the probe knows more than {} ({}).",
                    d.set, baseline.name, baseline.what
                ),
                measure: Measure::new("difference of AUROC, paired by text", d.difference.value),
                n: Sample::new(d.difference.n as u64, "texts"),
                interval: ReportedInterval::of(&d.difference),
                null: ReportedNull::new("no difference", 0.0, 0.0),
                see: Some("probing-controls".into()),
            });
        }
    }
    if let Some((truth, (set, on))) = all.truth.as_ref().and_then(|t| Some((t, t.on_task.last()?))) {
        let above = on.interval.is_some_and(|i| i.low > 0.5) && on.null.as_ref().is_none_or(|n| n.p <= 0.05);
        let below = on.interval.is_some_and(|i| i.high < 0.5);
        let (status, says) = match (above, below) {
            (true, _) => (FindingStatus::Caution, format!("separates {set} too")),
            (_, true) => (FindingStatus::Caution, format!("ranks {set} the other way round")),
            _ => (FindingStatus::Unclear, format!("may or may not separate {set}")),
        };
        out.push(Finding {
            status,
            statement: format!("A direction of truth {says}, without having seen the task."),
            measure: Measure::new("AUROC of truth on the task", on.value),
            n: Sample::of(on, format!("texts; fitted on {} statements", truth.rows)),
            interval: ReportedInterval::of(on),
            null: if below {
                ReportedNull::none("its test is one-sided, for ranks above 1/2")
            } else {
                ReportedNull::of(on)
            },
            see: Some("probing-truth".into()),
        });
    }
    out
}

/// A part of an id that names a contrast.
fn slug(contrast: &ContrastProbe, place: usize) -> String {
    let plain: String =
        contrast.category.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("{place}-{}", plain.to_lowercase())
}

/// The section of a report, with its figures and tables.
#[must_use]
pub fn section(result: &Probed) -> Section {
    let size = result.sets.first();
    let lead = format!(
        "Texts labelled {} against the others, read at {} sites ({} estimator, {} folds of whole groups; {} training \
         groups).",
        result.positive,
        result.sites.len(),
        result.estimator,
        result.folds,
        size.map_or(0, |s| s.groups)
    );
    let mut section = Section::new("probing", "Probing", lead);
    for (i, contrast) in result.contrasts.iter().enumerate().take(1) {
        section = section.with(curve(result, contrast, i));
    }
    section = section.with(sets(result)).with(table(result));
    if let Some(figure) = controls(result) {
        section = section.with(figure);
    }
    if let Some(figure) = cosines(result) {
        section = section.with(figure);
    }
    let others: Vec<Block> = result
        .contrasts
        .iter()
        .enumerate()
        .skip(1)
        .map(|(i, c)| Block::Figure(curve(result, c, i)))
        .collect();
    if !others.is_empty() {
        section = section.with(Block::Details { summary: "A curve a category".into(), blocks: others });
    }
    for sentence in result.apart.iter().flat_map(LeftOutTexts::sentences) {
        section = section.with(Block::note(NoteKind::Warning, sentence));
    }
    for r in &result.refused {
        let text = format!("{} was not probed: {}", r.category, r.why);
        section = section.with(Block::note(NoteKind::Warning, text));
    }
    for c in &result.contrasts {
        for (name, why) in &c.absent {
            let text = format!("{}: the control {name} gave no number: {why}", c.category);
            section = section.with(Block::note(NoteKind::Warning, text));
        }
    }
    let joined: usize = result.sets.iter().map(|s| s.joined).sum();
    let shared: Vec<&str> =
        result.contrasts.iter().filter(|c| c.shared_negatives).map(|c| c.category.as_str()).collect();
    let mut method = format!(
        "Sites and penalties are chosen inside the training folds. {} permutations of the labels were asked for, each \
         through the whole procedure. Adjusted p values: {} ({} tests).",
        result.permutations_asked, result.family.name, result.family.size
    );
    if joined > 0 {
        method += &format!(" {joined} groups were joined with others because they hold equal texts.");
    }
    for c in result.contrasts.iter().filter(|c| c.uneven > 0) {
        section = section.with(Block::note(
            NoteKind::Warning,
            format!(
                "{}: {} groups hold more texts of one label than of the other, and their labels are shuffled text by \
                 text: p is right where texts of one label are no more alike in such a group than others, and too small \
                 where they are copies of each other. Give each group as many of both, or texts of one label.",
                c.category, c.uneven
            ),
        ));
    }
    if !shared.is_empty() {
        method += &format!(
            " Without negatives of their own, and so held against those of all: {}.",
            shared.join(", ")
        );
    }
    section
        .with(Block::note(NoteKind::Method, method))
        .with(Block::note(NoteKind::Limit, result.not_shown.join(" ")))
}
