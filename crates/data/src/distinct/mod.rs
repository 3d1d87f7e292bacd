//! What one observation is, by content and not by id: the one definition that splits, label permutations,
//! resampling and boards use.
//!
//! Rows that say the same, letter case, white space and the make of characters aside, are copies: only the first
//! stays, so that a text that was told twice counts once; with another label they are refused. A copy under another
//! axis or category is one too: it is no second observation, and where categories are looked at by themselves the
//! one that stays is of each of them. Near copies, texts whose sets of words have a Jaccard similarity of at least a threshold, are
//! joined into clusters by single linkage, and with them pairs that share a prompt or a response, and rows
//! of one `group`. Where words are not to be seen, in scripts without spaces, long words and signs, characters take their
//! place ([`near`]).
//! A cluster is never split, its labels are exchanged together, and it is resampled as a whole.

mod between;
mod copies;
mod firsts;
mod index;
mod near;
mod opening;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};

use super::classes::ClassRow;
use super::pairs::Pair;
use super::rows::Loaded;
use super::sentiment::SentimentRow;
use super::template::Template;
pub use between::{SharedText, copies_between};
pub use copies::{Copies, CopiesError, NearCopies};
pub use firsts::{Firsts, first_classes, first_duels, first_prompts, first_replies, first_sequences};
pub use index::{FoundCopy, NearIndex};
use near::{DisjointSets, join_near};
pub use opening::{OPENING_REMEDY, SharedOpening};
use truenorth_stats::math::numbered;
use truenorth_stats::words::{folded, unspaced, words};

/// Rows that differ, each with its cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Distinct<T> {
    /// The rows in file order, later copies left out.
    pub rows: Vec<T>,
    /// The cluster of each row, numbered from 0 in order of first appearance.
    pub cluster: Vec<usize>,
    /// Other axes or categories of each row, those of the copies of it that were left out.
    pub also: Vec<Vec<String>>,
    /// The copies and near copies that were found.
    pub copies: Copies,
    /// SHA-256 of the file that all rows were in.
    pub sha256: String,
}

struct Item {
    id: String,
    /// What it says; two rows of one content are copies.
    content: String,
    label: String,
    place: String,
    /// Texts by which it may be a near copy.
    texts: Vec<String>,
    /// Its answers without what they answer, both and each, compared with those of other rows.
    alone: Vec<String>,
    /// Near copies are looked for among rows with the same; empty for all rows of most files.
    within: String,
    /// Names that keep it together with other rows of the same name.
    shared: Vec<String>,
}

impl Item {
    fn plain(id: String, label: String) -> Self {
        Self {
            id,
            content: String::new(),
            label,
            place: String::new(),
            texts: vec![],
            alone: vec![],
            within: String::new(),
            shared: vec![],
        }
    }
}

/// Responses of fewer different words are taken for answers that many prompts have, such as "Yes, I would." and
/// "No, I would not.": there the prompts are what differs.
pub const FIXED: usize = 8;
/// How many letters count as a word where words are not seen, as in Thai.
const LETTERS: usize = 4;

/// Whether a text is more than a fixed answer.
fn is_own(text: &str) -> bool {
    let different: HashSet<String> = words(text).collect();
    let letters = different.iter().filter(|w| unspaced(w)).count();
    different.len() - letters + letters / LETTERS >= FIXED
}

/// The response that all pairs have on a side, letter case and white space aside.
fn common(pairs: &[Pair], side: fn(&Pair) -> &str) -> Option<&str> {
    let first = pairs.first().map(side)?;
    let same = folded(first);
    (pairs.len() > 1 && pairs.iter().all(|p| folded(side(p)) == same)).then_some(first)
}

impl Distinct<Pair> {
    /// Pairs: their texts are prompt with response, those of the template left out, and pairs that share a
    /// prompt are a cluster. A prompt that all pairs share tells none from another, and is left out like the
    /// template; so are prompts that the template does not show. Pairs of which a response, or both together, are copies or
    /// near copies under other prompts are a cluster too, unless these are fixed answers, of fewer than eight different
    /// words, or the response is that of all pairs, which is told.
    ///
    /// # Errors
    /// When a pair is another with its sides exchanged.
    pub fn pairs(loaded: Loaded<Pair>, template: &Template, near: NearCopies) -> Result<Self, CopiesError> {
        let prompts: Vec<String> = loaded.rows.iter().map(|p| folded(&p.prompt)).collect();
        let same = prompts.len() > 1 && prompts.iter().all(|p| *p == prompts[0]);
        let shown = template.shows_prompt() && !same;
        let [always_chosen, always_rejected]: [Option<String>; 2] =
            [common(&loaded.rows, |p| &p.chosen), common(&loaded.rows, |p| &p.rejected)]
                .map(|c| c.map(str::to_owned));
        let item = |(pair, prompt): (&Pair, &String)| {
            let prompt = if shown { prompt.as_str() } else { "" };
            let (chosen, rejected) = (folded(&pair.chosen), folded(&pair.rejected));
            let text = |side: &str| format!("{prompt} {side}");
            let [first, second] = if chosen < rejected { [&chosen, &rejected] } else { [&rejected, &chosen] };
            Item {
                id: pair.id.clone(),
                content: [prompt, first, second].join("\n"),
                label: chosen.clone(),
                place: pair.axis.clone(),
                texts: vec![text(&chosen), text(&rejected)],
                alone: [
                    Some(format!("{chosen} {rejected}")),
                    always_chosen.is_none().then(|| chosen.clone()),
                    always_rejected.is_none().then(|| rejected.clone()),
                ]
                .into_iter()
                .flatten()
                .filter(|text| is_own(text))
                .collect(),
                within: String::new(),
                shared: if shown { vec![prompt.to_owned()] } else { vec![] },
            }
        };
        let items: Vec<Item> = loaded.rows.iter().zip(&prompts).map(item).collect();
        let common_prompt =
            loaded.rows.first().filter(|_| same && template.shows_prompt()).map(|p| p.prompt.clone());
        let common_responses = [("chosen", always_chosen), ("rejected", always_rejected)];
        let common_responses =
            common_responses.into_iter().filter_map(|(side, r)| Some((side.to_owned(), r?)));
        let mut found = distinct("pairs", loaded, &items, near)?;
        found.copies.common_prompt = common_prompt;
        found.copies.common_responses = common_responses.collect();
        Ok(found)
    }
}

impl Distinct<ClassRow> {
    /// Labelled texts; rows of one `group` are a cluster.
    ///
    /// # Errors
    /// When copies have different labels.
    pub fn classes(loaded: Loaded<ClassRow>, near: NearCopies) -> Result<Self, CopiesError> {
        let item = |row: &ClassRow| Item {
            id: row.id.clone(),
            content: folded(&row.text),
            label: row.label.clone(),
            place: row.category.clone().unwrap_or_default(),
            texts: vec![row.text.clone()],
            alone: vec![],
            within: String::new(),
            shared: row.group.iter().cloned().collect(),
        };
        let items: Vec<Item> = loaded.rows.iter().map(item).collect();
        distinct("texts", loaded, &items, near)
    }
}

impl Distinct<SentimentRow> {
    /// Texts labelled for sentiment; rows with one `group` are a cluster.
    ///
    /// # Errors
    /// When copies have different labels.
    pub fn sentiment(loaded: Loaded<SentimentRow>, near: NearCopies) -> Result<Self, CopiesError> {
        let group = |row: &SentimentRow| row.extra.get("group").and_then(|g| g.as_str()).map(str::to_owned);
        let item = |row: &SentimentRow| Item {
            id: row.id.clone(),
            content: folded(&row.text),
            label: if row.positive { "positive" } else { "negative" }.to_owned(),
            place: String::new(),
            texts: vec![row.text.clone()],
            alone: vec![],
            within: String::new(),
            shared: group(row).into_iter().collect(),
        };
        let items: Vec<Item> = loaded.rows.iter().map(item).collect();
        distinct("texts", loaded, &items, near)
    }
}

impl<T> Distinct<T> {
    /// Leaves rows out; clusters are numbered anew, and what was found of copies stays as it was.
    pub fn retain(&mut self, keep: &[bool]) {
        let mut kept = keep.iter().copied().chain(std::iter::repeat(true));
        let mut next = || kept.next().unwrap_or(true);
        self.rows.retain(|_| next());
        let stays = |i: &usize| keep.get(*i).copied().unwrap_or(true);
        let of = 0..self.cluster.len();
        self.cluster = numbered(of.clone().filter(stays).map(|i| self.cluster[i]));
        self.also = of.filter(stays).map(|i| std::mem::take(&mut self.also[i])).collect();
    }
}

struct DistinctRows {
    /// Rows that stay.
    kept: Vec<usize>,
    cluster: Vec<usize>,
    /// Other places of each of them.
    also: Vec<Vec<String>>,
    all: Vec<usize>,
    copies: Copies,
}

fn distinct<T>(
    unit: &'static str,
    loaded: Loaded<T>,
    items: &[Item],
    near: NearCopies,
) -> Result<Distinct<T>, CopiesError> {
    let found = find(unit, items, near)?;
    let mut stays = vec![false; items.len()];
    found.kept.iter().for_each(|i| stays[*i] = true);
    let rows = loaded.rows.into_iter().zip(stays).filter(|(_, s)| *s).map(|(r, _)| r).collect();
    Ok(Distinct {
        rows,
        cluster: found.cluster,
        also: found.also,
        copies: found.copies,
        sha256: loaded.sha256,
    })
}

fn find(unit: &'static str, items: &[Item], near: NearCopies) -> Result<DistinctRows, CopiesError> {
    let mut sets = DisjointSets::new(items.len());
    let (mut first, mut kept, mut exact) = (HashMap::<&str, usize>::new(), Vec::new(), Vec::new());
    let mut also: Vec<Vec<String>> = vec![Vec::new(); items.len()];
    let mut elsewhere = 0;
    for (i, item) in items.iter().enumerate() {
        let before = *first.entry(&item.content).or_insert(i);
        if items[before].label != item.label {
            return Err(CopiesError::Opposite {
                unit,
                first: items[before].id.clone(),
                second: item.id.clone(),
                labels: ["texts", "sequences"]
                    .contains(&unit)
                    .then(|| [items[before].label.clone(), item.label.clone()]),
            });
        }
        sets.join(before, i);
        if before == i {
            kept.push(i);
            continue;
        }
        exact.push([item.id.clone(), items[before].id.clone()]);
        if item.place != items[before].place {
            elsewhere += 1;
            if !item.place.is_empty() && !also[before].contains(&item.place) {
                also[before].push(item.place.clone());
            }
        }
    }
    let also = kept.iter().map(|i| std::mem::take(&mut also[*i])).collect();
    let mut blocks = BTreeMap::<&str, Vec<usize>>::new();
    kept.iter().for_each(|i| blocks.entry(&items[*i].within).or_default().push(*i));
    for block in blocks.values() {
        let texts = block.iter().flat_map(|i| items[*i].texts.iter().map(move |t| (*i, t.as_str())));
        join_near(texts, near.threshold(), &mut sets);
        let alone = block.iter().flat_map(|i| items[*i].alone.iter().map(move |t| (*i, t.as_str())));
        join_near(alone, near.threshold(), &mut sets);
    }
    let by_words = clusters(&mut sets, &kept);
    let mut named = HashMap::<&str, usize>::new();
    for (i, item) in items.iter().enumerate() {
        for name in &item.shared {
            let at = *named.entry(name).or_insert(i);
            sets.join(at, i);
        }
    }
    let all = sets.numbered();
    let cluster = numbered(kept.iter().map(|i| all[*i]));
    let largest = by_words.iter().rev().max_by_key(|c| c.len());
    let opening = largest.and_then(|c| {
        SharedOpening::of(c.len(), c.iter().flat_map(|i| &items[*i].texts).map(String::as_str))
    });
    let ids = |c: &Vec<usize>| c.iter().map(|i| items[*i].id.clone()).collect();
    let by_words = by_words.iter().map(ids).collect();
    let mut copies = Copies::new(unit, items.len(), exact, by_words, &cluster, near);
    copies.elsewhere = elsewhere;
    copies.opening = opening;
    Ok(DistinctRows { kept, cluster, also, all, copies })
}

fn clusters(sets: &mut DisjointSets, kept: &[usize]) -> Vec<Vec<usize>> {
    let mut by_root: HashMap<usize, Vec<usize>> = HashMap::new();
    for i in kept {
        by_root.entry(sets.root(*i)).or_default().push(*i);
    }
    let mut found: Vec<Vec<usize>> = by_root.into_values().filter(|c| c.len() > 1).collect();
    found.sort_unstable();
    found
}
