//! The true-positive rate at 1 % false positives beside an AUROC, made and said as `geometry` does.

use std::collections::HashSet;

use truenorth_reading::AnalysisError;
use truenorth_reading::stat::{LEVEL, of};
use truenorth_stats::math::{MathError, negatives_needed, numbered, true_positives_at};

use super::ContrastProbe;
use super::contrast::RowLabels;
use crate::geometry::{FALSE_POSITIVES, PositiveShare, rate_method};

/// The rate on these scores; none where the positive texts are all of one group, and nothing says how unsure it is.
pub(super) fn rate(
    what: &str,
    scores: &[f64],
    marks: &RowLabels,
) -> Result<Option<PositiveShare>, AnalysisError> {
    match true_positives_at(scores, &marks.labels, &numbered(&marks.groups), FALSE_POSITIVES, LEVEL) {
        Ok(found) => Ok(Some(PositiveShare { value: found.value, low: found.low, high: found.high })),
        Err(MathError::TooFew { .. }) => Ok(None),
        Err(e) => Err(of(what, &e)),
    }
}

/// Groups with negative texts.
pub(super) fn negative_groups(marks: &RowLabels) -> usize {
    let down = marks.groups.iter().zip(&marks.labels).filter(|(_, positive)| !**positive);
    down.map(|(group, _)| group).collect::<HashSet<_>>().len()
}

/// The rates' sets in words, with the groups of their negatives.
fn sets(contrasts: &[ContrastProbe]) -> Vec<(String, usize)> {
    let mut out = Vec::new();
    for c in contrasts {
        out.push((c.category.clone(), c.negative_groups));
        out.extend(c.tests.iter().map(|t| (format!("{} on {}", c.category, t.name), t.negative_groups)));
    }
    out
}

/// How the rates and their intervals are made, and which sets have too few negatives for the lower end.
pub(super) fn method(contrasts: &[ContrastProbe]) -> String {
    let sets = sets(contrasts);
    let named: Vec<(&str, usize)> = sets.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    format!(
        "{}; of held-out texts it is that of the first split of those that the AUROC is a mean over, the directions of its \
         folds held fixed",
        rate_method(&named)
    )
}

/// Whether any set has too few negatives to bound its rate from below.
pub(super) fn few(contrasts: &[ContrastProbe]) -> bool {
    let needed = negatives_needed(FALSE_POSITIVES, LEVEL);
    sets(contrasts).iter().any(|(_, n)| *n < needed)
}
