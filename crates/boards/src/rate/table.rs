//! What a terminal shows of ratings.

use super::Unblinded;
use truenorth_reading::Listing;
use truenorth_reading::stat::Number;
use truenorth_reading::stat::p_cell;

/// A row a rater, after that of the items; what became of the predictions, and altered sheets.
pub(super) fn table(found: &Unblinded) -> Listing {
    let mut out = Listing::new(&["", "share for steered", "n", "95 %", "p", "ties", "left side"]);
    let ci = |m: &Number| m.interval.map_or_else(|| "-".into(), |i| format!("{:.2} to {:.2}", i.low, i.high));
    let p = |m: &Number| m.null.as_ref().map_or_else(|| "-".into(), |n| p_cell(n.p, n.draws));
    let s = &found.steered;
    out.rows.push(vec![
        "items".into(),
        format!("{:.2}", s.value),
        s.n.to_string(),
        ci(s),
        p(s),
        found.ties.to_string(),
        "-".into(),
    ]);
    for r in &found.raters {
        let left = r.left.as_ref().map_or_else(|| "-".into(), |l| format!("{:.2}", l.value));
        out.rows.push(match &r.steered {
            Some(m) => vec![
                r.rater.clone(),
                format!("{:.2}", m.value),
                m.n.to_string(),
                ci(m),
                p(m),
                r.ties.to_string(),
                left,
            ],
            None => vec![
                r.rater.clone(),
                "-".into(),
                "0".into(),
                "-".into(),
                "-".into(),
                r.ties.to_string(),
                left,
            ],
        });
    }
    for p in &found.predictions {
        let how = match (p.held, p.clear) {
            (true, true) => "held, with its whole interval",
            (true, false) => "held, within the error",
            (false, _) => "did not hold",
        };
        out.says.push(format!("{}: {} ({how})", p.id, p.claim));
    }
    out.says.extend(found.clusters_said());
    let of = found.items.len();
    for r in found.raters.iter().filter(|r| r.missing + r.blank > 0) {
        out.says.push(format!(
            "warning: of the key's {of} items, the sheet of {} lacks {} and leaves {} blank; {} are rated",
            r.rater, r.missing, r.blank, r.rated
        ));
    }
    let unrated = found.items.iter().filter(|i| i.raters == 0).count();
    if unrated > 0 {
        out.says.push(format!(
            "warning: {unrated} of the key's {of} items are rated by nobody and count for nothing"
        ));
    }
    let altered = found.items.iter().filter(|i| i.altered > 0).count();
    if altered > 0 {
        out.says.push(format!(
            "warning: {altered} items were rated on sheets that show other texts than those given out"
        ));
    }
    out
}
