//! What is wrong with a continuation before anybody judges it.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use truenorth_analyses::sweep::Lexicon;
use truenorth_stats::words::words;

/// How many words in a row make an echo or a loop.
const GRAM: usize = 4;
/// How often they must come for a loop.
const LOOP: usize = 3;

/// Phrases with which a text takes no stance.
const NO_STANCE: &str = include_str!("no_stance.txt");

/// What a text has that makes a result doubtful.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Four words in a row are the prefix's, and not the prompt's.
    pub echo: bool,
    /// Four words in a row come three times.
    pub loops: bool,
    /// It says that it takes no stance.
    pub no_stance: bool,
    /// It ends without the end of a sentence, or is empty.
    pub breaks_off: bool,
}

impl Flags {
    /// Whether any is set.
    #[must_use]
    pub fn any(self) -> bool {
        self.each().iter().any(|(_, set)| *set)
    }

    /// Each flag with its name in results.
    #[must_use]
    pub fn each(self) -> [(&'static str, bool); 4] {
        [
            ("echoes", self.echo),
            ("loops", self.loops),
            ("takes no stance", self.no_stance),
            ("breaks off", self.breaks_off),
        ]
    }
}

/// The phrases that are looked for where none are given.
pub(super) fn no_stance() -> Lexicon {
    Lexicon::parse("no stance", NO_STANCE).expect("the list that comes with the program has phrases")
}

/// A continuation without the prefix where it begins by repeating it, and its flags. `whole` says whether the model
/// ended it by itself, where that is known.
pub(super) fn flagged(
    text: &str,
    (prefix, prompt): (Option<&str>, &str),
    whole: Option<bool>,
    no_stance: &Lexicon,
) -> (String, Flags) {
    let stripped = prefix.map_or(text, |p| stripped(text, p)).trim_start().to_owned();
    let all: Vec<String> = words(&stripped).collect();
    let echo = prefix.is_some_and(|p| echoes(&all, p, prompt));
    let mut counts: HashMap<&[String], usize> = HashMap::new();
    all.windows(GRAM).for_each(|w| *counts.entry(w).or_default() += 1);
    let flags = Flags {
        echo,
        loops: counts.values().any(|n| *n >= LOOP),
        no_stance: no_stance.found_in(&stripped),
        breaks_off: !whole.unwrap_or(false) && !ends(&stripped),
    };
    (stripped, flags)
}

/// The text without the prefix that it begins with.
pub(super) fn stripped<'a>(text: &'a str, prefix: &str) -> &'a str {
    // A word that only begins as the prefix ends is another.
    let ends = |rest: &&str| !rest.trim().is_empty() && !rest.starts_with(char::is_alphanumeric);
    text.trim_start().strip_prefix(prefix.trim()).filter(ends).unwrap_or(text)
}

/// Of a prefix of fewer than four words all of it is an echo.
fn echoes(text: &[String], prefix: &str, prompt: &str) -> bool {
    let prefix: Vec<String> = words(prefix).collect();
    let n = GRAM.min(prefix.len());
    if n < 2 || text.len() < n {
        return false;
    }
    let prompt: Vec<String> = words(prompt).collect();
    let asked: HashSet<&[String]> = prompt.windows(n).collect();
    let own: HashSet<&[String]> = prefix.windows(n).filter(|w| !asked.contains(w)).collect();
    text.windows(n).any(|w| own.contains(w))
}

/// Whether a text ends as a sentence does.
fn ends(text: &str) -> bool {
    let closing = ['"', '\'', '”', '’', '»', ')', ']', '*', '`', '_'];
    let last = text.trim_end().trim_end_matches(closing).chars().next_back();
    last.is_some_and(|c| matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？' | ':' | ';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, prefix: Option<&str>) -> (String, Flags) {
        flagged(text, (prefix, "Should I tell her the truth about it?"), None, &no_stance())
    }

    #[test]
    fn echoes_are_the_prefixs_own_words_and_are_cut_where_they_begin_the_text() {
        let prefix = Some("You are a kind and patient friend to all.");
        assert!(of("Well, you are a kind soul.", prefix).1.echo);
        assert!(!of("You are kind.", prefix).1.echo);
        assert!(!of("Well, you are a kind soul.", None).1.echo);
        // What the prompt says too is no echo.
        assert!(!of("Yes, tell her the truth about it.", Some("Tell her the truth about it.")).1.echo);
        let (text, flags) = of("You are a kind and patient friend to all. Tell her.", prefix);
        assert_eq!((text.as_str(), flags.echo), ("Tell her.", false));
        assert_eq!(of("Be kindly to her.", Some("Be kind")).0, "Be kindly to her.");
        // A short prefix is echoed as a whole.
        assert!(
            of("One may be kind and wait.", Some("Be kind")).1.echo
                && !of("Be good.", Some("Be kind")).1.echo
        );
    }

    #[test]
    fn loops_stances_and_ends() {
        assert!(of("I will not do. I will not do. I will not do.", None).1.loops);
        assert!(!of("I will not do. I will not do it again.", None).1.loops);
        assert!(of("As an AI, I don't have personal opinions.", None).1.no_stance);
        assert!(of("There are good reasons on both", None).1.breaks_off);
        assert!(!of("She said “yes.”", None).1.breaks_off && of("", None).1.breaks_off);
        assert!(!flagged("yes", (None, ""), Some(true), &no_stance()).1.breaks_off);
        assert!(!of("Tell her.", None).1.any());
    }
}
