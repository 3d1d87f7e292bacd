//! What can be chosen when a baked model is held against its origin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use truenorth_reading::{AnalysisError, Parameters};

/// How separation is held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Folds in which a direction is fitted anew; copies, pairs and groups are held out together.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().folds))]
    pub folds: usize,
}

impl Default for Params {
    /// Five folds.
    fn default() -> Self {
        Self { folds: 5 }
    }
}

impl Parameters for Params {
    /// Nothing is drawn that a model is asked about.
    fn rehearse(&mut self) {}

    fn check(&self) -> Result<(), AnalysisError> {
        if self.folds >= 2 {
            return Ok(());
        }
        Err(AnalysisError::Input(format!("--folds {}; expected at least 2", self.folds)))
    }
}
