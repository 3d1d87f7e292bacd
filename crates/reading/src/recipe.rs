//! How a direction is found.

use truenorth_protocol::{ReadAt, Site};
use truenorth_stats::estimate::{CheckedEstimator, Estimator, HeldOutParams, ProjectMethod};

use super::extract::ProjectOut;

/// Where texts are read and how they become a direction.
#[derive(Clone, Debug)]
pub struct DirectionRecipe {
    /// The site at which texts are read.
    pub site: Site,
    /// The tokens of each text that are read.
    pub at: ReadAt,
    /// What fits the direction to the activations.
    pub estimator: CheckedEstimator,
    /// What is projected out of the texts first.
    pub project_out: Vec<ProjectOut>,
    /// How it is projected out.
    pub project_method: ProjectMethod,
    /// How separation is held out: folds, permutations, intervals.
    pub held_out: HeldOutParams,
}

impl DirectionRecipe {
    /// By pair in five folds, nothing projected out; 200 label permutations, 199 for logistic regression, each at one
    /// penalty.
    #[must_use]
    pub fn new(site: Site, at: ReadAt, estimator: CheckedEstimator) -> Self {
        let permutations = default_permutations(estimator.params());
        let held_out = HeldOutParams { permutations, ..HeldOutParams::by_pair() };
        Self { site, at, estimator, project_out: vec![], project_method: ProjectMethod::default(), held_out }
    }
}

/// Label permutations of held-out separation that take seconds.
#[must_use]
pub fn default_permutations(estimator: &Estimator) -> usize {
    match estimator {
        Estimator::Logistic(_) => 199,
        _ => 200,
    }
}
