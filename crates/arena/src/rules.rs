//! What a submission must be like.

use regex::Regex;
use serde::Serialize;

use crate::backend::ScoringModel;
use crate::error::ArenaError;
use crate::season::{Rules, SeasonFile};

/// Why a submission is refused before anything else is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedSubmission {
    /// Name of the form's field, such as `handle`.
    pub field: &'static str,
    /// What is wrong, and what is expected.
    pub what: String,
}

fn refused<T>(field: &'static str, what: impl Into<String>) -> Result<T, RefusedSubmission> {
    Err(RefusedSubmission { field, what: what.into() })
}

/// Whether a character can't be seen, or turns the order in which others are seen.
#[must_use]
pub fn unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
        || c.is_control()
}

/// A text in which what can't be seen is named, as `[U+202E]`.
#[must_use]
pub fn shown(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if unseen(c) {
            write!(out, "[U+{:04X}]", u32::from(c)).expect("a string takes all that is written");
        } else {
            out.push(c);
        }
    }
    out
}

/// The checks of a season that need no model.
#[derive(Clone, Debug)]
pub struct SubmissionChecks {
    handle: Regex,
    pattern: String,
    rules: Rules,
    kinds: Vec<String>,
    consent: String,
}

impl SubmissionChecks {
    /// Those of a season.
    ///
    /// # Errors
    /// When the pattern of handles is none.
    pub fn of(season: &SeasonFile) -> Result<Self, ArenaError> {
        let handle = crate::season::handle_pattern(&season.rules.handle).map_err(|e| {
            ArenaError::asked(format!("rules.handle is no pattern: {e}"), "correct the season's file")
        })?;
        Ok(Self {
            handle,
            pattern: season.rules.handle.clone(),
            rules: season.rules.clone(),
            kinds: season.kinds.clone(),
            consent: season.consent.version.clone(),
        })
    }

    /// Checks a handle.
    ///
    /// # Errors
    /// When it does not match the season's pattern.
    pub fn handle(&self, handle: &str) -> Result<(), RefusedSubmission> {
        if handle.len() <= 200 && self.handle.is_match(handle) && !handle.chars().any(unseen) {
            return Ok(());
        }
        refused("handle", format!("the handle must match {} as a whole", self.pattern))
    }

    /// Checks a text; it is kept as it was sent.
    ///
    /// # Errors
    /// When it is empty, too long, or has control characters.
    pub fn text(&self, text: &str) -> Result<(), RefusedSubmission> {
        if text.trim().is_empty() || text.chars().all(|c| unseen(c) || c.is_whitespace()) {
            return refused("text", "there is no text; write something that can be seen");
        }
        let n = text.chars().count();
        if n > self.rules.characters {
            return refused(
                "text",
                format!("the text has {n} characters; {} are taken at most", self.rules.characters),
            );
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return refused(
                "text",
                format!("the text has the control character U+{:04X}; write it as one line", u32::from(c)),
            );
        }
        Ok(())
    }

    /// Checks a kind.
    ///
    /// # Errors
    /// When the season has no such kind.
    pub fn kind(&self, kind: Option<&str>) -> Result<(), RefusedSubmission> {
        match kind {
            Some(kind) if !self.kinds.iter().any(|k| k == kind) => {
                let all = self.kinds.join(", ");
                refused("kind", format!("there is no such kind; it is one of: {all}"))
            }
            _ => Ok(()),
        }
    }

    /// Checks that the consent text was agreed to, in its present version.
    ///
    /// # Errors
    /// When another version was agreed to, or none.
    pub fn consent(&self, version: Option<&str>) -> Result<(), RefusedSubmission> {
        if version == Some(self.consent.as_str()) {
            return Ok(());
        }
        refused("consent", format!("agree to the consent text, version {}", self.consent))
    }
}

/// A text as the model's tokenizer has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenizedText {
    /// How many; none where the tokenizer is not at hand.
    pub tokens: Option<usize>,
    /// The most tokens that are taken.
    pub budget: usize,
    /// The text of the tokens, put together again.
    pub round_trip: Option<String>,
    /// Whether that is the text.
    pub same: Option<bool>,
}

/// Counts the tokens of a text by the model's own tokenizer, and puts them together again.
///
/// # Errors
/// When whoever has the tokenizer can't be asked, or refuses the text.
pub fn tokens(backend: &dyn ScoringModel, text: &str, budget: usize) -> Result<TokenizedText, ArenaError> {
    let run = |e| ArenaError::Analysis(truenorth_reading::AnalysisError::Run(e));
    let runner = backend.runner();
    let Some(ids) = runner.encode(text, false).map_err(run)? else {
        return Ok(TokenizedText { tokens: None, budget, round_trip: None, same: None });
    };
    let round_trip = runner.spell(&[&ids]).map_err(run)?.and_then(|mut all| all.pop());
    let same = round_trip.as_deref().map(|t| t == text);
    Ok(TokenizedText { tokens: Some(ids.len()), budget, round_trip, same })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::season::tests::file;

    #[test]
    fn what_is_not_seen_is_named() {
        assert_eq!(shown("a\u{202e}b\u{200b} c\n"), "a[U+202E]b[U+200B] c[U+000A]");
        assert_eq!(shown("<b>ü 猫"), "<b>ü 猫");
    }

    #[test]
    fn a_submission_is_refused_by_the_field_at_fault() {
        let checks = SubmissionChecks::of(&file("values-1")).unwrap();
        for good in ["ab", "Ada_L.-1", "x0"] {
            assert_eq!(checks.handle(good), Ok(()), "{good}");
        }
        for bad in ["", "a", "-ab", "a b", "a<b>", "ab\n", "ä1", &"a".repeat(25), "ab\u{200b}"] {
            assert_eq!(checks.handle(bad).unwrap_err().field, "handle", "{bad:?}");
        }
        for (bad, says) in [
            ("", "no text"),
            (" \u{200b}", "no text"),
            ("a\u{7}", "U+0007"),
            ("a\nb", "U+000A"),
            (&"a".repeat(281), "281 characters; 280"),
        ] {
            let refused = checks.text(bad).unwrap_err();
            assert!(refused.field == "text" && refused.what.contains(says), "{refused:?}");
        }
        assert_eq!(checks.text("a \u{202e}b"), Ok(()));
        assert_eq!(checks.kind(Some("prose")), Ok(()));
        assert_eq!(checks.kind(Some("poem")).unwrap_err().field, "kind");
        assert_eq!(checks.consent(Some("1")), Ok(()));
        assert_eq!(checks.consent(Some("0")).unwrap_err().field, "consent");
        assert_eq!(checks.consent(None).unwrap_err().field, "consent");
    }
}
