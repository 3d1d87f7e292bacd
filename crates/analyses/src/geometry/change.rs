//! Where a course breaks: a change-point test, and the largest single step.

use serde::Serialize;

use truenorth_stats::math;
use truenorth_stats::math::{MathError, Seeds};

/// The fewest points in which a break is looked for.
pub const LEAST: usize = 6;

/// The split of a course that parts it best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CourseChange {
    /// The last checkpoint before the break.
    pub before: String,
    /// The first checkpoint after the break.
    pub after: String,
    /// The self-normalised statistic of Shao and Zhang (2010), summed over the coordinates.
    pub statistic: f64,
    /// Points of the course.
    pub n: usize,
    /// Share of simulated series of independent numbers with at least this statistic.
    pub p: f64,
    /// Series that were simulated.
    pub draws: usize,
    /// 95 % of them stay below this.
    pub null_95: f64,
}

/// The largest step of a course beside its other steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Jump {
    /// The checkpoint before the step.
    pub before: String,
    /// The checkpoint after it.
    pub after: String,
    /// How far the step goes, in the unit of the course.
    pub size: f64,
    /// Median over all steps, in the same unit.
    pub median: f64,
    /// `(size - median) / (1.4826 · median absolute deviation)`; none where that deviation is 0.
    pub robust_z: Option<f64>,
    /// Steps that were looked at.
    pub n: usize,
}

/// How often the test finds a break at 5 % where there is none, of 12 and of 39 checkpoints, by
/// `fixtures/make/self_normalised.py`.
pub const RATES: &str = "Where nothing breaks the test says so at 5 % in 5 to 6 % of courses of one independent number, in \
    12 to 18 % where neighbours correlate by 0.5, in 22 to 33 % by 0.8 and in 45 to 48 % of random walks; of directions \
    with many coordinates in less than 1 %, whichever of these they follow. A course that drifts evenly is no break, \
    and this test may take it for one.";

/// Looks for one break in a course given by its inner products, `gram[i][j] = xᵢ·xⱼ`: the self-normalised test of
/// [`math::self_normalised`], which needs no independence of neighbouring points. None with fewer than six points, or
/// where all are equal.
///
/// # Errors
/// When an inner product is not finite.
pub fn change_point(
    names: &[String],
    gram: &[Vec<f64>],
    draws: usize,
    seeds: &Seeds,
) -> Result<Option<CourseChange>, MathError> {
    let n = names.len();
    if n < LEAST || draws == 0 || gram.len() != n || gram.iter().any(|r| r.len() != n) {
        return Ok(None);
    }
    math::mean(&gram.concat())?;
    let total = (0..n).map(|i| gram[i][i]).sum::<f64>() - gram.iter().flatten().sum::<f64>() / n as f64;
    if total <= 1e-12 * (0..n).map(|i| gram[i][i]).sum::<f64>().abs() {
        return Ok(None);
    }
    let found = math::self_normalised(gram, draws, &mut seeds.stream("change point"))?;
    Ok(Some(CourseChange {
        before: names[found.at - 1].clone(),
        after: names[found.at].clone(),
        statistic: found.statistic,
        n,
        p: found.p,
        draws: found.draws,
        null_95: found.level_95,
    }))
}

/// The inner products of the numbers, centred: `[n][n]`.
pub(super) fn gram_of(values: &[f64]) -> Vec<Vec<f64>> {
    // Centred: the statistic does not change, and rounding is less.
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let c: Vec<f64> = values.iter().map(|v| v - mean).collect();
    c.iter().map(|a| c.iter().map(|b| a * b).collect()).collect()
}

/// The largest of the steps between checkpoints; none with fewer than three steps.
///
/// # Errors
/// When a step is not finite.
pub fn jump(names: &[String], steps: &[f64]) -> Result<Option<Jump>, MathError> {
    if steps.len() < 3 || names.len() != steps.len() + 1 {
        return Ok(None);
    }
    let median = math::quantile(steps, 0.5)?;
    let far: Vec<f64> = steps.iter().map(|s| (s - median).abs()).collect();
    let deviation = 1.4826 * math::quantile(&far, 0.5)?;
    let Some((at, size)) = steps.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Ok(None);
    };
    Ok(Some(Jump {
        before: names[at].clone(),
        after: names[at + 1].clone(),
        size,
        median,
        robust_z: (deviation > 0.0).then(|| (size - median) / deviation),
        n: steps.len(),
    }))
}
