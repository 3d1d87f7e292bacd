//! What can be chosen of a monitor.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use truenorth_reading::Parameters;

/// How much is generated, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// How many tokens to generate behind each text at most, which are watched too; 0 generates none.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().max_new_tokens))]
    pub max_new_tokens: u32,
    /// 0 is greedy.
    #[cfg_attr(feature = "cli", arg(long, value_name = "T", default_value_t = Self::default().temperature))]
    pub temperature: f64,
}

impl Parameters for Params {
    fn rehearse(&mut self) {}

    fn check(&self) -> Result<(), truenorth_reading::AnalysisError> {
        if self.temperature.is_finite() && self.temperature >= 0.0 {
            return Ok(());
        }
        Err(truenorth_reading::AnalysisError::Input(format!(
            "--temperature {}; expected 0 for greedy, or a number above 0",
            self.temperature
        )))
    }
}
