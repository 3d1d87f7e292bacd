//! Train on one checkpoint, test on another.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, Normal};

use super::super::stat::LEVEL;
use truenorth_stats::math;
use truenorth_stats::math::MathError;

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

pub(super) const METHOD: &str = "Newcombe's method 5 (2006), texts as independent; the directions of the \
     folds held fixed";

/// The AUROC with Newcombe's score-like interval (2006, part 2, method 5), which is sound at 0 and 1.
pub(super) fn cell(scores: &[f64], positive: &[bool]) -> Result<ProbeCell, MathError> {
    let auroc = math::auroc(scores, positive)?;
    let up = positive.iter().filter(|p| **p).count() as f64;
    let down = positive.len() as f64 - up;
    let z = Normal::standard().inverse_cdf(0.5 + LEVEL / 2.0);
    let half = (up + down) / 2.0 - 1.0;
    let spread = |t: f64| {
        let shape = 1.0 + half * (1.0 - t) / (2.0 - t) + half * t / (1.0 + t);
        z * (t * (1.0 - t) * shape / (up * down)).sqrt()
    };
    // |t - auroc| falls below the spread between the two ends; each is found by halving.
    let end = |mut outside: f64| {
        let mut inside = auroc;
        for _ in 0..60 {
            let middle = f64::midpoint(inside, outside);
            if (middle - auroc).abs() <= spread(middle) { inside = middle } else { outside = middle }
        }
        inside
    };
    Ok(ProbeCell { auroc, low: end(0.0), high: end(1.0) })
}
