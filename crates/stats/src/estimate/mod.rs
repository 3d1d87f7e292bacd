//! How directions are estimated from activations.
//!
//! [`Samples`] checks activations once, an [`Estimator`] checked into a [`CheckedEstimator`] fits,
//! a [`Pipeline`] projects [`Nuisances`] out first and holds out groups. [`probing`] looks at many layers at once, [`audit`] at what a direction
//! may have been taken for.

mod alone;
pub mod audit;
mod bag;
mod clue;
mod conditional;
mod eraser;
mod error;
mod estimated;
mod estimator;
mod gap;
mod held_out;
mod logistic;
mod method;
mod names;
mod nuisance;
mod null_directions;
mod pipeline;
pub mod probing;
mod samples;
mod sentiment;
mod side_by_side;

pub use alone::{Alone, Erased};
pub use bag::WordSets;
pub use clue::{Clue, ClueTarget, Reached};
pub use error::EstimateError;
pub use estimated::{Estimate, Repeats};
pub use estimator::{CheckedEstimator, Estimator, Fit, FitDetails};
pub use held_out::{AtPenalty, HeldOut, HeldOutParams, NullTest};
pub use logistic::LogisticParams;
pub use method::ProjectMethod;
pub use names::UnknownEstimator;
pub use nuisance::{Nuisance, Nuisances};
pub use null_directions::relabellings;
pub use pipeline::{Extraction, Pipeline, ProjectedOut};
pub use samples::{Samples, SplitBy, whole_axes};
pub use side_by_side::{Paired, SideBySide, side_by_side};

#[cfg(test)]
mod erasure_tests;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod tests;
