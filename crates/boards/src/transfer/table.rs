//! What a terminal shows of a comparison of models.

use super::Transferred;
use truenorth_reading::Listing;
use truenorth_reading::stat::{p_cell, p_said};

/// A row a group of every two models, and their rank correlations.
pub(super) fn table(found: &Transferred) -> Listing {
    let mut out = Listing::new(&["models", "group", "n", "agree", "95 %", "expected", "p", "stands"]);
    for pair in &found.transfer.pairs {
        for (g, stands) in pair.agreement.iter().zip(&pair.stands) {
            let null = g.rate.null.as_ref();
            out.rows.push(vec![
                format!("{}, {}", pair.first, pair.second),
                g.group.clone(),
                g.n.to_string(),
                format!("{:.2}", g.rate.value),
                g.rate.interval.map_or_else(|| "-".into(), |i| format!("{:.2} to {:.2}", i.low, i.high)),
                null.map_or_else(|| "-".into(), |n| format!("{:.2}", n.expected)),
                null.map_or_else(|| "-".into(), |n| p_cell(n.p, n.draws)),
                if *stands { "yes" } else { "no" }.into(),
            ]);
        }
    }
    for pair in &found.transfer.pairs {
        let ci =
            pair.spearman.interval.map_or_else(String::new, |i| format!(" [{:.2}, {:.2}]", i.low, i.high));
        let p =
            pair.spearman.null.as_ref().map_or_else(String::new, |n| format!(", p {}", p_said(n.p, n.draws)));
        out.says.push(format!(
            "{} and {}: Spearman's ρ {:.2}{ci}{p}, Pearson's r {:.2}, over {} sequences",
            pair.first, pair.second, pair.spearman.value, pair.pearson.value, pair.spearman.n
        ));
    }
    for cluster in &found.clusters {
        out.says.push(format!("counted once: {}", cluster.join(", ")));
    }
    out
}
