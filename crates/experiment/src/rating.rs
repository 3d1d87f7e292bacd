//! What judges and people said, a row a time that they were asked.

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
}

/// Reads ratings, a JSON object a line, or CSV with the same columns. `name` is that of the file, for errors.
///
/// # Errors
/// When a line is no rating; it is named.
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
            out.push(row);
        }
        return Ok(out);
    }
    for (i, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty()) {
        let row: Rating = serde_json::from_str(line).map_err(|e| refuse(format!(", line {}: {e}", i + 1)))?;
        check(&row).map_err(|what| refuse(format!(", line {}: {what}", i + 1)))?;
        out.push(row);
    }
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
    let numbers = [row.strength, row.arm_score, row.base_score];
    match numbers.iter().flatten().find(|v| !v.is_finite()) {
        Some(bad) => Err(format!("{bad} is no finite number")),
        None => Ok(()),
    }
}
