//! Counting words in what a model wrote: blunt measures that need no judge.

use std::collections::HashSet;

use truenorth_reading::AnalysisError;

/// The project's list of refusing phrases, with how it is used.
pub const REFUSAL: &str = include_str!("refusal.txt");
/// How many characters of a reply are searched for a refusal.
const OPENING: usize = 160;

/// Words or phrases, any of which counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lexicon {
    /// What the list is called in results.
    pub name: String,
    /// The phrases, folded.
    phrases: Vec<String>,
    /// Whether only the opening of a text is searched.
    opening: bool,
}

impl Lexicon {
    /// A list of phrases, one a line; lines that begin with `#` are remarks.
    ///
    /// # Errors
    /// When no phrase is left.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, AnalysisError> {
        let name = name.into();
        let phrases: Vec<String> =
            text.lines().filter(|l| !l.starts_with('#')).map(fold).filter(|l| !l.is_empty()).collect();
        if phrases.is_empty() {
            return Err(AnalysisError::Input(format!(
                "the word list `{name}` is empty; give it a word or a phrase a line"
            )));
        }
        Ok(Self { name, phrases, opening: false })
    }

    /// The refusing phrases, searched for in the opening of a reply.
    #[must_use]
    pub fn refusal() -> Self {
        let phrases = REFUSAL.lines().filter(|l| !l.starts_with('#')).map(fold).filter(|l| !l.is_empty());
        Self { name: "refusal".into(), phrases: phrases.collect(), opening: true }
    }

    /// Whether a text holds one of the phrases, as whole words.
    #[must_use]
    pub fn found_in(&self, text: &str) -> bool {
        let text =
            if self.opening { text.trim_start().chars().take(OPENING).collect() } else { text.to_owned() };
        let text = fold(&text);
        self.phrases.iter().any(|p| holds(&text, p))
    }
}

/// Lower case, plain apostrophes, single spaces.
fn fold(text: &str) -> String {
    let plain = text.to_lowercase().replace(['\u{2019}', '\u{02bc}'], "'");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn holds(text: &str, phrase: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '\'');
    text.match_indices(phrase).any(|(at, _)| {
        !word(text[..at].chars().next_back()) && !word(text[at + phrase.len()..].chars().next())
    })
}

/// Different pairs of neighbouring tokens as a share of all pairs; none for fewer than two tokens.
///
/// The measure distinct-2 of Li, Galley, Brockett, Gao and Dolan (2016), for one text.
#[must_use]
pub fn distinct_2(tokens: &[u32]) -> Option<f64> {
    let pairs: HashSet<&[u32]> = tokens.windows(2).collect();
    let all = tokens.len().checked_sub(1).filter(|n| *n > 0)?;
    Some(pairs.len() as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_words_at_the_start_and_no_parts_of_words() {
        let r = Lexicon::refusal();
        assert!(r.found_in("I\u{2019}m  sorry, but that is not for me."));
        assert!(r.found_in("  As an AI, I do not."));
        assert!(!r.found_in("Has an aim."));
        assert!(!r.found_in("The cannery: panic an' toil."));
        assert!(!r.found_in(&format!("{} I cannot", "word ".repeat(60))));
        assert!(r.phrases.len() > 20);
    }

    #[test]
    fn keywords_are_found_anywhere() {
        let k = Lexicon::parse("care", "# remark\nkind\nlook after\n").unwrap();
        assert!(k.found_in(&format!("{} KIND.", "word ".repeat(60))) && k.found_in("They look\nafter it"));
        assert!(!k.found_in("mankind kindle"));
        assert!(Lexicon::parse("none", "# only a remark\n\n").is_err());
    }

    #[test]
    fn repetition_lowers_distinct_2() {
        assert_eq!(distinct_2(&[1, 2, 3, 4]), Some(1.0));
        assert_eq!(distinct_2(&[1, 1, 1, 1, 1]), Some(0.25));
        assert_eq!(distinct_2(&[1]), None);
    }
}
