//! What a terminal shows of a board.

use super::{BoardSummary, KindContrast};
use truenorth_reading::Listing;
use truenorth_reading::stat::p_cell;

/// A row a number of the whole board, and what stands after correction.
pub(super) fn table(found: &BoardSummary) -> Listing {
    let mut out = Listing::new(&["", "value", "95 %", "p"]);
    let a = &found.asymmetry;
    let mut lines = vec![
        ("asymmetry about zero", &a.about_zero),
        ("asymmetry about the median", &a.about_median),
        ("share of positive scores", &a.positive),
        ("mean coherence", &found.coherence),
        ("rank correlation of score and z", &found.score_and_z.correlation),
    ];
    if let Some(c) = &found.rank_changes {
        lines.push(("rank correlation with the other board", &c.correlation));
    }
    for (what, m) in lines {
        out.rows.push(vec![
            what.to_owned(),
            format!("{:.3}", m.value),
            m.interval.map_or_else(|| "-".into(), |i| format!("{:.3} to {:.3}", i.low, i.high)),
            m.null.as_ref().map_or_else(|| "-".into(), |n| p_cell(n.p, n.draws)),
        ]);
    }
    out.rows.extend(found.contrast.as_ref().map(KindContrast::cells));
    let f = &found.family;
    out.says.push(format!(
        "{} of {} sequences stand at {} against {} directions drawn like the readings and {} of exchanged labels ({})",
        f.stands, f.tests, f.level, f.matched, f.permuted, f.name
    ));
    out.says.extend(f.no_labels.iter().map(|why| format!("no p against exchanged labels: {why}")));
    out.says.extend(found.monte_carlo.iter().map(|check| check.statement.clone()));
    out
}
