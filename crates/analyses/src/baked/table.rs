//! What a terminal shows of a baked model.

use super::{AuditedBake, Neutral};
use truenorth_reading::Listing;
use truenorth_reading::stat::Number;

fn cell(n: &Number, digits: usize) -> String {
    let value = format!("{:.digits$}", n.value);
    n.interval
        .map_or_else(|| value.clone(), |i| format!("{value} ({:.digits$} to {:.digits$})", i.low, i.high))
}

fn said(neutral: &Neutral) -> Vec<String> {
    let [origin, baked] = neutral.perplexity;
    vec![
        format!(
            "neutral texts ({} with {} next tokens): divergence {} nats a token, the same most likely token in {}",
            neutral.texts,
            neutral.tokens,
            cell(&neutral.kl, 4),
            cell(&neutral.same, 3)
        ),
        format!(
            "perplexity {origin:.2} -> {baked:.2}; surprise {} nats a token more",
            cell(&neutral.surprise_less, 4)
        ),
    ]
}

/// A row a place, and what is said of neutral texts.
pub(super) fn table(found: &AuditedBake) -> Listing {
    let head =
        ["site", "spread along it", "AUROC of it", "baked", "AUROC anew", "baked", "baked less origin"];
    let mut out = Listing::new(&head);
    for at in &found.sites {
        let given = |i: usize| at.given[i].as_ref().map_or_else(|| "nothing left".into(), |n| cell(n, 3));
        out.rows.push(vec![
            at.site.clone(),
            format!("{:.3} -> {:.3}", at.spread[0], at.spread[1]),
            given(0),
            given(1),
            cell(&at.anew[0], 3),
            cell(&at.anew[1], 3),
            cell(&at.anew_less, 3),
        ]);
    }
    out.says = said(&found.neutral);
    out
}
