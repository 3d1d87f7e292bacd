//! What an edit does beside adding a dose, as flags and a study's table say it; and the threshold of a condition.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::ReadAt;
use truenorth_protocol::graph::Decides;

use super::dose::Schedule;
use truenorth_reading::{AnalysisError, as_text};

/// What α is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Multiples of the mean residual norm at the site.
    #[default]
    Norm,
    /// Units of the residual stream.
    Absolute,
    /// Multiples of the vector as its file had it, before it was made one of norm 1.
    Raw,
}

impl Unit {
    /// The name in flags and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Norm => "norm",
            Self::Absolute => "absolute",
            Self::Raw => "raw",
        }
    }
}

/// Ablation, clamp and schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct How {
    /// Ablates the direction before anything is added; of several at one site all that lies in their span.
    #[cfg_attr(feature = "cli", arg(long))]
    pub ablate: bool,
    /// Brings the projection on each direction, after all else, into a range: `LO..HI` in units of α, either end may be
    /// left out, or `neutral`, the range from the 5th to the 95th percentile at the tokens of the neutral texts.
    #[cfg_attr(feature = "cli", arg(long, value_name = "LO..HI", allow_hyphen_values = true))]
    #[schemars(with = "Option<String>")]
    pub clamp: Option<Clamp>,
    /// α shrinks by this factor with each generated token after the first; below a thousandth it is left out.
    #[cfg_attr(feature = "cli", arg(long, value_name = "F", default_value_t = Self::default().decay))]
    pub decay: f64,
    /// Factors of α: of the prompt, of the first generated token, of the second, .., the last one of all that follow.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "F,..", value_delimiter = ',', allow_hyphen_values = true)
    )]
    pub schedule: Vec<f64>,
}

impl Default for How {
    /// Nothing is ablated or clamped, α stays as it is.
    fn default() -> Self {
        Self { ablate: false, clamp: None, decay: 1.0, schedule: vec![] }
    }
}

/// The threshold of a condition, and whose projection it is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct WhenThreshold {
    /// The threshold of the condition, in units of α: nothing is done where the projection on its direction is not above.
    #[cfg_attr(feature = "cli", arg(long, value_name = "T", allow_hyphen_values = true, default_value_t = Self::default().when_above))]
    pub when_above: f64,
    /// Whose projection decides: token (each token its own), or one of the prompt for all of it and all that is generated:
    /// last, mean, mean+sink, an index such as -3, or of a conversation last-user and the like.
    #[cfg_attr(feature = "cli", arg(long, value_name = "P", allow_hyphen_values = true, default_value_t = Self::default().when_by))]
    #[serde(with = "as_text")]
    #[schemars(with = "String")]
    pub when_by: ByWhat,
}

impl Default for WhenThreshold {
    /// Each token's own projection above 0.
    fn default() -> Self {
        Self { when_above: 0.0, when_by: ByWhat(Decides::Token) }
    }
}

impl WhenThreshold {
    /// Refuses a threshold that is no number.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn check(&self) -> Result<(), AnalysisError> {
        if self.when_above.is_finite() {
            return Ok(());
        }
        Err(AnalysisError::Input(format!("--when-above {}; expected a finite number", self.when_above)))
    }
}

impl How {
    /// Refuses numbers that are none, or that nothing could go with.
    ///
    /// # Errors
    /// With the first of them.
    pub fn check(&self) -> Result<(), AnalysisError> {
        let wrong = |what: String| Err(AnalysisError::Input(what));
        if !(self.decay > 0.0 && self.decay <= 1.0) {
            return wrong(format!("--decay {}; expected more than 0 and up to 1, as in 0.9", self.decay));
        }
        if let Some(bad) = self.schedule.iter().find(|f| !f.is_finite()) {
            return wrong(format!("--schedule has {bad}; expected finite factors, as in 1,0.5,0"));
        }
        Ok(())
    }

    /// The factors of α by pass, as [`Schedule`] has them.
    #[must_use]
    pub fn to_schedule(&self) -> Schedule {
        Schedule { factors: self.schedule.clone(), decay: self.decay }
    }
}

/// A range of projections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Clamp {
    /// From here to there, in units of α; an end that was left out is infinite.
    Between(f64, f64),
    /// The range of projections that neutral texts have.
    Neutral,
}

impl FromStr for Clamp {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if s == "neutral" {
            return Ok(Self::Neutral);
        }
        let wrong = || format!("`{s}` is no range; expected LO..HI, as in -0.1..0.1 or ..0, or `neutral`");
        let (low, high) = s.split_once("..").ok_or_else(wrong)?;
        let end = |text: &str, open: f64| match text.trim() {
            "" => Ok(open),
            text => text.parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(wrong),
        };
        let (low, high) = (end(low, f64::NEG_INFINITY)?, end(high, f64::INFINITY)?);
        if low.is_infinite() && high.is_infinite() {
            return Err(wrong());
        }
        if low > high {
            return Err(format!("the range `{s}` begins above its end; write {high}..{low}"));
        }
        Ok(Self::Between(low, high))
    }
}

impl fmt::Display for Clamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Neutral => f.write_str("neutral"),
            Self::Between(low, high) => {
                let end = |v: &f64| if v.is_finite() { v.to_string() } else { String::new() };
                write!(f, "{}..{}", end(low), end(high))
            }
        }
    }
}

impl From<Clamp> for String {
    fn from(clamp: Clamp) -> Self {
        clamp.to_string()
    }
}

impl TryFrom<String> for Clamp {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Whose projection decides, as flags name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByWhat(pub Decides);

impl From<Decides> for ByWhat {
    fn from(of: Decides) -> Self {
        Self(of)
    }
}

impl FromStr for ByWhat {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        if s == "token" {
            return Ok(Self(Decides::Token));
        }
        let wrong = || {
            format!(
                "`{s}` is no row a prompt; expected token, last, mean, mean+sink, an index such as -3, or of a \
                 conversation last-user, mean:user and the like"
            )
        };
        let at: ReadAt = s.parse().map_err(|_| wrong())?;
        if at.by_token() { Err(wrong()) } else { Ok(Self(Decides::Prompt(at))) }
    }
}

impl fmt::Display for ByWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Decides::Token => f.write_str("token"),
            Decides::Prompt(at) => at.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_deciders_read_back() {
        for text in ["-0.1..0.1", "..0", "2..", "neutral"] {
            assert_eq!(text.parse::<Clamp>().unwrap().to_string(), text);
        }
        for bad in ["..", "1", "3..1", "a..b", "nan..1"] {
            assert!(bad.parse::<Clamp>().is_err(), "{bad}");
        }
        for text in ["token", "last", "mean", "-3"] {
            assert_eq!(text.parse::<ByWhat>().unwrap().to_string(), text);
        }
        assert!("all".parse::<ByWhat>().is_err());
    }
}
