//! Numbers without a model: linear algebra on `f64`, ranks, intervals, resampling, seeds.
//!
//! Matrices are `ndarray` arrays with a row an observation; nothing here knows where the rows
//! come from. Every function that could meet an impossible input (an empty sample, a zero
//! vector, a NaN) returns a [`MathError`] or an `Option` and never a made-up number.

mod bootstrap;
mod describe;
mod error;
mod gram;
mod interval;
mod linear;
mod multiple;
mod random_direction;
mod rank;
mod seed;
mod specificity;

pub use bootstrap::{Bootstrap, cluster_bootstrap};
pub use describe::{mean, quantile, standard_deviation};
pub use error::MathError;
pub use gram::{RowSpace, solve_positive_definite, symmetric_eigen};
pub use interval::{Interval, clopper_pearson, wilson};
pub use linear::{Orthonormal, cosine, dot, norm, unit};
pub use multiple::holm;
pub use random_direction::{random_unit, share_with_cosine};
pub use rank::{SortedScores, auroc, ranks, spearman};
pub use seed::Seeds;
pub use specificity::{Specificity, shifts, specificity};

#[cfg(test)]
mod tests;
