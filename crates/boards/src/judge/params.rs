//! What can be chosen of a judge.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Markup, NoOpinionBand};
use truenorth_reading::analysis::few;
use truenorth_reading::{AnalysisError, Parameters};

/// The name that leaves the markup to the model's vocabulary.
const AUTO: &str = "auto";

/// How a judge is asked, and when it has no opinion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The chat markup around it: auto, own (the model's chat template), plain, chatml, llama3, gemma, tulu, mistral.
    /// `auto` takes the model's own if it is asked with --chat or its name says that it chats; where that has none,
    /// the one that its vocabulary has; else plain.
    #[cfg_attr(feature = "cli", arg(long, value_name = "M", default_value_t = Self::default().markup))]
    pub markup: String,
    /// The two answers, such as ` A` and ` B`; default by question and markup.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X,Y", value_delimiter = ',', num_args = 1))]
    pub answers: Vec<String>,
    /// The least preference in nats that counts as one.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().least_preference))]
    pub least_preference: f64,
    /// The least probability of the two answers together.
    #[cfg_attr(feature = "cli", arg(long, value_name = "P", default_value_t = Self::default().least_mass))]
    pub least_mass: f64,
    /// Shuffles behind the null of κ.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
}

impl Default for Params {
    /// The markup that the model expects with the answers that go with it, the band of [`NoOpinionBand::default`], 2000
    /// shuffles.
    fn default() -> Self {
        let NoOpinionBand { least_preference, least_mass } = NoOpinionBand::default();
        Self { markup: AUTO.into(), answers: vec![], least_preference, least_mass, permutations: 2000 }
    }
}

impl Params {
    pub(super) fn markup(&self) -> Result<Option<Markup>, AnalysisError> {
        if self.markup == AUTO { Ok(None) } else { Markup::named(&self.markup).map(Some) }
    }

    /// The two answers, where they are named.
    pub(super) fn answers(&self) -> Result<Option<[&str; 2]>, AnalysisError> {
        match &self.answers[..] {
            [] => Ok(None),
            [a, b] => Ok(Some([a, b])),
            other => Err(AnalysisError::Input(format!(
                "answers (--answers) names {} answers; name two, as in ' A, B'",
                other.len()
            ))),
        }
    }

    /// When the judge counts as having no opinion.
    pub(super) fn band(&self) -> NoOpinionBand {
        NoOpinionBand { least_preference: self.least_preference, least_mass: self.least_mass }
    }

    /// Refuses what no judge can be asked by.
    ///
    /// # Errors
    /// With an unknown markup, answers that are not two, or a band that can't be.
    pub fn check(&self) -> Result<(), AnalysisError> {
        self.markup()?;
        self.answers()?;
        let band = self.band();
        if band.least_preference >= 0.0 && (0.0..=1.0).contains(&band.least_mass) {
            return Ok(());
        }
        Err(AnalysisError::Input(format!(
            "the band of abstention can't be: the least preference is {} (--least-preference, at least 0) and the \
             least mass {} (--least-mass, from 0 to 1)",
            band.least_preference, band.least_mass
        )))
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
    }
}
