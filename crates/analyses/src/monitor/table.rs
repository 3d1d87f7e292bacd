//! What a terminal shows of a monitor.

use super::Monitored;
use super::found::left_out;
use truenorth_reading::Listing;

/// A row a direction.
pub(super) fn table(found: &Monitored) -> Listing {
    let mut out = Listing::new(&["direction", "site", "mean", "least", "greatest", "in", "highest at"]);
    let cell = |v: Option<f64>| v.map_or_else(|| "-".into(), |v| format!("{v:+.3}"));
    for (i, d) in found.directions.iter().enumerate() {
        let tokens = found.texts.iter().flat_map(|t| t.kept(i).map(move |token| (t, token)));
        let highest = tokens.max_by(|a, b| a.1.projection[i].total_cmp(&b.1.projection[i]));
        out.rows.push(vec![
            d.name.clone(),
            d.site.clone(),
            cell(d.mean),
            cell(d.least),
            cell(d.greatest),
            d.unit.clone(),
            highest.map_or_else(|| "-".into(), |(text, token)| format!("{:?} of {}", token.piece, text.id)),
        ]);
    }
    out.says.extend(left_out(found));
    out
}
