//! Numbers without a model: linear algebra on `f64`, ranks, intervals, resampling, seeds.
//!
//! Matrices are `ndarray` arrays with a row an observation; nothing here knows where the rows
//! come from. Every function that could meet an impossible input (an empty sample, a zero
//! vector, a NaN) returns a [`MathError`] or an `Option` and never a made-up number.

mod bootstrap;
mod deal;
mod dense;
mod describe;
mod error;
mod exponential;
mod gram;
mod hypothesis;
mod interval;
mod linear;
mod multiple;
mod passes;
mod permutation;
mod placement;
mod power;
mod product;
mod random_direction;
mod rank;
mod seed;
mod slope;
mod specificity;
mod studentised;
mod true_positives;
mod vectors;

pub use bootstrap::{Bootstrap, cluster_bootstrap};
pub use deal::Deal;
pub use dense::{dense, dense_count, numbered};
pub use describe::{mean, quantile, standard_deviation};
pub use error::MathError;
pub(crate) use exponential::along;
pub use exponential::{largest, log_sum_exp};
pub use gram::{RowSpace, solve_positive_definite, symmetric_eigen};
pub use hypothesis::{
    Alternative, ChangePoint, Distance, Kappa, Method, Proportion, SelfNormalised, SignAgreement, TestResult,
    binomial_test, change_point, cohen_kappa, fleiss_kappa, friedman, jonckheere_terpstra,
    krippendorff_alpha, mann_whitney, page_trend, proportion, self_normalised, sign_agreement,
    spearman_bootstrap, spearman_test, wilcoxon_signed_rank,
};
pub use interval::{Interval, clopper_pearson, wilson};
pub use linear::{Orthonormal, cosine, dot, norm, unit};
pub use multiple::{benjamini_hochberg, holm, holm_adjusted};
pub(crate) use passes::{each_row, stretch, stretch_mut, there_and_back, weighted_squares};
pub use permutation::{p_cell, p_said, permutation_p, reaches};
pub use placement::{ClusteredStatistic, Placement};
pub use power::{EstimatedThreshold, FEASIBLE, POWER, Power, binomial_needed, feasible, within_reach};
pub(crate) use product::{cross_gram, gram_matrix, inverse_positive_definite, product};
pub use random_direction::{random_unit, share_with_cosine};
pub use rank::{SortedScores, auroc, pearson, ranks, spearman};
pub use seed::Seeds;
pub use slope::slopes;
pub use specificity::{Specificity, shifts, specificity};
pub use studentised::{RatioOfSums, ratio_of_sums};
pub use true_positives::{TruePositives, negatives_needed, true_positives_at};

#[cfg(test)]
mod tests;
