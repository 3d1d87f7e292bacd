//! Copies and near copies of texts that come one at a time, by the same definition as those of a file.

use std::collections::HashMap;

use super::near::{SLACK, alike, shared};
use super::{NearCopies, folded};
use truenorth_stats::words::words;

/// Texts that were taken, each under a number of its owner's.
#[derive(Debug, Default)]
pub struct NearIndex {
    known: HashMap<String, u32>,
    seen_in: Vec<Vec<u32>>,
    texts: Vec<Option<IndexedText>>,
    exact: HashMap<String, u32>,
    by_id: HashMap<i64, u32>,
}

#[derive(Debug)]
struct IndexedText {
    id: i64,
    folded: String,
    words: Vec<u32>,
}

/// A text that another is a copy of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundCopy {
    /// The number under which it was taken.
    pub id: i64,
    /// Whether both say the same, letter case and white space aside.
    pub exact: bool,
    /// Jaccard similarity of the two sets of words; 1 of a copy.
    pub similarity: f64,
}

impl NearIndex {
    /// Takes a text under a number; one that is taken under this number already stays.
    pub fn insert(&mut self, id: i64, text: &str) {
        if self.by_id.contains_key(&id) {
            return;
        }
        let at = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let folded = folded(text);
        let mut ids: Vec<u32> = content(text, &folded)
            .into_iter()
            .map(|word| {
                let next = u32::try_from(self.seen_in.len()).unwrap_or(u32::MAX);
                let id = *self.known.entry(word).or_insert(next);
                if id == next {
                    self.seen_in.push(Vec::new());
                }
                id
            })
            .collect();
        ids.sort_unstable();
        ids.dedup();
        for word in &ids {
            self.seen_in[*word as usize].push(at);
        }
        self.exact.entry(folded.clone()).or_insert(at);
        self.by_id.insert(id, at);
        self.texts.push(Some(IndexedText { id, folded, words: ids }));
    }

    /// Forgets a text.
    pub fn remove(&mut self, id: i64) {
        let Some(at) = self.by_id.remove(&id) else { return };
        let Some(taken) = self.texts.get_mut(at as usize).and_then(Option::take) else { return };
        for word in &taken.words {
            self.seen_in[*word as usize].retain(|t| *t != at);
        }
        if self.exact.get(&taken.folded) == Some(&at) {
            self.exact.remove(&taken.folded);
        }
    }

    /// Texts that are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// The text that this one is a copy of, or the earliest that it is a near copy of.
    #[must_use]
    pub fn copy_of(&self, text: &str, near: NearCopies) -> Option<FoundCopy> {
        if let Some(taken) = self.exact.get(&folded(text)).and_then(|at| self.texts[*at as usize].as_ref()) {
            return Some(FoundCopy { id: taken.id, exact: true, similarity: 1.0 });
        }
        self.like(text, near).into_iter().min_by_key(|found| found.id)
    }

    /// The texts whose sets of words have at least this similarity with that of `text`, the most alike first.
    ///
    /// A set of `n` words shares at least `⌈t·n⌉` of them with any that is alike, so that the other has one of any
    /// `n - ⌈t·n⌉ + 1` of them: the rarest are looked up.
    #[must_use]
    pub fn like(&self, text: &str, near: NearCopies) -> Vec<FoundCopy> {
        let whole = folded(text);
        let mut all = content(text, &whole);
        all.sort_unstable();
        all.dedup();
        let n = all.len();
        let mut known: Vec<u32> = all.iter().filter_map(|w| self.known.get(w).copied()).collect();
        let least = (near.threshold() * n as f64 - SLACK).ceil().max(1.0) as usize;
        if known.len() < least {
            return vec![];
        }
        known.sort_unstable();
        let mut rarest = known.clone();
        rarest.sort_by_key(|w| self.seen_in[*w as usize].len());
        // Words that no text has are the rarest of all.
        rarest.truncate((n - least.min(n) + 1).saturating_sub(n - known.len()));
        let mut looked: Vec<u32> =
            rarest.iter().flat_map(|w| self.seen_in[*w as usize].iter().copied()).collect();
        looked.sort_unstable();
        looked.dedup();
        let mut found: Vec<FoundCopy> = looked
            .into_iter()
            .filter_map(|at| {
                let taken = self.texts[at as usize].as_ref()?;
                let both = shared(&known, &taken.words);
                alike(both, n, taken.words.len(), near.threshold()).then(|| FoundCopy {
                    id: taken.id,
                    exact: taken.folded == whole,
                    similarity: both as f64 / (n + taken.words.len() - both).max(1) as f64,
                })
            })
            .collect();
        found.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id)));
        found
    }
}

/// The words of a text; of signs alone, all of it.
fn content(text: &str, folded: &str) -> Vec<String> {
    let mut found: Vec<String> = words(text).collect();
    if found.is_empty() && !folded.is_empty() {
        found.push(folded.to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copies_between;
    use proptest::prelude::*;

    #[test]
    fn copies_are_told_from_near_copies_and_forgotten() {
        let mut index = NearIndex::default();
        let near = NearCopies::default();
        index.insert(7, "One two three four five six seven eight nine ten");
        index.insert(9, "!!!");
        let found = index.copy_of("one  TWO three four five six seven eight nine ten", near).unwrap();
        assert_eq!((found.id, found.exact), (7, true));
        let found = index.copy_of("one two three four five six seven eight nine else", near).unwrap();
        assert_eq!((found.id, found.exact), (7, false));
        assert!((found.similarity - 9.0 / 11.0).abs() < 1e-12);
        assert_eq!(index.copy_of("one two three four five six seven other words here", near), None);
        assert_eq!(index.copy_of("!!!", near).map(|f| f.id), Some(9));
        assert_eq!(index.copy_of("???", near), None);
        index.remove(7);
        assert_eq!(index.copy_of("one two three four five six seven eight nine ten", near), None);
        assert_eq!(index.len(), 1);
    }

    proptest! {
        /// One text after another and all at once are the same definition.
        #[test]
        fn it_finds_what_the_whole_file_would(
            texts in prop::collection::vec(prop::collection::vec(0_u8..9, 0..7), 1..12),
            asked in prop::collection::vec(0_u8..9, 0..7),
            threshold in prop::sample::select(vec![0.3, 0.5, 0.8, 1.0]),
        ) {
            let text = |words: &Vec<u8>| words.iter().map(|w| format!("w{w}")).collect::<Vec<_>>().join(" ");
            let texts: Vec<String> = texts.iter().map(text).collect();
            let asked = text(&asked);
            let near = NearCopies::new(threshold).unwrap();
            let mut index = NearIndex::default();
            for (i, text) in texts.iter().enumerate() {
                index.insert(i as i64, text);
            }
            let found = index.like(&asked, near);
            for (i, text) in texts.iter().enumerate() {
                let alone = !copies_between(&[text.as_str()], &[asked.as_str()], near).is_empty();
                let both_empty = text.is_empty() && asked.is_empty();
                prop_assert_eq!(found.iter().any(|f| f.id == i as i64), alone && !both_empty, "{} / {}", text, asked);
            }
        }
    }
}
