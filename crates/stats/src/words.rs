//! When two texts say the same: letter case, white space and the make of characters aside, and by their words.

use std::borrow::Cow;

use icu_normalizer::ComposingNormalizerBorrowed;

/// A text without what makes no other text of it: in lower case, runs of white space as one space, characters
/// composed in one way (NFKC, which also makes full-width letters and ligatures plain), those that show
/// nothing left out.
#[must_use]
pub fn folded(text: &str) -> String {
    let plain = plain(text);
    let mut out = String::with_capacity(plain.len());
    for word in plain.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        lower(word.chars(), &mut out);
    }
    out
}

/// Characters in one make, without those that show nothing.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let shown: String = text.chars().filter(|c| !hidden(*c)).collect();
    Cow::Owned(ComposingNormalizerBorrowed::new_nfkc().normalize(&shown).into_owned())
}

/// Soft hyphens, characters without width, marks of direction, variation selectors.
fn hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
}

/// Lower case, in which the two letters that have none of their own kind are one with what they stand for.
fn lower(chars: impl Iterator<Item = char>, out: &mut String) {
    for c in chars.flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'ς' => out.push('σ'),
            c => out.push(c),
        }
    }
}

/// The words of a text in lower case: runs of letters and digits; of scripts that are written without spaces
/// every character is one.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let mut word = String::new();
    for c in plain(text).chars() {
        if alone(c) || !c.is_alphanumeric() {
            if !word.is_empty() {
                found.push(std::mem::take(&mut word));
            }
            if alone(c) {
                found.push(c.to_string());
            }
        } else {
            lower(std::iter::once(c), &mut word);
        }
    }
    found.extend((!word.is_empty()).then_some(word));
    found.into_iter()
}

/// Han, Hiragana and Katakana.
fn alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}')
}
