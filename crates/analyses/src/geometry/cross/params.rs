//! Into which model directions are pushed, how far, and at which tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::WriteAt;

use super::super::GENERAL;
use super::ENOUGH;
use crate::compare::truth_or_text;
use truenorth_reading::{AnalysisError, ChatChoice, as_text};

/// Into which model directions are pushed, how far, and what is written then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields)]
pub struct CrossParams {
    /// Pushes every checkpoint's directions into this model and counts refusals and incoherent texts in what it writes.
    #[cfg_attr(
        feature = "cli",
        arg(long = "steer-into", value_name = "M[@REV]", requires = "classes", required = false)
    )]
    pub model: String,
    /// How far, in multiples of the difference of the checkpoint's class means.
    #[serde(rename = "lambda", alias = "lambdas", default = "lambdas")]
    #[schemars(extend("x-alias" = "lambdas"))]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "lambda",
            value_name = "L,..",
            value_delimiter = ',',
            allow_hyphen_values = true,
            default_values_t = lambdas(),
            requires = "model"
        )
    )]
    pub lambdas: Vec<f64>,
    /// Tokens written a text at most.
    #[serde(default = "tokens")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = tokens(), requires = "model"))]
    pub max_new_tokens: u32,
    /// Random directions of the same size beside each, drawn like the checkpoint's activations; 19 allow p = 0.05.
    #[serde(default = "directions")]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = directions(), requires = "model"))]
    pub random_directions: usize,
    /// Categories whose directions are pushed; several with commas.
    #[serde(default = "general")]
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "steer-category",
            value_name = "C,..",
            value_delimiter = ',',
            default_values_t = general(),
            requires = "model"
        )
    )]
    pub categories: Vec<String>,
    /// At which tokens.
    #[serde(default = "all", with = "as_text")]
    #[schemars(with = "String")]
    #[cfg_attr(feature = "cli", arg(
            long,
            value_name = "P",
            allow_hyphen_values = true,
            default_value_t = all(),
            requires = "model"
        ))]
    pub push: WriteAt,
    /// Puts the prompts before the steered model as conversations, by its own chat template or one of that name, whatever
    /// way the texts of the checkpoints go in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "truth_or_text")]
    // The id of its own: `chat` is that of the flag that says how the checkpoints' texts go in.
    #[cfg_attr(feature = "cli", arg(
            id = "steer_chat",
            long = "steer-chat",
            value_name = "NAME",
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "",
            requires = "model"
        ))]
    pub chat: Option<ChatChoice>,
}

fn lambdas() -> Vec<f64> {
    vec![-2.0, -1.0, 0.0, 1.0, 2.0]
}

fn tokens() -> u32 {
    32
}

fn directions() -> usize {
    ENOUGH
}

fn general() -> Vec<String> {
    vec![GENERAL.to_owned()]
}

fn all() -> WriteAt {
    WriteAt::All
}

impl CrossParams {
    /// Into a model, as far and as often as the source of this study went.
    #[must_use]
    pub fn into(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            lambdas: lambdas(),
            max_new_tokens: tokens(),
            random_directions: directions(),
            categories: general(),
            push: all(),
            chat: None,
        }
    }

    /// Refuses choices that nothing could be written with.
    ///
    /// # Errors
    /// When a λ is not finite, none differs from 0, or no token may be written.
    pub fn check(&self) -> Result<(), AnalysisError> {
        if let Some(bad) = self.lambdas.iter().find(|l| !l.is_finite()) {
            return Err(AnalysisError::Input(format!("λ {bad} (--lambda); expected numbers such as -2,0,2")));
        }
        if self.lambdas.iter().all(|l| *l == 0.0) {
            return Err(AnalysisError::Input(
                "no λ but 0 (--lambda); expected numbers such as -2,0,2".into(),
            ));
        }
        if self.max_new_tokens == 0 {
            return Err(AnalysisError::Input(
                "0 tokens to write (--max-new-tokens); expected at least 1".into(),
            ));
        }
        Ok(())
    }

    /// The λ in order, each once, with 0.
    pub(super) fn doses(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.lambdas.iter().chain(&[0.0]).map(|l| l + 0.0).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    }
}
