//! Value flips on the audit's page.

use truenorth_report::{
    Axis, Cell, Column, Figure, Finding, FindingStatus, LabelledValue, Mark, Measure, Plot, ReportedInterval,
    ReportedNull, Sample, Strip, StripGroup, Table, Test,
};
use truenorth_stats::math::{Proportion, feasible};

use super::FlipRow;
use super::page::needed;

pub(super) fn finding(r: &FlipRow) -> Finding {
    let found = &r.ranking;
    let ci = found.right.exact;
    Finding {
        status: match (ci.low > 0.5, ci.high < 0.5) {
            (true, _) => FindingStatus::Supported,
            (_, true) => FindingStatus::NotSupported,
            _ => FindingStatus::Unclear,
        },
        statement: format!(
            "Pairs of {} are ranked by the value rather than by what was turned round.",
            r.name
        ),
        measure: Measure::new(
            format!("{} of {} ranked right, as a share", found.right.successes, found.right.trials),
            found.right.value,
        ),
        n: Sample::new(
            found.right.trials,
            format!("pairs that do not tie; {} would give 80 % power", feasible(found.needed)),
        ),
        interval: ReportedInterval::p95(ci.low, ci.high, "exact, Clopper and Pearson"),
        null: ReportedNull::new("each pair as likely either way, exact binomial", 0.5, 0.5).with_p(
            Test::ValueFlip,
            found.binomial.p,
            None,
        ),
        see: Some("audit-flips".into()),
    }
}

pub(super) fn table(flips: &[FlipRow]) -> Table {
    let mut table = Table::new(
        "audit-flip-table",
        "Pairs ranked right, beside pairs of the training contrast, each on the direction of the others (mean over 20 splits). p (one half): exact \
         binomial; p (as training): Fisher's exact test that both are ranked right as often, of the training pairs as \
         many as their directions leave independent. Strength: mean difference of projections over that of the \
         training pairs, pairs of both resampled. Pairs needed: with power 0.8, for shares like these.",
        "What the pairs are ranked by, where they are ranked right.",
        [
            "set",
            "pairs",
            "right",
            "p (one half)",
            "training pairs",
            "right",
            "p (as training)",
            "strength",
            "pairs needed: from one half",
            "pairs needed: from training",
        ]
        .map(Column::new)
        .to_vec(),
    );
    for r in flips {
        let (found, of) =
            (&r.ranking, |p: &Proportion| Cell::estimate(p.value, p.exact.low, p.exact.high, 2));
        let strength = found.relative_interval.interval;
        table.push(vec![
            r.name.as_str().into(),
            found.right.trials.into(),
            of(&found.right),
            Cell::p(Test::ValueFlip, found.binomial.p, None),
            found.training_right.trials.into(),
            of(&found.training_right),
            Cell::p(Test::FlipTraining, found.against_training, None),
            Cell::estimate(found.relative_strength, strength.low, strength.high, 2),
            needed(found.needed),
            needed(found.needed_against_training),
        ]);
    }
    table
}

pub(super) fn strip(flips: &[FlipRow]) -> Figure {
    let groups = flips
        .iter()
        .map(|r| StripGroup {
            label: r.name.clone(),
            points: r
                .pairs
                .iter()
                .map(|(id, shift)| LabelledValue { label: id.clone(), value: (*shift).into() })
                .collect(),
        })
        .collect();
    let plot = Strip {
        x: Axis::new("difference of projections").unit("mean of held-out training pairs"),
        reference: Some(Mark::at(0.0, "ranked wrong below, right above")),
        groups,
    };
    Figure::new(
        "audit-flips",
        "Value flips, a mark a pair",
        Plot::Strip(plot),
        "How far the text for the value projects above the one against it. 1 is as far as held-out training pairs on \
         average.",
        "That pairs ranked right are ranked by the value: they share more than it. The pairs were written by the \
         same hands as the training pairs.",
    )
}
