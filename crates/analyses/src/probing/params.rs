//! What can be chosen in probing.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::estimate::LogisticParams;
use truenorth_stats::estimate::probing::{ProbeEstimator, ProbeSettings};

use truenorth_reading::analysis::few;
use truenorth_reading::{AnalysisError, Parameters, SiteRange, by_name, site_range};

/// What a probe is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Permuted labels, through the whole procedure.
    RandomLabel,
    /// The words of the text, without a model.
    BagOfWords,
    /// The length of the text.
    Length,
    /// A direction of truth, from true and false statements.
    Truth,
    /// An untrained model of the same architecture.
    RandomInit,
}

/// Sites, the probe, its controls and nulls. Positions, estimator and folds are by default those that a study says
/// for all its analyses, else last, logistic and 5.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Sites to choose from, such as resid_post.4..28:4; several with commas, or repeated.
    #[cfg_attr(feature = "cli", arg(long = "site", value_name = "S", required = true))]
    #[serde(rename = "site", alias = "sites", deserialize_with = "site_range::list")]
    #[schemars(with = "Vec<String>", extend("x-alias" = "sites"))]
    pub sites: Vec<SiteRange>,
    /// Which tokens are read: last, mean (attention sinks left out), mean+sink (all tokens), or an index
    /// such as -3.
    #[cfg_attr(
        feature = "cli",
        arg(long, value_name = "P", default_value = "last", allow_hyphen_values = true)
    )]
    #[serde(with = "by_name", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub positions: Option<ReadAt>,
    /// What the probe is held against; as flags they come with the files they read.
    #[cfg_attr(feature = "cli", arg(skip = Self::default().controls))]
    pub controls: Vec<Control>,
    /// logistic, mean-diff or lda.
    #[cfg_attr(feature = "cli", arg(long, value_name = "E", default_value = "logistic"))]
    #[serde(deserialize_with = "by_name::estimator", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("type" = ["string", "object", "null"]))]
    pub estimator: Option<ProbeEstimator>,
    /// Folds of whole groups.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value = "5"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// Label permutations, each through the whole procedure; 0 leaves the nulls out.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::default().permutations))]
    pub permutations: usize,
    /// Seconds a contrast may spend on permutations; how many were done is reported.
    #[cfg_attr(
        feature = "cli",
        arg(long = "budget", value_name = "SECONDS", default_value_t = Self::default().budget_seconds)
    )]
    pub budget_seconds: u64,
    /// Probes all categories together and none by itself.
    #[cfg_attr(feature = "cli", arg(long))]
    pub no_categories: bool,
}

impl Default for Params {
    /// No site yet. The text alone as a control, as many of 1000 permutations as two minutes allow.
    fn default() -> Self {
        Self {
            sites: vec![],
            positions: None,
            controls: vec![Control::RandomLabel, Control::BagOfWords, Control::Length],
            estimator: None,
            folds: None,
            permutations: 1000,
            budget_seconds: 120,
            no_categories: false,
        }
    }
}

/// The parameters once nothing is left open.
pub(super) struct ProbingPlan {
    pub sites: Vec<Site>,
    pub at: ReadAt,
    pub probe: ProbeSettings,
}

impl Params {
    pub(super) fn plan(&self) -> ProbingPlan {
        let logistic = || ProbeEstimator::Logistic { alphas: LogisticParams::default().alphas };
        let usual = ProbeSettings::new(self.estimator.clone().unwrap_or_else(logistic));
        ProbingPlan {
            sites: SiteRange::all(&self.sites),
            at: self.positions.unwrap_or(ReadAt::Last),
            probe: ProbeSettings {
                folds: self.folds.unwrap_or(usual.folds),
                permutations: self.permutations,
                budget: Some(Duration::from_secs(self.budget_seconds)),
                ..usual
            },
        }
    }

    pub(super) fn asks(&self, control: Control) -> bool {
        self.controls.contains(&control)
    }
}

impl Parameters for Params {
    fn rehearse(&mut self) {
        few(&mut self.permutations);
    }

    fn check(&self) -> Result<(), AnalysisError> {
        let refuse = |what: &str| Err(AnalysisError::Input(what.into()));
        if self.sites.is_empty() {
            return refuse("no site to probe; give some, as in resid_post.4..28:4");
        }
        if self.positions.is_some_and(ReadAt::by_token) {
            return refuse(
                "positions `all` give one row per token, and a probe needs one per text; use last, mean, mean+sink or an \
                 index",
            );
        }
        if self.permutations == 0 && self.asks(Control::RandomLabel) {
            return refuse(
                "the control random-label needs permutations, and there are 0; ask for some, or name the controls \
                 without it",
            );
        }
        Ok(())
    }
}
