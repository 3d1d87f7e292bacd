//! What each arm comes to, and what may have made its effect.

use truenorth_analyses::steer::{COMPARABLE, DAMAGING};
use truenorth_reading::stat::{Number, p_said};
use truenorth_report::QuestionVerdict;
use truenorth_stats::math;

use super::arms::ArmKind;
use super::found::{ArmVerdict, Artefact, Effect, Found, Predicted, RaterStanding, ScopeEffect};
use super::params::{ExpectedSign, LEAST_PLACEBOS, Params};

/// The false alarms that all arms together may give.
const LEVEL: f64 = 0.05;
/// From which share of texts on a flag is named of an arm.
const MANY: f64 = 0.1;

/// What every arm but base comes to, by the primary outcome.
pub(super) fn verdicts(found: &Found, params: &Params) -> Vec<ArmVerdict> {
    let one = |arm: &super::found::ArmFound| {
        let name = &arm.arm.name;
        if let Some(why) = &arm.arm.withdrawn {
            return ArmVerdict {
                arm: name.clone(),
                verdict: QuestionVerdict::NotAsked,
                says: format!("Withdrawn: {why}. No number of it is told."),
                because: vec![],
            };
        }
        let outcome = &found.outcomes[found.primary];
        let Some(effect) = outcome.effect(name) else {
            return ArmVerdict {
                arm: name.clone(),
                verdict: QuestionVerdict::NotShown,
                says: format!("Nothing is known of its {}.", outcome.name),
                because: vec!["no row of it has the outcome".into()],
            };
        };
        let (edit, expected) = (arm.arm.kind == ArmKind::Edit, arm.arm.expected);
        let because = because(found, effect, (edit, expected), params);
        let opposite =
            expected != ExpectedSign::Either && !expected.fits(effect.difference.value) && stands(effect);
        let verdict = match (because.is_empty(), opposite) {
            (true, _) => QuestionVerdict::Yes,
            (false, true) if trusted(found).is_none() => QuestionVerdict::No,
            _ => QuestionVerdict::NotShown,
        };
        let what = match (verdict, edit) {
            (QuestionVerdict::Yes, true) => "steers",
            (QuestionVerdict::Yes, false) => "moves the outcome",
            (QuestionVerdict::No, _) => "moves the outcome the other way than it should",
            (_, true) => "is not shown to steer",
            (_, false) => "is not shown to move the outcome",
        };
        ArmVerdict {
            arm: name.clone(),
            verdict,
            says: format!("It {what}: {}.", said(effect, &outcome.unit)),
            because,
        }
    };
    found.arms[1..].iter().map(one).collect()
}

/// A difference with its interval and p, in words.
pub(super) fn said(effect: &Effect, unit: &str) -> String {
    let d = &effect.difference;
    let interval = d.interval.map_or(String::new(), |i| format!(", {:+.2} to {:+.2}", i.low, i.high));
    let p =
        effect.holm.map_or_else(|| ", no p".to_owned(), |p| format!(", p {} after Holm", p_said(p, None)));
    let placebo = effect.placebo.as_ref().map_or(String::new(), |s| {
        format!(
            "; further out than {} of {} placebos, p {}",
            s.beyond,
            s.differences.len(),
            p_said(s.null.p, s.null.draws)
        )
    });
    format!("{:+.2} {unit}{interval} over {}{p}{placebo}", d.value, d.n)
}

/// Whether the difference stands after correction, whichever way.
fn stands(effect: &Effect) -> bool {
    effect.holm.is_some_and(|p| p <= LEVEL) && !within(&effect.difference)
}

fn within(number: &Number) -> bool {
    number.interval.is_none_or(|i| i.low <= 0.0 && i.high >= 0.0)
}

/// Why the primary outcome's rater decides nothing; none where it does, or there is none.
fn trusted(found: &Found) -> Option<String> {
    let kind = &found.outcomes[found.primary].kind;
    let rater = kind.rater().filter(|_| !kind.people())?;
    let of = found.raters.iter().find(|r| r.rater == rater)?;
    match &of.standing {
        RaterStanding::Counts => None,
        RaterStanding::Refused(why) => Some(format!("the judge {rater} is refused: {why}")),
    }
}

fn because(
    found: &Found,
    effect: &Effect,
    (edit, expected): (bool, ExpectedSign),
    params: &Params,
) -> Vec<String> {
    let mut out: Vec<String> = trusted(found).into_iter().collect();
    if !stands(effect) {
        out.push("the difference from base does not stand after correction over the arms".into());
    } else if !expected.fits(effect.difference.value) {
        out.push("the difference goes the other way than it should".into());
    }
    if edit {
        match &effect.placebo {
            Some(p) if p.differences.len() >= LEAST_PLACEBOS => {
                if p.null.p > LEVEL {
                    out.push(format!(
                        "as large edits along directions drawn like the activations do as much: it lies further out than {} \
                         of {}, p {} over all edited arms",
                        p.beyond,
                        p.differences.len(),
                        p_said(p.null.p, p.null.draws)
                    ));
                } else if (effect.difference.value - p.null.expected) * effect.difference.value < 0.0 {
                    out.push("placebos move the outcome further the same way".into());
                }
            }
            placebo => out.push(format!(
                "it stands beside {} placebos, and a verdict needs {LEAST_PLACEBOS}{}",
                placebo.as_ref().map_or(0, |p| p.differences.len()),
                found.fewer.as_ref().map_or(String::new(), |why| format!(" ({why})"))
            )),
        }
        if params.flips > 0 {
            match &effect.flips {
                Some(p) if p.null.p <= LEVEL => {}
                Some(p) => out.push(format!(
                    "directions of shuffled labels do as much, p {} over all edited arms",
                    p_said(p.null.p, p.null.draws)
                )),
                None => out.push(
                    "directions of shuffled labels were asked for, and none could be held beside it".into(),
                ),
            }
        }
    }
    if let Some(scope) = unflagged(found, &effect.arm)
        && scope.dropped > 0
        && stands(effect)
    {
        let gone = scope
            .difference
            .as_ref()
            .is_none_or(|d| within(d) || d.value.signum() != effect.difference.value.signum());
        if gone {
            let left = scope.of - scope.dropped;
            out.push(format!(
                "the difference does not stand on the {left} rows of {} without flags",
                scope.of
            ));
        }
    }
    out
}

fn unflagged<'a>(found: &'a Found, arm: &str) -> Option<&'a ScopeEffect> {
    let scopes = &found.outcomes[found.primary].scopes;
    scopes.iter().find(|s| s.scope == "unflagged")?.arms.iter().find(|a| a.arm == arm)
}

/// What may have made an effect, or a number that looks like one.
pub(super) fn artefacts(found: &Found) -> Vec<Artefact> {
    let mut out = Vec::new();
    let mut push =
        |what: &'static str, of: &str, says: String| out.push(Artefact { what, of: of.to_owned(), says });
    let base = &found.arms[0];
    for arm in &found.arms[1..] {
        let name = &arm.arm.name;
        if let Some(why) = &arm.arm.withdrawn {
            push(
                "withdrawn",
                name,
                format!("{name} was withdrawn: {why}. It stands in no table and no correction."),
            );
            continue;
        }
        for (flag, share) in &arm.flags {
            let beside = base.share(flag).map_or(0.0, |n| n.value);
            // More than base, by more than its interval.
            if share.value >= MANY && share.interval.is_some_and(|i| i.low > beside) {
                let what = match *flag {
                    "echoes" => "echo",
                    "loops" => "loop",
                    other => other,
                };
                push(
                    what,
                    name,
                    format!(
                        "{:.0} % of the {} texts of {name} {}, {:.0} % of base's.",
                        100.0 * share.value,
                        arm.texts,
                        match *flag {
                            "echoes" => "echo its prefix",
                            "loops" => "loop",
                            "takes no stance" => "take no stance",
                            _ => "break off",
                        },
                        100.0 * beside
                    ),
                );
            }
        }
        if let Some(done) = arm.done.as_ref().filter(|d| d.kl > DAMAGING) {
            push("damage", name, format!("{name} moves the next token by {:.2} nats from base's.", done.kl));
        }
        if let Some(done) = &arm.done
            && let (Some(own), Ok(placebo)) = (done.angle, math::quantile(&done.placebo_angles, 0.5))
        {
            let ratio = (own / placebo).max(placebo / own);
            if ratio > COMPARABLE {
                push(
                    "size",
                    name,
                    format!(
                        "{name} turns the residual by {own:.1}°, its placebos by {placebo:.1}°: not of one size."
                    ),
                );
            }
        }
    }
    for outcome in &found.outcomes {
        for effect in outcome.effects.iter().filter(|e| stands(e)) {
            for scope in &outcome.scopes {
                let Some(own) = scope.arms.iter().find(|a| a.arm == effect.arm && a.dropped > 0) else {
                    continue;
                };
                let Some(left) = &own.difference else { continue };
                // Few rows hide what is there: named is what is gone, on half of the rows at least.
                let gone = left.value.abs() < effect.difference.value.abs() / 2.0
                    || left.value.signum() != effect.difference.value.signum();
                if within(left) && gone && 2 * own.dropped <= own.of {
                    push(
                        "scope",
                        &effect.arm,
                        format!(
                            "{} of {}: {:+.2} on all {} rows, {:+.2} on the {} of the scope {}, where it does not stand.",
                            outcome.name,
                            effect.arm,
                            effect.difference.value,
                            own.of,
                            left.value,
                            own.of - own.dropped,
                            scope.scope
                        ),
                    );
                }
            }
        }
    }
    for rater in &found.raters {
        let first = rater.first.as_ref().filter(|n| n.null.as_ref().is_some_and(|n| n.p <= LEVEL));
        if let Some(n) = first {
            push(
                "position",
                &rater.rater,
                format!(
                    "{} chooses the text shown first in {:.0} % of {} rows, p {}; {} of {} pairs asked in both orders \
                     contradict each other.",
                    rater.rater,
                    100.0 * n.value,
                    n.n,
                    p_said(n.null.as_ref().map_or(1.0, |n| n.p), None),
                    rater.both.contradict,
                    rater.both.contradict + rater.both.agree
                ),
            );
        }
        if let RaterStanding::Refused(why) = &rater.standing {
            push("refused", &rater.rater, format!("{} decides nothing: {why}.", rater.rater));
        }
    }
    for drift in &found.drift {
        if let Some(null) = drift.range.null.as_ref().filter(|n| n.p <= LEVEL) {
            push(
                "drift",
                &drift.rater,
                format!(
                    "{} rates the same base texts differently beside different arms ({}): their means lie {:.2} points \
                     apart, p {}. Differences from the fixed baseline stand beside those from each arm's own.",
                    drift.rater,
                    drift.rubric,
                    drift.range.value,
                    p_said(null.p, null.draws)
                ),
            );
        }
    }
    out
}

/// What became of what was expected of the primary outcome.
pub(super) fn predictions(found: &Found, params: &Params) -> Vec<Predicted> {
    let outcome = &found.outcomes[found.primary];
    let one = |p: &super::params::ArmPrediction| {
        let inside = |v: f64| p.above.is_none_or(|b| v > b) && p.below.is_none_or(|b| v < b);
        let difference = outcome.effect(&p.arm).map(|e| &e.difference);
        Predicted {
            id: p.id.clone(),
            claim: p.claim.clone(),
            held: difference.map(|d| inside(d.value)),
            clear: difference.and_then(|d| d.interval).is_some_and(|i| inside(i.low) && inside(i.high)),
        }
    };
    params.predictions.iter().map(one).collect()
}
