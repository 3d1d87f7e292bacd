//! Which rows are looked at.

use truenorth_reading::AnalysisError;

use super::flags::Flags;
use super::weigh::ExperimentMeasurements;

/// A set of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Neither text is flagged.
    Unflagged,
    /// Neither echoes the prefix.
    NoEcho,
    NoLoop,
    /// Both take a stance.
    Stance,
    /// Neither breaks off.
    Whole,
    /// People rated it.
    Rated,
    Field(String, String),
}

impl Scope {
    pub fn named(name: &str) -> Result<Self, AnalysisError> {
        Ok(match name {
            "unflagged" => Self::Unflagged,
            "no-echo" => Self::NoEcho,
            "no-loop" => Self::NoLoop,
            "stance" => Self::Stance,
            "whole" => Self::Whole,
            "rated" => Self::Rated,
            other => match other.split_once('=').filter(|(f, v)| !f.is_empty() && !v.is_empty()) {
                Some((field, value)) => Self::Field(field.into(), value.into()),
                None => {
                    return Err(AnalysisError::Input(format!(
                        "`scopes` of [experiment] knows no `{other}`; expected unflagged, no-echo, no-loop, stance, whole, rated, or \
                         FIELD=VALUE of the prompts"
                    )));
                }
            },
        })
    }

    /// Whether a row of an arm and a prompt is in it.
    pub fn keeps(
        &self,
        sheet: &ExperimentMeasurements,
        flags: &[Vec<Option<Flags>>],
        arm: usize,
        prompt: usize,
    ) -> bool {
        let neither = |of: fn(Flags) -> bool| {
            let clear = |arm: usize| flags[arm][prompt].is_none_or(|f| !of(f));
            clear(0) && clear(arm)
        };
        match self {
            Self::Unflagged => neither(Flags::any),
            Self::NoEcho => neither(|f| f.echo),
            Self::NoLoop => neither(|f| f.loops),
            Self::Stance => neither(|f| f.no_stance),
            Self::Whole => neither(|f| f.breaks_off),
            Self::Rated => {
                let (arm, prompt) = (&sheet.arms[arm].name, &sheet.prompts[prompt].id);
                sheet.ratings.iter().any(|r| r.kind.is_person() && r.arm == *arm && r.prompt == *prompt)
            }
            Self::Field(field, value) => sheet.prompts[prompt].fields.get(field).is_some_and(|v| v == value),
        }
    }
}
