//! What of a text is not in another, word by word.

use truenorth_report::{Rich, Span};

/// The most words of a text that are compared; a longer one is shown as it is.
const MOST: usize = 600;

/// A text with the words marked that a longest common subsequence with `base` leaves out.
pub(super) fn changed(text: &str, base: &str) -> Rich {
    let (own, other): (Vec<&str>, Vec<&str>) = (split(text), split(base));
    if own.len() > MOST || other.len() > MOST {
        return Rich::from(text);
    }
    // Lengths of common subsequences of what follows.
    let plain = |w: &str| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let (a, b): (Vec<String>, Vec<String>) =
        (own.iter().map(|w| plain(w)).collect(), other.iter().map(|w| plain(w)).collect());
    let mut left = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            left[i][j] =
                if a[i] == b[j] { left[i + 1][j + 1] + 1 } else { left[i + 1][j].max(left[i][j + 1]) };
        }
    }
    let mut spans: Vec<Span> = Vec::new();
    let mut put = |word: &str, new: bool| match (spans.last_mut(), new) {
        (Some(Span::Changed(t)), true) | (Some(Span::Plain(t)), false) => t.push_str(word),
        (_, true) => spans.push(Span::Changed(word.to_owned())),
        (_, false) => spans.push(Span::Plain(word.to_owned())),
    };
    let (mut i, mut j) = (0, 0);
    while i < a.len() {
        if j < b.len() && a[i] == b[j] {
            put(own[i], false);
            (i, j) = (i + 1, j + 1);
        } else if j < b.len() && left[i][j + 1] >= left[i + 1][j] {
            j += 1;
        } else {
            put(own[i], true);
            i += 1;
        }
    }
    Rich(spans)
}

/// Words with the white space behind them.
fn split(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let (mut start, mut space) = (0, false);
    for (at, c) in text.char_indices() {
        if !c.is_whitespace() && space {
            out.push(&text[start..at]);
            start = at;
        }
        space = c.is_whitespace();
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_base_does_not_have_are_marked() {
        let marked = |text: &str, base: &str| {
            let each = |s: &Span| match s {
                Span::Changed(t) => format!("<{t}>"),
                Span::Plain(t) => t.clone(),
                other => panic!("{other:?}"),
            };
            changed(text, base).0.iter().map(each).collect::<String>()
        };
        assert_eq!(marked("Tell her the whole truth.", "Tell her the truth."), "Tell her the <whole >truth.");
        assert_eq!(marked("Same, words", "same words"), "Same, words");
        assert_eq!(marked("", "x"), "");
        assert_eq!(marked("  New  text\n", ""), "<  New  text\n>");
    }
}
