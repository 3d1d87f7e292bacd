//! What an audit found.

use serde::Serialize;
use truenorth_stats::estimate::audit::{AuditRow, FlipRanking};
use truenorth_stats::estimate::{Estimate, ProjectedOut};

use super::{EstimatorAgreement, EstimatorHeldOut};
use truenorth_reading::LeftOutTexts;

/// What is left of the direction when a confound's own is projected out of every text first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Without {
    /// Held-out AUROC of the training contrast.
    pub auroc: Estimate,
    /// Cosine of the direction found then with the audited one.
    pub cosine: f64,
}

/// A confound, and what can be said about it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfoundRow {
    /// The set's numbers, as the audit has them.
    #[serde(flatten)]
    pub row: AuditRow,
    /// What the positive end of its set is.
    pub positive_end: String,
    /// SHA-256 of its file.
    pub data_sha256: String,
    /// `random.p`: of the separation, against matched random directions.
    pub p: f64,
    /// The central 95 % of the AUROC of matched random directions.
    pub null_interval: [f64; 2],
    /// `p` adjusted by Benjamini and Hochberg over the same family as `p_adjusted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_bh: Option<f64>,
    /// The training contrast with this confound projected out; none of a circular set whose own direction is all that
    /// the contrast has.
    pub without: Option<Without>,
    /// What was ruled out and what was not.
    pub says: String,
}

/// A set of value flips, ranked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlipRow {
    /// The name of the confound set, as flags or the study call it.
    pub name: String,
    /// SHA-256 of its file.
    pub data_sha256: String,
    /// What was left out of it since the direction was fitted on it; none where nobody looked.
    pub apart: Option<LeftOutTexts>,
    /// How many pairs are ranked right, and how strongly.
    #[serde(flatten)]
    pub ranking: FlipRanking,
    /// Each pair's name and difference of projections, over the training contrast's mean difference.
    pub pairs: Vec<(String, f64)>,
    /// What follows from the ranking and what does not, in words.
    pub says: String,
}

/// The tests that adjusted p values are adjusted over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditTestFamily {
    /// What is tested in the family, in words.
    pub name: String,
    /// Tests in the family.
    pub size: usize,
    /// Family-wise error of the verdicts.
    pub alpha: f64,
}

/// An audit of one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audited {
    /// The site at which texts were read.
    pub site: String,
    /// The tokens that were read, such as `last`.
    pub positions: String,
    /// Name of the estimator, such as `mean-diff`.
    pub estimator: String,
    /// Whether the direction was given, or found by the pipeline here.
    pub given: bool,
    /// Cosine of the audited direction with what the pipeline finds.
    pub cosine_to_pipeline: f64,
    /// What was projected out of the training texts, with cosines before and after.
    pub projected_out: Vec<ProjectedOut>,
    /// Name and reason of what was to be projected out and is not there.
    pub absent: Vec<(String, String)>,
    /// How well the pipeline separates training texts it has not seen.
    pub held_out: EstimatorHeldOut,
    /// Pairs, or texts of both classes, of the training contrast.
    pub examples: usize,
    /// A row a confound.
    pub rows: Vec<ConfoundRow>,
    /// The family of the adjusted p values.
    pub family: AuditTestFamily,
    /// An AUROC within this of 1/2 does not matter.
    pub margin: f64,
    /// Random directions behind each `random`.
    pub random_directions: usize,
    /// Permutations of the pipeline asked for.
    pub permutations_asked: usize,
    /// Permutations of the pipeline done.
    pub permutations: usize,
    /// The value flips, a set each.
    pub flips: Vec<FlipRow>,
    /// Other estimators, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<EstimatorAgreement>,
    /// What the audit does not show, a sentence each.
    pub not_shown: Vec<String>,
}
