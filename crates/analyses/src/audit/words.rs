//! What follows from the numbers, in words, and what does not.

use super::Without;
use truenorth_reading::stat::p_said;
use truenorth_stats::estimate::Estimate;
use truenorth_stats::estimate::audit::{AuditParams, AuditRow, ConfoundAudit, ConfoundVerdict, FlipRanking};
use truenorth_stats::math::feasible;

/// What was ruled out about a confound, and what was not.
pub(super) fn verdict(
    row: &AuditRow,
    audit: &ConfoundAudit,
    params: &AuditParams,
    circular: Option<&str>,
    without: Option<&Without>,
    base: &Estimate,
) -> String {
    let name = &row.name;
    let ci = row.separation.interval;
    let level = ci.level * 100.0;
    let seen = format!(
        "AUROC {:.2}, {level:.0} % interval {:.2} to {:.2}, {} groups",
        row.separation.auroc, ci.low, ci.high, row.groups
    );
    let beside = format!(
        "95 % of {} random directions with the covariance of the training texts lie within {:.2} of 1/2",
        row.random.draws, row.random.high
    );
    let found = found(row, params);
    let p = row.p_adjusted.unwrap_or(row.random.p);
    let adjusted = format!("p {} after Holm over {} tests", p_said(p, None), audit.family);
    match row.verdict {
        ConfoundVerdict::Circular => {
            let why = circular.map_or_else(
                || format!("{} of its {} texts are training texts", row.shared_rows, row.rows),
                str::to_owned,
            );
            format!(
                "Circular: {why}. Nothing was ruled out and nothing was found: {name} needs texts that played \
                 no part in making the direction."
            )
        }
        ConfoundVerdict::TooLittleData => {
            let why = if row.groups < params.least_groups {
                format!("{} groups, of which at least {} are needed", row.groups, params.least_groups)
            } else {
                format!(
                    "a probe fitted to {name} alone does not tell its own held-out texts apart (AUROC {:.2}, \
                     interval from {:.2}), so that the direction may well not either",
                    row.own, row.own_low
                )
            };
            format!(
                "Not tested: {why}. Neither that the direction follows {name} nor that it does not was shown."
            )
        }
        ConfoundVerdict::Confounded => format!(
            "Not ruled out, found: the direction tells the {name} set apart ({seen}) more than random directions \
             do ({beside}; {adjusted}). It follows {name}, or something that goes with it in this set. {}{found}",
            without.map_or_else(String::new, |without| format!(
                "With that probe's direction projected out, held-out separation of the training contrast is {:.2} (before: \
                 {:.2}), so what is left is not this linear form of {name}; other forms were not ruled out. ",
                without.auroc.value, base.value
            ))
        ),
        ConfoundVerdict::RuledOut => format!(
            "Ruled out: that the direction separates the {name} set by more than {:.2} from an AUROC of 1/2 \
             ({seen}). Not ruled out: a smaller effect, and {name} in texts of another kind than these. {found}",
            params.margin
        ),
        ConfoundVerdict::NotRuledOut if row.separates => format!(
            "Separates it, though not more than matched directions do: the direction tells the {name} set apart ({seen}), \
             and so do random directions of its kind ({beside}; {adjusted}). That it follows {name} more than any \
             direction here would was not shown, nor that it does not. {found}"
        ),
        ConfoundVerdict::NotRuledOut => format!(
            "Not found, and not ruled out: the direction does not separate the {name} set more than random \
             directions do ({seen}; {beside}; {adjusted}), but the interval leaves room for an effect of more \
             than {:.2}. {found}",
            params.margin
        ),
    }
}

/// What a set of this size can find, and how many groups it would take.
fn found(row: &AuditRow, params: &AuditParams) -> String {
    let auroc = |t: Option<f64>| t.map_or_else(|| "none".to_owned(), |t| format!("{t:.2}"));
    let groups = |n: Option<usize>| match n {
        Some(n) => format!("{n} groups"),
        None => format!("{} of groups", feasible(None)),
    };
    let (d, n) = (&row.detectable, &row.needed);
    format!(
        "With 80 % power {} groups tell an AUROC of {} or more from 1/2, and one of {} or more from matched directions; \
         they rule out more than {:.2} with {:.0} % power. It would take {} to tell the AUROC seen from 1/2, {} to find \
         it beyond matched directions, and {} to rule out more than {:.2}.",
        row.groups,
        auroc(d.separates),
        auroc(d.matched),
        params.margin,
        100.0 * d.power_to_rule_out,
        groups(n.separates),
        groups(n.matched),
        groups(n.rule_out),
        params.margin
    )
}

/// What a ranking of value flips says.
pub(super) fn flips(found: &FlipRanking, pairs: usize) -> String {
    let right = &found.right;
    let (low, high) = (right.exact.low, right.exact.high);
    let said = if low > 0.5 {
        "more than chance: what was turned round in these pairs is not all that the direction follows"
    } else if high < 0.5 {
        "fewer than chance: the direction follows what was turned round in these pairs rather than the value"
    } else {
        "which chance would give as well: these pairs neither show nor rule out that the direction follows what \
         was turned round in them"
    };
    let trained = &found.training_right;
    let beside = if found.against_training <= 0.05 {
        if right.value < trained.value { "fewer than" } else { "more than" }
    } else {
        "not told apart from"
    };
    let needed = match found.needed {
        Some(n) => format!(" A share like this one is told from one half with 80 % power by {n} pairs."),
        None => format!(
            " A share like this one is told from one half with 80 % power by {} of pairs.",
            feasible(None)
        ),
    };
    let strength = found.relative_interval.interval;
    let ties = if found.ties > 0 { format!(" ({} of {pairs} tie)", found.ties) } else { String::new() };
    format!(
        "{} of {} pairs are ranked right{ties} (exact interval of the share {low:.2} to {high:.2}, p {}), {said}. \
         That is {beside} the held-out training pairs, {} of {}, the mean over 20 splits (Fisher's exact p {}, the training pairs counted as {} \
         of {}, as many as their directions leave independent).{needed} Their mean difference is {:.2} times that of held-out training pairs (interval {:.2} to {:.2}, both \
         resampled). That it \
         is the value, and nothing else these pairs share, was not shown.",
        right.successes,
        right.trials,
        p_said(found.binomial.p, None),
        trained.successes,
        trained.trials,
        p_said(found.against_training, None),
        found.training_alone[0],
        found.training_alone[1],
        found.relative_strength,
        strength.low,
        strength.high
    )
}

pub(super) fn not_shown() -> Vec<String> {
    [
        "Confounds that no set was written for.",
        "That a set differs in what it is named after alone: a direction that separates it may follow anything \
         else that its two sides differ in.",
        "That the model does not represent a confound: an AUROC near 1/2 is about this direction, not about \
         the model.",
        "What adding the direction does: reading is not steering.",
        "Relations that are not linear, and texts of other kinds than those of the sets.",
    ]
    .map(str::to_owned)
    .to_vec()
}
