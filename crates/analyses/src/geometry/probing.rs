//! Train on one checkpoint, test on another.

use serde::Serialize;

use truenorth_reading::stat::LEVEL;
use truenorth_stats::math::{MathError, Placement, negatives_needed, true_positives_at};

/// The AUROC of a direction of one checkpoint on texts of another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProbeCell {
    /// The AUROC on texts of folds that the direction was not fitted on.
    pub auroc: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// The true-positive rate at a rate of false positives of 1 %; none of an AUROC less another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_positives: Option<PositiveShare>,
}

/// A share of the positive texts, with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PositiveShare {
    /// The share of positive texts above the lowest score that at most 1 % of the negative ones exceed.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
}

/// The rate of false positives at which a probe's true positives are told.
pub const FALSE_POSITIVES: f64 = 0.01;

/// A category's probes, every checkpoint on every checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbingMatrix {
    /// The category that is probed.
    pub category: String,
    /// Positive and negative texts.
    pub n: [usize; 2],
    /// A row a checkpoint trained on, a column a checkpoint tested on.
    pub cells: Vec<Vec<ProbeCell>>,
    /// The AUROC of chance, 1/2.
    pub null: f64,
    /// How the intervals are made, in words.
    pub method: String,
}

pub(super) const METHOD: &str =
    "score interval over groups (Newcombe 2006); the directions of the folds held fixed";

/// How the intervals of true-positive rates are made, and which categories have too few negatives, by the fewest
/// groups that the negatives of each are in.
pub(crate) fn rate_method(groups: &[(&str, usize)]) -> String {
    let mut said =
        "true-positive rate at 1 % false positives: order statistics of the negatives for the threshold, a \
                    score interval over groups for the share above it, their arms added in squares"
            .to_owned();
    let needed = negatives_needed(FALSE_POSITIVES, LEVEL);
    let few: Vec<String> =
        groups.iter().filter(|(_, n)| *n < needed).map(|(name, n)| format!("{name} {n}")).collect();
    if !few.is_empty() {
        said.push_str(&format!(
            "; too few negatives to bound it from below ({needed} groups of them are needed, there are: {}), so the \
             interval begins at 0",
            few.join(", ")
        ));
    }
    said
}

/// The AUROC with the interval that every analysis has.
pub(super) fn cell(scores: &[f64], positive: &[bool], groups: &[usize]) -> Result<ProbeCell, MathError> {
    let found = Placement::auroc(scores, positive, groups)?.estimate(LEVEL, 1.0)?;
    let rate = true_positives_at(scores, positive, groups, FALSE_POSITIVES, LEVEL)?;
    Ok(ProbeCell {
        auroc: found.value,
        low: found.interval.low,
        high: found.interval.high,
        true_positives: Some(PositiveShare { value: rate.value, low: rate.low, high: rate.high }),
    })
}
