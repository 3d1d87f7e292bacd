//! Whether one kind of sequence scores above another.

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::OnBoard;
use crate::analyses::AnalysisError;
use truenorth_stats::math;
use truenorth_stats::math::{Interval, MathError, Placement, Seeds};
use truenorth_stats::number::LEVEL;

/// Whether one kind of sequence scores above another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// The kind expected to score higher.
    pub high: String,
    /// The other kind.
    pub low: String,
    /// Sequences of both kinds.
    pub n: usize,
    /// Chance that a sequence of the first kind scores above one of the second.
    pub auroc: f64,
    /// Its interval, sequences as independent.
    pub interval: Interval,
    /// Two-sided p against kinds shuffled: `(1 + #{|null - 1/2| >= |auroc - 1/2|}) / (1 + n)`.
    pub p: f64,
    /// Shuffles behind it.
    pub permutations: usize,
    /// Central 95 % of the null.
    pub null: [f64; 2],
}

/// Compares the scores of two kinds; `kinds` are those of the board's rows.
///
/// # Errors
/// When either kind is missing, or there are too few sequences to resample.
pub fn contrast<R: OnBoard>(
    board: &[R],
    kinds: &[Option<String>],
    [high, low]: [&str; 2],
    permutations: usize,
    seeds: &Seeds,
) -> Result<Contrast, AnalysisError> {
    let is = |kind: &Option<String>, name: &str| kind.as_deref() == Some(name);
    let rows: Vec<(f64, bool)> = board
        .iter()
        .zip(kinds)
        .filter(|(_, k)| is(k, high) || is(k, low))
        .map(|(row, k)| (row.score(), is(k, high)))
        .collect();
    let (scores, mut positive): (Vec<f64>, Vec<bool>) = rows.into_iter().unzip();
    let input = |e: MathError| AnalysisError::Input(format!("kinds `{high}` and `{low}`: {e}"));
    let each: Vec<usize> = (0..scores.len()).collect();
    let found =
        Placement::auroc(&scores, &positive, &each).and_then(|p| p.estimate(LEVEL, 1.0)).map_err(input)?;
    let auroc = found.value;
    let mut rng = seeds.stream("contrast permutations");
    let mut null = Vec::with_capacity(permutations);
    for _ in 0..permutations {
        positive.shuffle(&mut rng);
        null.push(math::auroc(&scores, &positive).map_err(input)?);
    }
    let far = |v: f64| (v - 0.5).abs();
    let reached = null.iter().filter(|v| math::reaches(far(**v), far(auroc))).count();
    let p = math::permutation_p(reached, permutations);
    let quantile = |q| math::quantile(&null, q).map_err(input);
    Ok(Contrast {
        high: high.into(),
        low: low.into(),
        n: scores.len(),
        auroc,
        interval: found.interval,
        p,
        permutations,
        null: [quantile(0.025)?, quantile(0.975)?],
    })
}
