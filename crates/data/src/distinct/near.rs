//! Near copies among many texts, without looking at every two of them.

use std::collections::{HashMap, HashSet};

use truenorth_stats::math::numbered;
use truenorth_stats::words::{folded, grams, words};

/// Items joined into clusters.
#[derive(Debug)]
pub(super) struct DisjointSets {
    parent: Vec<usize>,
}

impl DisjointSets {
    pub fn new(items: usize) -> Self {
        Self { parent: (0..items).collect() }
    }

    pub fn root(&mut self, mut item: usize) -> usize {
        while self.parent[item] != item {
            self.parent[item] = self.parent[self.parent[item]];
            item = self.parent[item];
        }
        item
    }

    /// Joins two items; the root is the earlier one.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b);
    }

    /// The cluster of each item, numbered in order of first appearance.
    pub fn numbered(&mut self) -> Vec<usize> {
        numbered((0..self.parent.len()).map(|item| self.root(item)))
    }
}

/// Words of more letters are no words of a language.
const LONG: usize = 24;
/// Of so many other words, with one that differs, `n / (n + 2)` is 0.8: there a long word decides nothing.
const FEW: usize = 8;

/// What texts are compared by: their words; of a long word among few others, and of a text of signs alone, the
/// n-grams, since as wholes they are the same or have nothing in common.
pub(super) fn parts(text: &str) -> Vec<String> {
    let (long, mut parts): (Vec<String>, Vec<String>) = words(text).partition(|w| w.chars().count() > LONG);
    if long.is_empty() && parts.is_empty() {
        let signs = folded(text);
        return if signs.is_empty() { vec![] } else { grams(&signs) };
    }
    if !long.is_empty() && parts.iter().collect::<HashSet<_>>().len() < FEW {
        parts.extend(long.iter().flat_map(|word| grams(word)));
    } else {
        parts.extend(long);
    }
    parts
}

/// What keeps a share that is met exactly from being lost in rounding.
pub(super) const SLACK: f64 = 1e-9;

/// Joins the items of every two texts whose word sets have at least this Jaccard similarity.
///
/// Two sets that are alike must share one of their rarest words: of `n` words at similarity `t`, one of the
/// first `n - ⌈t·n⌉ + 1` in order of rarity (Bayardo, Ma and Srikant 2007, "Scaling up all pairs similarity
/// search"). Only texts that meet there are compared, and none that are in one cluster already.
pub(super) fn join_near<'a>(
    texts: impl Iterator<Item = (usize, &'a str)>,
    threshold: f64,
    sets: &mut DisjointSets,
) {
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut all: Vec<(usize, Vec<u32>)> = Vec::new();
    for (item, text) in texts {
        let mut id = |w| {
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            *known.entry(w).or_insert(next)
        };
        let mut ids: Vec<u32> = parts(text).into_iter().map(&mut id).collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            all.push((item, ids));
        }
    }
    let mut seen_in = vec![0_u32; known.len()];
    all.iter().flat_map(|(_, ids)| ids).for_each(|id| seen_in[*id as usize] += 1);
    let mut rarity: Vec<u32> = (0..).take(known.len()).collect();
    rarity.sort_by_key(|id| (seen_in[*id as usize], *id));
    let mut place = vec![0_u32; known.len()];
    for (at, id) in (0..).zip(&rarity) {
        place[*id as usize] = at;
    }
    for (_, ids) in &mut all {
        ids.iter_mut().for_each(|id| *id = place[*id as usize]);
        ids.sort_unstable();
    }
    // Smaller sets first, so that the other of two is never the larger one; equal sets come together.
    all.sort_by(|a, b| a.1.len().cmp(&b.1.len()).then_with(|| a.1.cmp(&b.1)).then(a.0.cmp(&b.0)));
    let mut index: Vec<Vec<usize>> = vec![Vec::new(); known.len()];
    let mut compared = vec![usize::MAX; all.len()];
    let mut last: Option<usize> = None;
    for at in 0..all.len() {
        let (item, ids) = &all[at];
        if let Some(before) = last.filter(|b| all[*b].1 == *ids) {
            sets.join(all[before].0, *item);
            continue;
        }
        last = Some(at);
        let n = ids.len();
        let least = (threshold * n as f64 - SLACK).ceil().max(1.0);
        let prefix = n - (least as usize).min(n) + 1;
        for word in &ids[..prefix] {
            let word = *word as usize;
            for &other in &index[word] {
                let (other_item, other_ids) = &all[other];
                if (other_ids.len() as f64) < least || compared[other] == at {
                    continue;
                }
                compared[other] = at;
                if sets.root(*item) != sets.root(*other_item)
                    && alike(shared(ids, other_ids), n, other_ids.len(), threshold)
                {
                    sets.join(*item, *other_item);
                }
            }
            index[word].push(at);
        }
    }
}

/// How many members two ascending lists have in common.
pub(super) fn shared(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut both) = (0, 0, 0_usize);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, both) = (i + 1, j + 1, both + 1),
        }
    }
    both
}

/// Whether sets of so many members, so many of them in both, are alike.
pub(super) fn alike(both: usize, a: usize, b: usize, threshold: f64) -> bool {
    both as f64 >= threshold * (a + b - both) as f64 - SLACK
}
