//! What a sweep found.

use serde::Serialize;
use truenorth_data::Copies;
use truenorth_protocol::Site;

use super::{
    Budget, DamagePoint, Estimators, Parting, ReadingPoint, ReasonedVerdict, Steering, WorkingRange,
};

/// What a sweep found at one site.
#[derive(Clone, Debug, Serialize)]
pub struct SweptSite {
    /// The site that was read and pushed.
    pub site: Site,
    /// Block of the site, from 0; none before the first and after the last.
    pub layer: Option<u32>,
    /// The mean residual norm that α multiplies.
    pub residual_norm: f64,
    /// How well the direction separates held-out pairs.
    pub reading: ReadingPoint,
    /// Mean cosine of the folds' directions with the one of all pairs.
    pub fold_cosine: f64,
    /// How it steers; the first measure is the primary one, `log_odds`.
    pub steering: Vec<Steering>,
    /// The p of the primary slope against the largest of all sites in every label flip; none where none was made.
    pub p_over_sites: Option<f64>,
    /// The primary measure over the doses of the working range alone; none with fewer than three.
    pub steering_within: Option<Steering>,
    /// A row a dose, 0 among them.
    pub damage: Vec<DamagePoint>,
    /// The doses on each side of 0 that stay within the bounds.
    pub working_range: WorkingRange,
    /// Whether the interval of the AUROC lies above one half.
    pub reads: bool,
    /// Whether the direction is shown to steer here: `steering_verdict` is `steers`.
    pub steers: bool,
    /// The rule's verdict on the primary slope, with its reason.
    pub steering_verdict: ReasonedVerdict,
    /// The same over the doses of the working range alone; none with fewer than three.
    pub within_verdict: Option<ReasonedVerdict>,
}

/// The sites under one further estimator.
#[derive(Clone, Debug, Serialize)]
pub struct SweptEstimator {
    /// The name of the estimator, such as `mean-diff`.
    pub estimator: String,
    /// A row a site, in the order asked for.
    pub sites: Vec<SweptSite>,
    /// Where reading and steering go apart, under this estimator.
    pub parting: Parting,
}

/// What a sweep found, site by site.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// Pairs whose texts were read.
    pub pairs: usize,
    /// Copies and near copies that were found among them.
    pub copies: Copies,
    /// Pairs that were steered, a sample of those read.
    pub steered_pairs: usize,
    /// Neutral texts that norms and damage were measured on.
    pub neutral: usize,
    /// Prompts generated from.
    pub prompts: usize,
    /// The doses in ascending order, 0 among them.
    pub alphas: Vec<f64>,
    /// The unit of the doses, in words.
    pub alpha_unit: String,
    /// Which tokens are pushed while generating.
    pub positions: String,
    /// Random directions at each site, drawn like the activations.
    pub random_directions: usize,
    /// How many of them were followed through damage and generations.
    pub damage_directions: usize,
    /// Label flips, the same at every site.
    pub null_draws: usize,
    /// What the nulls asked of the model.
    pub budget: Budget,
    /// The estimator of the directions below; the first of several.
    pub estimator: String,
    /// A row a site, in the order asked for.
    pub sites: Vec<SweptSite>,
    /// Where reading and steering go apart.
    pub parting: Parting,
    /// The same with each further estimator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<SweptEstimator>,
    /// All estimators beside each other; none where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimators: Option<Estimators>,
    /// What the sweep does not show, a sentence each.
    pub not_shown: Vec<String>,
}
