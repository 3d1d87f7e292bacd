//! What can be chosen when boards are compared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use truenorth_reading::Parameters;
use truenorth_reading::analysis::few;

/// Groups of sequences, and nulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Labels of the sequences to group by; repeatable. Default: all that group.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD"))]
    pub label: Vec<String>,
    /// The label that is crossed with transfer, such as the kind of token.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD"))]
    pub kind: Option<String>,
    /// The label by which sequences are resampled together; default those of one `pair`, each other by itself.
    #[cfg_attr(feature = "cli", arg(long, value_name = "FIELD"))]
    pub cluster: Option<String>,
    /// Sequences at each end of a board; default a tenth, at least three.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub ends: Option<usize>,
    /// Shuffles behind p values that are not exact.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
}

impl Default for Params {
    /// Every label that groups, none crossed, matched sequences together; 10 000 shuffles.
    fn default() -> Self {
        Self { label: vec![], kind: None, cluster: None, ends: None, permutations: 10_000 }
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
    }
}
