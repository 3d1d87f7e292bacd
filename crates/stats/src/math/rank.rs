//! Ranks, and what is made of them.

use super::MathError;
use super::error::finite;

/// Ranks from 1, ties sharing the mean of the ranks they cover.
///
/// # Errors
/// When a value is not finite.
pub fn ranks(values: &[f64]) -> Result<Vec<f64>, MathError> {
    finite("values", values)?;
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut out = vec![0.0; values.len()];
    let mut start = 0;
    for tie in order.chunk_by(|a, b| values[*a] == values[*b]) {
        // Ranks start + 1 ..= start + len.
        let shared = start as f64 + (tie.len() as f64 + 1.0) / 2.0;
        for &i in tie {
            out[i] = shared;
        }
        start += tie.len();
    }
    Ok(out)
}

/// The chance that a positive scores above a negative, ties counted half.
///
/// # Errors
/// When lengths differ, a score is not finite, or either class is empty.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Result<f64, MathError> {
    SortedScores::new(scores, positive)?.auroc(None)
}

/// Spearman's rank correlation: Pearson's correlation of mid-ranks.
///
/// # Errors
/// When lengths differ, there are fewer than two values, a value is not finite, or either list
/// is constant.
pub fn spearman(a: &[f64], b: &[f64]) -> Result<f64, MathError> {
    correlation(a, b, |values| {
        let mean = (values.len() as f64 + 1.0) / 2.0;
        Ok(ranks(values)?.into_iter().map(|r| r - mean).collect())
    })
}

/// Pearson's correlation of two lists.
///
/// # Errors
/// As [`spearman`].
pub fn pearson(a: &[f64], b: &[f64]) -> Result<f64, MathError> {
    correlation(a, b, |values| {
        let mean = super::mean(values)?;
        let alike = values.iter().all(|v| *v == values[0]);
        Ok(values.iter().map(|v| if alike { 0.0 } else { v - mean }).collect())
    })
}

/// The product of two lists, each about its centre, by their lengths.
fn correlation(
    a: &[f64],
    b: &[f64],
    centre: impl Fn(&[f64]) -> Result<Vec<f64>, MathError>,
) -> Result<f64, MathError> {
    if a.len() != b.len() {
        return Err(MathError::Length { what: "second list", expected: a.len(), found: b.len() });
    }
    if a.len() < 2 {
        return Err(MathError::TooFew { what: "values", least: 2, found: a.len() });
    }
    let (ra, rb) = (centre(a)?, centre(b)?);
    let square = |r: &[f64]| r.iter().map(|v| v * v).sum::<f64>();
    let (sa, sb) = (square(&ra), square(&rb));
    for (what, sum, values) in [("first list", sa, a), ("second list", sb, b)] {
        if sum == 0.0 {
            return Err(MathError::Constant { what, value: values[0] });
        }
    }
    let product: f64 = ra.iter().zip(&rb).map(|(x, y)| x * y).sum();
    Ok((product / (sa.sqrt() * sb.sqrt())).clamp(-1.0, 1.0))
}

/// Scores sorted once, so that resampling costs a pass and not a sort.
#[derive(Clone, Debug)]
pub struct SortedScores {
    /// Original row, its class, and whether a new score starts here; ascending in score.
    order: Vec<(usize, bool, bool)>,
}

impl SortedScores {
    /// Sorts.
    ///
    /// # Errors
    /// When lengths differ or a score is not finite.
    pub fn new(scores: &[f64], positive: &[bool]) -> Result<Self, MathError> {
        if scores.len() != positive.len() {
            return Err(MathError::Length { what: "labels", expected: scores.len(), found: positive.len() });
        }
        finite("scores", scores)?;
        let mut rows: Vec<usize> = (0..scores.len()).collect();
        rows.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        let mut last = None;
        let order = rows
            .into_iter()
            .map(|row| {
                let new = last != Some(scores[row]);
                last = Some(scores[row]);
                (row, positive[row], new)
            })
            .collect();
        Ok(Self { order })
    }

    /// The area under the curve, with a count for every original row (all one when `None`).
    ///
    /// # Errors
    /// When a class has no weight, or `counts` is too short.
    pub fn auroc(&self, counts: Option<&[u32]>) -> Result<f64, MathError> {
        if let Some(counts) = counts
            && counts.len() != self.order.len()
        {
            return Err(MathError::Length {
                what: "counts",
                expected: self.order.len(),
                found: counts.len(),
            });
        }
        // Negatives strictly below, and negatives and positives of the current tie.
        let (mut below, mut tied, mut tied_positive) = (0.0, 0.0, 0.0);
        let (mut area, mut positives) = (0.0, 0.0);
        for &(row, positive, new) in &self.order {
            let count = counts.map_or(1.0, |c| f64::from(c[row]));
            if new {
                area += tied_positive * (below + tied / 2.0);
                positives += tied_positive;
                below += tied;
                (tied, tied_positive) = (0.0, 0.0);
            }
            if positive { tied_positive += count } else { tied += count }
        }
        area += tied_positive * (below + tied / 2.0);
        positives += tied_positive;
        let negatives = below + tied;
        if positives == 0.0 || negatives == 0.0 {
            let what = if positives == 0.0 { "positive rows" } else { "negative rows" };
            return Err(MathError::TooFew { what, least: 1, found: 0 });
        }
        Ok(area / (positives * negatives))
    }
}
