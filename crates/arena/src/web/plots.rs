//! Plots of the board and of one entry.

use truenorth_report::{
    Axis, Figure, LabelledValue, Mark, Num, Scatter, ScatterPoint, Strip, StripGroup, render,
};

use crate::rules::shown;
use crate::store::Entry;

/// Marks of a plot at most; beyond, the outermost are drawn.
const MARKS: usize = 600;

const NOT_SHOWN: &str = "That a text holds, or lacks, what the direction is named for. A score says how the text moves the \
    residual of the probes behind it, in this model, at this site.";

fn outermost(entries: &[Entry]) -> Vec<&Entry> {
    let mut all: Vec<&Entry> = entries.iter().filter(|e| e.score.is_some() && e.z.is_some()).collect();
    all.sort_by(|a, b| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0)));
    if all.len() <= MARKS {
        return all;
    }
    let tail = all.split_off(all.len() - MARKS / 2);
    all.truncate(MARKS - MARKS / 2);
    all.extend(tail);
    all
}

fn kind(entry: &Entry) -> String {
    entry.kind.clone().unwrap_or_else(|| "no kind given".into())
}

fn cut(text: &str, most: usize) -> String {
    let text = shown(text);
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Score against z, as markup.
pub(super) fn score_and_z(entries: &[Entry]) -> String {
    let grouped = entries.iter().any(|e| e.kind.is_some());
    let mut drawn = outermost(entries);
    // In the order of the other plot, so that a kind has one colour in both.
    drawn.sort_by_cached_key(|e| kind(e));
    let points = drawn
        .into_iter()
        .map(|e| ScatterPoint {
            label: cut(&e.text, 60),
            named: false,
            group: if grouped { kind(e) } else { String::new() },
            x: e.score.unwrap_or(0.0).into(),
            y: e.z.unwrap_or(0.0).into(),
        })
        .collect();
    let plot = Scatter { x: Axis::new("score"), y: Axis::new("z"), diagonal: false, points };
    render::fragment(&Figure::new("board-z", "Score against z", plot, "", NOT_SHOWN), "board-z")
}

/// z by kind, beside what random directions give, as markup.
pub(super) fn z_by_kind(entries: &[Entry]) -> String {
    let shown = outermost(entries);
    let mut kinds: Vec<String> = shown.iter().map(|e| kind(e)).collect();
    kinds.sort();
    kinds.dedup();
    let groups = kinds
        .into_iter()
        .map(|name| StripGroup {
            points: shown
                .iter()
                .filter(|e| kind(e) == name)
                .map(|e| LabelledValue { label: cut(&e.text, 60), value: e.z.unwrap_or(0.0).into() })
                .collect(),
            label: name,
        })
        .collect();
    let span = Mark::span(-1.96, 1.96, "95 % of uniformly random directions, probes that move alike");
    let plot = Strip { x: Axis::new("z"), reference: Some(span), groups };
    render::fragment(&Figure::new("board-kinds", "z by kind", plot, "", NOT_SHOWN), "board-kinds")
}

/// The shift of each probe behind one entry, as markup.
pub(super) fn shifts(along: &[f32], probes: &[String]) -> String {
    let points = along
        .iter()
        .zip(probes)
        .map(|(shift, probe)| LabelledValue { label: cut(probe, 60), value: Num::new(f64::from(*shift)) })
        .collect();
    let plot = Strip {
        x: Axis::new("shift along the direction"),
        reference: Some(Mark::at(0.0, "no shift")),
        groups: vec![StripGroup { label: "probes".into(), points }],
    };
    render::fragment(&Figure::new("shifts", "Shift of each probe", plot, "", NOT_SHOWN), "shifts")
}
