//! What a terminal shows of an audit.

use super::{Audited, page};
use crate::analyses::Listing;

/// A row a confound, and what was ruled out of each.
pub(super) fn table(found: &Audited) -> Listing {
    let mut out =
        Listing::new(&["confound", "groups", "AUROC", "95 %", "null within", "p Holm", "cosine", "verdict"]);
    for r in &found.rows {
        let ci = r.row.separation.bootstrap.interval;
        out.rows.push(vec![
            r.row.name.clone(),
            r.row.groups.to_string(),
            format!("{:.3}", r.row.separation.auroc),
            format!("{:.3} to {:.3}", ci.low, ci.high),
            format!("{:.3} to {:.3}", r.null_interval[0], r.null_interval[1]),
            r.row.p_adjusted.map_or_else(|| "-".into(), |p| format!("{p:.4}")),
            format!("{:.3}", r.row.cosine),
            page::word(r.row.verdict).to_owned(),
        ]);
    }
    out.says.extend(found.rows.iter().map(|r| format!("{}: {}", r.row.name, r.says)));
    out.says.extend(found.flips.iter().map(|f| format!("{}: {}", f.name, f.says)));
    out
}
