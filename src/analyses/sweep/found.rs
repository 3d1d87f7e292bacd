//! What a sweep found.

use serde::Serialize;
use truenorth_data::Copies;
use truenorth_protocol::Site;

use super::{DamagePoint, Parting, ReadingPoint, Steering, WorkingRange};

/// One site of a sweep.
#[derive(Clone, Debug, Serialize)]
pub struct SweptSite {
    /// The site.
    pub site: Site,
    /// Its block.
    pub layer: Option<u32>,
    /// The mean residual norm that α multiplies.
    pub residual_norm: f64,
    /// How it reads.
    pub reading: ReadingPoint,
    /// Mean cosine of the folds' directions with the one of all pairs.
    pub fold_cosine: f64,
    /// How it steers; the first measure is the primary one, `log_odds`.
    pub steering: Vec<Steering>,
    /// The primary measure over the doses of the working range alone; none with fewer than three.
    pub steering_within: Option<Steering>,
    /// What each dose breaks.
    pub damage: Vec<DamagePoint>,
    /// The doses that break little.
    pub working_range: WorkingRange,
    /// Whether the interval of the AUROC lies above one half.
    pub reads: bool,
    /// Whether the interval of the primary slope lies above 0 and no random direction has a steeper one.
    pub steers: bool,
}

/// A sweep.
#[derive(Clone, Debug, Serialize)]
pub struct Swept {
    /// Pairs read.
    pub pairs: usize,
    /// The copies among them.
    pub copies: Copies,
    /// Pairs steered.
    pub steered_pairs: usize,
    /// Neutral texts.
    pub neutral: usize,
    /// Prompts generated from.
    pub prompts: usize,
    /// The doses.
    pub alphas: Vec<f64>,
    /// What α is measured in.
    pub alpha_unit: String,
    /// Which tokens are pushed while generating.
    pub positions: String,
    /// Random directions at each site.
    pub random_directions: usize,
    /// A row a site, in the order asked for.
    pub sites: Vec<SweptSite>,
    /// Where reading and steering part.
    pub parting: Parting,
    /// What this does not show.
    pub not_shown: Vec<String>,
}
