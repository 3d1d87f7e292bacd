//! What can be chosen in an audit.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_stats::estimate::audit::AuditParams;

use truenorth_reading::Parameters;
use truenorth_reading::analysis::few;

/// Nulls, levels and margins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Random directions of the null.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().random_directions))]
    pub random_directions: usize,
    /// Shuffles of the training labels, each through the whole pipeline; 0 leaves them out.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
    /// Seconds after which no further shuffle is begun; how many were done is reported.
    #[cfg_attr(
        feature = "cli",
        arg(long = "budget", value_name = "SECONDS", default_value_t = Self::default().budget_seconds)
    )]
    pub budget_seconds: u64,
    /// An AUROC within this of 1/2 does not matter.
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", default_value_t = Self::default().margin))]
    pub margin: f64,
    /// Leaves the comparison with other estimators out.
    #[cfg_attr(feature = "cli", arg(long))]
    pub no_agreement: bool,
}

impl Default for Params {
    /// 10 000 random directions, as many of 1000 permutations as two minutes allow.
    fn default() -> Self {
        let numbers = AuditParams::default();
        Self {
            random_directions: numbers.random_directions,
            permutations: numbers.permutations,
            budget_seconds: 120,
            margin: numbers.margin,
            no_agreement: false,
        }
    }
}

impl Params {
    pub(super) fn numbers(&self) -> AuditParams {
        AuditParams {
            random_directions: self.random_directions,
            permutations: self.permutations,
            budget: Some(Duration::from_secs(self.budget_seconds)),
            margin: self.margin,
            ..AuditParams::default()
        }
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
    }
}
