//! What came out, as it is written.

use std::collections::BTreeMap;

use serde::Serialize;
use truenorth_stats::estimate::probing;

use super::{Baseline, Truth};
use crate::geometry::PositiveShare;
use truenorth_reading::LeftOutTexts;
use truenorth_reading::stat::Number;

/// A set of texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SetSize {
    /// `train`, or the name of a test set.
    pub name: String,
    /// Positive and negative texts.
    pub n: [usize; 2],
    /// Groups that are never split between folds.
    pub groups: usize,
    /// Groups that were joined because they hold equal texts.
    pub joined: usize,
    /// SHA-256 of the file.
    pub data_sha256: String,
}

/// AUROC of one site on one set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SiteRow {
    /// The site that was probed.
    pub site: String,
    /// `held-out`, or the name of a test set.
    pub set: String,
    /// AUROC at this site; `n` counts texts.
    pub auroc: Number,
    /// Share on the right side of a threshold chosen on other texts; for test sets at the chosen site only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Number>,
    /// The chance that any site reaches this AUROC on permuted labels; held-out texts only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_any_site: Option<f64>,
    /// AUROC of the controls here: `random-label` (mean of permuted labels), `truth`, `random-init`,
    /// `bag-of-words` and `length`, which have no site.
    pub controls: BTreeMap<String, f64>,
    /// Logistic regression: the penalty of each fold, then of the fit on all texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alphas: Vec<f64>,
    /// Columns with one value in all training texts.
    pub constant_columns: usize,
}

/// A test set at the site whose held-out AUROC is furthest above its null.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestSetResult {
    /// Name of the test set.
    pub name: String,
    /// Groups of it.
    pub groups: usize,
    /// The site, chosen on training texts.
    pub site: String,
    /// Whether negatives of other categories stand in for its own.
    pub shared_negatives: bool,
    /// AUROC; the null is permuted training labels, the choice of site repeated.
    pub auroc: Number,
    /// The true-positive rate at a rate of false positives of 1 %; none where its positive texts are all of one group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_positives: Option<PositiveShare>,
    /// Groups with negative texts, on which the threshold of that rate rests.
    pub negative_groups: usize,
    /// Share on the right side of a threshold chosen on held-out training texts.
    pub accuracy: Number,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde calls
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// A category against negatives, or all together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ContrastProbe {
    /// The category, or `all`.
    pub category: String,
    /// Positive and negative training texts.
    pub n: [usize; 2],
    /// Groups of the training texts.
    pub groups: usize,
    /// Whether negatives of other categories stand in for its own.
    pub shared_negatives: bool,
    /// Test sets without a positive text of this category.
    pub untested: Vec<String>,
    /// Held-out AUROC with the site chosen inside the training folds; the null repeats all choices.
    pub held_out: Number,
    /// The true-positive rate at a rate of false positives of 1 % of the same scores, on the first split of those that the AUROC
    /// is a mean over; none where the positive texts are all of one group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_positives: Option<PositiveShare>,
    /// Groups with negative texts, on which the threshold of that rate rests.
    pub negative_groups: usize,
    /// Held-out accuracy at a threshold chosen with the site.
    pub accuracy: Number,
    /// The site chosen inside the training folds, for each fold.
    pub chosen: Vec<String>,
    /// Groups with unequal numbers of the two labels, which are shuffled text by text.
    #[serde(skip_serializing_if = "is_zero")]
    pub uneven: usize,
    /// The site whose held-out AUROC is furthest above its null, at which test sets are scored.
    pub best: String,
    /// The held-out AUROC at that site, against that of every permutation at its own such site.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest: Option<Number>,
    /// Held-out AUROC less its mean on permuted labels (Hewitt and Liang 2019).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selectivity: Option<f64>,
    /// p of `held_out` after Holm over the family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// p of `held_out` after Benjamini and Hochberg over the family.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_bh: Option<f64>,
    /// Permutations done; fewer than asked for where the time ran out.
    pub permutations: usize,
    /// Test sets at the best site.
    pub tests: Vec<TestSetResult>,
    /// A row a site and set.
    pub rows: Vec<SiteRow>,
    /// Controls that go through the same procedure.
    pub baselines: Vec<Baseline>,
    /// A direction of truth on these texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Name and reason of controls that gave no number.
    pub absent: Vec<(String, String)>,
    /// The layer-by-layer numbers behind it; not written.
    #[serde(skip)]
    pub probing: probing::ProbingResult,
}

/// A category that can't be probed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RefusedCategory {
    /// The category that was left out.
    pub category: String,
    /// The error, in words.
    pub why: String,
}

/// The tests that adjusted p values are adjusted over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeTestFamily {
    /// What is tested in the family, in words.
    pub name: String,
    /// Tests in the family.
    pub size: usize,
}

/// What probing found of every category, and of all together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probed {
    /// The sites in the order probed.
    pub sites: Vec<String>,
    /// The tokens that were read, such as `last`.
    pub positions: String,
    /// Name of the estimator, such as `mean-diff`.
    pub estimator: String,
    /// Folds of whole groups.
    pub folds: usize,
    /// Label of the positive class.
    pub positive: String,
    /// The training texts, then the test sets.
    pub sets: Vec<SetSize>,
    /// What each test set had in common with the training texts.
    pub apart: Vec<LeftOutTexts>,
    /// How the true-positive rates and their intervals are made, and which sets have too few negatives.
    pub rate_method: String,
    /// A row a category, that of all categories first.
    pub contrasts: Vec<ContrastProbe>,
    /// Categories that can't be probed.
    pub refused: Vec<RefusedCategory>,
    /// The family of the adjusted p values.
    pub family: ProbeTestFamily,
    /// Permutations asked for.
    pub permutations_asked: usize,
    /// What probing does not show, a sentence each.
    pub not_shown: Vec<String>,
}
