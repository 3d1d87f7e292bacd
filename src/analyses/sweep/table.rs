//! What a terminal shows of a sweep.

use super::Swept;
use crate::analyses::Listing;

/// A row a site, and where reading and steering part.
pub(super) fn table(swept: &Swept) -> Listing {
    let mut out = Listing::new(&[
        "site",
        "AUROC",
        "95 %",
        "slope",
        "95 %",
        "random",
        "wrong way",
        "range of α",
        "reads",
        "steers",
    ]);
    for s in &swept.sites {
        let Some(primary) = s.steering.first() else { continue };
        let auroc = &s.reading.held_out.auroc;
        let yes = |b: bool| if b { "yes" } else { "no" }.to_owned();
        let null = primary.slope.null.as_ref().and_then(|n| n.range);
        out.rows.push(vec![
            s.site.to_string(),
            format!("{:.3}", auroc.value),
            format!("{:.3} to {:.3}", auroc.interval.low, auroc.interval.high),
            format!("{:.2}", primary.slope.value),
            primary.slope.interval.map_or_else(|| "-".into(), |i| format!("{:.2} to {:.2}", i.low, i.high)),
            null.map_or_else(|| "-".into(), |[l, h]| format!("{l:.2} to {h:.2}")),
            primary.wrong_way.as_ref().map_or_else(|| "-".into(), |w| format!("{:.0} %", 100.0 * w.value)),
            format!("{} to {}", s.working_range.low, s.working_range.high),
            yes(s.reads),
            yes(s.steers),
        ]);
    }
    out.says.push(swept.parting.statement.clone());
    out
}
