//! What is found of a baked model.

use serde::{Deserialize, Serialize};

use truenorth_reading::stat::Number;

/// A model with an edit in its weights against its origin. Of two numbers the first is the origin's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditedBake {
    /// Name of the model without the edit.
    pub origin: String,
    /// Name of the model with the edit in its weights.
    pub baked: String,
    /// The tokens that were read, such as `last`.
    pub positions: String,
    /// Name of the estimator that fitted directions anew.
    pub estimator: String,
    /// What is left at each site that was read.
    pub sites: Vec<SeparationAtSite>,
    /// Texts that have nothing to do with the direction.
    pub neutral: Neutral,
    /// What the comparison does not show, a sentence each.
    pub not_shown: Vec<String>,
}

/// What is left of the direction at one site.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeparationAtSite {
    /// The site at which texts were read.
    pub site: String,
    /// Standard deviation of the texts' projections on the direction, in units of the residual stream.
    pub spread: [f64; 2],
    /// Mean of the projections, in units of the residual stream.
    pub mean: [f64; 2],
    /// AUROC of the direction itself; none where no more than a thousandth of the origin's spread is left along it, which
    /// is rounding.
    pub given: [Option<Number>; 2],
    /// The baked model's less the origin's, on the same texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_less: Option<Number>,
    /// Held-out AUROC of directions that are fitted anew in each model.
    pub anew: [Number; 2],
    /// The baked model's less the origin's, on the same texts and splits.
    pub anew_less: Number,
}

/// How much neutral texts changed, by the token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neutral {
    /// Neutral texts that were read.
    pub texts: usize,
    /// Next tokens that were predicted.
    pub tokens: usize,
    /// Mean `KL(origin ‖ baked)` of the next token, in nats.
    pub kl: Number,
    /// Share of places whose most likely next token is the origin's.
    pub same: Number,
    /// Mean surprise of the texts' own next tokens, in nats: the logarithm of the perplexity.
    pub surprise: [Number; 2],
    /// The baked model's less the origin's.
    pub surprise_less: Number,
    /// `e` to the mean surprise.
    pub perplexity: [f64; 2],
}

/// A share of the origin's spread along the direction up to which what is left is rounding.
pub(super) const NOTHING: f64 = 1e-3;

pub(super) const NOT_SHOWN: [&str; 3] = [
    "That what can't be read along the direction can't be read: a direction that is fitted anew may find the same in others, \
     which is why it is beside.",
    "That the model acts otherwise: what it writes is shown by steered or plain generations, judged.",
    "That texts unlike the neutral ones changed as little.",
];
