//! How wide text is without a font at hand, and how to cut it.
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;

/// Size of labels in pixels; the style sheet sets the same.
pub(super) const SIZE: f64 = 12.5;

/// Estimated width in pixels of `text` in a proportional sans-serif of [`SIZE`], rather too wide than too narrow.
pub(super) fn width(text: &str) -> f64 {
    text.graphemes(true).map(|g| g.chars().next().map_or(0.0, em)).sum::<f64>() * SIZE
}

fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'I' => 0.31,
        ' ' | 't' | 'f' | 'r' | '(' | ')' | '[' | ']' | '/' | '\u{202f}' => 0.38,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.92,
        '0'..='9' => 0.62,
        'A'..='Z' => 0.70,
        'a'..='z' => 0.575,
        '+' | '=' | '<' | '>' | '\u{2212}' | '~' => 0.70,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' => 1.05,
        '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' => 1.05,
        '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}' => 1.35,
        _ => 0.66,
    }
}

/// A label on one line: runs of white space become one space, and blank text says that it is blank.
pub(super) fn label(text: &str) -> Cow<'_, str> {
    if text.trim().is_empty() {
        return Cow::Borrowed(if text.is_empty() { "(empty)" } else { "(blank)" });
    }
    if text.contains(['\n', '\r', '\t']) || text.contains("  ") {
        return Cow::Owned(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    Cow::Borrowed(text)
}

/// `text` cut to `max` pixels with an ellipsis, never inside a user-perceived character.
pub(super) fn fit(text: &str, max: f64) -> Cow<'_, str> {
    // Long texts need not be measured whole to know that they do not fit.
    let mut used = 0.0;
    let room = max - SIZE;
    let mut cut = 0;
    for (at, g) in text.grapheme_indices(true) {
        used += g.chars().next().map_or(0.0, em) * SIZE;
        if used <= room {
            cut = at + g.len();
        }
        // The margin is for sums that differ in their last bit.
        if used > max + 0.01 {
            let kept = text.get(..cut).unwrap_or_default().trim_end();
            return Cow::Owned(format!("{kept}…"));
        }
    }
    Cow::Borrowed(text)
}
