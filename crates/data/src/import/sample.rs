//! Draws and splits that depend on the seed and the rows alone.

use std::collections::BTreeMap;
use std::str::FromStr;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::super::classes::ClassRow;
use super::super::distinct::{NearCopies, first_classes};
use super::options::OptionsError;

/// A random stream of each name, as [`Seeds`](truenorth_stats::math::Seeds) has them.
pub type Streams<'a> = dyn Fn(&str) -> ChaCha8Rng + 'a;

/// Parts of a split with their shares of the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitShares(Vec<(String, f64)>);

impl SplitShares {
    /// Names in the order given.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl FromStr for SplitShares {
    type Err = OptionsError;

    /// Reads `train=0.7,test=0.3`.
    fn from_str(s: &str) -> Result<Self, OptionsError> {
        let wrong = |problem| OptionsError::Shares { given: s.to_owned(), problem };
        let mut parts: Vec<(String, f64)> = Vec::new();
        for part in s.split(',') {
            let (name, share) = part.split_once('=').ok_or_else(|| wrong("a part is NAME=SHARE"))?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(wrong("a name is letters, digits, `-` and `_`"));
            }
            let share: f64 = share.parse().map_err(|_| wrong("a share is a number"))?;
            if !(share > 0.0 && share < 1.0) {
                return Err(wrong("a share lies between 0 and 1"));
            }
            if parts.iter().any(|(seen, _)| seen == name) {
                return Err(wrong("a name occurs twice"));
            }
            parts.push((name.to_owned(), share));
        }
        let sum: f64 = parts.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(wrong("the shares do not add up to 1"));
        }
        Ok(Self(parts))
    }
}

type Stratum = (String, Option<String>);

fn cell(row: &ClassRow) -> Stratum {
    (row.label.clone(), row.category.clone())
}

fn name(cell: &Stratum) -> String {
    format!("{}/{}", cell.0, cell.1.as_deref().unwrap_or_default())
}

/// Keeps so many rows of each label and category, in their order; says how many it left out.
pub(super) fn take(rows: &mut Vec<ClassRow>, count: usize, streams: &Streams<'_>) -> usize {
    let mut cells: BTreeMap<Stratum, Vec<usize>> = BTreeMap::new();
    for (i, row) in rows.iter().enumerate() {
        cells.entry(cell(row)).or_default().push(i);
    }
    let mut keep = vec![false; rows.len()];
    for (cell, mut members) in cells {
        // A stream each: another category does not change what is drawn of this one.
        members.shuffle(&mut streams(&format!("take/{}", name(&cell))));
        members.iter().take(count).for_each(|i| keep[*i] = true);
    }
    let before = rows.len();
    let mut keep = keep.into_iter();
    rows.retain(|_| keep.next().expect("every row has its mark"));
    before - rows.len()
}

/// The part of each row. Groups stay whole; groups of the same labels and categories are dealt out
/// by the shares, so that each part has its share of each category as far as groups allow.
///
/// The error is a part that got no row, and the number of groups.
pub(super) fn split(
    rows: &[ClassRow],
    shares: &SplitShares,
    streams: &Streams<'_>,
) -> Result<Vec<String>, (String, usize)> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, cluster) in first_classes(rows, NearCopies::default()).of.into_iter().enumerate() {
        groups.entry(cluster).or_default().push(i);
    }
    let count = groups.len();
    let mut strata: BTreeMap<Vec<Stratum>, Vec<Vec<usize>>> = BTreeMap::new();
    for members in groups.into_values() {
        let mut cells: Vec<Stratum> = members.iter().map(|i| cell(&rows[*i])).collect();
        cells.sort();
        cells.dedup();
        strata.entry(cells).or_default().push(members);
    }
    let mut part = vec![0; rows.len()];
    let (mut have, mut all) = (vec![0.0; shares.0.len()], 0.0);
    for (cells, mut groups) in strata {
        let label: Vec<String> = cells.iter().map(name).collect();
        groups.shuffle(&mut streams(&format!("split/{}", label.join("+"))));
        groups.sort_by_key(|members| std::cmp::Reverse(members.len()));
        all += groups.iter().map(|m| m.len() as f64).sum::<f64>();
        for members in groups {
            // What earlier groups left uneven is made up for here: single groups of a kind would all go to
            // the largest part otherwise.
            let lack = |p: &usize| shares.0[*p].1 * all - have[*p];
            // Of equals the part named first.
            let most = (0..shares.0.len()).max_by(|a, b| lack(a).total_cmp(&lack(b)).then(b.cmp(a)));
            let chosen = most.expect("shares have one part at least");
            have[chosen] += members.len() as f64;
            members.into_iter().for_each(|i| part[i] = chosen);
        }
    }
    if let Some(empty) = have.iter().position(|n| *n == 0.0) {
        return Err((shares.0[empty].0.clone(), count));
    }
    Ok(part.into_iter().map(|p| shares.0[p].0.clone()).collect())
}
