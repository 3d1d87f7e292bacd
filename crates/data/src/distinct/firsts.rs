//! Rows that all stay, of which the first of each cluster stands for it.

use std::collections::HashMap;

use super::super::classes::ClassRow;
use super::super::prompts::{PromptInput, PromptRow};
use super::super::sequences::SequenceRow;
use super::{Copies, CopiesError, DistinctRows, Item, NearCopies, find, folded};

/// Which rows stand for their copies and near copies, where rows are not left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Firsts {
    /// The place of the first row of each row's cluster; its own where it stands for itself.
    pub of: Vec<usize>,
    /// The copies and near copies that were found.
    pub copies: Copies,
}

impl Firsts {
    /// Whether each row is the first of its cluster.
    #[must_use]
    pub fn stands(&self) -> Vec<bool> {
        self.of.iter().enumerate().map(|(i, first)| *first == i).collect()
    }
}

/// Sequences are all scored, copies too; the first of each cluster stands for it where a board as a whole is
/// looked at.
///
/// # Errors
/// When copies are said to be of different kinds.
pub fn first_sequences(rows: &[SequenceRow], near: NearCopies) -> Result<Firsts, CopiesError> {
    let mut kinds = HashMap::new();
    for row in rows {
        if let Some(kind) = &row.kind {
            kinds.entry(folded(&row.text)).or_insert(kind);
        }
    }
    let item = |row: &SequenceRow| {
        let content = folded(&row.text);
        // A sequence without a kind contradicts none.
        let kind = row.kind.as_ref().or_else(|| kinds.get(&content).copied()).cloned().unwrap_or_default();
        // What is matched is meant to be near: it is a near copy of its own kind alone.
        let within = if row.pair.is_some() { kind.clone() } else { String::new() };
        Item { content, within, texts: vec![row.text.clone()], ..Item::plain(row.id.clone(), kind) }
    };
    find("sequences", &rows.iter().map(item).collect::<Vec<_>>(), near).map(DistinctRows::firsts)
}

/// Labelled texts by what no split may part, whatever the labels say.
#[must_use]
pub fn first_classes(rows: &[ClassRow], near: NearCopies) -> Firsts {
    let item = |row: &ClassRow| Item {
        content: folded(&row.text),
        texts: vec![row.text.clone()],
        shared: row.group.iter().cloned().collect(),
        ..Item::plain(row.id.clone(), String::new())
    };
    unlabelled("texts", &rows.iter().map(item).collect::<Vec<_>>(), near)
}

/// Prompts of which each is an observation of its own; token ids are compared as such.
#[must_use]
pub fn first_prompts(rows: &[PromptRow], near: NearCopies) -> Firsts {
    let text = |input: &PromptInput| match input {
        PromptInput::Text(text) => text.clone(),
        PromptInput::Tokens(tokens) => format!("{tokens:?}"),
        PromptInput::Messages(turns) | PromptInput::Said(_, turns) => {
            turns.iter().map(|t| t.content.as_str()).collect::<Vec<_>>().join("\n")
        }
    };
    firsts("prompts", rows.iter().map(|r| (r.id.clone(), text(&r.input))), near)
}

/// Two texts each, `[prompt, first, second]`, by their ids. Near copies are looked for among those that answer one
/// prompt. `unit` is what they are called, such as `duels`.
///
/// # Errors
/// When one is another with its texts exchanged.
pub fn first_duels<'a>(
    unit: &'static str,
    rows: impl Iterator<Item = (&'a str, [&'a str; 3])>,
    near: NearCopies,
) -> Result<Firsts, CopiesError> {
    let item = |(id, texts): (&str, [&str; 3])| {
        let [prompt, first, second] = texts.map(folded);
        let [low, high] = if first < second { [&first, &second] } else { [&second, &first] };
        Item {
            content: [prompt.as_str(), low, high].join("\n"),
            texts: vec![[low.as_str(), high].join(" ")],
            within: prompt,
            ..Item::plain(id.to_owned(), first)
        }
    };
    find(unit, &rows.map(item).collect::<Vec<_>>(), near).map(DistinctRows::firsts)
}

/// Replies, `[prompt, text]`, by their ids. Near copies are looked for among those to one prompt.
#[must_use]
pub fn first_replies<'a>(rows: impl Iterator<Item = (&'a str, [&'a str; 2])>, near: NearCopies) -> Firsts {
    let item = |(id, texts): (&str, [&str; 2])| {
        let [prompt, text] = texts.map(folded);
        Item {
            content: [prompt.as_str(), &text].join("\n"),
            texts: vec![text],
            within: prompt,
            ..Item::plain(id.to_owned(), String::new())
        }
    };
    unlabelled("replies", &rows.map(item).collect::<Vec<_>>(), near)
}

fn firsts(unit: &'static str, rows: impl Iterator<Item = (String, String)>, near: NearCopies) -> Firsts {
    let item = |(id, text): (String, String)| Item {
        content: folded(&text),
        texts: vec![text],
        ..Item::plain(id, String::new())
    };
    unlabelled(unit, &rows.map(item).collect::<Vec<_>>(), near)
}

fn unlabelled(unit: &'static str, items: &[Item], near: NearCopies) -> Firsts {
    // Without labels there are none to differ.
    find(unit, items, near).map_or_else(
        |_| Firsts { of: (0..items.len()).collect(), copies: Copies::default() },
        DistinctRows::firsts,
    )
}

impl DistinctRows {
    fn firsts(self) -> Firsts {
        let mut first = HashMap::new();
        let of = self.all.iter().enumerate().map(|(i, cluster)| *first.entry(*cluster).or_insert(i));
        Firsts { of: of.collect(), copies: self.copies }
    }
}
