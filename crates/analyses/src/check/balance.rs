//! How even axes or categories are.

use std::collections::BTreeSet;

use super::found::{AxisCounts, Balance};
use super::texts::{TextTable, count};
use truenorth_reading::chains;

pub(super) fn balance(sheet: &TextTable) -> Balance {
    let whole = sheet.whole_axes();
    // Of pairs the first half of the rows are the chosen texts, one a pair.
    let rows = if sheet.is_paired() { sheet.pairs.len() } else { sheet.texts.len() };
    let axes: Vec<AxisCounts> = sheet
        .axes
        .iter()
        .enumerate()
        .map(|(a, name)| {
            let own: Vec<usize> = (0..rows).filter(|i| sheet.axis[*i] == a).collect();
            let one = own.first().map(|i| whole[*i]);
            let joined: BTreeSet<usize> = (0..rows)
                .filter(|i| Some(whole[*i]) == one && sheet.axis[*i] != a)
                .map(|i| sheet.axis[i])
                .collect();
            AxisCounts {
                name: name.clone(),
                rows: own.len(),
                share: own.len() as f64 / rows as f64,
                clusters: count(&own.iter().map(|i| sheet.cluster[*i]).collect::<Vec<_>>()),
                positive: own.iter().filter(|i| sheet.positive[**i]).count(),
                joined: joined.into_iter().map(|i| sheet.axes[i].clone()).collect(),
            }
        })
        .collect();
    let sizes = || axes.iter().map(|a| a.rows);
    Balance {
        effective: 1.0 / axes.iter().map(|a| a.share * a.share).sum::<f64>(),
        ratio: sizes().max().unwrap_or(0) as f64 / sizes().min().unwrap_or(1).max(1) as f64,
        whole: count(&whole),
        chains: chains(&sheet.ids, &sheet.cluster[..rows], &sheet.axis[..rows], &sheet.axes),
        axes,
    }
}
