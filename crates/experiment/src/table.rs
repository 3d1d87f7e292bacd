//! What a terminal shows of an experiment.

use truenorth_reading::Listing;
use truenorth_reading::stat::p_cell;

use super::found::{Found, RaterStanding};

/// Raters first, then every arm by the primary outcome, then what may have made it.
pub(super) fn table(found: &Found) -> Listing {
    let mut raters = Listing::new(&["rater", "rated", "planted right", "first shown", "counts"]);
    for r in &found.raters {
        let share = |n: &Option<truenorth_reading::stat::Number>| {
            n.as_ref().map_or_else(|| "-".into(), |n| format!("{:.2} of {}", n.value, n.n))
        };
        raters.rows.push(vec![
            r.rater.clone(),
            r.rated.to_string(),
            share(&r.planted),
            share(&r.first),
            match &r.standing {
                RaterStanding::Counts => "yes".into(),
                RaterStanding::Refused(why) => format!("no: {why}"),
            },
        ]);
    }
    let primary = &found.outcomes[found.primary];
    let mut arms = Listing::new(&[
        "arm",
        &format!("{}, {}", primary.name, primary.unit),
        "95 %",
        "n",
        "p (Holm)",
        "placebos",
        "p",
        "flagged",
        "",
    ]);
    for v in &found.verdicts {
        let effect = primary.effect(&v.arm);
        let flagged = found.arms.iter().find(|a| a.arm.name == v.arm).and_then(|a| a.flagged.as_ref());
        let or = |cell: Option<String>| cell.unwrap_or_else(|| "-".into());
        let placebo = effect.and_then(|e| e.placebo.as_ref());
        arms.rows.push(vec![
            v.arm.clone(),
            or(effect.map(|e| format!("{:+.3}", e.difference.value))),
            or(effect
                .and_then(|e| e.difference.interval)
                .map(|i| format!("{:+.3} to {:+.3}", i.low, i.high))),
            or(effect.map(|e| e.difference.n.to_string())),
            or(effect.and_then(|e| e.holm).map(|p| p_cell(p, None))),
            or(placebo.map(|p| format!("{} of {}", p.beyond, p.differences.len()))),
            or(placebo.map(|p| p_cell(p.null.p, p.null.draws))),
            or(flagged.map(|n| format!("{:.2}", n.value))),
            v.verdict.word().to_lowercase(),
        ]);
    }
    arms.says.extend(found.verdicts.iter().flat_map(|v| v.because.iter().map(|b| format!("{}: {b}", v.arm))));
    arms.says.extend(found.artefacts.iter().map(|a| format!("note: {}", a.says)));
    arms.says.extend(found.notes.iter().map(|n| format!("note: {n}")));
    if raters.rows.len() < 2 {
        return arms;
    }
    raters.more.push(arms);
    raters
}
