//! What can be chosen in a look at texts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use truenorth_reading::{AnalysisError, Parameters};

/// The look at the texts that every study begins with: how they are dealt, from where on a difference of length counts,
/// and what is claimed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Folds that texts, pairs and clusters are dealt to; default those of the study, else 5.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Ways to deal; the numbers are means over them.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().deals))]
    pub deals: usize,
    /// The difference of lengths, as a share of the longer one, above which a pair is counted.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().length_gap))]
    pub length_gap: f64,
    /// The AUROC that is claimed or expected of a direction: how many pairs would it take to tell it from 1/2?
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().claim))]
    pub claim: f64,
}

impl Default for Params {
    /// 20 ways to deal to 5 folds, lengths 8 % apart, a claimed AUROC of 0.6.
    fn default() -> Self {
        Self { folds: None, deals: 20, length_gap: 0.08, claim: 0.6 }
    }
}

impl Params {
    /// Folds that texts are dealt to.
    #[must_use]
    pub fn dealt_to(&self) -> usize {
        self.folds.unwrap_or(5)
    }
}

impl Parameters for Params {
    /// Nothing is asked of a model, so all of it is done.
    fn rehearse(&mut self) {}

    fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |what: String, hint: &str| Err(AnalysisError::Asked { what, remedy: hint.into() });
        if self.dealt_to() < 2 {
            return refuse(
                format!("expected at least 2 folds, got {}", self.dealt_to()),
                "ask for 2 or more with --folds",
            );
        }
        if self.deals == 0 {
            return refuse("0 ways to deal tell nothing".into(), "ask for 1 or more with --deals");
        }
        if !(self.length_gap.is_finite() && (0.0..1.0).contains(&self.length_gap)) {
            return refuse(
                format!("{} is no share of a length", self.length_gap),
                "give a number from 0 up to 1 with --length-gap, such as 0.08 for 8 %",
            );
        }
        if !(self.claim > 0.5 && self.claim < 1.0) {
            return refuse(
                format!("a claimed AUROC of {} is not between 1/2 and 1", self.claim),
                "give one above 0.5 and below 1 with --claim",
            );
        }
        Ok(())
    }
}
