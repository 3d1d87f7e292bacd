//! What can be chosen of a board.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use truenorth_reading::analysis::few;
use truenorth_reading::{AnalysisError, Parameters};

/// The least draws that a check of the closed form may rest on.
const LEAST_DRAWS: usize = 10_000;

/// How sequences meet probes, what is compared, and what it is held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What stands between sequence and probe.
    #[cfg_attr(feature = "cli", arg(long, value_name = "STR", default_value_t = Self::default().join))]
    pub join: String,
    /// Two kinds of the sequences, the first expected to score higher.
    #[cfg_attr(feature = "cli", arg(long, value_name = "HIGH,LOW", value_delimiter = ',', num_args = 1))]
    pub contrast: Vec<String>,
    /// Sequences at each end; default a tenth of the board, at least three.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub ends: Option<usize>,
    /// Random directions drawn to check the closed form, 10 000 or more; 0 leaves the check out.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().draws))]
    pub draws: usize,
    /// Directions drawn with the covariance of the readings, which the board's p values rest on; a study draws
    /// directions of exchanged labels too. 0 leaves both out, and no p is printed.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().null_draws))]
    pub null_draws: usize,
    /// Shuffles behind p values that are not exact.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
}

impl Default for Params {
    /// A space between sequence and probe, no kinds compared, 10 000 draws and as many shuffles, 1999 directions like
    /// the readings.
    fn default() -> Self {
        Self {
            join: " ".into(),
            contrast: vec![],
            ends: None,
            draws: LEAST_DRAWS,
            null_draws: 1999,
            permutations: 10_000,
        }
    }
}

impl Params {
    /// The two kinds that are compared, where there are any.
    ///
    /// # Errors
    /// When not two are named.
    pub fn kinds(&self) -> Result<Option<[&str; 2]>, AnalysisError> {
        match &self.contrast[..] {
            [] => Ok(None),
            [high, low] => Ok(Some([high, low])),
            other => Err(AnalysisError::Input(format!(
                "contrast (--contrast) names {} kinds; name two, as in value,filler",
                other.len()
            ))),
        }
    }

    /// Refuses what no board can be summarised by.
    ///
    /// # Errors
    /// When not two kinds are compared, or fewer than 10 000 directions are drawn and not none.
    pub fn check(&self) -> Result<(), AnalysisError> {
        self.kinds()?;
        if (1..LEAST_DRAWS).contains(&self.draws) {
            return Err(AnalysisError::Input(format!(
                "{} random directions (--draws); a check of the closed form needs at least {LEAST_DRAWS}, or none \
                 at all",
                self.draws
            )));
        }
        Ok(())
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        self.draws = 0;
        few(&mut self.null_draws);
        few(&mut self.permutations);
    }
}
