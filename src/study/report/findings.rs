//! Findings of the study itself: separation and agreement of its estimators.

use truenorth_report::{Finding, FindingStatus, Measure, ReportedInterval, ReportedNull, Sample};
use truenorth_stats::estimate::{Alone, HeldOut, SplitBy};

use crate::analyses::beside::{SeparationBeside, called};
use crate::analyses::sentence::capital;
use crate::analyses::{Cosine, stat};
use crate::study::file::Reads;
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

/// The separation of the first estimator that stands for reading: as the study declares, and by pair where a probe decides.
fn declared<'a>(run: &StageContext<'_>, results: &'a StudyFindings) -> Option<&'a HeldOut> {
    let first = results.directions.estimated.first()?;
    Some(match run.study.primary.reads {
        Reads::Pairs | Reads::Probing => &first.by_pair,
        Reads::Axes => &first.by_axis,
    })
}

/// What the direction is beside length, sentiment and words alone, put after "is": where it is not ahead of each.
pub fn reservation(run: &StageContext<'_>, results: &StudyFindings) -> Option<String> {
    SeparationBeside(declared(run, results)?).reservation()
}

/// A finding for each of length, sentiment and words that separates as well alone, as far as these texts tell.
pub fn not_beaten(run: &StageContext<'_>, results: &StudyFindings) -> Vec<Finding> {
    let words = run.data.words();
    let first = results.directions.estimated.first();
    let Some((first, held_out)) = first.zip(declared(run, results)) else { return vec![] };
    let of = match held_out.by {
        SplitBy::Pair => format!("held-out {}", words.units),
        SplitBy::Axis => format!("held-out {}", words.axes),
    };
    let alone = SeparationBeside(held_out).not_beaten();
    alone.into_iter().map(|a| as_well(&first.name, a, &of)).collect()
}

fn as_well(direction: &str, alone: &Alone, of: &str) -> Finding {
    let less = stat::less(&alone.less, of);
    let (name, reached) = (called(alone), alone.auroc.value);
    let separate = if alone.name == "words" { "separate" } else { "separates" };
    let how = if alone.less.interval.high < 0.0 { "better than" } else { "as well as" };
    Finding {
        status: FindingStatus::Caution,
        statement: if alone.less.value > 0.0 {
            format!(
                "The {direction} direction is not shown to separate better than {name} alone (AUROC {reached:.3})."
            )
        } else {
            format!(
                "{} alone (AUROC {reached:.3}) {separate} {how} the {direction} direction.",
                capital(&name)
            )
        },
        measure: Measure::of(format!("AUROC of the direction less that of {name} alone"), &less, 3),
        n: Sample::new(less.n as u64, of),
        interval: ReportedInterval::of(&less),
        null: ReportedNull::none(
            "no p: what counts is whether the interval of the paired difference lies above 0",
        ),
        see: Some("separation-beside".into()),
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

#[cfg(test)]
mod tests {
    use truenorth_stats::estimate::Estimate;
    use truenorth_stats::math::{ClusteredStatistic, Interval};

    use super::*;

    #[test]
    fn what_separates_as_well_alone_is_a_caution_with_its_number_and_interval() {
        let interval = |low: f64, high: f64| Interval { low, high, level: 0.95 };
        let found = |value: f64, low: f64, high: f64| {
            let auroc = Estimate {
                value: 0.992,
                interval: interval(0.9, 1.0),
                clusters: 20,
                design: 1.0,
                repeats: None,
            };
            let less = ClusteredStatistic { value, interval: interval(low, high), clusters: 20, design: 1.0 };
            as_well("mean-diff", &Alone { name: "words".into(), of: None, auroc, less }, "held-out pairs")
        };
        let finding = found(-0.017, -0.169, 0.077);
        assert_eq!(finding.status, FindingStatus::Caution);
        assert_eq!(
            finding.statement,
            "Words alone (AUROC 0.992) separate as well as the mean-diff direction."
        );
        assert_eq!(finding.measure.value.get(), Some(-0.017));
        assert_eq!((finding.interval.low.get(), finding.interval.high.get()), (Some(-0.169), Some(0.077)));
        assert!(found(-0.2, -0.3, -0.1).statement.contains("separate better than the mean-diff"));
        // Ahead, and not so that it is shown.
        let ahead = found(0.05, -0.02, 0.12).statement;
        assert!(ahead.contains("is not shown to separate better than words alone"), "{ahead}");
    }
}
