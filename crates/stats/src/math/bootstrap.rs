//! The percentile bootstrap over clusters.

use rand::Rng;
use serde::{Deserialize, Serialize};

use super::MathError;
use super::describe::quantile_sorted;
use super::interval::{Interval, check_level};

/// A bootstrap interval with what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Percentiles of the statistic over the resamples.
    pub interval: Interval,
    /// Clusters, each drawn as a whole.
    pub clusters: usize,
    /// Resamples on which the statistic exists.
    pub resamples: usize,
    /// Resamples on which it does not, and which are left out.
    pub undefined: usize,
}

/// Resamples whole clusters with replacement and returns the percentile interval of a statistic
/// (Efron 1979; for clusters, Davison and Hinkley 1997, section 3.8).
///
/// `statistic` gets how often each cluster was drawn, `[clusters]`, and returns `None` where it
/// does not exist (a resample of one class). Counts sum to `clusters`.
///
/// # Errors
/// With fewer than two clusters, no resamples, a level outside (0, 1), or when the statistic
/// exists on fewer than half of the resamples.
pub fn cluster_bootstrap(
    clusters: usize,
    resamples: usize,
    level: f64,
    rng: &mut impl Rng,
    mut statistic: impl FnMut(&[u32]) -> Option<f64>,
) -> Result<Bootstrap, MathError> {
    check_level(level)?;
    if clusters < 2 {
        return Err(MathError::TooFew { what: "clusters", least: 2, found: clusters });
    }
    if resamples == 0 {
        return Err(MathError::TooFew { what: "resamples", least: 1, found: 0 });
    }
    let mut counts = vec![0_u32; clusters];
    let mut values = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        counts.fill(0);
        for _ in 0..clusters {
            counts[rng.random_range(0..clusters)] += 1;
        }
        values.extend(statistic(&counts).filter(|v| v.is_finite()));
    }
    if values.len() * 2 < resamples {
        return Err(MathError::TooFew {
            what: "resamples on which the statistic exists",
            least: resamples.div_ceil(2),
            found: values.len(),
        });
    }
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    let interval =
        Interval { low: quantile_sorted(&values, tail)?, high: quantile_sorted(&values, 1.0 - tail)?, level };
    Ok(Bootstrap { interval, clusters, resamples: values.len(), undefined: resamples - values.len() })
}
