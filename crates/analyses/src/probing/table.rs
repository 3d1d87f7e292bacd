//! What a terminal shows of probes.

use super::{HELD_OUT, Probed, rate};
use crate::geometry::PositiveShare;
use truenorth_reading::Listing;
use truenorth_reading::stat::Number;
use truenorth_reading::stat::p_cell;

/// A row a category and set, and what gave no number.
pub(super) fn table(found: &Probed) -> Listing {
    let mut out = Listing::new(&[
        "category",
        "set",
        "site",
        "n",
        "AUROC",
        "95 %",
        "p",
        "TPR at 1 % FPR",
        "accuracy",
        "words",
        "untrained",
    ]);
    for c in &found.contrasts {
        let against = |name: &str, set: &str| {
            let baseline = c.baselines.iter().find(|b| b.name == name);
            let difference = baseline.and_then(|b| b.differences.iter().find(|d| d.set == set));
            difference.map_or_else(|| "-".into(), |d| format!("{:.3}", d.control))
        };
        let mut line = |set: &str, site: &str, auroc: &Number, rate: Option<PositiveShare>, accuracy: f64| {
            let range =
                auroc.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high));
            out.rows.push(vec![
                c.category.clone(),
                set.to_owned(),
                site.to_owned(),
                auroc.n.to_string(),
                format!("{:.3}", auroc.value),
                range,
                auroc.null.as_ref().map_or_else(|| "-".into(), |n| p_cell(n.p, n.draws)),
                rate.map_or_else(
                    || "-".into(),
                    |r| format!("{:.3} ({:.3} to {:.3})", r.value, r.low, r.high),
                ),
                format!("{accuracy:.3}"),
                against("bag-of-words", set),
                against("random-init", set),
            ]);
        };
        line(HELD_OUT, "nested", &c.held_out, c.true_positives, c.accuracy.value);
        for t in &c.tests {
            line(&t.name, &t.site, &t.auroc, t.true_positives, t.accuracy.value);
        }
    }
    if rate::few(&found.contrasts) {
        out.says.push(found.rate_method.clone());
    }
    let absent = found.contrasts.iter().flat_map(|c| c.absent.iter().map(move |a| (&c.category, a)));
    out.says.extend(
        absent.map(|(category, (name, why))| format!("{category}: control {name} gave no number: {why}")),
    );
    out.says.extend(found.refused.iter().map(|r| format!("{} was not probed: {}", r.category, r.why)));
    out
}
