//! Train on one checkpoint, test on another.

use serde::Serialize;

use truenorth_reading::stat::LEVEL;
use truenorth_stats::math::{MathError, Placement};

/// The AUROC of a direction of one checkpoint on texts of another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ProbeCell {
    /// The AUROC on texts of folds that the direction was not fitted on.
    pub auroc: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A category's probes, every checkpoint on every checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbingMatrix {
    /// The category.
    pub category: String,
    /// Positive and negative texts.
    pub n: [usize; 2],
    /// A row a checkpoint trained on, a column a checkpoint tested on.
    pub cells: Vec<Vec<ProbeCell>>,
    /// What chance gives.
    pub null: f64,
    /// How the intervals are made.
    pub method: String,
}

pub(super) const METHOD: &str =
    "score interval over groups (Newcombe 2006); the directions of the folds held fixed";

/// The AUROC with the interval that every analysis has.
pub(super) fn cell(scores: &[f64], positive: &[bool], groups: &[usize]) -> Result<ProbeCell, MathError> {
    let found = Placement::auroc(scores, positive, groups)?.estimate(LEVEL, 1.0)?;
    Ok(ProbeCell { auroc: found.value, low: found.interval.low, high: found.interval.high })
}
