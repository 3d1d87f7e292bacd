//! What can be chosen of ratings.

use serde::{Deserialize, Serialize};

use truenorth_reading::Parameters;
use truenorth_reading::analysis::few;

/// What the agreement of raters is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Shuffles behind the null of κ.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
}

impl Default for Params {
    /// 2000 shuffles.
    fn default() -> Self {
        Self { permutations: 2000 }
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
    }
}
