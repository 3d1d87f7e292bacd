//! Axes or categories that clusters join, so that none of them is held out alone.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use truenorth_stats::estimate::whole_axes;

/// Clusters that are named, and rows of each.
const NAMED: usize = 4;

/// Axes or categories that are one unit where one is held out at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Their names, in the order of the file.
    pub axes: Vec<String>,
    /// Clusters that lie on several of them.
    pub clusters: usize,
    /// The ids of the rows of some of these clusters, one of each axis first.
    pub ids: Vec<Vec<String>>,
    /// Whether there is no other axis, so that none can be held out.
    pub all: bool,
}

/// The chains among rows, each with its id, its cluster and its axis by number.
pub fn chains(ids: &[String], clusters: &[usize], axis: &[usize], axes: &[String]) -> Vec<Chain> {
    let whole = whole_axes(clusters, axis);
    let units: BTreeSet<usize> = whole.iter().copied().collect();
    let mut out = Vec::new();
    for unit in &units {
        let rows: Vec<usize> = (0..ids.len()).filter(|i| whole[*i] == *unit).collect();
        let joined: BTreeSet<usize> = rows.iter().map(|i| axis[*i]).collect();
        if joined.len() < 2 {
            continue;
        }
        let mut by_cluster: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        rows.iter().for_each(|i| by_cluster.entry(clusters[*i]).or_default().push(*i));
        let over: Vec<Vec<String>> =
            by_cluster.values().filter_map(|own| one_of_each(own, ids, axis)).collect();
        out.push(Chain {
            axes: joined.iter().map(|a| axes[*a].clone()).collect(),
            clusters: over.len(),
            ids: over.into_iter().take(NAMED).collect(),
            all: units.len() == 1,
        });
    }
    out
}

/// The ids of a cluster of several axes, the first of each before the others.
fn one_of_each(rows: &[usize], ids: &[String], axis: &[usize]) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let (mut first, others): (Vec<usize>, Vec<usize>) = rows.iter().partition(|i| seen.insert(axis[**i]));
    if first.len() < 2 {
        return None;
    }
    first.extend(others);
    Some(first.into_iter().take(NAMED).map(|i| ids[i].clone()).collect())
}

impl Chain {
    /// The axes that are one, by which rows. `unit` is `pairs` or `texts`.
    #[must_use]
    pub fn sentence(&self, unit: &str) -> String {
        let (what, remedy) = self.said(unit);
        if self.all { format!("{what}; to part them, {remedy}") } else { what }
    }

    /// The same, and what would part the axes.
    #[must_use]
    pub fn said(&self, unit: &str) -> (String, String) {
        let (many, one, by) = match unit {
            "pairs" => ("axes", "axis", "near copies or shared prompts"),
            _ => ("categories", "category", "near copies or groups"),
        };
        let ids: Vec<String> = self.ids.iter().map(|c| format!("`{}`", c.join("` with `"))).collect();
        let first = if ids.len() < self.clusters { "first " } else { "" };
        let then = if self.all { format!(", so that no {one} can be held out") } else { String::new() };
        let what = format!(
            "{by} chain the {many} `{}` into one unit{then} ({first}{})",
            self.axes.join("`, `"),
            ids.join("; ")
        );
        (what, format!("give these rows one {one}, or take some of them out"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chained_axes_are_named_with_the_rows_that_chain_them() {
        let names = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let ids = names(&["a1", "a2", "b1", "b2", "c1", "d1"]);
        let axes = names(&["a", "b", "c", "d"]);
        let axis = [0, 0, 1, 1, 2, 3];
        // a2, a1 and b1 are one cluster, b2 and c1 another.
        let found = chains(&ids, &[0, 0, 0, 1, 1, 2], &axis, &axes);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].axes.clone(), found[0].clusters, found[0].all),
            (names(&["a", "b", "c"]), 2, false)
        );
        assert_eq!(found[0].ids, [names(&["a1", "b1", "a2"]), names(&["b2", "c1"])]);
        let says = found[0].sentence("pairs");
        assert_eq!(
            says,
            "near copies or shared prompts chain the axes `a`, `b`, `c` into one unit (`a1` with `b1` with `a2`; `b2` with `c1`)"
        );
        let all = chains(&ids, &[0, 0, 0, 1, 1, 1], &axis, &axes);
        let says = all[0].sentence("texts");
        assert!(all[0].all && says.contains("so that no category can be held out (`a1`"), "{says}");
        assert!(chains(&ids, &[0, 0, 1, 2, 3, 4], &axis, &axes).is_empty());
    }
}
