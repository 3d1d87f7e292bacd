//! When two texts say the same: letter case, white space and the make of characters aside, and by their words.

use std::borrow::Cow;
use std::collections::HashSet;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointMapData;
use icu_properties::props::LineBreak;

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

/// The words of a text in lower case: runs of letters and digits. Of scripts that are written without spaces there
/// are none to be seen: of Han, kana and other scripts of many characters every character is one, of those of few,
/// such as Thai, Lao, Khmer, Burmese and Javanese, every three characters that follow each other ([`grams`]).
pub fn words(text: &str) -> impl Iterator<Item = String> {
    split(text, |run, found| found.extend(grams(&run)))
}

/// The words of a text in the order in which they stand, each character of any script without spaces by itself.
pub fn steps(text: &str) -> impl Iterator<Item = String> {
    split(text, |run, found| found.extend(run.chars().map(String::from)))
}

/// Whether a word is part of a script that is written without spaces and has few characters.
#[must_use]
pub fn unspaced(word: &str) -> bool {
    word.chars().any(|c| CharKind::of(c) == CharKind::Unspaced)
}

/// The fewest characters of a gram: of Thai about four make a word.
const GRAM: usize = 3;

/// The n-grams of a run of characters, the run itself where it is no longer than one: of three characters, or of as
/// many as it takes for there to be no fewer possible ones than the run has characters. Otherwise two long
/// runs of few different characters, such as DNA, would have all of them.
pub fn grams(run: &str) -> Vec<String> {
    let chars: Vec<char> = run.chars().collect();
    let kinds = chars.iter().collect::<HashSet<_>>().len().max(2);
    let (mut n, mut possible) = (GRAM, kinds.saturating_pow(3));
    while possible < chars.len() {
        (n, possible) = (n + 1, possible.saturating_mul(kinds));
    }
    if chars.len() <= n { vec![run.to_owned()] } else { chars.windows(n).map(String::from_iter).collect() }
}

fn split(text: &str, unspaced: impl Fn(String, &mut Vec<String>)) -> impl Iterator<Item = String> {
    let (mut found, mut run, mut open) = (Vec::new(), String::new(), CharKind::Between);
    let close = |run: &mut String, open, found: &mut Vec<String>| match (std::mem::take(run), open) {
        (run, _) if run.is_empty() => {}
        (run, CharKind::Unspaced) => unspaced(run, found),
        (run, _) => found.push(run),
    };
    for c in plain(text).chars() {
        let kind = match CharKind::of(c) {
            CharKind::Between if open == CharKind::Unspaced && line_break(c) == LineBreak::CombiningMark => {
                open
            }
            kind => kind,
        };
        if kind != open || kind == CharKind::Alone {
            close(&mut run, open, &mut found);
            open = kind;
        }
        if kind != CharKind::Between {
            lower(std::iter::once(c), &mut run);
        }
    }
    close(&mut run, open, &mut found);
    found.into_iter()
}

/// The kind of script that a character belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CharKind {
    /// A word between others.
    Spaced,
    /// A script without spaces, of so many characters that each stands for itself.
    Alone,
    /// A script without spaces, of few characters.
    Unspaced,
    /// Blanks and marks between words.
    Between,
}

impl CharKind {
    /// By how lines are broken there (UAX #14): anywhere, by a dictionary (SA), or at syllables (AK and its kin).
    fn of(c: char) -> Self {
        if c.is_ascii() {
            return if c.is_ascii_alphanumeric() { Self::Spaced } else { Self::Between };
        }
        match line_break(c) {
            _ if han_or_kana(c) => Self::Alone,
            LineBreak::ComplexContext
            | LineBreak::Aksara
            | LineBreak::AksaraPrebase
            | LineBreak::AksaraStart
            | LineBreak::Virama
            | LineBreak::ViramaFinal => Self::Unspaced,
            LineBreak::Ideographic | LineBreak::ConditionalJapaneseStarter if c.is_alphanumeric() => {
                Self::Alone
            }
            _ if c.is_alphanumeric() => Self::Spaced,
            _ => Self::Between,
        }
    }
}

fn line_break(c: char) -> LineBreak {
    CodePointMapData::<LineBreak>::new().get(c)
}

/// Han, Hiragana and Katakana with their signs.
fn han_or_kana(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3134f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).collect()
    }

    #[test]
    fn scripts_without_spaces_have_words_too() {
        assert_eq!(of("The cat, 2 DOGS; naïve"), ["the", "cat", "2", "dogs", "naïve"]);
        assert_eq!(of("日本のネコ yes"), ["日", "本", "の", "ネ", "コ", "yes"]);
        // Yi is written with a character a syllable, like kana.
        assert_eq!(of("ꆈꌠ"), ["ꆈ", "ꌠ"]);
        // Thai, Lao, Khmer, Burmese and Javanese, whose marks are part of what they stand on.
        assert_eq!(of("ที่นี่ ok ไป"), ["ที่", "ี่น", "่นี", "นี่", "ok", "ไป"]);
        for run in ["ຂ້ອຍໄປ", "ខ្ញុំទៅ", "ကျွန်တော်", "ꦲꦏ꧀ꦱꦫꦗꦮ"]
        {
            let (found, chars) = (of(run), run.chars().count());
            assert_eq!(found.len(), chars - 2, "{run} {found:?}");
            assert!(found.iter().all(|w| w.chars().count() == 3 && unspaced(w)), "{found:?}");
            assert_eq!(steps(run).collect::<String>(), run);
        }
        // Tibetan has a sign between syllables, Korean and Hindi have spaces.
        assert_eq!(of("བོད་ཡིག"), ["བོད", "ཡིག"]);
        assert_eq!(of("한국어 글"), ["한국어", "글"]);
        assert!(!unspaced("word") && !unspaced("日"));
    }

    #[test]
    fn grams_of_few_kinds_of_characters_are_longer() {
        assert_eq!((grams("ab"), grams("abcd")), (vec!["ab".to_owned()], vec!["abc".into(), "bcd".into()]));
        // Of four letters 4^5 is the first power that is no less than 600.
        let dna: String = (0..600_u64).map(|i| ['a', 'c', 'g', 't'][(i * i * i % 97 % 4) as usize]).collect();
        assert!(grams(&dna).iter().all(|g| g.len() == 5));
        assert!(grams(&"a".repeat(40)).iter().all(|g| g == "aaaaaa"));
    }
}
