//! What judges and people said, a row a time that they were asked.

use std::collections::HashMap;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use truenorth_reading::AnalysisError;

/// The arm of pairs whose better text is known: that of the arm.
pub(super) const PLANTED: &str = "planted";
/// The arm of pairs by which it is told whether a person read them: the arm's text is the better one.
pub(super) const ATTENTION: &str = "attention";

/// Whether a person rated or a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RaterKind {
    /// A person who read both texts.
    #[default]
    Person,
    /// A model that was asked.
    Judge,
}

impl RaterKind {
    /// Whether it is a person.
    #[must_use]
    pub fn is_person(self) -> bool {
        self == Self::Person
    }
}

/// One of the two texts of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreferredText {
    /// The text of the arm.
    Arm,
    /// The text of base.
    Base,
    /// Neither text.
    Tie,
}

impl PreferredText {
    /// 1 for the arm, -1 for base.
    #[must_use]
    pub fn sign(self) -> f64 {
        match self {
            Self::Arm => 1.0,
            Self::Base => -1.0,
            Self::Tie => 0.0,
        }
    }
}

/// What one rater said of an arm's text beside base's, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// Name of the judge or the person.
    pub rater: String,
    /// A person, or a judge.
    #[serde(default)]
    pub kind: RaterKind,
    /// The arm; `planted` or `attention` of pairs whose better text is known to be the arm's.
    pub arm: String,
    /// Name of the prompt.
    pub prompt: String,
    /// Which text was shown first, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<PreferredText>,
    /// The text that was chosen; none where texts were scored alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<PreferredText>,
    /// How sure, above 0 for the arm, where more is known than the choice; log-odds of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// The question that the scores answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rubric: Option<String>,
    /// Score of the arm's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm_score: Option<f64>,
    /// Base's text beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_score: Option<f64>,
    /// The file and the line of it that say so, such as `ratings.jsonl, line 3`; empty of what was asked here.
    #[serde(skip)]
    pub place: String,
}

impl Rating {
    /// Where it stands, for errors.
    pub(super) fn named(&self) -> String {
        match self.place.as_str() {
            "" => format!("a rating of `{}`", self.rater),
            place => format!("{place}: the rating of `{}`", self.rater),
        }
    }
}

/// The least and the largest score; `experiment sheet` asks people for the same.
const SCALE: [f64; 2] = [1.0, 5.0];

/// Refuses a second rating by one rater of the same: it would count as another observation. A choice may come once in
/// each order of the texts, and a score once a rubric.
///
/// # Errors
/// When one is there twice; both places are named.
pub fn check_ratings_once(ratings: &[Rating]) -> Result<(), AnalysisError> {
    let mut seen = HashMap::new();
    for row in ratings {
        let order = row.first.map(|f| u8::from(f == PreferredText::Arm));
        let chosen = (row.choice.is_some() || row.strength.is_some()).then_some("");
        let scored = row.arm_score.map(|_| row.rubric.as_deref().unwrap_or("score"));
        for (what, said) in [("choice", chosen), ("score", scored)] {
            // No rubric is empty, so that the empty name stands for the choice.
            let Some(said) = said else { continue };
            let key = (row.rater.as_str(), row.arm.as_str(), row.prompt.as_str(), order, said);
            let Some(before): Option<&Rating> = seen.insert(key, row) else { continue };
            return Err(AnalysisError::Asked {
                what: format!(
                    "{} is a second {what} of the arm `{}` and the prompt `{}`{}{}",
                    row.named(),
                    row.arm,
                    row.prompt,
                    if said.is_empty() { String::new() } else { format!(" on `{said}`") },
                    match before.place.as_str() {
                        "" => String::new(),
                        place => format!("; the first is {place}"),
                    }
                ),
                remedy: "keep one of the two, or name the raters apart if they are two; a choice may be given once in each \
                         order of the texts (`first`)"
                    .into(),
            });
        }
    }
    Ok(())
}

/// Reads ratings, a JSON object a line, or CSV with the same columns. `name` is that of the file, for errors.
///
/// # Errors
/// When a line is no rating or has a score beyond 1 to 5, or a rater rates the same twice; lines are named.
pub fn read_ratings(mut from: impl BufRead, name: &str) -> Result<Vec<Rating>, AnalysisError> {
    let mut text = String::new();
    let refuse = |what: String| {
        AnalysisError::Asked {
        what: format!("{name}{what}"),
        remedy: "a rating is a JSON object a line with `rater`, `kind` (person or judge), `arm`, `prompt`, and `choice` (arm, \
                 base or tie) or `arm_score` and `base_score`; `first` says which text was shown first"
            .into(),
    }
    };
    from.read_to_string(&mut text).map_err(|e| refuse(format!(" can't be read: {e}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut out = Vec::new();
    if !text.trim_start().starts_with('{') {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for (i, row) in reader.deserialize::<Rating>().enumerate() {
            let row = row.map_err(|e| refuse(format!(", row {}: {e}", i + 2)))?;
            check(&row).map_err(|what| refuse(format!(", row {}: {what}", i + 2)))?;
            out.push(Rating { place: format!("{name}, row {}", i + 2), ..row });
        }
        check_ratings_once(&out)?;
        return Ok(out);
    }
    // Lines of old programs end in a carriage return alone.
    let end = if text.contains('\n') { '\n' } else { '\r' };
    for (i, line) in text.split(end).enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let row: Rating = serde_json::from_str(line).map_err(|e| refuse(format!(", line {}: {e}", i + 1)))?;
        check(&row).map_err(|what| refuse(format!(", line {}: {what}", i + 1)))?;
        out.push(Rating { place: format!("{name}, line {}", i + 1), ..row });
    }
    check_ratings_once(&out)?;
    Ok(out)
}

fn check(row: &Rating) -> Result<(), String> {
    if row.rater.trim().is_empty() || row.arm.trim().is_empty() || row.prompt.trim().is_empty() {
        return Err("rater, arm and prompt must be named".into());
    }
    if row.choice.is_none() && row.strength.is_none() && row.arm_score.is_none() {
        return Err("it has neither a choice nor a score".into());
    }
    if row.first == Some(PreferredText::Tie) {
        return Err("`first` is arm or base".into());
    }
    if row.rubric.as_ref().is_some_and(|r| r.trim().is_empty()) {
        return Err("`rubric` is empty; name the question, or leave it out".into());
    }
    if let Some(bad) = row.strength.filter(|v| !v.is_finite()) {
        return Err(format!("`strength` is {bad}; expected a finite number"));
    }
    let [least, most] = SCALE;
    for (field, score) in [("arm_score", row.arm_score), ("base_score", row.base_score)] {
        if let Some(bad) = score.filter(|v| !(least..=most).contains(v)) {
            return Err(format!("`{field}` is {bad}; expected a number from {least} to {most}"));
        }
    }
    Ok(())
}
