//! Made-up activations of which everything is known: those that the tests of the audit stand on.

use truenorth::estimate::{EstimateError, Estimator, Nuisances, Pipeline, Samples};
use truenorth::math::unit;

use crate::Outcome;

#[path = "../../crates/stats/src/estimate/audit/tests/world.rs"]
mod planted;

pub use planted::World;

pub fn pipeline(estimator: &Estimator) -> Outcome<Pipeline> {
    Ok(Pipeline { estimator: estimator.clone().check()?, nuisances: Nuisances::none() })
}
