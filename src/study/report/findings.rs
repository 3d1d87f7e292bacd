//! Findings of the study itself: separation and agreement of its estimators.

use truenorth_report::{Finding, Interval, Measure, Null, Sample, Status, Test};
use truenorth_stats::estimate::HeldOut;
use truenorth_stats::math;

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
        words.null,
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

/// The least cosine between two estimators, against what two random directions would give.
pub fn agreement(run: &Run<'_>, results: &Results) -> Option<Finding> {
    let n = results.directions.estimated.len();
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    let (i, j) = pairs.min_by(|a, b| {
        results.directions.cosines[a.0][a.1].total_cmp(&results.directions.cosines[b.0][b.1])
    })?;
    let least = results.directions.cosines[i][j];
    let width = run.reader.runner().info().hidden;
    let p = math::share_with_cosine(least, width as usize).ok();
    // The normal approximation of a random cosine, sd 1/√width, is good to three digits here.
    let reach = 1.96 / f64::from(width).sqrt();
    Some(Finding {
        status: if least > 0.5 {
            Status::Supported
        } else if least > reach {
            Status::Caution
        } else {
            Status::NotSupported
        },
        statement: format!(
            "The estimators find one direction: the least alike, {} and {}, still agree.",
            results.directions.estimated[i].name, results.directions.estimated[j].name
        ),
        measure: Measure { name: "least cosine".into(), value: least.into(), digits: 2 },
        n: Sample::new(n as u64, "estimators"),
        interval: Interval::none("one set of pairs; the estimators share their noise"),
        null: Null::new("two random directions", -reach, reach).with_p(Test::UniformCosine, p, None),
        see: Some("agreement".into()),
    })
}
