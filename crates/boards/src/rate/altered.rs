//! What a filled sheet shows against what its key was made for: a choice belongs to the texts it was made of.

use std::collections::HashSet;

use super::csv;
use super::filled::FilledRow;
use super::sheet::{COLUMNS, KeyItem, SheetKey};
use truenorth_files::sha256_hex;
use truenorth_stats::words::words;

/// How alike the words of two texts must be for one to be the other, edited.
const ALIKE: f64 = 0.5;

/// What was given out, by item of the key.
pub(super) struct Issued<'a> {
    key: &'a SheetKey,
    /// Left and right text of each item; empty where the sheet that was given out is not at hand.
    texts: Vec<[HashSet<String>; 2]>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Same,
    /// Texts that were edited, on the sides where they were.
    Altered,
    /// Something that its choice can't be held against, in words.
    Other(String),
}

impl<'a> Issued<'a> {
    /// `sheet` is the one that was given out, where it is at hand.
    pub fn new(key: &'a SheetKey, sheet: Option<&str>) -> Self {
        let texts = sheet.and_then(|sheet| texts(key, sheet)).unwrap_or_default();
        Self { key, texts }
    }

    /// Holds a row against the item whose code it has.
    pub fn shows(&self, row: &FilledRow) -> Shows {
        let own = &self.key.items[row.item];
        let sides = [hashes(&row.left), hashes(&row.right)];
        let is = |side: usize, item: &KeyItem, of: usize| sides[side].contains(&item.texts[of]);
        let same = [is(0, own, 0), is(1, own, 1)];
        let prompt = hashes(&row.prompt);
        let prompt_same = own.prompt.as_ref().is_none_or(|p| prompt.contains(p));
        if same == [true, true] && prompt_same {
            return Shows::Same;
        }
        if (!same[0] && is(0, own, 1)) || (!same[1] && is(1, own, 0)) {
            return Shows::Other("its left and its right text exchanged".into());
        }
        let others = || self.key.items.iter().filter(|k| k.code != own.code);
        for (side, name) in ["left text", "right text"].into_iter().enumerate().filter(|(i, _)| !same[*i]) {
            if let Some(other) = others().find(|k| is(side, k, 0) || is(side, k, 1)) {
                return Shows::Other(format!("the {name} of the row with the code `{}`", other.code));
            }
        }
        if !prompt_same
            && let Some(other) = others().find(|k| k.prompt.as_ref().is_some_and(|p| prompt.contains(p)))
        {
            return Shows::Other(format!("the prompt of the row with the code `{}`", other.code));
        }
        self.alike(row).map_or(Shows::Altered, Shows::Other)
    }

    /// Whether what no hash knows is, edited, the other side's or another row's.
    fn alike(&self, row: &FilledRow) -> Option<String> {
        let own = self.texts.get(row.item)?;
        let shown = [&row.left, &row.right].map(|t| words(t).collect::<HashSet<_>>());
        let both = |item: &[HashSet<String>; 2], turned: bool| {
            let of = if turned { [1, 0] } else { [0, 1] };
            jaccard(&shown[0], &item[of[0]]).min(jaccard(&shown[1], &item[of[1]]))
        };
        let straight = both(own, false);
        if both(own, true) > straight.max(ALIKE) {
            return Some("its left and its right text exchanged, and edited".into());
        }
        let mut others = self.texts.iter().zip(&self.key.items);
        let other =
            others.find(|(texts, _)| both(texts, false).max(both(texts, true)) > straight.max(ALIKE))?;
        Some(format!("the texts of the row with the code `{}`, edited", other.1.code))
    }
}

/// The texts of the sheet that was given out, in the order of the key.
fn texts(key: &SheetKey, sheet: &str) -> Option<Vec<[HashSet<String>; 2]>> {
    let rows = csv::read(sheet).ok()?;
    let head = &rows.first()?.1;
    let column = |name: &str| head.iter().position(|h| h == name);
    let [code, left, right] = [column(COLUMNS[0])?, column(COLUMNS[2])?, column(COLUMNS[3])?];
    let find = |item: &KeyItem| {
        let (_, row) = rows.iter().find(|(_, row)| row.get(code) == Some(&item.code))?;
        Some([row.get(left)?, row.get(right)?].map(|t| words(t).collect()))
    };
    key.items.iter().map(find).collect()
}

#[allow(clippy::cast_precision_loss)]
fn jaccard(a: &HashSet<String>, b: &HashSet<String>) -> f64 {
    match a.union(b).count() {
        0 => 0.0,
        all => a.intersection(b).count() as f64 / all as f64,
    }
}

/// The hash of a cell's text, as it is and as it was before it was tamed or its lines were ended anew, as Windows or old
/// spreadsheets end them.
fn hashes(cell: &str) -> Vec<String> {
    let windows = cell.replace("\r\n", "\n");
    let old = windows.replace('\r', "\n");
    let texts = [cell, &windows, &old];
    let bare = texts.map(|t| t.strip_prefix('\'').unwrap_or(t));
    texts.into_iter().chain(bare).map(|t| sha256_hex(t.as_bytes())).collect()
}
