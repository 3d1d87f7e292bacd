//! What can be chosen when directions are laid beside each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::ReadAt;
use truenorth_stats::estimate::{CheckedEstimator, Estimator};

use truenorth_reading::analysis::few;
use truenorth_reading::{AnalysisError, Parameters, by_name};

/// The token read, the estimator, folds and draws. Positions, estimator and folds are by default those that a study
/// says for all its analyses, else last, mean-diff and 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)
    )]
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub positions: Option<ReadAt>,
    /// mean-diff, logistic or lda.
    #[cfg_attr(feature = "cli", arg(long, value_name = "E", default_value = "mean-diff"))]
    #[serde(deserialize_with = "by_name::estimator", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("type" = ["string", "object", "null"]))]
    pub estimator: Option<Estimator>,
    /// Folds of whole groups.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "5"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Series simulated behind each change-point test.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
    /// Label exchanges behind each cosine's p, and as many directions drawn like the activations; 0 leaves both out, and
    /// no p is printed.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().null_draws))]
    pub null_draws: usize,
    /// Whether every checkpoint's probes are tested on every other's texts.
    #[cfg_attr(
        feature = "cli",
        arg(
            long = "no-probing",
            action = clap::ArgAction::SetFalse,
            help = "Leaves out the probes of every checkpoint on every other"
        )
    )]
    pub probing: bool,
}

impl Default for Params {
    /// 1999 simulated series, 99 label exchanges, and the probes of every checkpoint on every other.
    fn default() -> Self {
        Self {
            positions: None,
            estimator: None,
            folds: None,
            permutations: 1999,
            null_draws: 99,
            probing: true,
        }
    }
}

/// The parameters once nothing is left open.
pub(super) struct GeometryPlan {
    pub estimator: CheckedEstimator,
    pub folds: usize,
    pub permutations: usize,
    pub null_draws: usize,
    pub probing: bool,
}

impl Params {
    /// The token that texts are read at.
    #[must_use]
    pub fn at(&self) -> ReadAt {
        self.positions.unwrap_or(ReadAt::Last)
    }

    /// The estimator of every direction.
    #[must_use]
    pub fn estimator(&self) -> Estimator {
        self.estimator.clone().unwrap_or(Estimator::MeanDiff)
    }

    pub(super) fn plan(&self) -> Result<GeometryPlan, AnalysisError> {
        self.check()?;
        Ok(GeometryPlan {
            estimator: self.estimator().check()?,
            folds: self.folds.unwrap_or(5),
            permutations: self.permutations,
            null_draws: self.null_draws,
            probing: self.probing,
        })
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
        few(&mut self.null_draws);
    }

    fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |what: String| Err(AnalysisError::Input(what));
        if self.positions.is_some_and(ReadAt::by_token) {
            return refuse(
                "positions `all` give one row per token, and a direction needs one per text; use last, mean, mean+sink or \
                 an index"
                    .into(),
            );
        }
        if self.estimator == Some(Estimator::Pca) {
            return refuse("classes have no pairs for pca; use mean-diff, logistic or lda".into());
        }
        if let Some(folds) = self.folds.filter(|n| *n < 2) {
            return refuse(format!("{folds} folds (--folds); expected at least 2"));
        }
        self.estimator().check()?;
        Ok(())
    }
}
