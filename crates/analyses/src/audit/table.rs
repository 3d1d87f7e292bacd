//! What a terminal shows of an audit.

use super::{Audited, page};
use truenorth_reading::Listing;
use truenorth_reading::beside::SeparationBeside;
use truenorth_reading::stat::p_cell;

/// A row a confound, and what was ruled out of each.
pub(super) fn table(found: &Audited) -> Listing {
    let mut out = Listing::new(&[
        "confound",
        "groups",
        "AUROC",
        "95 %",
        "separates",
        "null within",
        "p Holm",
        "more than matched",
        "least found",
        "verdict",
    ]);
    for r in &found.rows {
        let ci = r.row.separation.interval;
        out.rows.push(vec![
            r.row.name.clone(),
            r.row.groups.to_string(),
            format!("{:.3}", r.row.separation.auroc),
            format!("{:.3} to {:.3}", ci.low, ci.high),
            yes(r.row.separates),
            format!("{:.3} to {:.3}", r.null_interval[0], r.null_interval[1]),
            r.row.p_adjusted.map_or_else(|| "-".into(), |p| p_cell(p, Some(r.row.random.draws))),
            r.row.p_adjusted.map_or_else(|| "-".into(), |p| yes(p <= found.family.alpha)),
            r.row.detectable.separates.map_or_else(|| "none".into(), |t| format!("{t:.2}")),
            page::word(r.row.verdict).to_owned(),
        ]);
    }
    let beside = SeparationBeside(&found.held_out.found);
    out.says.push(format!("Held-out separation {:.3}; {}.", found.held_out.found.auroc.value, beside.says()));
    out.says.extend(beside.erased());
    out.says.extend(found.rows.iter().map(|r| format!("{}: {}", r.row.name, r.says)));
    out.says.extend(found.flips.iter().map(|f| format!("{}: {}", f.name, f.says)));
    out
}

fn yes(whether: bool) -> String {
    if whether { "yes".into() } else { "no".into() }
}
