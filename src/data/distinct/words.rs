//! When two texts say the same: letter case and white space aside, and by their words.

/// A text without what makes no other text of it: in lower case, runs of white space as one space.
#[must_use]
pub fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.extend(word.chars().flat_map(char::to_lowercase));
    }
    out
}

/// The words of a text in lower case: runs of letters and digits; of scripts that are written without spaces
/// every character is one.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    let mut found = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if alone(c) || !c.is_alphanumeric() {
            if !word.is_empty() {
                found.push(std::mem::take(&mut word));
            }
            if alone(c) {
                found.push(c.to_string());
            }
        } else {
            word.extend(c.to_lowercase());
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
