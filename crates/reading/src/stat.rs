//! Numbers of analyses, with errors that name what was looked at.

use truenorth_stats::math::MathError;
use truenorth_stats::number;

use truenorth_stats::math::ClusteredStatistic;
pub use truenorth_stats::math::{p_cell, p_said, permutation_p};
pub use truenorth_stats::number::{
    LEVEL, Null, Number, RESAMPLES, bootstrap_over, drawn_null, jackknife, mean, mean_in_clusters, mean_over,
    no_likelier, pearson, rank_correlation, resampled, share, share_in_clusters, studentised, weighted_mean,
};
pub use truenorth_stats::test::Test;

use super::AnalysisError;

/// One held-out AUROC less another on the same texts and splits, over the units held out.
pub fn less(found: &ClusteredStatistic, of: &str) -> Number {
    Number {
        value: found.value,
        n: found.clusters,
        interval: Some(found.interval),
        method: format!(
            "two score intervals over {of} put together (Zou and Donner 2008), stretched for shared rows"
        ),
        null: None,
    }
}

/// A share against the exact binomial law: p sums every count no likelier than the one seen.
pub fn share_against(
    count: usize,
    n: usize,
    expected: f64,
    what: (Test, &str),
) -> Result<Number, AnalysisError> {
    number::share_against(count, n, expected, what).map_err(|e| of(what.1, &e))
}

/// The two-sided exact binomial test; where only one count is possible, whether it is that one.
pub fn binomial_p(count: usize, n: usize, expected: f64) -> Result<f64, AnalysisError> {
    number::binomial_p(count, n, expected).map_err(|e| of("share", &e))
}

/// The two-sided exact hypergeometric test of how many of `drawn` are among `marked` of `all`.
pub fn overlap_p(count: usize, marked: usize, drawn: usize, all: usize) -> Result<f64, AnalysisError> {
    number::overlap_p(count, marked, drawn, all)
        .ok_or_else(|| AnalysisError::Input(format!("{marked} marked and {drawn} drawn of {all}")))
}

/// An error that names what was looked at.
pub fn of(what: &str, e: &MathError) -> AnalysisError {
    AnalysisError::Input(format!("{what}: {e}"))
}
