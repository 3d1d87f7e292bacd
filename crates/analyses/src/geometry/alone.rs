//! What length and words alone tell of a category, beside its own direction.

use ndarray::Array2;
use serde::Serialize;
use truenorth_stats::estimate::WordSets;
use truenorth_stats::math::{MathError, Placement};

use super::fit::{CategoryContrast, FittedContrast};
use super::{GeometryTexts, ProbeCell};
use truenorth_reading::stat::LEVEL;

/// A category's direction at the last checkpoint, and what comes along with its texts. Sentiment is not at hand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CategoryAlone {
    /// The category whose direction it is.
    pub category: String,
    /// Held-out AUROC of the direction itself.
    pub own: ProbeCell,
    /// `length` (in characters) and `words` (naive Bayes), on the same folds: its AUROC, and the direction's less it,
    /// paired by group.
    pub alone: Vec<(String, ProbeCell, ProbeCell)>,
}

/// None where the texts are not at hand.
pub(super) fn alone(
    texts: &GeometryTexts,
    contrast: &CategoryContrast,
    kept: &FittedContrast,
    x: &Array2<f64>,
) -> Result<Option<CategoryAlone>, MathError> {
    if texts.texts.is_empty() {
        return Ok(None);
    }
    let (clusters, positive) = (contrast.clusters(), &contrast.positive);
    let placed = |scores: &[f64]| Placement::auroc(scores, positive, &clusters);
    let own = placed(&contrast.project(x, &kept.without))?;
    let all: Vec<&str> = contrast.rows.iter().map(|i| texts.texts[*i].as_str()).collect();
    let lengths: Vec<f64> = all.iter().map(|t| t.chars().count() as f64).collect();
    let mut things = vec![("length", contrast.held_out(|_| lengths.clone())?)];
    if let Some(words) = WordSets::of(&all) {
        things.push(("words", contrast.held_out(|train| words.log_odds(train, positive))?));
    }
    let cell = |value: f64, low: f64, high: f64| ProbeCell { auroc: value, low, high, true_positives: None };
    let mut out = Vec::with_capacity(things.len());
    for (name, scores) in things {
        let placed = placed(&scores)?;
        let (of, less) = (placed.interval(LEVEL, 1.0)?, own.less(&placed, LEVEL, 1.0)?);
        out.push((
            name.to_owned(),
            cell(placed.value(), of.low, of.high),
            cell(less.value, less.interval.low, less.interval.high),
        ));
    }
    let interval = own.interval(LEVEL, 1.0)?;
    Ok(Some(CategoryAlone {
        category: contrast.name.clone(),
        own: cell(own.value(), interval.low, interval.high),
        alone: out,
    }))
}
