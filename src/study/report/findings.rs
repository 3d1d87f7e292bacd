//! Findings of the study itself: separation and agreement of its estimators.

use truenorth_report::{Finding, FindingStatus, Measure, ReportedInterval, ReportedNull, Sample};
use truenorth_stats::estimate::HeldOut;

use crate::analyses::Cosine;
use crate::study::stages::{StageContext, StudyFindings};

/// How the first estimator separates held-out pairs, and held-out axes.
pub fn separations(run: &StageContext<'_>, results: &StudyFindings) -> [Option<Finding>; 2] {
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
        Some(n) if n.p < 0.05 && auroc.above(0.5) => FindingStatus::Supported,
        Some(n) if n.p >= 0.05 && !auroc.above(0.5) => FindingStatus::NotSupported,
        _ => FindingStatus::Unclear,
    };
    Finding {
        status,
        statement: statement.into(),
        measure: Measure::of("AUROC", &auroc, 3),
        n: Sample::of(&auroc, of),
        interval: ReportedInterval::of(&auroc),
        null: ReportedNull::of(&auroc),
        see: Some("separation".into()),
    }
}

/// Whether every two estimators agree more than on exchanged labels, told by the two that do so least.
pub fn agreement(results: &StudyFindings) -> Option<Finding> {
    let n = results.directions.estimated.len();
    let cosines = &results.directions.cosines;
    let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).collect();
    let of = |(i, j): &(usize, usize)| &cosines[*i][*j];
    // Below its null is further from the claim than any p above it.
    let far = |pair: &(usize, usize)| match &of(pair).number.null {
        None => 0.0,
        Some(null) if of(pair).value < null.expected => 2.0 - null.p,
        Some(null) => null.p,
    };
    let least =
        *pairs.iter().max_by(|a, b| far(a).total_cmp(&far(b)).then(of(b).value.total_cmp(&of(a).value)))?;
    let count = |says: fn(&Cosine) -> bool| pairs.iter().filter(|pair| says(of(pair))).count();
    let (tested, above) = (count(|c| c.number.null.is_some()), count(|c| c.above_null() == Some(true)));
    let below = count(|c| !c.below_null().is_empty());
    let tally = match (tested, pairs.len()) {
        (0, _) | (1, 1) => String::new(),
        _ => format!(
            " {above} of {tested} pairs do{}.",
            match below {
                0 => String::new(),
                n => format!("; {n} agree{} less", if n == 1 { "s" } else { "" }),
            }
        ),
    };
    let least_of = of(&least);
    let names = [least.0, least.1].map(|k| &results.directions.estimated[k].name);
    Some(Finding {
        status: match (tested, above) {
            (0, _) => FindingStatus::Unclear,
            (tested, above) if tested == above => FindingStatus::Supported,
            _ => FindingStatus::NotSupported,
        },
        statement: format!(
            "Every two estimators agree more than they do on exchanged labels.{tally} Least so {} and {}.{}",
            names[0],
            names[1],
            least_of.below_null()
        ),
        measure: Measure { name: "their cosine".into(), value: least_of.value.into(), digits: 2 },
        n: Sample::new(n as u64, "estimators"),
        interval: ReportedInterval::none("one set of pairs; the estimators share their noise"),
        null: match &least_of.number.null {
            Some(_) => ReportedNull::of(&least_of.number),
            None => ReportedNull::none(least_of.no_p.as_deref().unwrap_or("no null was run")),
        },
        see: Some("agreement".into()),
    })
}
