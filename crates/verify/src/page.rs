//! Whether a page is the drawing of its numbers.

use serde_json::Value;

use super::compare::{ComparedFile, ValueDifference};

/// Compares a page with the one that its document gives, word by word.
#[must_use]
pub fn compare_pages(file: &str, written: &str, drawn: &str) -> ComparedFile {
    let mut compared = ComparedFile { file: file.to_owned(), ..ComparedFile::default() };
    let (was, is) = (pieces(written), pieces(drawn));
    for (kind, text) in &is {
        match kind {
            PagePiece::Words if text.bytes().any(|b| b.is_ascii_digit()) => compared.numbers += 1,
            PagePiece::Words => compared.words += 1,
            PagePiece::Tag => {}
        }
    }
    if was == is {
        return compared;
    }
    let mut differ = |i: usize| {
        let (said, should) = (was.get(i), is.get(i));
        let number = [said, should].into_iter().flatten().any(|(_, t)| t.bytes().any(|b| b.is_ascii_digit()));
        compared.numbers_differ += usize::from(number);
        // Coordinates of a drawing are counted where they differ alone.
        let counted = should.is_some_and(|(kind, text)| {
            *kind == PagePiece::Words && text.bytes().any(|b| b.is_ascii_digit())
        });
        compared.numbers += usize::from(number && !counted);
        compared.differ.push(ValueDifference {
            pointer: String::new(),
            name: format!("after {}", before(&is, i)),
            written: said.map(|(_, t)| Value::from(*t)),
            recomputed: should.map(|(_, t)| Value::from(*t)),
        });
    };
    let different: Vec<usize> = (0..was.len().max(is.len())).filter(|i| was.get(*i) != is.get(*i)).collect();
    // What was put in or taken out shifts all that follows: then the first place tells.
    let shown = if was.len() == is.len() { different.len() } else { 1 };
    // What is read before what is drawn.
    let (mut words, marks): (Vec<usize>, Vec<usize>) = different
        .into_iter()
        .take(shown)
        .partition(|i| is.get(*i).is_some_and(|(kind, _)| *kind == PagePiece::Words));
    words.extend(marks);
    words.into_iter().for_each(&mut differ);
    compared
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PagePiece {
    Tag,
    Words,
}

/// A page as tags and the words between them.
fn pieces(html: &str) -> Vec<(PagePiece, &str)> {
    let mut all = Vec::new();
    let mut rest = html;
    while !rest.is_empty() {
        let (kind, end) = match rest.strip_prefix('<') {
            Some(tag) => (PagePiece::Tag, tag.find('>').map_or(rest.len(), |i| i + 2)),
            None => (PagePiece::Words, rest.find('<').unwrap_or(rest.len())),
        };
        let (piece, after) = rest.split_at(end);
        if !piece.trim().is_empty() {
            all.push((kind, piece.trim()));
        }
        rest = after;
    }
    all
}

/// The words before a place, for whoever looks for it on the page.
fn before(pieces: &[(PagePiece, &str)], at: usize) -> String {
    let words = pieces.iter().take(at).rev().filter(|(kind, _)| *kind == PagePiece::Words);
    let mut last: Vec<&str> = words.take(3).map(|(_, text)| *text).collect();
    last.reverse();
    let joined = last.join(" ");
    let tail: String = joined.chars().skip(joined.chars().count().saturating_sub(80)).collect();
    if tail.is_empty() { "the beginning".into() } else { format!("`{tail}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_digit_and_a_removed_word_are_found_with_what_stands_before_them() {
        let page = "<p>AUROC <b>0.69</b> of 135</p><p title=\"n = 4\">pairs</p>";
        assert_eq!(compare_pages("p", page, page).differ, vec![]);
        assert_eq!(compare_pages("p", page, page).numbers, 2);
        let found = compare_pages("p", &page.replace("0.69", "0.79"), page);
        assert_eq!((found.differ.len(), found.numbers_differ), (1, 1));
        assert_eq!(found.differ[0].name, "after `AUROC`");
        assert_eq!(found.differ[0].written, Some("0.79".into()));
        let found = compare_pages("p", &page.replace("n = 4", "n = 5"), page);
        assert_eq!((found.numbers_differ, found.numbers), (1, 3), "in a tag too");
        let found = compare_pages("p", &page.replace("<b>0.69</b>", ""), page);
        assert_eq!(found.differ.len(), 1);
        assert_eq!(found.differ[0].written, Some("AUROC  of 135".into()));
    }
}
