//! What a terminal shows of a comparison.

use super::PromptFormatComparison;
use truenorth_reading::Listing;
use truenorth_reading::stat::Number;

/// A row an estimator and what is held out.
pub(super) fn table(found: &PromptFormatComparison) -> Listing {
    let [first, second] = found.names();
    let mut out = Listing::new(&[
        "estimator",
        "held out",
        &format!("AUROC {first}"),
        &format!("AUROC {second}"),
        &format!("{second} less {first}"),
        "95 %",
        "cosine",
    ]);
    let ci =
        |n: &Number| n.interval.map_or_else(|| "-".into(), |i| format!("{:+.3} to {:+.3}", i.low, i.high));
    for row in &found.rows {
        out.rows.push(vec![
            row.estimator.clone(),
            row.held_out.clone(),
            format!("{:.3}", row.auroc[0].value),
            format!("{:.3}", row.auroc[1].value),
            format!("{:+.3}", row.less.value),
            ci(&row.less),
            format!("{:+.3}", row.cosine.value),
        ]);
    }
    out
}
