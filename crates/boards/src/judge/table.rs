//! What a terminal shows of a judge.

use super::{Agreed, JudgeSummary};
use truenorth_reading::Listing;
use truenorth_reading::stat::Number;
use truenorth_reading::stat::p_cell;

/// A row a share, a group and another judge, and why the judge abstained.
pub(super) fn table(found: &JudgeSummary) -> Listing {
    let j = &found.judgement;
    let mut out = Listing::new(&["", "value", "n", "95 %", "p"]);
    let mut push = |what: String, m: Option<&Number>| {
        let empty = || [what.as_str(), "-", "", "", ""].map(String::from).to_vec();
        let row = |m: &Number| {
            vec![
                what.clone(),
                format!("{:.3}", m.value),
                m.n.to_string(),
                m.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high)),
                m.null.as_ref().map_or_else(|| "-".into(), |n| p_cell(n.p, n.draws)),
            ]
        };
        out.rows.push(m.map_or_else(empty, row));
    };
    let two = j.first.as_ref().is_some_and(|m| m.null.is_some());
    push(if two { "for the first text" } else { "first, or yes" }.into(), j.first.as_ref());
    push("abstained".into(), Some(&j.abstained));
    push("consistent".into(), j.consistency.as_ref());
    push("bias, nats".into(), Some(&j.bias));
    push("preference, nats".into(), Some(&j.preference));
    for g in &found.groups {
        push(format!("{} at {}", j.question, g.group), g.first.as_ref());
    }
    for a in &found.agreement {
        push(format!("κ of {} and {}", a.first, a.second), a.kappa.as_ref());
    }
    let why: Vec<String> =
        j.reasons.iter().filter(|(_, n)| *n > 0).map(|(why, n)| format!("{n} {why}")).collect();
    if !why.is_empty() {
        out.says.push(format!("abstained: {}", why.join(", ")));
    }
    out.says.extend(j.clusters_said());
    out
}

/// A row every two judges.
#[must_use]
pub fn agreed(agreement: &[Agreed]) -> Listing {
    let mut out = Listing::new(&["judges", "n", "same", "κ", "95 %", "p"]);
    for a in agreement {
        let kappa = a.kappa.as_ref();
        let ci = kappa.and_then(|k| k.interval).map(|i| format!("{:.2} to {:.2}", i.low, i.high));
        let p = kappa.and_then(|k| k.null.as_ref()).map(|n| p_cell(n.p, n.draws));
        out.rows.push(vec![
            format!("{}, {}", a.first, a.second),
            a.n.to_string(),
            format!("{:.2}", a.same.value),
            kappa.map_or_else(|| "-".into(), |k| format!("{:.2}", k.value)),
            ci.unwrap_or_else(|| "-".into()),
            p.unwrap_or_else(|| "-".into()),
        ]);
        if a.only_first + a.only_second > 0 {
            out.says.push(format!(
                "{} and {} both judged {}; left out are {} that {} alone judged and {} that {} alone judged",
                a.first, a.second, a.n, a.only_first, a.first, a.only_second, a.second
            ));
        }
    }
    out
}
