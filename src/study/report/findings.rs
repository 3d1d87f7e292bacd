//! Findings of the study itself: separation and agreement of its estimators.

use truenorth_report::{Finding, Interval, Measure, Null, Sample, Status};
use truenorth_stats::estimate::HeldOut;

use crate::study::stages::{Results, Run};

/// How the first estimator separates held-out pairs, and held-out axes.
pub fn separations(run: &Run<'_>, results: &Results) -> [Option<Finding>; 2] {
    let words = run.data.words();
    let Some(first) = results.directions.estimated.first() else { return [None, None] };
    let (high, low) = (&words.high, &words.low);
    let by_pair = separation(
        &format!("The {} direction separates {high} from {low} in texts it was not fitted on.", first.name),
        &first.by_pair,
        &format!("held-out {}", words.units),
        words.null,
    );
    let by_axis = separation(
        &format!(
            "The {} direction separates {high} from {low} on {} that it has never seen.",
            first.name, words.axes
        ),
        &first.by_axis,
        &format!("held-out {}", words.axes),
        &format!("labels exchanged by whole {}", words.axes),
    );
    [Some(by_pair), Some(by_axis)]
}

fn separation(statement: &str, held_out: &HeldOut, of: &str, shuffled: &str) -> Finding {
    let auroc = held_out.auroc.number(of, held_out.null.as_ref().map(|n| (n, shuffled)));
    let status = match &auroc.null {
        Some(n) if n.p < 0.05 && auroc.above(0.5) => Status::Supported,
        Some(n) if n.p >= 0.05 && !auroc.above(0.5) => Status::NotSupported,
        _ => Status::Unclear,
    };
    Finding {
        status,
        statement: statement.into(),
        measure: Measure::of("AUROC", &auroc, 3),
        n: Sample::of(&auroc, of),
        interval: Interval::of(&auroc),
        null: Null::of(&auroc),
        see: Some("separation".into()),
    }
}

/// The least cosine between two estimators, against the same two on exchanged labels.
pub fn agreement(results: &Results) -> Option<Finding> {
    let n = results.directions.estimated.len();
    let cosines = &results.directions.cosines;
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let (i, j) = pairs.min_by(|a, b| cosines[a.0][a.1].value.total_cmp(&cosines[b.0][b.1].value))?;
    let least = &cosines[i][j];
    let names = [i, j].map(|k| &results.directions.estimated[k].name);
    Some(Finding {
        status: match least.above_null() {
            Some(true) => Status::Supported,
            Some(false) => Status::NotSupported,
            None => Status::Unclear,
        },
        statement: format!(
            "The estimators agree more than they do on exchanged labels: {} and {}, the least alike.{}",
            names[0],
            names[1],
            least.below_null()
        ),
        measure: Measure { name: "least cosine".into(), value: least.value.into(), digits: 2 },
        n: Sample::new(n as u64, "estimators"),
        interval: Interval::none("one set of pairs; the estimators share their noise"),
        null: match &least.number.null {
            Some(_) => Null::of(&least.number),
            None => Null::none(least.no_p.as_deref().unwrap_or("no null was run")),
        },
        see: Some("agreement".into()),
    })
}
