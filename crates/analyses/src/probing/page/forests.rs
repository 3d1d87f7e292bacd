//! Every category beside the others: AUROC on every set, and what is known beyond the controls.

use super::{above, bounds};
use crate::probing::{Baseline, ControlDifference, HELD_OUT, Probed};
use truenorth_reading::stat::Number;
use truenorth_report::{Axis, Figure, FindingStatus, Forest, ForestRow, Mark, Num, Plot};

pub(super) fn sets(result: &Probed) -> Figure {
    let mut rows = Vec::new();
    for c in &result.contrasts {
        let mut push = |set: &str, m: &Number, status| {
            rows.push(ForestRow {
                label: c.category.clone(),
                group: Some(set.to_owned()),
                estimate: m.value.into(),
                interval: bounds(m),
                null: m.null.as_ref().and_then(|n| n.range).map(|r| r.map(Num::new)),
                n: m.n as u64,
                status: Some(status),
            });
        };
        push(HELD_OUT, &c.held_out, above(&c.held_out, c.p_adjusted));
        for t in &c.tests {
            push(&t.name, &t.auroc, above(&t.auroc, t.auroc.null.as_ref().map(|n| n.p)));
        }
    }
    let order: Vec<String> = result.sets.iter().map(|s| s.name.clone()).collect();
    // What was held out of the training texts belongs to no set, and stands first.
    rows.sort_by_key(|r| order.iter().position(|o| Some(o) == r.group.as_ref()).map_or(0, |at| at + 1));
    let plot = Forest {
        x: Axis::new("AUROC").range(0.0, 1.0),
        reference: Some(Mark::at(0.5, "chance")),
        digits: 2,
        rows,
    };
    Figure::new(
        "probing-sets",
        "Every category on every set",
        Plot::Forest(plot),
        "95 % intervals over groups; pale bar: central 95 % with the training labels permuted and all choices repeated. \
         n counts texts. The sign: supported where the interval lies above chance and p (Holm over categories for \
         held-out texts, unadjusted for test sets) is at most 0.05.",
        "Whether categories differ: their texts differ in number and difficulty, and some share their negatives.",
    )
}

pub(super) fn controls(result: &Probed) -> Option<Figure> {
    let mut rows = Vec::new();
    for c in &result.contrasts {
        let row = |b: &Baseline| -> Vec<ForestRow> {
            let one = |d: &ControlDifference| ForestRow {
                label: format!("{} on {} ({:.2} against {:.2})", c.category, d.set, d.probe, d.control),
                group: Some(format!("more than {}", b.name)),
                estimate: d.difference.value.into(),
                interval: bounds(&d.difference),
                null: None,
                n: d.difference.n as u64,
                status: Some(match d.difference.interval {
                    Some(i) if i.low > 0.0 => FindingStatus::Supported,
                    Some(i) if i.high <= 0.0 => FindingStatus::NotSupported,
                    _ => FindingStatus::Unclear,
                }),
            };
            b.differences.iter().map(one).collect()
        };
        rows.extend(c.baselines.iter().flat_map(row));
    }
    rows.sort_by_key(|r| r.group.clone());
    if rows.is_empty() {
        return None;
    }
    let plot = Forest {
        x: Axis::new("AUROC of the probe less that of the control"),
        reference: Some(Mark::at(0.0, "knows no more")),
        digits: 2,
        rows,
    };
    Some(Figure::new(
        "probing-controls",
        "What the probe knows beyond its controls",
        Plot::Forest(plot),
        "Paired by text; 95 % intervals over groups, unadjusted for their number. Both go through the same folds and \
         choices. n counts texts.",
        "That a control is the best of its kind: another reader of the words might do better than this bag of them.",
    ))
}
